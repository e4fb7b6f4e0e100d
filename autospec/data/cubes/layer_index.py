"""What a slice of layers asks for, in the file's own order; reads nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autospec.data.cubes.cubes import Float32Array
from autospec.data.cubes.extra import BROKEN
from autospec.errors import DataError

NO_QUANTITY = 1e38  # rasters without a declared no-value often hold the largest float32 or float64
INFINITE_ARE = "as no value"
Span = tuple[int, int]  # from, to (not included)
ReadPart = Callable[[Span, Sequence[int], Span, Span], Float32Array]


@dataclass(slots=True)
class Infinite:
    """How many infinite cells were met in reading so far; one that is read again counts again."""

    cells: int = 0


def infinite_met(layers: object) -> int:
    """Return how many infinite cells were met in reading; 0 of layers in memory, which have none.

    The difference before and after a look at every cell is how many there are.
    """
    met = getattr(layers, "infinite", None)
    return met.cells if isinstance(met, Infinite) else 0


def infinite_line(cells: int) -> str:
    """Say how many cells are infinite, and what becomes of them."""
    return f"{cells:,} infinite {'cells count' if cells > 1 else 'cell counts'} {INFINITE_ARE}"


def part_of(shape: tuple[int, ...], index: Any, read: ReadPart) -> Float32Array:  # noqa: ANN401
    """Return what an index of ints and slices asks of layers (t, c, h, w).

    Parameters
    ----------
    shape : tuple of int
        (t, c, h, w).
    index : int, slice, Ellipsis, or a tuple of them
        As for an array.
    read : callable (dates, channels, rows, columns) -> float32, shape (t', c', h', w')
        Reads the smallest block that holds what is asked for.

    Returns
    -------
    float32
        Axes indexed by an int are dropped.

    Raises
    ------
    DataError
        If the file breaks there.
    """
    parts = _complete(index if isinstance(index, tuple) else (index,), len(shape))
    ranges = [_range(part, size) for part, size in zip(parts, shape, strict=True)]
    shown: list[Any] = [0 if not isinstance(part, slice) else slice(None) for part in parts]
    if any(len(r) == 0 for r in ranges):
        nothing: Float32Array = np.empty([len(r) for r in ranges], dtype=np.float32)
        return np.asarray(nothing[tuple(shown)])
    t, rows, columns = (_span(ranges[axis]) for axis in (0, 2, 3))
    try:
        block = read(t, list(ranges[1]), rows, columns)
    except BROKEN as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(
            f"the raster cannot be read at layers {t[0] + 1} to {t[1]}, rows {rows[0] + 1} to "
            f"{rows[1]}, columns {columns[0] + 1} to {columns[1]} ({reason}); want a complete "
            "file. It may be half-written: write it again."
        ) from error
    within = [_within(ranges[0]), slice(None), _within(ranges[2]), _within(ranges[3])]
    return np.asarray(block[tuple(within)][tuple(shown)])


def as_float32(block: Any, met: Infinite | None = None) -> Float32Array:  # noqa: ANN401
    """Return numbers as float32, NaN for infinities and for what only a no-value is as large as.

    Infinities are counted in `met`.
    """
    if met is not None and np.asarray(block).dtype.kind == "f":
        met.cells += int(np.isinf(block).sum())
    with np.errstate(over="ignore", invalid="ignore"):
        out: Float32Array = np.array(block, dtype=np.float32)
        out[~(np.abs(out) < NO_QUANTITY)] = np.nan
    return out


def runs_of(places: Sequence[int | None]) -> Iterator[tuple[slice, slice]]:
    """Yield where neighbouring places go, and these places, so that one read takes them together.

    Parameters
    ----------
    places : sequence of int or None
        In any order; None goes nowhere.
    """
    first = 0
    for i, place in enumerate(places):
        begin = places[first]
        if i + 1 < len(places) and place is not None and places[i + 1] == place + 1:
            continue
        if begin is not None:
            yield slice(first, i + 1), slice(begin, begin + i + 1 - first)
        first = i + 1


def turned_span(span: Span, size: int, turned: bool) -> Span:
    """Return where a span lies on an axis that the file holds the other way round."""
    return (size - span[1], size - span[0]) if turned else span


def _complete(parts: tuple[Any, ...], axes: int) -> list[Any]:
    """Write out what an index leaves to the end, or to an ellipsis."""
    listed = list(parts)
    if any(part is Ellipsis for part in listed):
        place = next(i for i, part in enumerate(listed) if part is Ellipsis)
        listed[place : place + 1] = [slice(None)] * (axes - len(listed) + 1)
    return listed + [slice(None)] * (axes - len(listed))


def _range(part: Any, size: int) -> range:  # noqa: ANN401
    """Return the places that one part of an index names."""
    if isinstance(part, slice):
        return range(size)[part]
    place = range(size)[int(part)]
    return range(place, place + 1)


def _span(places: range) -> Span:
    """Return the smallest span that holds all places."""
    return min(places[0], places[-1]), max(places[0], places[-1]) + 1


def _within(places: range) -> slice:
    """Return the places as a slice of their span."""
    return slice(None, None, places.step) if len(places) > 1 else slice(None)
