"""Storages that workers share: a SQLite file, and a real PostgreSQL where one can be had."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.faults.crewed import empty_database


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'study.db'}"
    return empty_database(request.getfixturevalue("postgres").url, f"t{uuid.uuid4().hex}")
