"""A crew in real processes on cheap work: `Crewmate` is started, killed, paused; `judged` counts.

The workers are forked from a server that has imported everything, so that one starts in no time.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from autospec.data.spectra import FloatArray
from autospec.data.splits import Fold
from autospec.errors import AutospecError
from autospec.search import crew, storage
from autospec.search.claims import LOST, Crew, errand_of, worker_name
from autospec.search.design import Caps, Design
from autospec.search.plan import StudyPlan
from autospec.search.progress import silent
from autospec.search.report_turn import ReportTurn
from autospec.search.settings import SearchSettings
from autospec.search.space import SearchSpace
from autospec.search.study import open_study, run_study
from autospec.search.trials import is_finished, state_of
from autospec.training.lead import Lead
from autospec.training.trainer import EpochCallback, Training, smooth

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload([__name__])
HEARTBEAT_S, GRACE_S = 1, 3
POLL_S = 0.1
SMALL = SearchSpace(
    conv_blocks=(1, 2),
    filters=(4, 8),
    kernel=(2, 6),
    stride=(1, 3),
    fc_blocks=(0, 1),
    nodes=(8, 16),
)
CHEAP = SearchSettings(
    folds=3,
    published=False,
    sampler="random",
    caps=Caps(multiply_adds=10**12, parameters=10**12),
    space=SMALL,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Asleep:
    """Sleeps instead of training; a design has the score that its digest says, everywhere.

    With `fatal`, a file, the design that is trained first kills its process, each time.
    """

    seconds: float
    fatal: Path | None = None
    epochs: int = 4
    threads: int | None = None
    folds: tuple[Fold, ...] = (Fold(fit=np.arange(2), score=np.arange(1)),) * 3
    sample: str = "spectrum"

    @property
    def seen(self) -> FloatArray:
        return np.linspace(400.0, 2400.0, 201)

    def evaluate(self, design: Design, on_epoch: EpochCallback, lead: Lead | None) -> Training:
        if self.fatal is not None:
            with suppress(FileExistsError), self.fatal.open("x") as file:
                file.write(design.digest)
            if self.fatal.read_text() == design.digest:
                os.kill(os.getpid(), signal.SIGKILL)
        curve = fold_rmse(design, len(self.folds), self.epochs)
        for epoch in range(1, self.epochs + 1):
            time.sleep(self.seconds / self.epochs)
            on_epoch(epoch, float(curve[:, epoch - 1].mean()))
        return Training(members=(), fold_rmse=curve)


def fold_rmse(design: Design, folds: int, epochs: int) -> FloatArray:
    """Return falling curves (folds, epochs) that the digest of a design fixes."""
    rng = np.random.default_rng(int(design.digest[:12], 16))
    return rng.uniform(5.0, 10.0, (folds, 1)) + 5.0 * np.exp(-np.arange(epochs) / 2)


def score(params: dict[str, object], space: SearchSpace = SMALL, epochs: int = 4) -> float:
    """Return the score of a design, from nothing but its parameters."""
    design = space.decode(params)
    return float(smooth(fold_rmse(design, 3, epochs).mean(axis=0)).min())


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a worker is told: the study, and how long a trial takes."""

    url: str
    trials: int
    seconds: float = 0.2
    name: str = "s"
    settings: SearchSettings = CHEAP
    report: Path | None = None
    report_s: float = 0.0
    patience_s: float = 600.0
    fatal: Path | None = None


def work(task: Task) -> None:
    """Be a worker, as the command line makes one."""
    storage.HEARTBEAT_S, storage.GRACE_S, crew.POLL_S = HEARTBEAT_S, GRACE_S, POLL_S
    try:
        mate = Crew(name=worker_name(), storage=storage.open_shared(task.url))
        mate.storage.patience_s = task.patience_s
        plan = plan_of(task, mate)
        study = open_study(task.url, task.name, plan)
        run_study(study, plan)
        if task.report is not None:
            turn = ReportTurn()
            with turn:
                turn.take(study, mate)
                time.sleep(task.report_s)
                (task.report / mate.name).touch()
    except AutospecError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from error


def plan_of(task: Task, mate: Crew | None) -> StudyPlan:
    return StudyPlan(
        validation=Asleep(seconds=task.seconds, fatal=task.fatal),
        settings=replace(task.settings, trials=task.trials),
        fingerprint={"data_digest": "made"},
        should_stop=lambda: None,
        report=silent,
        crew=mate,
    )


def started(task: Task) -> BaseProcess:
    process = FORKED.Process(target=work, args=(task,), daemon=True)
    process.start()
    return process


def trials_of(task: Task) -> list[FrozenTrial]:
    """Return what is in the storage now; nothing before it has tables."""
    try:  # no connection is left open, whatever goes wrong
        database = RDBStorage(task.url, engine_kwargs={"poolclass": NullPool})
        study = optuna.load_study(study_name=task.name, storage=database)
        return study.get_trials(deepcopy=False)
    except Exception:  # no study, or no answer yet, or somebody else is making the tables
        return []


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What went wrong in a study: all zero and none where nothing did."""

    lost: int
    duplicates: int
    left: int
    miscounted: int
    wrong: int

    @property
    def clean(self) -> bool:
        return self == Judgement(lost=0, duplicates=0, left=0, miscounted=0, wrong=0)


def judged(task: Task, seen: dict[int, FrozenTrial]) -> Judgement:
    """Compare a study that has ended with what was seen of it on the way.

    `seen` holds trials by number as they were when they had ended.
    """
    known = trials_of(task)
    finished = [t for t in known if is_finished(t)]
    trained = [t for t in finished if state_of(t) != "infeasible"]
    errands = Counter(errand_of(t) for t in finished)
    complete = [t for t in finished if t.state == TrialState.COMPLETE]
    return Judgement(
        lost=sum((known[n].state, known[n].values) != (t.state, t.values) for n, t in seen.items()),
        duplicates=sum(count - 1 for count in errands.values()),
        left=sum(t.state in (TrialState.RUNNING, TrialState.WAITING) for t in known),
        miscounted=abs(len(trained) - task.trials),
        wrong=sum(
            not math.isclose(t.value or 0.0, score(t.params, task.settings.space)) for t in complete
        ),
    )


def ended_in(known: list[FrozenTrial]) -> dict[int, FrozenTrial]:
    """Return the trials that have ended for good, by number."""
    ends = (TrialState.COMPLETE, TrialState.PRUNED)
    return {t.number: t for t in known if t.state in ends}


def kill_at_random(
    task: Task, kills: int, workers: int, seed: int, mean_s: float = 0.4
) -> tuple[int, int, Judgement]:
    """Kill workers at random moments until so many are killed or the study has ended; then let it.

    Returns how many were killed, how many of those kills lost a trial under way, and the verdict.
    """
    rng = np.random.default_rng(seed)
    crowd = [started(task) for _ in range(workers)]
    seen: dict[int, FrozenTrial] = {}
    killed = 0
    while killed < kills:
        time.sleep(float(rng.exponential(mean_s)))
        seen |= ended_in(trials_of(task))
        position = int(rng.integers(workers))
        if not crowd[position].is_alive():
            if crowd[position].exitcode == 0:
                break  # there are enough trials
            raise AssertionError(f"a worker ended by itself: {crowd[position].exitcode}")
        crowd[position].kill()
        crowd[position].join()
        killed += 1
        crowd[position] = started(task)
    for process in crowd:
        process.join(120)
    assert [p.exitcode for p in crowd] == [0] * workers
    lost = sum(LOST in t.user_attrs for t in trials_of(task))
    return killed, lost, judged(task, seen)


def wait_until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait until a callable says so."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def empty_database(url: str, name: str) -> str:
    """Return the address of a new database on the server that `url` is of."""
    base, _, _ = url.rpartition("/")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    engine.dispose()
    return f"{base}/{name}"
