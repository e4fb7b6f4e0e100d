"""Maps tile by tile: overlapping tiles, tapered and summed, in memory that no height can raise.

The raster is mirrored at its edges by a margin, cut into overlapping tiles (the last one of a row
or column is moved back so that it fits), and each tile's answer is weighted by a sin² taper; sums
of weighted answers are divided by sums of weights. The outer half of the margin has no weight: what
a network says there is spoilt by what it cannot see, so that a network whose receptive field is no
wider than the margin says the same as in one piece. Tiles are taken row by row, and rows that no
later tile reaches are handed on at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autospec.data.maps.tiles import Tile
from autospec.data.spectra import FloatArray, IntArray

AnyFloats = NDArray[np.floating]
AnyArray = NDArray[Any]
Reader = Callable[[slice, slice], Tile]
Network = Callable[[Tile], AnyFloats]


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

    def tiles(self, shape: tuple[int, int]) -> int:
        """Return how many tiles a raster of (h, w) cells is cut into."""
        return len(self.starts(shape[0])) * len(self.starts(shape[1]))

    def size(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return the (h, w) of all tiles of a raster of (h, w) cells, mirrored ones included."""
        h, w = shape
        return min(self.tile, h + 2 * self.margin), min(self.tile, w + 2 * self.margin)

    def taper(self, length: int) -> FloatArray:
        """Return the weights along a tile of `length` cells.

        Where tiles overlap, those of two neighbours add up to 1: 0 over half a margin, then rising
        by sin²; else 1. A tile shorter than `tile` is the only one, and needs none.
        """
        weights = np.ones(length)
        if length < self.tile or not self.margin:
            return weights
        blank = self.margin // 2
        rise = 2 * (self.margin - blank)
        rising = np.zeros(2 * self.margin)
        rising[blank + rise :] = 1.0
        rising[blank : blank + rise] = np.sin(0.5 * np.pi * (np.arange(rise) + 0.5) / rise) ** 2
        weights[: len(rising)] = rising
        weights[length - len(rising) :] = rising[::-1]
        return weights


def usual_tiling(tile: int, shape: tuple[int, int]) -> Tiling:
    """Return the tiles that suit a network which learned from tiles of `tile` cells.

    It has seen no larger ones, and what it pools over a whole tile depends on their size. A raster
    (h, w) that fits in one is predicted in one, without mirrored cells, as in the training.
    """
    return Tiling(tile=tile, margin=0 if max(shape) <= tile else tile // 8)


def map_in_tiles(
    read: Reader, network: Network, shape: tuple[int, int], tiling: Tiling
) -> Iterator[tuple[int, AnyFloats]]:
    """Yield bands of a map, from north to south: where each begins, and (..., rows, w).

    Sums are kept in the type of the answers: float32 of networks, float64 of what is exact.

    Parameters
    ----------
    read : callable (rows, columns) -> Tile
        Reads a part of the raster, inside of it.
    network : callable (tile) -> (..., rows, columns)
        What is wanted of a tile.
    shape : tuple of int
        (h, w) of the raster.
    tiling : Tiling
    """
    h, w = shape
    m = tiling.margin
    top_starts, left_starts = tiling.starts(h).tolist(), tiling.starts(w).tolist()
    size = tiling.size(shape)
    taper = np.outer(tiling.taper(size[0]), tiling.taper(size[1]))
    band: AnyFloats | None = None
    weights = np.zeros((size[0], w + 2 * m))
    for top, following in zip(top_starts, [*top_starts[1:], top_starts[-1] + size[0]], strict=True):
        for left in left_starts:
            answer = np.asarray(network(_mirrored(read, (top, left), size, shape, m)))
            assert answer.shape[-2:] == size, "a tile keeps its size"
            if band is None:
                band = np.zeros((*answer.shape[:-2], *weights.shape), dtype=answer.dtype)
            columns = slice(left, left + size[1])
            band[..., columns] += answer * taper.astype(answer.dtype)
            weights[:, columns] += taper
        assert band is not None
        first, end = max(top, m), min(following, h + m)
        if end > first:
            rows = slice(first - top, end - top)
            yield (
                first - m,
                band[..., rows, m : m + w] / weights[rows, m : m + w].astype(band.dtype),
            )
        _move_up(band, following - top)
        _move_up(weights, following - top)


def _move_up(band: AnyFloats, rows: int) -> None:
    """Drop the band's first rows, and put as many empty ones below; in its place."""
    stay = band.shape[-2] - rows
    band[..., :stay, :] = band[..., rows:, :]
    band[..., stay:, :] = 0


def _mirrored(
    read: Reader,
    start: tuple[int, int],
    size: tuple[int, int],
    shape: tuple[int, int],
    margin: int,
) -> Tile:
    """Read a tile of the raster that is mirrored at its edges; `start` counts with the margin."""
    places = [
        _reflected(np.arange(begin - margin, begin - margin + length), n)
        for begin, length, n in zip(start, size, shape, strict=True)
    ]
    rows, columns = (slice(int(p.min()), int(p.max()) + 1) for p in places)
    tile = read(rows, columns)
    own = [p - p.min() for p in places]

    def spread(field: AnyArray) -> Any:  # noqa: ANN401 (of the type that came)
        return np.ascontiguousarray(field[..., own[0][:, None], own[1][None, :]])

    return replace(
        tile,
        dynamic=spread(tile.dynamic),
        static=spread(tile.static),
        last=spread(tile.last),
        target=spread(tile.target),
        counted=spread(tile.counted),
    )


def _reflected(index: IntArray, n: int) -> IntArray:
    """Return positions 0 to n − 1 for any: mirrored at the first and the last, without them."""
    if n == 1:
        return np.zeros_like(index)
    period = 2 * (n - 1)
    index = np.abs(index) % period
    return np.minimum(index, period - index)
