"""From the path of one instrument file to its `Scan`: which format it is, and its errors' names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from autospec.data.instruments import asd, jcamp_dx, opus, scan, spc
from autospec.data.instruments.scan import Scan
from autospec.errors import DataError

Format = Literal["asd", "opus", "jcamp", "spc"]
SUFFIXES: dict[str, Format] = {
    ".asd": "asd",
    ".dx": "jcamp",
    ".jdx": "jcamp",
    ".jcm": "jcamp",
    ".spc": "spc",
}
WANTED = "ASD (.asd), OPUS (.0, .1, ...), JCAMP-DX (.dx, .jdx) or SPC (.spc)"
_NUMBERED = re.compile(r"\.\d{1,4}")
_READERS: dict[Format, Callable[[bytes], Scan]] = {
    "asd": asd.read_asd,
    "opus": opus.read_opus,
    "jcamp": jcamp_dx.read_jcamp,
    "spc": spc.read_spc,
}


def has_number_suffix(name: str) -> bool:
    """Say whether a file name ends in a number as OPUS writes it: ``S001.0``."""
    return _NUMBERED.fullmatch(Path(name).suffix) is not None


def scan_format(path: Path) -> Format | None:
    """Tell an instrument's file by its suffix; OPUS and old ASD files by their first bytes.

    Parameters
    ----------
    path : Path
        An existing file.

    Returns
    -------
    {"asd", "opus", "jcamp", "spc"} or None
        None for every other file.
    """
    known = SUFFIXES.get(path.suffix.lower())
    if known is not None or not has_number_suffix(path.name):
        return known
    try:
        if not path.is_file():
            return None
        with path.open("rb") as handle:
            head = handle.read(4)
    except OSError:
        return None
    if head == opus.MAGIC:
        return "opus"
    return "asd" if head[:3] in asd.MAGIC else None


def read_scan(path: Path) -> tuple[Scan, str]:
    """Read one instrument file.

    Parameters
    ----------
    path : Path
        A file that `scan_format` knows.

    Returns
    -------
    Scan, str
        The spectrum, and the SHA-256 of the file.

    Raises
    ------
    DataError
        If it cannot be used; the message begins with the file's name.
    UsageError
        If the package that reads its format is not installed.
    """
    form = scan_format(path)
    try:
        if form is None:
            raise DataError(f"not an instrument's file; want {WANTED}.")
        content = scan.read_content(path)
        # numbers of hostile bytes overflow; what is not finite is refused afterwards
        with np.errstate(all="ignore"):
            found = _READERS[form](content)
    except DataError as error:
        raise DataError([f"{path.name}: {line}" for line in error.problems]) from error
    return replace(found, name=path.name), hashlib.sha256(content).hexdigest()
