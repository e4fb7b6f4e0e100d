"""Claims: pieces of work in a shared study, each done by one of several workers, once.

A piece of work is a trial, and the database numbers trials one after the other. Whoever wants a
piece creates its trial first and looks round afterwards: of those that are under way for the same
work the lowest number has it, and the others withdraw. So no two workers ever do the same, and
nobody has to coordinate them. A trial under way has a heartbeat; where it stops, the worker is
gone, and the work is free again.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from autospec.search.storage import GRACE_S, HEARTBEAT_S, WORK, PatientStorage, try_again

WORKER = "worker"  # the attribute that says whose a trial is, and which: "host-123-ab12cd#7"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crew:
    """This worker, among those that share a storage.

    Parameters
    ----------
    name : str
        Of this worker, different from all others.
    storage : PatientStorage
        That they share.
    """

    name: str
    storage: PatientStorage
    unmarked: dict[tuple[str, int], float] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """A number of this worker's own: no two are to propose the same."""
        return int.from_bytes(self.name.encode()[-8:], "little")


def worker_name() -> str:
    """Return a name that no other worker has: host, process, and what chance gave it."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


@contextmanager
def beating(study: Study, number: int, crew: Crew) -> Iterator[None]:
    """Keep a trial's heartbeat while the block runs, and say whose it is."""
    storage = crew.storage
    study_id = storage.get_study_id_from_name(study.study_name)
    trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, number)
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT_S):
            with suppress(Exception):  # the trial's own next question says what is wrong
                storage.record_heartbeat(trial_id)

    storage.record_heartbeat(trial_id)
    storage.set_trial_user_attr(trial_id, WORKER, f"{crew.name}#{number}")
    thread = threading.Thread(target=beat, name=f"heartbeat of trial {number}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def worker_of(trial: FrozenTrial) -> str | None:
    """Return the worker that is or was at a trial; a trial tried again inherits no worker."""
    name, _, number = str(trial.user_attrs.get(WORKER, "")).rpartition("#")
    return name if number == str(trial.number) else None


def under_way(known: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that some worker is at, in order."""
    return [t for t in known if t.state == TrialState.RUNNING]


def withdraw(study: Study, number: int) -> None:
    """Give a trial up without a trace: it does not count, and is not tried again."""
    with suppress(UpdateFinishedTrialError):
        study.tell(number, state=TrialState.FAIL, skip_if_finished=True)


def free_lost(study: Study, crew: Crew) -> None:
    """Let the trials of workers that are gone be tried again.

    Optuna finds those whose heartbeat has stopped. A worker that was gone before its first one has
    left a trial without a mark: that is waited for as long, by our own clock.
    """
    now = time.monotonic()
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if worker_of(trial) is not None:
            continue
        since = crew.unmarked.setdefault((study.study_name, trial.number), now)
        if now - since > GRACE_S:
            with suppress(UpdateFinishedTrialError):  # another was faster, and has queued it
                study.tell(trial.number, state=TrialState.FAIL)
                try_again(study, trial)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)


@contextmanager
def claimed(study: Study, crew: Crew, work: str) -> Iterator[bool]:
    """Have a piece of work alone; the block is given False where another worker has it, or had it.

    When the block ends without an exception the work is done, and nobody will have it again.

    Parameters
    ----------
    study : Study
        Of such pieces of work alone.
    crew : Crew
        This worker.
    work : str
        Which piece.
    """
    free_lost(study, crew)
    if any(t.state in (TrialState.RUNNING, TrialState.COMPLETE) for t in _of(study, work)):
        yield False
        return
    number = _begin(study, crew, work)
    with beating(study, number, crew):
        others = _of(study, work)
        first = min(t.number for t in others if t.state == TrialState.RUNNING)
        if first != number or any(t.state == TrialState.COMPLETE for t in others):
            withdraw(study, number)
            yield False
            return
        try:
            yield True
        except BaseException:
            withdraw(study, number)
            raise
        # where we were silent for so long that the work was freed, another one does it again
        study.tell(number, 0.0, skip_if_finished=True)


def is_done(study: Study, work: str) -> bool:
    """Say whether a piece of work was done by somebody."""
    return any(t.state == TrialState.COMPLETE for t in _of(study, work))


def _begin(study: Study, crew: Crew, work: str) -> int:
    """Create the trial of a piece of work, its name in the same transaction; return its number."""
    template = optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={WORK: work})
    study_id = crew.storage.get_study_id_from_name(study.study_name)
    return crew.storage.get_trial(crew.storage.create_new_trial(study_id, template)).number


def _of(study: Study, work: str) -> list[FrozenTrial]:
    trials = study.get_trials(deepcopy=False)
    return [t for t in trials if t.user_attrs.get(WORK) == work]
