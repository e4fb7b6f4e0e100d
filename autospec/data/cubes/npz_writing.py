"""Writing an .npz whole or not at all, in pieces; equal arrays give equal bytes."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autospec.data.cubes.npz_headers import check_bytes
from autospec.data.writing import replacing

AnyArray = NDArray[Any]
Pieces = Callable[[], Iterator[AnyArray]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """An array to write, in pieces: its key, shape, dtype, and what yields its cells in order."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pieces: Pieces

    @property
    def bytes(self) -> int:
        """Bytes of its cells."""
        return math.prod(self.shape) * self.dtype.itemsize


def whole(name: str, array: AnyArray) -> Column:
    """Return an array that is written in one piece."""
    return Column(name=name, shape=array.shape, dtype=array.dtype, pieces=lambda: iter((array,)))


def text(name: str, words: str | Sequence[str]) -> Column:
    """Return one text, or a row of them."""
    longest = max(map(len, (words,) if isinstance(words, str) else words), default=0)
    return whole(name, np.array(words, dtype=f"U{max(1, longest)}"))


def write_npz(path: Path, columns: Sequence[Column]) -> None:
    """Write an .npz, whole or not at all; equal arrays give equal bytes.

    Numbers are stored as they are: they hardly compress, and are read faster.

    Parameters
    ----------
    path : Path
        The file; one that exists is replaced.
    columns : sequence of Column

    Raises
    ------
    DataError
        If the arrays are above the cap that a reader has.
    OutputError
        If the file cannot be written; what was there before is still there.
    """
    check_bytes(sum(column.bytes for column in columns))
    with replacing(path) as stream, zipfile.ZipFile(stream, "w") as archive:
        for column in columns:
            dtype = column.dtype.newbyteorder("<")
            info = zipfile.ZipInfo(f"{column.name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # the same on every system
            info.file_size = column.bytes
            with archive.open(info, "w") as out:
                descr = np.lib.format.dtype_to_descr(dtype)
                np.lib.format.write_array_header_1_0(
                    out, {"descr": descr, "fortran_order": False, "shape": column.shape}
                )
                for piece in column.pieces():
                    out.write(np.ascontiguousarray(piece, dtype=dtype).tobytes())
