"""The output folder as a place that one autospec holds at a time: made, locked, tidied up."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from autospec.data.writing import TEMPORARY, cannot
from autospec.errors import OutputError, RetryLater

LOCK_FILE = ".lock"


def make_folder(folder: Path) -> None:
    """Make the output folder, and those above it, unless it is there.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(cannot("made", folder, error)) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` (made if missing) against every other autospec while the block runs.

    The lock ends with the process, however it ends. Temporary files that a killed autospec left
    behind are removed once the lock is held.

    Raises
    ------
    RetryLater
        If another process holds it.
    OutputError
        If the lock file cannot be opened, or a link in the folder leads out of it.
    """
    path = folder / LOCK_FILE
    make_folder(folder)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise OutputError(cannot("opened", path, error)) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RetryLater(
                f"another autospec is writing to {folder}. "
                "Wait for it to end, or choose another folder with --out."
            ) from error
        except OSError as error:
            raise OutputError(cannot("locked", path, error)) from error
        _remove_leftovers(folder)
        _refuse_links(folder)
        yield
    finally:
        os.close(handle)


@contextmanager
def discard_empty(folder: Path) -> Iterator[None]:
    """Remove `folder` again if the block makes it, fails, and leaves nothing but the lock in it.

    So that a refused table leaves nothing behind. Put it around `locked`.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        if new and folder.is_dir() and {path.name for path in folder.iterdir()} <= {LOCK_FILE}:
            with suppress(OSError):  # a parent that is not empty stays
                (folder / LOCK_FILE).unlink(missing_ok=True)
                for path in new:
                    path.rmdir()
        raise


def _refuse_links(folder: Path) -> None:
    """Refuse links that lead out of the folder: a folder from elsewhere could name any file."""
    within = folder.resolve()
    for path in (path for depth in ("*", "*/*") for path in folder.glob(depth)):
        if path.is_symlink() and not path.resolve().is_relative_to(within):
            raise OutputError(
                f"{path} is a link out of the output folder, and is not written through. Remove "
                "it, or choose another folder with --out."
            )


def _remove_leftovers(folder: Path) -> None:
    for place in (folder, folder / "assets"):
        for leftover in place.glob(f".*{TEMPORARY}"):
            with suppress(OSError):
                leftover.unlink()
