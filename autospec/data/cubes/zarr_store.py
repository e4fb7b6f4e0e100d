"""What a Zarr store promises and what is there: missing chunks, codecs that run code, caps.

A chunk that was never written reads as the fill value by Zarr's design, so a store that was
half-written looks whole; writers also leave out chunks that hold nothing but the fill value.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autospec.data.cubes.extra import BROKEN
from autospec.data.findings import Findings, some
from autospec.data.tables import MAX_DECODED_BYTES
from autospec.errors import DataError

MAX_COORDINATE = 10_000_000
METADATA = ("zarr.json", ".zgroup", ".zmetadata", ".zarray", ".zattrs")


def check_store(path: Path, findings: Findings) -> None:
    """Refuse a store that is half-written or unsafe; say which chunks are missing.

    Parameters
    ----------
    path : Path
        The store's folder.
    findings : Findings
        Receives a sentence for each array with missing chunks.

    Raises
    ------
    DataError
        If metadata are missing, an array has no chunk at all, a coordinate misses one, or a codec
        would run code.
    """
    arrays = _arrays(path)
    if not arrays:
        raise DataError(
            "the Zarr store has no array; want at least a variable and its coordinates. It may be "
            "half-written: write it again."
        )
    problems: list[str] = []
    for name, array in arrays:
        if "pickle" in str(array.metadata.to_dict()).lower():
            problems.append(
                f"array {name!r} is stored as Python pickles, which are never opened; write it as "
                "numbers."
            )
            continue
        if array.ndim == 1 and array.shape[0] > MAX_COORDINATE:
            problems.append(
                f"coordinate {name!r} has {array.shape[0]:,} places; want at most "
                f"{MAX_COORDINATE:,}."
            )
            continue
        problems += _missing(name, array, findings) + _oversized(path / name, array)
    if problems:
        raise DataError(problems)


def _arrays(path: Path) -> list[tuple[str, Any]]:
    """Return the arrays of the store's root group by name."""
    import zarr
    from zarr.errors import BaseZarrError

    try:
        root = zarr.open_group(path, mode="r")
        return sorted(root.arrays())
    except (BaseZarrError, *BROKEN) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(
            f"the Zarr store's metadata are missing or broken ({reason}); want a complete store. "
            "It may be half-written: write it again."
        ) from error


def _missing(name: str, array: Any, findings: Findings) -> list[str]:  # noqa: ANN401
    """Count the chunks that are not there; return a problem, or say it."""
    if array.ndim == 0:
        return []
    size = array.dtype.itemsize
    for length in array.chunks:
        size *= int(length)
    if size > MAX_DECODED_BYTES:
        return [f"array {name!r}: one chunk unfolds to {size:,} bytes; write smaller chunks."]
    promised, there = array.nchunks, array.nchunks_initialized
    if there >= promised:
        return []
    if there == 0 and array.size > 1:
        return [
            f"array {name!r}: none of its {promised} chunks is there; want its values. The store "
            "is half-written: write it again."
        ]
    if array.ndim == 1 and array.size > 1:
        return [
            f"coordinate {name!r}: {promised - there} of {promised} chunks are missing; want all. "
            "The store is half-written: write it again."
        ]
    findings.mended.append(
        f"{some([name])}: {promised - there} of {promised} chunks are not in the store and read "
        f"as {_fill(array)}; that is so on purpose, or the store is half-written"
    )
    return []


def _oversized(folder: Path, array: Any) -> list[str]:  # noqa: ANN401
    """Refuse a chunk that is larger packed than it should be unpacked: it would inflate further."""
    if array.dtype.kind not in "biufcM":
        return []
    size = int(array.dtype.itemsize)
    for length in array.shards or array.chunks:
        size *= int(length)
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in METADATA and path.stat().st_size > 2 * size + 4096:
            return [
                f"array {folder.name!r}: chunk {path.relative_to(folder).as_posix()} has "
                f"{path.stat().st_size:,} bytes and should unpack to {size:,}; it is damaged. "
                "Write the store again."
            ]
    return []


def _fill(array: Any) -> str:  # noqa: ANN401
    """Word what a missing chunk reads as."""
    fill = array.fill_value
    if fill is None:
        return "anything"
    declared = "_FillValue" in array.attrs or array.metadata.zarr_format == 2
    return "no value" if declared or fill != fill else f"{fill} (not as no value)"
