"""What a database engine is told, and which of its errors pass; no trial and no study here."""

from __future__ import annotations

from typing import Any

from optuna.exceptions import StorageInternalError
from sqlalchemy.engine.url import URL
from sqlalchemy.exc import DBAPIError, PendingRollbackError

BUSY_S = 60.0  # how long SQLite waits for the lock of another process
IDLE_S = 60  # after which PostgreSQL ends the transaction of a worker that was paused in it
LIBPQ = frozenset({"psycopg", "psycopg2"})


def engine_options(url: URL) -> dict[str, Any]:
    """Return what SQLAlchemy is told of a database."""
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_S}}
    # a connection that a restart has cut is noticed before it is used, and made anew
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.get_backend_name() == "postgresql":
        options["pool_events"] = [(_set_session, "connect")]
        if url.get_driver_name() in LIBPQ:  # a server whose host is gone does not hang up
            alive = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
            options["connect_args"] = {"connect_timeout": 10, "tcp_user_timeout": 60_000, **alive}
    return options


def _set_session(connection: Any, _: object) -> None:  # noqa: ANN401
    """Compare heartbeats in one time zone, and let nobody who is paused hold a lock for long."""
    with connection.cursor() as cursor:
        cursor.execute("SET timezone TO 'UTC'")
        cursor.execute(f"SET idle_in_transaction_session_timeout TO '{IDLE_S}s'")
    connection.commit()


def is_away(error: Exception) -> bool:
    """Say whether a database's error is of one that may be back soon: restarting, cut off, busy."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, PendingRollbackError):  # Optuna went on after the first sign of it
        return True
    if not isinstance(cause, DBAPIError):
        return False
    text = str(cause.orig).lower()
    if "sqlite" in type(cause.orig).__module__:
        return "locked" in text or "busy" in text
    return cause.connection_invalidated or type(cause.orig).__name__ in (
        *("OperationalError", "InterfaceError", "AdminShutdown", "CannotConnectNow"),
        *("CrashShutdown", "SerializationFailure", "DeadlockDetected", "TooManyConnections"),
    )
