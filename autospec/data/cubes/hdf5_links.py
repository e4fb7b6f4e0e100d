"""`check_contained`: an HDF5 file that would read other files of the user is refused.

HDF5 lets a file name others: raw data in external files, virtual data sets, external links. Read
blindly, a file from elsewhere would copy what it likes of this machine into a result.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from autospec.errors import DataError, shorten

if TYPE_CHECKING:
    import h5py

MAX_OBJECTS = 100_000


def check_contained(path: Path) -> None:
    """Walk every group before anything is read; nothing but headers is.

    Parameters
    ----------
    path : Path
        A file of HDF5 or NetCDF 4.

    Raises
    ------
    DataError
        If any object or link leaves the file, or there are too many of them.
    """
    import h5py

    problems: list[str] = []
    with h5py.File(path, "r") as file:
        waiting: list[tuple[bytes, Any]] = [(b"", file.id)]
        met: set[Any] = set()
        while waiting:
            name, group = waiting.pop()
            for member in group:
                where = name + b"/" + member
                kind = group.links.get_info(member).type
                if kind == h5py.h5l.TYPE_SOFT:
                    continue  # a path within this file, whose links are all met here
                if kind != h5py.h5l.TYPE_HARD:
                    problems.append(_refused(where, "is a link to another file"))
                    continue
                info = h5py.h5o.get_info(group, member)
                if (info.fileno, info.addr) in met:
                    continue  # a second name, perhaps of a group above
                met.add((info.fileno, info.addr))
                if len(met) > MAX_OBJECTS:
                    raise DataError(f"more than {MAX_OBJECTS:,} groups and arrays; want fewer.")
                found = h5py.h5o.open(group, member)
                if isinstance(found, h5py.h5g.GroupID):
                    waiting.append((where, found))
                elif isinstance(found, h5py.h5d.DatasetID):
                    problems += _outside(where, found)
    if problems:
        raise DataError(shorten(problems))


def _outside(where: bytes, dataset: h5py.h5d.DatasetID) -> list[str]:
    """Return what is wrong with where an array has its values."""
    import h5py

    plist = dataset.get_create_plist()
    if plist.get_layout() == h5py.h5d.VIRTUAL:
        return [_refused(where, "is virtual: put together from other arrays or files")]
    if plist.get_external_count():
        return [_refused(where, "has its values in another file")]
    return []


def _refused(where: bytes, what: str) -> str:
    name = where.decode("utf-8", "replace")[:80]
    return (
        f"{name!r} {what}, which is never followed; want all values in this file. Copy them into "
        "one file, for example with h5repack or nccopy."
    )
