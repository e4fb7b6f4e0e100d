"""Whole-file writes: a file is always old or new, never partial. What is written lives elsewhere.

A temporary file beside it is written, flushed to the disk, and renamed over it.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from autospec.errors import OutputError

TEMPORARY = ".autospec-tmp"
LEFT_OVER_S = 3600.0  # a temporary file that nobody wrote to for so long is nobody's
_NEXT_STEPS = {
    errno.ENOSPC: "The disk is full: free some space, then run the same command again.",
    errno.EDQUOT: "The disk quota is used up: free some space, then run the same command again.",
    errno.EFBIG: "The file size limit is reached: raise it, then run the same command again.",
    errno.EACCES: "Choose a folder you may write to with --out.",
    errno.EPERM: "Choose a folder you may write to with --out.",
    errno.EROFS: "The disk is read-only: choose another folder with --out.",
    errno.EEXIST: "A part of the path is a file: choose another name.",
    errno.ENOTDIR: "A part of the path is a file: choose another name.",
    errno.EISDIR: "A folder of that name is in the way: move it, or choose another --out.",
}


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written; what was there before is still there.
    """
    write_bytes(path, spelt_out(text).encode())


def spelt_out(text: str) -> str:
    r"""Return a text that UTF-8 can hold: a lone surrogate of a file's name as ``\udcff``."""
    return text.encode("utf-8", "backslashreplace").decode()


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

    If the block raises, Ctrl-C included, nothing of it remains. Missing folders are made. Where
    `path` is a symbolic link, the file that it leads to is replaced, and the link stays.

    Raises
    ------
    OutputError
        If the file cannot be written; what was there before is still there.
    """
    with replacing_file(path) as temporary, temporary.open("xb") as stream:
        yield stream


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Yield the name of a file to make, which becomes `path`; as `replacing`, for other writers.

    The file is beside `path`, does not exist yet, and has to be closed when the block ends.

    Raises
    ------
    OutputError
        If the file cannot be written; what was there before is still there.
    """
    if not path.name or "\x00" in str(path):
        raise OutputError(f"{str(path)!r} is no name of a file. Choose another.")
    try:
        real = _real(path)
        temporary = real.with_name(f".{real.name}.{secrets.token_hex(6)}{TEMPORARY}")
        real.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            temporary.replace(real)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(real.parent)
    except OSError as error:
        raise OutputError(cannot("written", path, error)) from error


def sweep_left_overs(path: Path) -> None:
    """Remove the temporary files of `path` that an ended process left: those an hour old or more.

    A process that is killed cannot remove its own. Only names that `replacing` gives are touched.
    """
    path = _real(path)
    ours = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{12}}{re.escape(TEMPORARY)}")
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if not ours.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
                continue
            with suppress(OSError):
                if time.time() - entry.stat().st_mtime >= LEFT_OVER_S:
                    Path(entry.path).unlink()


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


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
