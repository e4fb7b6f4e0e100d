"""Claims: pieces of work in a shared study, each done by one of several workers, once.

A piece of work is a trial, and the database numbers trials one after the other. Whoever wants a
piece creates its trial first and looks round afterwards: of those that are under way for the same
work the lowest number has it, and the others withdraw. So no two workers ever do the same, and
nobody has to coordinate them. A trial under way has a heartbeat from its first moment; where it
stops, the worker is gone, and the work is free again.

A worker that is silent for so long that it counts as gone, and then goes on (a laptop that slept),
finds its trial ended by another: what it has is dropped, and never overwrites.
"""

from __future__ import annotations

import os
import platform
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC
from types import MappingProxyType

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import TrialHeartbeatModel
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import func
from sqlalchemy.exc import SQLAlchemyError

from autospec.search.patience import PatientStorage

TRIES = 3  # of work whose worker dies at it: what ends one process must not end all of them
WORK = "work"  # the attribute of a claim: the name of the work
WORKER = "worker"  # the attribute that says whose a trial is
ERRAND = "errand"  # the attribute of a trial that is made again: which one it was at first
LOST = "lost"  # the attribute of a trial whose worker is gone: who found it
REASON = "reason"  # the attribute of a failed trial that counts: why, and that it is not repeated


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crew:
    """This worker, among those that share a storage.

    Parameters
    ----------
    name : str
        Of this worker, different from all others.
    storage : PatientStorage
        That they share.
    began : float
        When it came, by `time.monotonic`.
    """

    name: str
    storage: PatientStorage
    began: float = field(default_factory=time.monotonic)
    held: set[int] = field(default_factory=set)  # ids of the trials that this worker is at
    unmarked: dict[int, float] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """A number of this worker's own: no two are to propose the same."""
        return int.from_bytes(self.name.encode()[-8:], "little")


def worker_name() -> str:
    """Return a name that no other worker has: host, process, and what chance gave it."""
    return f"{platform.node()[:40]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


@contextmanager
def beating(study: Study, number: int, crew: Crew) -> Iterator[None]:
    """Keep a trial's heartbeat while the block runs."""
    storage = crew.storage
    trial_id = storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(storage.heartbeat_s):
            storage.beat(trial_id)

    thread = threading.Thread(target=beat, name=f"heartbeat of trial {number}", daemon=True)
    crew.held.add(trial_id)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        crew.held.discard(trial_id)


def worker_of(trial: FrozenTrial) -> str | None:
    """Return the worker that is or was at a trial; None for one of a process without a crew."""
    name = trial.user_attrs.get(WORKER)
    return None if name is None else str(name)


def host_and_process(trial: FrozenTrial) -> str:
    """Return whose a trial is, as "node7-4711"; empty where it has only just begun."""
    return (worker_of(trial) or "").rpartition("-")[0]


def heartbeat_ages(storage: RDBStorage, trial_ids: Iterable[int]) -> dict[int, float]:
    """Return how many seconds ago trials gave a sign of life, by id and the database's clock."""
    with storage.scoped_session() as session:
        now = session.execute(sqlalchemy.select(func.now())).scalar_one()
        rows = session.execute(
            sqlalchemy.select(TrialHeartbeatModel.trial_id, TrialHeartbeatModel.heartbeat).where(
                TrialHeartbeatModel.trial_id.in_(list(trial_ids))
            )
        ).all()
    if now.tzinfo is not None:  # heartbeats are written in UTC
        now = now.astimezone(UTC).replace(tzinfo=None)
    return {trial: max(0.0, (now - beaten).total_seconds()) for trial, beaten in rows}


def errand_of(trial: FrozenTrial) -> str:
    """Return what a trial is for: the same for all tries of the same."""
    if WORK in trial.user_attrs:
        return f"work {trial.user_attrs[WORK]}"
    if "label" in trial.user_attrs:
        return f"design {trial.user_attrs['label']}"
    return str(trial.user_attrs.get(ERRAND, f"trial {trial.number}"))


def under_way(known: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that some worker is at, in order."""
    return [t for t in known if t.state == TrialState.RUNNING]


def withdraw(crew: Crew, trial_id: int) -> None:
    """Give a trial up without a trace: it does not count, and is not tried again.

    The database is asked once: without an answer the trial is lost, which is found in time.
    """
    with suppress(UpdateFinishedTrialError, SQLAlchemyError, StorageInternalError):
        crew.storage.try_to_end(trial_id, TrialState.FAIL, None, {})


def free_lost(study: Study, crew: Crew) -> list[FrozenTrial]:
    """End the trials of workers that are gone, so that they can be tried again.

    Returns all trials as they were before.

    A trial of this very worker that it is not at was made, and only the answer was lost. A process
    without a crew, which ran the study before, may have left a queue, which crews have none of,
    and trials without a heartbeat: those are waited for as long as for one that has stopped, by our
    own clock.
    """
    now = time.monotonic()
    known = study.get_trials(deepcopy=False)
    stale = crew.storage.stale_trials(study._study_id)
    for queued in (t for t in known if t.state == TrialState.WAITING):
        withdraw(crew, queued._trial_id)
    for trial in under_way(known):
        if worker_of(trial) is None:
            since = crew.unmarked.setdefault(trial._trial_id, now)
            gone = now - since > crew.storage.grace_s
        else:
            gone = trial._trial_id in stale
        mine = worker_of(trial) == crew.name and trial._trial_id not in crew.held
        if gone or mine:
            with suppress(UpdateFinishedTrialError):  # another was faster, or it has ended
                facts = {} if mine else _facts_of_loss(trial, known, crew)
                crew.storage.end_trial(trial._trial_id, TrialState.FAIL, facts=facts)
    return known


def _facts_of_loss(trial: FrozenTrial, known: list[FrozenTrial], crew: Crew) -> dict[str, object]:
    """Return what is to be known of a lost trial; one with a reason counts, and is not repeated."""
    facts: dict[str, object] = {LOST: crew.name}
    errand = errand_of(trial)
    if sum(LOST in t.user_attrs and errand_of(t) == errand for t in known) + 1 >= TRIES:
        facts[REASON] = f"its worker died {TRIES} times at it, perhaps for want of memory"
    return facts


@contextmanager
def claimed(
    study: Study, crew: Crew, work: str, facts: Mapping[str, object] | None = None
) -> Iterator[bool]:
    """Have a piece of work alone; the block is given False where another worker has it, or had it.

    When the block ends without an exception the work is done, and nobody will have it again. A
    worker that was silent for so long that it counted as gone may find that another does its work
    again.

    Parameters
    ----------
    study : Study
        Of such pieces of work alone.
    crew : Crew
        This worker.
    work : str
        Which piece.
    facts : mapping, optional
        Looked at when the block has ended: kept as attributes of the trial, with its end.
    """
    facts = {} if facts is None else facts
    free_lost(study, crew)
    if _is_taken(study, work):
        yield False
        return
    trial_id, number = _begin(study, crew, work)
    with beating(study, number, crew):
        free_lost(study, crew)  # one of ours, if the first answer to its making was lost
        others = _of(study, work)
        running = [t.number for t in under_way(others)]
        if min(running, default=-1) != number or is_done(study, work):
            withdraw(crew, trial_id)
            yield False
            return
        try:
            yield True
        except BaseException:
            withdraw(crew, trial_id)
            raise
        try:
            crew.storage.end_trial(trial_id, TrialState.COMPLETE, 0.0, facts)
        except UpdateFinishedTrialError:
            if not _is_taken(study, work):
                study.add_trial(_template(crew, work, TrialState.COMPLETE, facts))


def is_done(study: Study, work: str) -> bool:
    """Say whether a piece of work was done by somebody."""
    return any(t.state == TrialState.COMPLETE for t in _of(study, work))


def _is_taken(study: Study, work: str) -> bool:
    return any(t.state in (TrialState.RUNNING, TrialState.COMPLETE) for t in _of(study, work))


def _begin(study: Study, crew: Crew, work: str) -> tuple[int, int]:
    """Create the trial of a piece of work; return its id and its number."""
    template = _template(crew, work, TrialState.RUNNING)
    made = crew.storage._create_new_trial(study._study_id, template)
    return made._trial_id, made.number


def _template(
    crew: Crew, work: str, state: TrialState, facts: Mapping[str, object] = MappingProxyType({})
) -> FrozenTrial:
    return optuna.trial.create_trial(
        state=state,
        value=0.0 if state == TrialState.COMPLETE else None,
        user_attrs={**facts, WORK: work, WORKER: crew.name},
    )


def _of(study: Study, work: str) -> list[FrozenTrial]:
    trials = study.get_trials(deepcopy=False)
    return [t for t in trials if t.user_attrs.get(WORK) == work]
