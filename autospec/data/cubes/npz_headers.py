"""What one array of an .npz declares: its name, shape and kind, and the cap on memory."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from autospec.errors import DataError

MAX_ARRAY_BYTES = 2_000_000_000  # all arrays of one file, decoded
MAX_HEADER = 10_000  # numpy's own limit
MAX_EMPTY_TEXTS = 1_000_000  # they declare no bytes, but take some
_FIELDS = re.compile(
    r"\{\s*'descr': '(?P<descr>[<>|=]?[a-zA-Z?]\d{0,9}(\[\d{0,3}[a-zA-Zμ]{1,2}\])?)',"
    r"\s*'fortran_order': (?P<fortran>True|False),"
    r"\s*'shape': \((?P<shape>(\s*\d{1,40}\s*,)*(\s*\d{1,40})?\s*)\),?\s*\}\s*",
    re.ASCII,
)  # as NumPy and all who imitate it write the header: keys in this order


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One array of a file, as declared.

    Parameters
    ----------
    name : str
        Its key.
    shape : tuple of int
    dtype : numpy.dtype
    fortran : bool
        Whether the first index varies fastest in the file.
    skip : int
        Bytes of its header.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    skip: int

    @property
    def size(self) -> int:
        """Number of cells."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes of its cells as written."""
        return self.size * self.dtype.itemsize

    def describe(self) -> str:
        """Return such as ``'x' (40,) float64``."""
        return f"{self.name!r} {self.shape} {self.dtype}"


def check_bytes(declared: int) -> None:
    """Refuse arrays that take more memory than the cap.

    Raises
    ------
    DataError
        Naming the number found and the cap.
    """
    if declared > MAX_ARRAY_BYTES:
        raise DataError(
            f"the arrays take {declared:,} bytes of memory; want at most {MAX_ARRAY_BYTES:,}. "
            "Split the file into parts, or keep fewer channels or dates."
        )


def parse_header(key: str, head: bytes) -> Member:
    """Read the header of an array in NumPy's format (versions 1 and 2).

    Parameters
    ----------
    key : str
        What the array is called.
    head : bytes
        Its first bytes.

    Raises
    ------
    DataError
        If it is not such a header, or declares objects, records or numbers of unknown kind.
    """
    fields, skip = _cut_header(key, head)
    try:
        dtype = np.dtype(fields["descr"])
    except (TypeError, ValueError):
        raise _no_header(key) from None
    if dtype.kind not in "biufUSM":
        raise _no_header(key)
    fortran = fields["fortran"] == "True"
    shape = tuple(int(size) for size in fields["shape"].split(",") if size.strip())
    if dtype.itemsize == 0 and math.prod(shape) > MAX_EMPTY_TEXTS:
        raise DataError(f"key {key!r} holds {math.prod(shape):,} empty texts. Leave it out.")
    return Member(name=key, shape=shape, dtype=dtype, fortran=fortran and len(shape) > 1, skip=skip)


def _cut_header(key: str, head: bytes) -> tuple[re.Match[str], int]:
    """Return the fields of a header, and how many bytes it takes."""
    wide = 4 if head[6:7] == b"\x02" else 2
    length = int.from_bytes(head[8 : 8 + wide], "little")
    skip = 8 + wide + length
    known = head[:6] == b"\x93NUMPY" and head[6:7] in (b"\x01", b"\x02")
    if not known or length > MAX_HEADER or len(head) < skip:
        raise _no_header(key)
    fields = _FIELDS.fullmatch(head[8 + wide : skip].decode("latin-1"))
    if fields is None:
        raise _no_header(key)
    if "O" in fields["descr"]:
        raise DataError(
            f"key {key!r} holds Python objects, which are never opened; want plain numbers or "
            "text. Save it as such an array, and allow no pickles."
        )
    return fields, skip


def _no_header(key: str) -> DataError:
    return DataError(
        f"key {key!r} has no readable NumPy header of plain numbers or text. Save it by "
        "numpy.savez."
    )
