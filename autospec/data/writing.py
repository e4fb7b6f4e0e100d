"""Whole-file writes: a file is always old or new, never partial. What is written lives elsewhere.

A temporary file beside it is written, flushed to the disk, and renamed over it.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from autospec.errors import OutputError

TEMPORARY = ".autospec-tmp"
_NEXT_STEPS = {
    errno.ENOSPC: "The disk is full: free some space, then run the same command again.",
    errno.EDQUOT: "The disk quota is used up: free some space, then run the same command again.",
    errno.EFBIG: "The file size limit is reached: raise it, then run the same command again.",
    errno.EACCES: "Choose a folder you may write to with --out.",
    errno.EPERM: "Choose a folder you may write to with --out.",
    errno.EROFS: "The disk is read-only: choose another folder with --out.",
    errno.ENOTDIR: "A part of the path is a file: choose another folder with --out.",
    errno.EISDIR: "A folder of that name is in the way: move it, or choose another --out.",
}


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written; what was there before is still there.
    """
    # A lone surrogate (from a badly decoded id) has no UTF-8 form: it is spelt out.
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content`, whole or not at all; missing folders are made.

    Parameters
    ----------
    path : Path
        The file; one that exists is replaced.
    content : bytes
        All of it.

    Raises
    ------
    OutputError
        If the file cannot be written; what was there before is still there.
    """
    with replacing(path) as stream:
        stream.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a stream whose content becomes the file `path`, whole or not at all.

    If the block raises, Ctrl-C included, nothing of it remains. Missing folders are made.

    Raises
    ------
    OutputError
        If the file cannot be written; what was there before is still there.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}{TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise OutputError(cannot("written", path, error)) from error


def write_once(path: Path, content: bytes) -> None:
    """Write `content` unless it is already there: Plotly is 5 MB, and seldom changes."""
    try:
        same = path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        same = False
    if not same:
        write_bytes(path, content)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the file system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def cannot(verb: str, path: Path, error: OSError) -> str:
    """Say what the system refused, and what to do; `verb` is such as "written"."""
    reason = error.strerror or type(error).__name__
    step = _NEXT_STEPS.get(error.errno or 0, "Check the folder, then run the same command again.")
    return f"{path}: cannot be {verb}: {reason}. {step}"
