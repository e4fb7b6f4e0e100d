"""`boxes`: a raster over time in parts, so that a pass over all of it needs little memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autospec.data.cubes.stacks import Layers

READ_BYTES = 16 * 1024**2  # of one channel at once, as float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Dates, rows and columns of one read."""

    dates: slice
    rows: slice
    columns: slice


def boxes(
    layers: Layers, n_dates: int | None = None, read_bytes: int = READ_BYTES
) -> Iterator[Box]:
    """Yield boxes that part the first dates of a raster: all dates of a place, then the next.

    Parameters
    ----------
    layers : Layers, shape (t, c, h, w)
        Boxes follow what its file reads at once, if it says so by `blocks` (t, h, w).
    n_dates : int, optional
        How many dates; all by default.
    read_bytes : int
        What one channel of a box takes at most.
    """
    t, _, h, w = layers.shape
    shape = (t if n_dates is None else n_dates, h, w)
    if 0 in shape:
        return
    size = _size(shape, getattr(layers, "blocks", (1, 1, 1)), max(read_bytes // 4, 1))
    spans = [
        [slice(start, min(start + step, length)) for start in range(0, length, step)]
        for length, step in zip(shape, size, strict=True)
    ]
    for rows in spans[1]:
        for columns in spans[2]:
            for dates in spans[0]:
                yield Box(dates=dates, rows=rows, columns=columns)


def _size(shape: tuple[int, ...], blocks: tuple[int, int, int], cells: int) -> tuple[int, int, int]:
    """Return dates, rows and columns of a box: whole blocks where they fit, rows kept long."""
    size = [min(block, length) for block, length in zip(blocks, shape, strict=True)]
    for axis in (0, 1, 2):
        others = size[0] * size[1] * size[2] // size[axis]
        size[axis] = min(size[axis], max(cells // others, 1))
    for axis in (2, 1, 0):
        size[axis] = min(shape[axis], size[axis] * max(cells // (size[0] * size[1] * size[2]), 1))
    return size[0], size[1], size[2]
