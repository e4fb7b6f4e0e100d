"""Claims: of many workers exactly one has a piece of work, and none is lost with a worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import datetime
from multiprocessing import get_context

import pytest
from optuna.storages._rdb.models import TrialHeartbeatModel
from optuna.trial import TrialState
from sqlalchemy import update

from autospec.search import claims
from autospec.search.claims import (
    Crew,
    beating,
    claimed,
    free_lost,
    is_done,
    withdraw,
    worker_name,
    worker_of,
)
from autospec.search.crew import create_or_load
from autospec.search.storage import open_shared

# trials are asked for here by hand, as in `autospec.search.crew`, and kept alive by `beating`
pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed")
WORKERS = 8


def test_of_many_threads_one_has_the_work(
    new_crew: Callable[[], Crew], shared_url: str, study_name: str
) -> None:
    create_or_load(study_name, new_crew())
    together = threading.Barrier(WORKERS)
    crews = [new_crew() for _ in range(WORKERS)]

    def work(crew: Crew) -> bool:
        study, _ = create_or_load(study_name, crew)
        together.wait()
        with claimed(study, crew, "report") as mine:
            return mine

    with ThreadPoolExecutor(WORKERS) as pool:
        had = list(pool.map(work, crews))
    assert sum(had) == 1
    study, _ = create_or_load(study_name, new_crew())
    assert is_done(study, "report")
    assert TrialState.RUNNING not in {t.state for t in study.trials}


def claim_some(url: str, name: str) -> list[str]:
    crew = Crew(name=worker_name(), storage=open_shared(url))
    study, _ = create_or_load(name, crew)
    had = []
    for piece in ("a", "b", "c"):
        with claimed(study, crew, piece) as mine:
            if mine:
                had.append(piece)
    return had


@pytest.mark.slow
def test_of_many_processes_one_has_each_piece(shared_url: str, study_name: str) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        had = [
            piece
            for pieces in pool.map(claim_some, [shared_url] * 4, [study_name] * 4)
            for piece in pieces
        ]
    assert sorted(had) == ["a", "b", "c"]


def test_work_that_ended_by_an_exception_is_free_again(
    new_crew: Callable[[], Crew], study_name: str
) -> None:
    crew = new_crew()
    study, _ = create_or_load(study_name, crew)
    with pytest.raises(ZeroDivisionError), claimed(study, crew, "report"):
        raise ZeroDivisionError
    assert not is_done(study, "report")
    with claimed(study, crew, "report") as mine:
        assert mine
    with claimed(study, crew, "report") as mine:
        assert not mine
    with claimed(study, crew, "another") as mine:
        assert mine


def stop_heartbeat(crew: Crew, trial_id: int) -> None:
    """As if the last one had been long ago."""
    with crew.storage.scoped_session() as session:
        long_ago = update(TrialHeartbeatModel).where(TrialHeartbeatModel.trial_id == trial_id)
        session.execute(long_ago.values(heartbeat=datetime(2000, 1, 1)))
        session.commit()


def test_the_trial_of_a_worker_that_is_gone_is_queued_once(
    new_crew: Callable[[], Crew], study_name: str
) -> None:
    gone, others = new_crew(), [new_crew(), new_crew()]
    study, _ = create_or_load(study_name, gone)
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    with beating(study, trial.number, gone):
        pass  # no heartbeat from here on
    stop_heartbeat(gone, trial._trial_id)
    for crew in others:
        free_lost(create_or_load(study_name, crew)[0], crew)
    states = [t.state for t in study.trials]
    assert states == [TrialState.FAIL, TrialState.WAITING]
    assert worker_of(study.trials[0]) == gone.name
    assert worker_of(study.trials[1]) is None


def test_a_trial_without_a_mark_is_waited_for_and_then_freed(
    new_crew: Callable[[], Crew], study_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = new_crew()
    study, _ = create_or_load(study_name, crew)
    study.ask()  # by a worker that is gone before its first heartbeat
    free_lost(study, crew)
    assert [t.state for t in study.trials] == [TrialState.RUNNING]
    monkeypatch.setattr(claims, "GRACE_S", -1.0)
    free_lost(study, crew)
    assert [t.state for t in study.trials] == [TrialState.FAIL, TrialState.WAITING]


def test_a_trial_given_up_twice_is_no_error(new_crew: Callable[[], Crew], study_name: str) -> None:
    study, _ = create_or_load(study_name, new_crew())
    trial = study.ask()
    withdraw(study, trial.number)
    withdraw(study, trial.number)
    assert [t.state for t in study.trials] == [TrialState.FAIL]


def test_no_two_workers_have_a_name_or_a_seed_in_common(
    new_crew: Callable[[], Crew],
) -> None:
    crews = [new_crew() for _ in range(4)]
    assert len({crew.name for crew in crews}) == len({crew.seed for crew in crews}) == 4
