"""Storages that workers share: a SQLite file, and a real PostgreSQL where one can be had."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.crewed import empty_database
from tests.postgres import MUST_RUN, Server, programs


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    folder = programs()
    if folder is None:
        if os.environ.get(MUST_RUN):
            pytest.fail("no PostgreSQL server is installed, and CI must not skip")
        pytest.skip("no PostgreSQL server is installed")
    server = Server(folder)
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'study.db'}"
    return empty_database(request.getfixturevalue("server").url, f"t{uuid.uuid4().hex}")
