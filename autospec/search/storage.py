"""Where studies are kept: a database of one process, or one that workers share.

A shared storage holds a heartbeat of each trial under way, so that a trial whose worker is gone is
found and tried again, and waits when the database is away: a restart of the server costs its
workers time, not trials. No trial is proposed and no score is judged here.
"""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.engine.url import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from autospec.errors import OutputError, RetryLater, StorageError, UsageError

HEARTBEAT_S = 10
GRACE_S = 90  # longer than a restart of the database: its workers live on, and so do their trials
TRIES = 4  # of a trial whose worker dies: a design that ends its process must not end all of them
PATIENCE_S = 900.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
BUSY_S = 60.0  # how long SQLite waits for the lock of another process
NETWORK_FILE_SYSTEMS = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "afs", "9p"),
    *("glusterfs", "pvfs2", "orangefs", "panfs", "wekafs", "ncpfs", "davfs", "fuse.sshfs"),
    *("fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.gcsfuse"),
}
WORK = "work"  # the attribute of a claim: the name of the work
SECRETS = frozenset({"password", "passfile", "sslpassword"})  # of an address' query
MOUNTS = Path("/proc/mounts")

Say = Callable[[str], None]


def open_shared(url: str | None, say: Say = lambda text: None) -> PatientStorage:
    """Open a storage that several processes use at the same time.

    Parameters
    ----------
    url : str or None
        Of a database, such as ``postgresql+psycopg://user@host/studies`` or
        ``sqlite:////path/study.db``.
    say : callable (str) -> None
        Told once when the database is away, and when it is back.

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
        return PatientStorage(url, say=say)


class PatientStorage(RDBStorage):
    """Optuna's storage in a database; what fails because it is away is asked again.

    Every method that asks the database is patient (see the loop below the class). Only the first
    connection fails at once: an address or a password may be wrong.
    """

    def __init__(self, url: str, *, say: Say, patience_s: float = PATIENCE_S) -> None:
        self.say, self.patience_s = say, patience_s
        super().__init__(
            url,
            engine_kwargs=_engine(make_url(url)),
            heartbeat_interval=HEARTBEAT_S,
            grace_period=GRACE_S,
            heartbeat_stale_trial_callback=try_again,
        )

    def wait_for(self, ask: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Return what the database answers, however often it must be asked; not beyond patience.

        Raises
        ------
        RetryLater
            If it is still away then.
        """
        begun, pause = time.monotonic(), FIRST_PAUSE_S
        while True:
            try:
                answer = ask()
            except (SQLAlchemyError, StorageInternalError) as error:
                if not is_away(error):
                    raise
                waited = time.monotonic() - begun
                if waited > self.patience_s:
                    raise RetryLater(
                        f"the study storage {hide_password(str(self.url))} has been away for "
                        f"{waited / 60:.0f} minutes. Finished trials are kept: run the same "
                        "command again when it is back."
                    ) from error
                if pause == FIRST_PAUSE_S:
                    self.say("the study storage does not answer; waiting for it")
                time.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                if pause > FIRST_PAUSE_S:
                    self.say("the study storage answers again")
                return answer

    def set_trial_state_values(self, trial_id: int, *args: Any, **kwargs: Any) -> bool:  # noqa: ANN401
        """Set a trial's end, or take a waiting one; once, even if the answer to it was lost."""
        asked = 0

        def ask() -> bool:
            nonlocal asked
            asked += 1
            try:
                return RDBStorage.set_trial_state_values(self, trial_id, *args, **kwargs)
            except UpdateFinishedTrialError:
                state = kwargs.get("state", args[0] if args else None)
                if asked > 1 and self.get_trial(trial_id).state == state:
                    return True  # it was written, and only the answer did not come through
                raise

        return bool(self.wait_for(ask))


def _patient(name: str) -> Callable[..., Any]:
    method = getattr(RDBStorage, name)

    @wraps(method)
    def call(self: PatientStorage, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return self.wait_for(partial(method, self, *args, **kwargs))

    return call


for _name in (
    *("create_new_study", "delete_study", "get_all_studies", "get_study_directions"),
    *("get_study_id_from_name", "get_study_name_from_id", "get_study_system_attrs"),
    *("get_study_user_attrs", "set_study_system_attr", "set_study_user_attr"),
    *("_create_new_trial", "_get_trials", "_set_trial_param", "_get_stale_trial_ids", "get_trial"),
    *("get_trial_id_from_study_id_trial_number", "record_heartbeat", "set_trial_user_attr"),
    *("set_trial_intermediate_value", "set_trial_system_attr", "_get_best_trial_id"),
):
    setattr(PatientStorage, _name, _patient(_name))


def try_again(study: Study, lost: FrozenTrial) -> None:
    """Queue the trial of a worker that is gone once more; not a claim, and not without end.

    A claim (`autospec.search.claims`) is made anew by whoever wants its work. A trial that was lost
    `TRIES` times counts as failed, so that a design that ends its process does not end them all.
    """
    if WORK in lost.user_attrs:
        return
    if len(lost.system_attrs.get("retry_history", ())) + 1 < TRIES:
        RetryHeartbeatStaleTrialCallback()(study, lost)
        return
    reason = f"its worker was gone before it ended, {TRIES} times: perhaps for want of memory"
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.FAIL,
            params=lost.params,
            distributions=lost.distributions,
            user_attrs=lost.user_attrs | {"reason": reason},
            system_attrs=lost.system_attrs,
        )
    )


def _engine(url: URL) -> dict[str, Any]:
    """Return what SQLAlchemy is told of a database."""
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_S}}
    # a connection that a restart has cut is noticed before it is used, and made anew
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}


def is_away(error: Exception) -> bool:
    """Say whether a database's error is of one that may be back soon: restarting, cut off, busy."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if not isinstance(cause, DBAPIError):
        return False
    text = str(cause.orig).lower()
    if "sqlite" in type(cause.orig).__module__:
        return "locked" in text or "busy" in text
    return cause.connection_invalidated or type(cause.orig).__name__ in (
        *("OperationalError", "InterfaceError", "AdminShutdown", "CannotConnectNow"),
        *("CrashShutdown", "SerializationFailure", "DeadlockDetected", "TooManyConnections"),
    )


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
        if "disk is full" in str(cause) or "disk I/O error" in str(cause):
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
