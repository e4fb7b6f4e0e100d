"""`ReportTurn`: of the workers of a study one makes the report, once; the others are done.

Who asks for the turn has no report in the folder of its command. So a report that was made is made
again for whoever came long after: it is lost, or lies where this command does not look. Workers
that were there when it was made are turned away.
"""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Self

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from autospec.errors import ReportedElsewhere
from autospec.search.claims import (
    WORK,
    Crew,
    claimed,
    free_lost,
    heartbeat_ages,
    host_and_process,
    under_way,
    worker_of,
)
from autospec.search.crew import create_or_load
from autospec.search.trials import trial_records

REPORT_SUFFIX = "-report"
AGAIN = ", again "  # between what a report is made of and how often it was made before


class ReportTurn:
    """Taken when a study has ended, and held until its report is written; a context manager.

    Where the block ends by an exception, or its process is gone, the report is still to be made, by
    whichever worker comes next.
    """

    def __init__(self) -> None:
        self.held = ExitStack()

    def __enter__(self) -> Self:
        """Begin; nothing is taken yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say that the report is made, unless an exception ended it."""
        self.held.__exit__(kind, error, trace)

    def take(self, study: Study, crew: Crew | None) -> None:
        """Take the turn for the trials that there are now; a study of one process has no crew.

        Raises
        ------
        ReportedElsewhere
            If other workers are still at trials, or another one has the turn or had it just now.
        """
        if crew is None:
            return
        busy = under_way(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
        if busy:
            raise ReportedElsewhere(
                f"study {study.study_name!r}: other workers ({_listed(busy)}) are still at trials; "
                "the last one makes the report."
            )
        self.take_once(study.study_name, f"{len(trial_records(study))} trials", crew)

    def take_once(self, name: str, made_of: str, crew: Crew) -> None:
        """Take the turn for a report of the job called `name`, of all that there is now.

        Parameters
        ----------
        name : str
            Of the job in the storage.
        made_of : str
            What the report is made of, in words; of more there is another report.
        crew : Crew
            This worker.

        Raises
        ------
        ReportedElsewhere
            If another worker has the turn or had it just now.
        """
        turns, _ = create_or_load(name + REPORT_SUFFIX, crew)
        free_lost(turns, crew)
        made = _reports(turns, made_of, TrialState.COMPLETE)
        late_s = max(crew.storage.grace_s, time.monotonic() - crew.began)
        if made and _seconds_since(made, crew, math.inf) < late_s:
            raise _elsewhere(name, made_of, made, crew)
        times = len({trial.user_attrs[WORK] for trial in made})
        work = f"{made_of}{AGAIN}{times}" if times else made_of
        if not self.held.enter_context(claimed(turns, crew, work)):
            raise _elsewhere(name, made_of, _reports(turns, made_of, TrialState.RUNNING), crew)


def report_of(trial: FrozenTrial) -> str:
    """Return what a report is made of: the same when it is made again."""
    return str(trial.user_attrs.get(WORK, "")).partition(AGAIN)[0]


def _reports(turns: Study, made_of: str, state: TrialState) -> list[FrozenTrial]:
    known = turns.get_trials(deepcopy=False, states=(state,))
    return [trial for trial in known if report_of(trial) == made_of]


def _seconds_since(trials: list[FrozenTrial], crew: Crew, unknown: float) -> float:
    """Return how long ago the last of some claims gave a sign of life; `unknown` without one."""
    ask = partial(heartbeat_ages, crew.storage, [trial._trial_id for trial in trials])
    return min(crew.storage.wait_for(ask).values(), default=unknown)


def _elsewhere(name: str, made_of: str, others: list[FrozenTrial], crew: Crew) -> ReportedElsewhere:
    """Return what is said to a worker that is not to make the report, and when it would be."""
    wait_s = max(1, math.ceil(crew.storage.grace_s - _seconds_since(others, crew, 0.0)))
    made = any(trial.state == TrialState.COMPLETE for trial in others)
    who = f" ({host_and_process(others[-1])})" if others else ""
    lost = "that report is lost" if made else "that worker is gone"
    return ReportedElsewhere(
        f"study {name!r}: the report of its {made_of} {'was' if made else 'is'} made by another "
        f"worker{who}. If {lost}, the same command makes it in {wait_s} s."
    )


def _listed(busy: list[FrozenTrial]) -> str:
    names = sorted({worker_of(trial) or "one that has just begun" for trial in busy})
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
