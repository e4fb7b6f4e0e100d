"""Storages that several processes share: the same tests over each."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autospec.search.claims import Crew, worker_name
from autospec.search.patience import PatientStorage
from autospec.search.storage import open_shared
from tests.postgres import Server


@pytest.fixture(autouse=True)
def _connections_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker's connections end with its process; those of tests, with the test."""
    opened: list[PatientStorage] = []
    begin = PatientStorage.__init__

    def remember(self: PatientStorage, *args: object, **kwargs: object) -> None:
        try:
            begin(self, *args, **kwargs)  # type: ignore[arg-type]
        finally:  # of several that make the tables at once, one may fail and try again
            opened.append(self)

    monkeypatch.setattr(PatientStorage, "__init__", remember)
    yield
    for storage in (one for one in opened if hasattr(one, "scoped_session")):
        storage.scoped_session.remove()
        storage.engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a storage that workers can share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'study.db'}"
    server: Server = request.getfixturevalue("postgres")
    return server.url


@pytest.fixture
def study_name() -> str:
    """A name that no other test gives: one server serves them all."""
    return f"s-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def new_crew(shared_url: str) -> Callable[[], Crew]:
    """Makes another worker, with a connection of its own."""
    return lambda: Crew(name=worker_name(), storage=open_shared(shared_url))
