"""`ReportTurn`: of the workers of a study one makes the report, once; the others are done."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from autospec.errors import ReportedElsewhere
from autospec.search.claims import Crew, claimed, under_way, worker_of
from autospec.search.crew import create_or_load
from autospec.search.trials import trial_records

REPORT_SUFFIX = "-report"


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
            If other workers are still at trials, or another one has the turn or had it.
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
            If another worker has the turn or had it.
        """
        turns, _ = create_or_load(name + REPORT_SUFFIX, crew)
        if not self.held.enter_context(claimed(turns, crew, made_of)):
            raise ReportedElsewhere(
                f"study {name!r}: the report of its {made_of} is made by another worker."
            )


def _listed(busy: list[FrozenTrial]) -> str:
    names = sorted({worker_of(trial) or "one that has just begun" for trial in busy})
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
