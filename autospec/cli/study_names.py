"""Names of studies: of a command's option, or made from a file's."""

from __future__ import annotations

import hashlib
import re

from autospec.errors import UsageError

NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")


def check_name(name: str) -> str:
    """Return a study's name, unless it could lead out of the folder of runs.

    Raises
    ------
    UsageError
        If it has other letters than small ones, digits, - and _, or more than 64.
    """
    if not NAME.match(name):
        raise UsageError(
            f"{name!r} is no name of a study; want up to 64 small letters, digits, - and _, such "
            "as farm-2024"
        )
    return name


def study_name(stem: str) -> str:
    """Turn a file's stem into a study name of small letters, digits, - and _.

    A stem with other letters gets a digest of them: two such files must not share a folder.
    """
    name = re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")[:64]
    name = name if NAME.match(name) else "study"
    if stem.isascii():
        return name
    return f"{name[:57]}-{hashlib.sha256(stem.encode('utf-8', 'surrogateescape')).hexdigest()[:6]}"
