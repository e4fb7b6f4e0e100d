"""`check_survivable`: an HDF5 file is opened in a process of its own first, which damage may end.

The HDF5 library trusts what a file says of itself. A chunk of two bytes under a checksum of four
is a segmentation fault, and damaged dimension scales are walked without end: no error that Python
could meet. So a child looks first: at every link and attribute, the table of every array's chunks,
and the values themselves as far as they are few. Of values beyond that, only the table is known
to be sound.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autospec.errors import DataError, shorten

if TYPE_CHECKING:
    import h5py

READ_BYTES = 64 * 1024**2  # values that are read on trial
PATIENCE_S = 5.0  # after the imports
BYTES_A_SECOND = 20 * 1024**2  # of the file, and so much more time
START_S = 600.0  # for all of it, where a system has no alarm
_SHUFFLE, _FLETCHER = 2, 3  # filters that do not compress; HDF5's own numbers
_CHECKSUM_BYTES = 4
_WORST_GROWTH = 2  # a filter may make a chunk larger, but not without end


def check_survivable(path: Path) -> None:
    """Have a file opened elsewhere, and refuse it where that process died or had a complaint.

    Parameters
    ----------
    path : Path
        A file of HDF5 or NetCDF 4.

    Raises
    ------
    DataError
        If it leaves the file, is damaged, ends the library, or keeps it busy for more than
        5 s and a second for every 20 MB.
    """
    command = [sys.executable, "-m", "autospec.data.cubes.hdf5_probe", str(path.absolute())]
    where = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    try:
        done = subprocess.run(command, env=where, capture_output=True, timeout=START_S, check=False)
        code = done.returncode
        said = done.stdout.decode("utf-8", "replace").strip().splitlines()
    except subprocess.TimeoutExpired:
        code, said = -int(getattr(signal, "SIGALRM", 1)), []
    if code == 0 and said:
        problems: list[str] = json.loads(said[-1])
        if problems:
            raise DataError(problems)
        return
    alarm = getattr(signal, "SIGALRM", None)
    if alarm is not None and code == -alarm:
        what = "keeps the HDF5 library busy without end"
    else:
        what = f"ends the HDF5 library ({signal.Signals(-code).name if code < 0 else code})"
    raise DataError(
        f"the content {what}: it is damaged, or made to do harm; want a complete file. Write it "
        "again, for example with nccopy."
    )


def main(path: Path) -> None:
    """Look at a file, and print a JSON list of what is wrong with it."""
    import h5netcdf
    import h5py

    from autospec.data.cubes.extra import BROKEN

    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends even native code
        signal.setitimer(signal.ITIMER_REAL, PATIENCE_S + path.stat().st_size / BYTES_A_SECOND)
    try:
        problems = _problems(path, h5netcdf, h5py)
    except DataError as error:
        problems = list(error.problems)
    except BROKEN as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        problems = [
            f"the content is broken or half-written ({reason}); want a complete file. Write it "
            "again."
        ]
    print(json.dumps(shorten(problems)))  # noqa: T201 (its answer)


def _problems(path: Path, h5netcdf: Any, h5py: Any) -> list[str]:  # noqa: ANN401 (modules)
    """Walk the file as the readers will."""
    from autospec.data.cubes.hdf5_links import check_contained

    check_contained(path)
    size = path.stat().st_size
    problems: list[str] = []
    with h5py.File(path, "r") as file:
        found: list[Any] = []
        file.visititems(lambda _, member: found.append(member))
        arrays: list[h5py.Dataset] = [x for x in found if isinstance(x, h5py.Dataset)]
        for array in arrays:
            problems += _chunk_problems(array, size)
        if problems:
            return problems
        left = READ_BYTES
        for array in sorted(arrays, key=lambda a: int(a.nbytes)):
            left -= _read_some(array, left)
    with h5netcdf.File(path, "r") as opened:
        len(opened.dimensions)
        for variable in opened.variables.values():
            dict(variable.attrs)
            tuple(variable.dimensions)
        dict(opened.attrs)
    return []


def _chunk_problems(array: h5py.Dataset, file_bytes: int) -> list[str]:
    """Check the table of an array's chunks; the first fault is enough."""
    if array.chunks is None or array.shape is None:
        return []
    whole = int(array.dtype.itemsize)
    for length in array.chunks:
        whole *= int(length)
    plist = array.id.get_create_plist()
    filters = [plist.get_filter(k)[0] for k in range(plist.get_nfilters())]
    for offset, mask, place, size in _chunks(array):
        met = [f for k, f in enumerate(filters) if not mask >> k & 1]
        # Texts are references, of a size that only the library knows.
        wrong = "" if array.dtype.hasobject else _wrong(size, whole, met)
        if place + size > file_bytes:
            wrong = f"lies beyond the {file_bytes:,} bytes of the file"
        if wrong:
            return [
                f"{array.name[:80]!r}: the chunk at {offset} of {size:,} bytes {wrong}; the file "
                "is damaged. Write it again."
            ]
    return []


def _chunks(array: h5py.Dataset) -> Iterator[tuple[tuple[int, ...], int, int, int]]:
    """Yield offset, filter mask, place and size of each chunk that is there."""
    found: list[Any] = []
    if hasattr(array.id, "chunk_iter"):
        array.id.chunk_iter(found.append)
    else:  # HDF5 before 1.12.3
        found += [array.id.get_chunk_info(k) for k in range(array.id.get_num_chunks())]
    for chunk in found:
        yield chunk.chunk_offset, int(chunk.filter_mask), int(chunk.byte_offset), int(chunk.size)


def _wrong(size: int, whole: int, filters: list[int]) -> str:
    """Say what is wrong with the size of a chunk that unpacks to `whole` bytes, if anything."""
    checksum = _CHECKSUM_BYTES * filters.count(_FLETCHER)
    if all(f in (_SHUFFLE, _FLETCHER) for f in filters) and size != whole + checksum:
        return f"is not packed; want {whole + checksum:,}"
    if size <= checksum:
        return "is too short to hold anything"
    if size > _WORST_GROWTH * whole + 4096:
        return f"is larger than what it unpacks to ({whole:,})"
    return ""


def _read_some(array: h5py.Dataset, most_bytes: int) -> int:
    """Read the values on trial, as many as `most_bytes` hold; return how many bytes that were."""
    if array.shape is None or 0 in array.shape:
        return 0
    if array.nbytes <= most_bytes:
        array[()]
        return int(array.nbytes)
    a_row = int(array.nbytes) // int(array.shape[0])
    rows = most_bytes // a_row
    if rows:
        array[:rows]
    return rows * a_row


if __name__ == "__main__":
    main(Path(sys.argv[1]))
