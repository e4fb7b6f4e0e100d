"""R3: a real PostgreSQL is restarted under its workers; they live on, and lose a trial at most."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from autospec.errors import RetryLater
from autospec.search import engines
from autospec.search.claims import LOST
from autospec.search.patience import PatientStorage
from tests.faults.crewed import Judgement, Task, ended_in, judged, started, trials_of, wait_until
from tests.postgres import Server

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

NOTHING = Judgement(lost=0, duplicates=0, left=0, miscounted=0, wrong=0)


@pytest.fixture
def own_server(postgres: Server) -> Iterator[Server]:
    """A server that a test may stop; nobody else uses it."""
    own = Server(postgres.bin)
    yield own
    own.remove()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "away_s"),
    [("fast", 0.0), ("immediate", 0.0), ("fast", 5.0), ("immediate", 60.0)],
)
def test_workers_live_through_a_restart(own_server: Server, mode: str, away_s: float) -> None:
    task = Task(url=own_server.url, trials=12, seconds=0.5)
    crowd = [started(task) for _ in range(3)]
    wait_until(lambda: len(ended_in(trials_of(task))) >= 2)
    seen = ended_in(trials_of(task))
    own_server.restart(away_s, mode)
    for process in crowd:
        process.join(180)
    assert [process.exitcode for process in crowd] == [0, 0, 0]
    assert judged(task, seen) == NOTHING
    assert sum(LOST in t.user_attrs for t in trials_of(task)) <= 3


@pytest.fixture
def storage_at() -> Iterator[Callable[..., PatientStorage]]:
    """Opens storages; their connections end with the test, as a worker's do with its process."""
    opened: list[PatientStorage] = []

    def open_at(server: Server, **changes: Any) -> PatientStorage:
        opened.append(PatientStorage(server.url, heartbeat_s=10, grace_s=90, **changes))
        return opened[-1]

    yield open_at
    for storage in opened:
        storage.scoped_session.remove()
        storage.engine.dispose()


@pytest.mark.slow
def test_the_wait_for_a_database_ends_with_patience_or_with_ctrl_c(
    own_server: Server, storage_at: Callable[..., PatientStorage]
) -> None:
    said: list[str] = []
    patient = storage_at(own_server, patience_s=0.3, say=said.append)
    interrupted = storage_at(own_server, interrupted=lambda: True)
    own_server.stop()
    begun = time.monotonic()
    for storage in (patient, interrupted):
        with pytest.raises(RetryLater, match="run the same command again"):
            storage.get_all_studies()
    assert time.monotonic() - begun < 5.0
    assert said == ["the study storage does not answer; waiting for it"]
    own_server.start()
    assert interrupted.get_all_studies() == []


@pytest.mark.slow
def test_a_lock_of_a_worker_that_was_paused_is_let_go(
    postgres: Server,
    storage_at: Callable[..., PatientStorage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "IDLE_S", 1)
    storage = storage_at(postgres)
    with storage.engine.connect() as paused:
        paused.exec_driver_sql("CREATE TABLE IF NOT EXISTS locked (a int)")
        paused.commit()
        paused.exec_driver_sql("LOCK TABLE locked")
        begun = time.monotonic()
        with psycopg.connect(postgres.url.replace("+psycopg", "")) as other:
            other.execute("LOCK TABLE locked")
        assert time.monotonic() - begun < 10.0
        paused.invalidate()
