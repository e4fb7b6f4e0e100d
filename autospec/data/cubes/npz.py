"""Opening an untrusted .npz and decoding its arrays under caps; what they mean is read elsewhere.

Nothing is unpickled. The zip directory and the header of every array are read and checked before
the first array is made, and an array is decoded piece by piece into the memory it declared.
"""

from __future__ import annotations

import hashlib
import stat
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from autospec.data.cubes.npz_headers import MAX_ARRAY_BYTES, Member, check_bytes, parse_header
from autospec.errors import DataError

AnyArray = NDArray[Any]

MAX_MEMBERS = 64
GRID_SUFFIXES = (".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".zarr", ".tif", ".tiff")
_MAX_FILE_BYTES = MAX_ARRAY_BYTES + 2**24
_PIECE = 2**20
_HEAD = 2**14  # an array's header lies within these bytes
_MAX_NAME = 80
_MAX_EXPANSION = 1100  # deflate cannot shrink by more than 1032
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,  # a compression or a version that zipfile does not know
    OverflowError,
    RuntimeError,  # asks for a password
    ValueError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NpzFile:
    """An open file whose directory and headers are sound.

    Parameters
    ----------
    archive : zipfile.ZipFile
        Open for reading.
    members : dict of str to Member
        Its arrays by key.
    told : str
        Its name and the SHA-256 of the whole file, for the provenance.
    """

    archive: zipfile.ZipFile
    members: Mapping[str, Member]
    told: str

    def read(self, name: str, dtype: np.dtype[Any] | None = None) -> AnyArray:
        """Decode one array, converting piece by piece where another `dtype` is wanted.

        Raises
        ------
        DataError
            If the content is shorter or longer than declared, or damaged.
        """
        member = self.members[name]
        native, is_bool = member.dtype.newbyteorder("="), member.dtype.kind == "b"
        # memory is taken when it is written to; texts without a byte are empty
        out: AnyArray = np.zeros(member.size, dtype=native if dtype is None else dtype)
        try:
            with self.archive.open(f"{name}.npy") as stream, np.errstate(all="ignore"):
                _take(stream, member.skip)
                each = max(1, _PIECE // max(1, member.dtype.itemsize))
                for start in range(0, member.size if member.bytes else 0, each):
                    stop = min(start + each, member.size)
                    piece = _take(stream, (stop - start) * member.dtype.itemsize)
                    # a byte of a bool may be neither 0 nor 1
                    cells = np.frombuffer(piece, dtype="u1" if is_bool else member.dtype)
                    if member.dtype.kind == "U":
                        _check_text(cells)
                    out[start:stop] = cells
                if stream.read(1):
                    raise EOFError("more bytes than declared")
            shaped = out.reshape(member.shape, order="F" if member.fortran else "C")
        except _BROKEN as error:
            raise _damaged(name, error) from error
        return np.ascontiguousarray(shaped).reshape(member.shape)


def named(path: Path, problems: Sequence[str]) -> list[str]:
    """Put the name of the file before every line that does not begin with it."""
    name = path.name or str(path)
    starts = (f"{name}: ", f"{path}: ")
    return [line if line.startswith(starts) else f"{name}: {line}" for line in problems]


def is_grid(path: Path) -> bool:
    """Say whether a path is of a format of the geosciences, by its suffix; or a folder."""
    return path.suffix.lower() in GRID_SUFFIXES or path.is_dir()


class _Guarded:
    """A file that never hands out more than a piece at a time: a directory may claim gigabytes."""

    def __init__(self, handle: BinaryIO) -> None:
        self.seek, self.tell, self._read = handle.seek, handle.tell, handle.read
        self.seekable, self.close = handle.seekable, handle.close

    def read(self, size: int | None = -1) -> bytes:
        """Read at most a piece."""
        wanted = _PIECE + 1 if size is None or size < 0 else size
        if wanted > _PIECE + 1:
            raise zipfile.BadZipFile(f"a part of {wanted:,} bytes where a few are wanted")
        return self._read(wanted)


@contextmanager
def open_npz(path: Path) -> Iterator[NpzFile]:
    """Open an .npz after checking all that it declares.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    NpzFile

    Raises
    ------
    DataError
        If it is missing, not a plain file, not an .npz, damaged, encrypted, above a cap, or holds
        pickled objects; with one line for every array at fault.
    """
    try:
        _check_file(path)
        with path.open("rb") as handle:
            _check_kind(handle.read(8))
            handle.seek(0)
            told = f"{path.name}, SHA-256 {hashlib.file_digest(handle, 'sha256').hexdigest()}"
            try:
                archive = zipfile.ZipFile(_Guarded(handle))
            except _BROKEN as error:
                raise DataError(
                    "the file is cut short or damaged: its list of contents, which stands at the "
                    f"end, cannot be read ({error}). Copy or download it again."
                ) from error
            with archive:
                yield NpzFile(archive=archive, members=_members(archive), told=told)
    except OSError as error:
        raise DataError(
            f"the file cannot be read: {error.strerror or error}. Check the path and the file's "
            "permissions."
        ) from error


def _check_file(path: Path) -> None:
    """Refuse what is no plain file, and one above the cap."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"no such file in {str(path.parent)!r}; want an .npz of cubes. Check the path."
        ) from None
    except ValueError as error:
        raise DataError(f"not a file name ({error}). Check the path.") from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a device or a pipe"
        raise DataError(f"this is {kind}; want an .npz file of cubes. Pass the file itself.")
    if found.st_size == 0:
        raise DataError("the file is empty (0 bytes); want an .npz of cubes. Export it again.")
    if found.st_size > _MAX_FILE_BYTES:
        raise DataError(
            f"the file has {found.st_size:,} bytes; want at most {_MAX_FILE_BYTES:,}. Split it "
            "into parts, or keep fewer channels or dates."
        )


def _check_kind(head: bytes) -> None:
    """Say what a file is that is no zip."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return
    what = "no .npz"
    if head.startswith(b"\x93NUMPY"):
        what = "a single NumPy array (.npy); save it with its axes by numpy.savez"
    elif head.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        what = "a Python pickle, which is never opened; save the arrays by numpy.savez"
    elif head.startswith((b"\x89HDF", b"CDF")):
        what = "NetCDF or HDF5; name it .nc, and it is read as such"
    elif head.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        what = "a TIFF; name it .tif, and it is read as such"
    raise DataError(f"not an .npz file: it is {what}. Want a file as numpy.savez writes it.")


def _members(archive: zipfile.ZipFile) -> dict[str, Member]:
    """Read the header of every array; nothing is decoded beyond."""
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise DataError(f"{len(infos):,} arrays in the file; want at most {MAX_MEMBERS}.")
    members: dict[str, Member] = {}
    problems: list[str] = []
    for info in infos:
        try:
            member = _member(archive, info)
            if member.name in members:
                raise DataError(f"key {member.name!r} is there twice; want it once. Save it again.")
            members[member.name] = member
        except DataError as error:
            problems.extend(error.problems)
    check_bytes(sum(m.bytes * (1 + m.fortran) for m in members.values()))
    if problems:
        raise DataError(problems)
    return members


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    """Check what the directory and the header say of one array."""
    name = info.filename
    if not name.endswith(".npy") or len(name) > _MAX_NAME:
        raise DataError(
            f"{name[:_MAX_NAME]!r} is no array; want only arrays, as numpy.savez writes them."
        )
    key = name.removesuffix(".npy")
    if info.flag_bits & 0x1:
        raise DataError(f"key {key!r} is encrypted; want a file without a password.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(
            f"key {key!r} is compressed in a way that numpy does not write (method "
            f"{info.compress_type}); save it by numpy.savez or numpy.savez_compressed."
        )
    try:
        with archive.open(info) as stream:
            member = parse_header(key, stream.read(_HEAD))
    except _BROKEN as error:
        raise _damaged(key, error) from error
    check_bytes(member.bytes)
    if info.file_size != member.skip + member.bytes:
        raise DataError(
            f"key {key!r}: {info.file_size:,} bytes, where its header declares "
            f"{member.skip + member.bytes:,}. The file is damaged: save it again."
        )
    if info.file_size > _MAX_EXPANSION * (info.compress_size + 64):
        raise DataError(
            f"key {key!r}: {info.compress_size:,} bytes cannot hold the {info.file_size:,} that "
            "are declared. The file is damaged or made to harm: save it again."
        )
    return member


def _check_text(cells: AnyArray) -> None:
    """Refuse numbers that are no characters: NumPy would take them, and Python not."""
    if cells.size and cells.view(f"{cells.dtype.str[0]}u4").max() > sys.maxunicode:
        raise ValueError("it is no text")


def _take(stream: Any, size: int) -> bytes:  # noqa: ANN401 (zipfile.ZipExtFile is not generic IO)
    """Read exactly `size` bytes."""
    found = bytearray()
    while len(found) < size:
        more = stream.read(min(size - len(found), _PIECE))
        if not more:
            raise EOFError("fewer bytes than declared")
        found += more
    return bytes(found)


def _damaged(key: str, error: Exception) -> DataError:
    return DataError(
        f"key {key!r}: the content is damaged ({error}). Copy or download the file again."
    )
