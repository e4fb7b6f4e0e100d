"""Windows of a raster stack, read in few reads; where they lie is settled elsewhere.

Windows are read together where that touches no more chunks of the file than one by one, so memory
stays within a bound and a chunk is not unpacked for every point in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from autospec.data.cubes.cubes import BoolArray, Float32Array
from autospec.data.cubes.stacks import RasterStack
from autospec.data.spectra import IntArray

READ_BYTES = 64 * 1024**2  # read at once

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]  # dates, rows, columns: from, to
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cuts:
    """Where the windows lie, m of them: which point, the first row and column, the layers."""

    point: IntArray
    row: IntArray
    column: IntArray
    layers: IntArray

    def of(self, index: IntArray) -> Cuts:
        """Return some of them."""
        return Cuts(
            point=self.point[index],
            row=self.row[index],
            column=self.column[index],
            layers=self.layers[index],
        )


def read_windows(
    stack: RasterStack, cuts: Cuts, window: int, progress: Progress | None = None
) -> tuple[Float32Array, BoolArray]:
    """Read m windows.

    Parameters
    ----------
    stack : RasterStack
    cuts : Cuts
        All within the stack.
    window : int
        Cells on each side.
    progress : callable (done, total), optional
        Called after every read.

    Returns
    -------
    values : float32, shape (m, c + s, window, window, t)
        0 where there is none; static channels are repeated over time.
    valid : bool, of that shape
        Where there is a value.
    """
    m, steps = cuts.layers.shape
    c, s = len(stack.channels), len(stack.static_channels)
    values: Float32Array = np.empty((m, c + s, window, window, steps), dtype=np.float32)
    done = 0
    for run, box in _runs(stack, cuts, window):
        (t0, t1), (r0, r1), (q0, q1) = box
        apart = _cells(box) * 4 * c > READ_BYTES  # one window whose dates lie far apart
        block = None if apart else stack.dynamic[t0:t1, :, r0:r1, q0:q1]
        for i in run.tolist():
            r, q = int(cuts.row[i]), int(cuts.column[i])
            near = (slice(r - r0, r - r0 + window), slice(q - q0, q - q0 + window))
            for k, t in enumerate(cuts.layers[i].tolist()):
                layer = stack.dynamic[t, :, r0:r1, q0:q1] if block is None else block[t - t0]
                values[i, :c, :, :, k] = layer[:, near[0], near[1]]
            values[i, c:] = stack.static[:, r : r + window, q : q + window, None]
        done += len(run)
        if progress is not None:
            progress(done, m)
    valid = np.isfinite(values)
    values[~valid] = 0.0
    return values, valid


def _runs(stack: RasterStack, cuts: Cuts, window: int) -> Iterator[tuple[IntArray, Box]]:
    """Yield windows that are read together, and the box that holds them."""
    blocks = getattr(stack.dynamic, "blocks", (1, 1, 1))
    _, bt_rows, bt_columns = blocks
    first = cuts.layers[:, 0]
    order = np.lexsort(
        (cuts.column, cuts.row, first, cuts.column // bt_columns, cuts.row // bt_rows)
    )
    cell_bytes = 4 * len(stack.channels)
    run: list[int] = []
    box: Box | None = None
    for i in order.tolist():
        own = _box(cuts, i, window)
        if box is not None:
            joint = _hull(box, own)
            worth = _chunks(joint, blocks) <= _chunks(box, blocks) + _chunks(own, blocks)
            if worth and _cells(joint) * cell_bytes <= READ_BYTES:
                run.append(i)
                box = joint
                continue
            yield np.asarray(run), box
        run, box = [i], own
    if box is not None:
        yield np.asarray(run), box


def _box(cuts: Cuts, i: int, window: int) -> Box:
    """Return the box of one window."""
    r, q = int(cuts.row[i]), int(cuts.column[i])
    t = int(cuts.layers[i, 0]), int(cuts.layers[i, -1]) + 1
    return t, (r, r + window), (q, q + window)


def _hull(a: Box, b: Box) -> Box:
    """Return the smallest box that holds two."""
    t, r, q = ((min(p[0], o[0]), max(p[1], o[1])) for p, o in zip(a, b, strict=True))
    return t, r, q


def _cells(box: Box) -> int:
    """Return how many cells of one channel a box has."""
    return int(np.prod([stop - start for start, stop in box]))


def _chunks(box: Box, blocks: tuple[int, int, int]) -> int:
    """Return how many chunks of the file a box touches."""
    touched = [(b - 1) // size - a // size + 1 for (a, b), size in zip(box, blocks, strict=True)]
    return int(np.prod(touched))
