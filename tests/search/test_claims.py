"""Claims: of many workers exactly one has a piece of work, and none is lost with a worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import datetime
from multiprocessing import get_context

import pytest
from optuna.storages._rdb.models import TrialHeartbeatModel
from optuna.study import Study
from optuna.trial import TrialState, create_trial
from sqlalchemy import update

from autospec.search.claims import (
    ERRAND,
    LOST,
    TRIES,
    WORK,
    WORKER,
    Crew,
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


def begun(study: Study, crew: Crew) -> int:
    """Begin a trial as a worker does; return its id."""
    template = create_trial(state=TrialState.RUNNING, user_attrs={WORKER: crew.name})
    return crew.storage.create_new_trial(study._study_id, template)


def test_the_trial_of_a_worker_that_is_gone_is_found_once(
    new_crew: Callable[[], Crew], study_name: str
) -> None:
    gone, others = new_crew(), [new_crew(), new_crew()]
    study, _ = create_or_load(study_name, gone)
    trial_id = begun(study, gone)
    free_lost(study, others[0])
    assert study.trials[0].state == TrialState.RUNNING  # its heart beat just now
    stop_heartbeat(gone, trial_id)
    for crew in others:
        free_lost(create_or_load(study_name, crew)[0], crew)
    (trial,) = study.trials
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs[LOST] == others[0].name
    assert "reason" not in trial.user_attrs  # it does not count: it is made again
    assert worker_of(trial) == gone.name


def test_a_trial_that_is_lost_again_and_again_counts_as_failed(
    new_crew: Callable[[], Crew], study_name: str
) -> None:
    crew, other = new_crew(), new_crew()
    study, _ = create_or_load(study_name, crew)
    for attempt in range(TRIES):
        errand = {ERRAND: "trial 0"} if attempt else {}
        marks = {WORKER: crew.name} | errand
        template = create_trial(state=TrialState.RUNNING, user_attrs=marks)
        stop_heartbeat(crew, crew.storage.create_new_trial(study._study_id, template))
        free_lost(study, other)
    reasons = [t.user_attrs.get("reason") for t in study.trials]
    assert reasons[:-1] == [None] * (TRIES - 1)
    assert f"died {TRIES} times" in reasons[-1]


def test_a_piece_of_work_that_is_lost_again_and_again_says_so(
    new_crew: Callable[[], Crew], study_name: str
) -> None:
    crew, other = new_crew(), new_crew()
    study, _ = create_or_load(study_name, crew)
    for work in ("piece", "another", "piece", "piece"):
        template = create_trial(
            state=TrialState.RUNNING, user_attrs={WORKER: crew.name, WORK: work}
        )
        stop_heartbeat(crew, crew.storage.create_new_trial(study._study_id, template))
        free_lost(study, other)
    assert ["reason" in t.user_attrs for t in study.trials] == [False, False, False, True]


def test_a_trial_without_a_mark_is_waited_for_and_then_freed(
    new_crew: Callable[[], Crew], study_name: str
) -> None:
    crew = new_crew()
    study, _ = create_or_load(study_name, crew)
    study.ask()  # by a process without a crew
    free_lost(study, crew)
    assert [t.state for t in study.trials] == [TrialState.RUNNING]
    crew.storage.grace_s = -1
    free_lost(study, crew)
    assert [t.state for t in study.trials] == [TrialState.FAIL]


def test_a_trial_given_up_twice_is_no_error(new_crew: Callable[[], Crew], study_name: str) -> None:
    crew = new_crew()
    study, _ = create_or_load(study_name, crew)
    trial_id = begun(study, crew)
    withdraw(crew, trial_id)
    withdraw(crew, trial_id)
    assert [t.state for t in study.trials] == [TrialState.FAIL]


def test_no_two_workers_have_a_name_or_a_seed_in_common(
    new_crew: Callable[[], Crew],
) -> None:
    crews = [new_crew() for _ in range(4)]
    assert len({crew.name for crew in crews}) == len({crew.seed for crew in crews}) == 4
