"""Maps tile by tile: overlapping tiles, tapered and summed, in memory that no height can raise.

The raster is mirrored at its edges by a margin, cut into overlapping tiles (the last one of a row
or column is moved back so that it fits), and each tile's answer is weighted by a sin² taper that
is never 0; sums of weighted answers are divided by sums of weights. Tiles are taken row by row, and
rows that no later tile reaches are handed on at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autospec.data.cubes.cubes import Float32Array
from autospec.data.spectra import FloatArray, IntArray

AnyFloats = NDArray[np.floating]
Reader = Callable[[slice, slice], Float32Array]
Network = Callable[[Float32Array], AnyFloats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """How a raster is cut.

    Parameters
    ----------
    tile : int
        Side of a tile in cells.
    margin : int
        Cells mirrored beyond each edge of the raster, and by which neighbouring tiles overlap at
        least twice; at least 0, and less than a quarter of a tile.
    """

    tile: int = 128
    margin: int = 16

    def __post_init__(self) -> None:
        """Refuse tiles that do not overlap as they must."""
        if self.margin < 0 or 4 * self.margin >= self.tile:
            raise ValueError(f"margin = {self.margin}; want 0 to below a quarter of {self.tile}")

    def starts(self, length: int) -> IntArray:
        """Return where tiles begin along an axis of `length` cells, counted with the margin."""
        padded = length + 2 * self.margin
        if padded <= self.tile:
            return np.zeros(1, dtype=np.int64)
        step = self.tile - 2 * self.margin
        starts = np.arange(0, padded - self.tile + step, step, dtype=np.int64)
        return np.minimum(starts, padded - self.tile)

    def taper(self, length: int) -> FloatArray:
        """Return the weights along a tile of `length` cells: sin² over the overlap, else 1."""
        overlap = min(2 * self.margin, length // 2)
        weights = np.ones(length)
        rising = np.sin(0.5 * np.pi * (np.arange(overlap) + 0.5) / max(overlap, 1)) ** 2
        weights[:overlap] = rising
        weights[length - overlap :] = rising[::-1]
        return weights


def map_in_tiles(
    read: Reader, network: Network, shape: tuple[int, int], tiling: Tiling
) -> Iterator[tuple[int, FloatArray]]:
    """Yield bands of a map, from north to south: where each begins, and (..., rows, w).

    Parameters
    ----------
    read : callable (rows, columns) -> float32 (..., rows, columns)
        Reads a part of the raster.
    network : callable (tile) -> (..., rows, columns)
        What is wanted of a tile; its other axes may differ from the tile's.
    shape : tuple of int
        (h, w) of the raster.
    tiling : Tiling
    """
    h, w = shape
    m = tiling.margin
    top_starts, left_starts = tiling.starts(h), tiling.starts(w)
    side = min(tiling.tile, h + 2 * m)
    band: FloatArray | None = None
    weights = np.zeros((side, w + 2 * m))
    for number, top in enumerate(top_starts.tolist()):
        for left in left_starts.tolist():
            size = (side, min(tiling.tile, w + 2 * m))
            answer = np.asarray(network(_mirrored(read, (top, left), size, shape, m)))
            assert answer.shape[-2:] == size, "a tile keeps its size"
            taper = np.outer(tiling.taper(size[0]), tiling.taper(size[1]))
            if band is None:
                band = np.zeros((*answer.shape[:-2], *weights.shape))
            columns = slice(left, left + size[1])
            band[..., columns] += answer * taper
            weights[:, columns] += taper
        assert band is not None
        last = number + 1 == len(top_starts)
        done = side if last else int(top_starts[number + 1]) - top
        first, end = max(top, m), min(top + done, h + m)
        if end > first:
            rows = slice(first - top, end - top)
            yield first - m, band[..., rows, m : m + w] / weights[rows, m : m + w]
        band, weights = _moved_up(band, done), _moved_up(weights, done)


def _moved_up(band: FloatArray, rows: int) -> FloatArray:
    """Return the band without its first rows, and as many empty ones below."""
    moved = np.zeros_like(band)
    moved[..., : band.shape[-2] - rows, :] = band[..., rows:, :]
    return moved


def _mirrored(
    read: Reader,
    start: tuple[int, int],
    size: tuple[int, int],
    shape: tuple[int, int],
    margin: int,
) -> Float32Array:
    """Read a tile of the raster that is mirrored at its edges; `start` counts with the margin."""
    places = [
        _reflected(np.arange(begin - margin, begin - margin + length), n)
        for begin, length, n in zip(start, size, shape, strict=True)
    ]
    rows, columns = (slice(int(p.min()), int(p.max()) + 1) for p in places)
    part = read(rows, columns)
    own = [p - p.min() for p in places]
    return np.ascontiguousarray(part[..., own[0][:, None], own[1][None, :]])


def _reflected(index: IntArray, n: int) -> IntArray:
    """Return positions 0 to n − 1 for any: mirrored at the first and the last, without them."""
    if n == 1:
        return np.zeros_like(index)
    period = 2 * (n - 1)
    index = np.abs(index) % period
    return np.minimum(index, period - index)
