"""Where studies are kept: which databases can be shared, how one is opened, and what goes wrong.

What a shared one does while it is away is said in `autospec.search.patience`.
"""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import optuna
from optuna.exceptions import StorageInternalError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from autospec.errors import OutputError, StorageError, UsageError
from autospec.search.patience import PatientStorage, Say

HEARTBEAT_S = 10
GRACE_S = 90  # longer than a restart of the database: its workers live on, and so do their trials
OPENINGS = 20  # of an empty database, by workers that all make its tables at once
NETWORK_FILE_SYSTEMS = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "afs", "9p"),
    *("glusterfs", "pvfs2", "orangefs", "panfs", "wekafs", "ncpfs", "davfs", "fuse.sshfs"),
    *("fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.gcsfuse"),
}
SECRETS = frozenset({"password", "passfile", "sslpassword"})  # of an address' query
NO_ROOM = ("disk is full", "disk I/O error", "No space left on device")
MOUNTS = Path("/proc/mounts")

Opened = TypeVar("Opened")


def open_shared(
    url: str | None,
    say: Say = lambda text: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> PatientStorage:
    """Open a storage that several processes use at the same time.

    Parameters
    ----------
    url : str or None
        Of a database, such as ``postgresql+psycopg://user@host/studies`` or
        ``sqlite:////path/study.db``.
    say : callable (str) -> None
        Told once when the database is away, and when it is back.
    interrupted : callable () -> bool
        Asked while it is away; True ends the wait.

    Raises
    ------
    UsageError
        If the URL holds a password, or what it names cannot be shared.
    StorageError
        If it cannot be opened.
    """
    if url is None:
        raise UsageError("a study in memory cannot be shared; want --storage with a database.")
    refuse_unsharable(url)
    with storage_errors(url):
        return make_tables(
            lambda: PatientStorage(
                url, heartbeat_s=HEARTBEAT_S, grace_s=GRACE_S, say=say, interrupted=interrupted
            )
        )


def make_tables(opening: Callable[[], Opened]) -> Opened:
    """Open a database, again where somebody else was making its tables at the same moment."""
    for _ in range(OPENINGS - 1):
        try:
            return opening()
        except (SQLAlchemyError, StorageInternalError) as error:
            if not _is_made_elsewhere(error):
                raise
        time.sleep(random.uniform(0.05, 0.5))
    return opening()


def _is_made_elsewhere(error: Exception) -> bool:
    """Say whether another worker is making the tables of an empty database at this moment."""
    doubled = isinstance(error, IntegrityError) or isinstance(error.__cause__, IntegrityError)
    return doubled or "already exists" in str(error)


def refuse_unsharable(text: str) -> None:
    """Refuse the address of a database that several cannot use, or that holds a password.

    Raises
    ------
    UsageError
        If it is one.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise UsageError(
            "--storage: not the address of a database; want one such as "
            "postgresql+psycopg://user@host/studies or sqlite:////path/study.db."
        ) from None
    if url.password is not None or SECRETS & url.query.keys():
        raise UsageError(
            f"--storage {hide_password(text)}: the address holds a password, which every user of "
            "the machine can read. Leave it out, and put it into ~/.pgpass or PGPASSWORD."
        )
    if url.get_backend_name() == "sqlite":
        refuse_network_file(Path(url.database or ""))


def refuse_network_file(path: Path) -> None:
    """Refuse a SQLite file on a network file system: its locks do not hold there.

    Raises
    ------
    UsageError
        If it lies on one, or names no file.
    """
    if path in (Path(), Path(":memory:")):
        raise UsageError(
            "--storage: SQLite in memory cannot be shared; want a file on a local disk, or "
            "PostgreSQL."
        )
    kind = file_system(path.absolute())
    if kind in NETWORK_FILE_SYSTEMS:
        raise UsageError(
            f"{path} lies on a network file system ({kind}), where SQLite's locks do not hold, "
            "and several workers would destroy the study. Use a local disk, or PostgreSQL: "
            "--storage postgresql+psycopg://user@host/studies."
        )


def file_system(path: Path) -> str:
    """Return the kind of file system that a path lies on; empty where the system does not say."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    found, kind = -1, ""
    for line in lines:
        _, where, this, *_ = line.split(" ")
        mounted = Path(where.replace("\\040", " "))
        if (path == mounted or mounted in path.parents) and len(where) > found:
            found, kind = len(where), this
    return kind


@contextmanager
def storage_errors(url: str | None) -> Iterator[None]:
    """Turn a database's errors into one line that names no password.

    Raises
    ------
    OutputError
        If the disk is full.
    StorageError
        On any other.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    except (SQLAlchemyError, StorageInternalError, ImportError) as error:
        cause = error.__cause__ or error
        where = "" if url is None else f" {hide_password(url)}"
        kind = type(cause).__name__
        if any(words in str(cause) for words in NO_ROOM):
            raise OutputError(
                f"the study storage{where} cannot be written: the disk is full. Finished trials "
                "are kept: make room, then run the same command again."
            ) from error
        if isinstance(error, ImportError):
            raise StorageError(
                f"the study storage{where} needs a database driver that is not installed. Next: "
                'pip install "autospec-soil[postgres]"'
            ) from error
        raise StorageError(
            f"the study storage{where} cannot be used ({kind}). Check that it exists, can be "
            "written and is an Optuna storage, then run the same command again: finished "
            "trials are kept."
        ) from error


def hide_password(url: str) -> str:
    """Return a storage URL without its password; a text that is no URL is not repeated."""
    try:
        return make_url(url).difference_update_query(SECRETS).render_as_string(hide_password=True)
    except ArgumentError:
        return "(not a URL)"
