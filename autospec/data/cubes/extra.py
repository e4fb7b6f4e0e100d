"""The packages of the extra ``cubes``: whether they are there, and what they raise on damage."""

from __future__ import annotations

import importlib.util
import struct
import zlib

from autospec.errors import UsageError

# What the readers of rasters have raised on damaged files, each met in fuzzing; all of it means
# that the content cannot be read. (An ImportError is of a codec or a calendar that is not there.)
BROKEN = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    SystemError,
    ImportError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
)
INSTALL = 'pip install "autospec-soil[cubes]"'


def need(packages: tuple[str, ...], what: str) -> None:
    """Refuse what cannot be done without packages of the extra.

    Raises
    ------
    UsageError
        Naming what is missing and how it is installed.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"{what} wants {', '.join(missing)}. Install them: {INSTALL}")
