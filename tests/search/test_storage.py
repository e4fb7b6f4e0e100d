"""The storage of workers: what is refused, what is waited for, and what is said of a failure."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError, ProgrammingError

from autospec.errors import OutputError, RetryLater, StorageError, UsageError
from autospec.search import patience
from autospec.search import storage as room
from autospec.search.claims import Crew
from autospec.search.crew import create_or_load
from autospec.search.patience import PatientStorage, is_away
from autospec.search.storage import (
    file_system,
    open_shared,
    refuse_network_file,
    storage_errors,
)

# trials are asked for here by hand, as in `autospec.search.crew`, and kept alive by `beating`
pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed")
SECRET = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://me:{SECRET}@host/studies",
        f"postgresql+psycopg://me@host/studies?password={SECRET}",
        f"postgresql+psycopg://me@host/studies?passfile=/{SECRET}",
    ],
)
def test_an_address_with_a_password_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError, match="pgpass") as caught:
        open_shared(url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("url", [None, "sqlite://", "sqlite:///:memory:", "no address"])
def test_what_cannot_be_shared_is_refused(url: str | None) -> None:
    with pytest.raises(UsageError):
        open_shared(url)


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def write(text: str) -> None:
        (tmp_path / "mounts").write_text(text, encoding="utf-8")
        monkeypatch.setattr(room, "MOUNTS", tmp_path / "mounts")

    return write


@pytest.mark.parametrize("kind", ["nfs4", "lustre", "fuse.sshfs", "cifs"])
def test_a_file_on_a_network_file_system_is_refused(
    kind: str, mounts: Callable[[str], None]
) -> None:
    mounts(f"/dev/sda / ext4 rw 0 0\nserver:/x /home/a\\040b {kind} rw 0 0\n")
    with pytest.raises(UsageError, match=f"{kind}.*PostgreSQL"):
        refuse_network_file(Path("/home/a b/runs/study.db"))
    refuse_network_file(Path("/home/ab/study.db"))


def test_the_innermost_mount_counts(mounts: Callable[[str], None]) -> None:
    mounts("server:/x /home nfs4 rw 0 0\n/dev/sdb /home/me/disk ext4 rw 0 0\nd / ext4 rw 0 0\n")
    assert file_system(Path("/home/me/disk/study.db")) == "ext4"
    assert file_system(Path("/home/me/study.db")) == "nfs4"


def test_a_system_that_says_nothing_of_its_mounts_is_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(room, "MOUNTS", tmp_path / "none")
    assert file_system(tmp_path) == ""


def failed(text: str) -> OperationalError:
    return OperationalError("INSERT", {}, sqlite3.OperationalError(text))


@pytest.mark.parametrize("text", ["database or disk is full", "disk I/O error"])
def test_a_full_disk_is_said_with_the_next_step(text: str) -> None:
    with pytest.raises(OutputError, match=r"disk is full.*make room"), storage_errors("sqlite://"):
        raise failed(text)


@pytest.mark.parametrize(
    "error",
    [failed("no such column"), StorageInternalError("lost"), ImportError(f"x {SECRET}")],
    ids=["sql", "optuna", "driver"],
)
def test_other_errors_end_in_one_line_without_the_password(error: Exception) -> None:
    url = f"postgresql+psycopg://me:{SECRET}@host/studies"
    with pytest.raises(StorageError) as caught, storage_errors(url):
        raise error
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (failed("database is locked"), True),
        (failed("no such table: studies"), False),
        (ProgrammingError("x", {}, sqlite3.ProgrammingError("busy")), True),
        (StorageInternalError("no cause"), False),
    ],
)
def test_what_may_be_back_soon_is_told_from_what_will_not(error: Exception, away: bool) -> None:
    assert is_away(error) is away


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience.time, "sleep", lambda seconds: None)


@pytest.mark.usefixtures("no_pauses")
def test_a_database_that_is_away_is_waited_for_and_both_are_said(tmp_path: Path) -> None:
    said: list[str] = []
    storage = open_shared(f"sqlite:///{tmp_path / 's.db'}", said.append)
    answers = [failed("database is locked")] * 3

    def ask() -> str:
        if answers:
            raise answers.pop()
        return "here"

    assert storage.wait_for(ask) == "here"
    assert len(said) == 2
    assert "waiting" in said[0] and "again" in said[1]


@pytest.mark.usefixtures("no_pauses")
def test_patience_has_an_end(tmp_path: Path) -> None:
    storage = open_shared(f"sqlite:///{tmp_path / 's.db'}")
    storage.patience_s = -1.0

    def ask() -> None:
        raise failed("database is locked")

    with pytest.raises(RetryLater, match="same command"):
        storage.wait_for(ask)


def test_what_is_wrong_and_not_away_is_not_asked_twice(tmp_path: Path) -> None:
    storage, asked = open_shared(f"sqlite:///{tmp_path / 's.db'}"), []

    def ask() -> None:
        asked.append(1)
        raise failed("no such table")

    with pytest.raises(OperationalError):
        storage.wait_for(ask)
    assert asked == [1]


def test_an_end_that_was_written_although_the_answer_was_lost_is_no_error(
    new_crew: Callable[[], Crew], study_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = new_crew()
    study, _ = create_or_load(study_name, crew)
    trial, write, lost = study.ask(), PatientStorage.try_to_end, [1]

    def lose_the_answer(self: PatientStorage, *args: object) -> None:
        write(self, *args)  # type: ignore[arg-type]
        if lost and lost.pop():
            raise failed("database is locked")

    monkeypatch.setattr(PatientStorage, "try_to_end", lose_the_answer)
    monkeypatch.setattr(patience.time, "sleep", lambda seconds: None)
    study.tell(trial, 1.5)
    assert study.trials[0].value == 1.5


def test_of_many_that_say_what_a_study_is_the_first_is_heard(
    new_crew: Callable[[], Crew], study_name: str
) -> None:
    crews = [new_crew(), new_crew()]
    for number, crew in enumerate(crews):
        study, _ = create_or_load(study_name, crew)
        crew.storage.set_once(study._study_id, "said", number)
        assert study.user_attrs["said"] == 0
