"""`map_problem`: what a model says of a whole raster, sequence by sequence and band by band.

Memory is that of a tile and of one band over the raster's width, for the dates of one sequence, at
most the model's length; neither the raster's height nor more dates raise it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from autospec.data.cubes.cubes import Float32Array
from autospec.data.maps.problem import MapProblem
from autospec.data.maps.splits import FIT
from autospec.data.maps.tiles import Place, Sequence, Tile, read_tile, sequences
from autospec.data.maps.tiling import AnyFloats, Tiling, map_in_tiles
from autospec.data.spectra import IntArray


class MapPredictor(Protocol):
    """What predicts the targets of a tile."""

    def predict(self, tile: Tile) -> Float32Array:
        """Return float32 (t, k, h, w) in the targets' units, finite wherever a slot is present."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Band:
    """Some rows of a map over the whole width, at some dates.

    Parameters
    ----------
    slots : int64, shape (d,)
        Target slots, ascending.
    row : int
        The first row.
    values : float32, shape (d, k, rows, w)
        In the targets' units; NaN at slots whose input slot has no date with values.
    """

    slots: IntArray
    row: int
    values: Float32Array


def map_problem(
    problem: MapProblem,
    model: MapPredictor,
    slots: IntArray,
    tiling: Tiling,
    on_tile: Callable[[int, int], None] | None = None,
) -> Iterator[Band]:
    """Yield a map in bands: all rows of the dates of one sequence, then the next sequence.

    Parameters
    ----------
    problem : MapProblem
    model : MapPredictor
    slots : int64, shape (d,)
        Target slots that are wanted, ascending; each comes back exactly once a row. With a
        horizon, they may lie up to the horizon after the last date.
    tiling : Tiling
    on_tile : callable (done, total) -> None, optional
        Told after every tile.
    """
    parts = sequences(problem, slots)
    total = len(parts) * tiling.tiles(problem.stack.shape)
    done = 0

    def predicted(tile: Tile, kept: IntArray) -> AnyFloats:
        nonlocal done
        answer = model.predict(tile)[kept]
        done += 1
        if on_tile is not None:
            on_tile(done, total)
        return answer

    for part in parts:
        yield from _map_sequence(problem, part, tiling, predicted)


def n_tiles(problem: MapProblem, slots: IntArray, tiling: Tiling) -> int:
    """Return how many tiles `map_problem` takes, all sequences together."""
    return len(sequences(problem, slots)) * tiling.tiles(problem.stack.shape)


def _map_sequence(
    problem: MapProblem,
    part: Sequence,
    tiling: Tiling,
    predicted: Callable[[Tile, IntArray], AnyFloats],
) -> Iterator[Band]:
    """Yield the bands of one sequence's kept slots."""
    kept = np.asarray(part.kept)
    absent = ~problem.has_values(part.start + kept)

    def read(rows: slice, columns: slice) -> Tile:
        place = Place(
            slot=part.start,
            row=rows.start,
            column=columns.start,
            height=rows.stop - rows.start,
            width=columns.stop - columns.start,
        )
        return read_tile(problem, None, place, FIT)

    def ask(tile: Tile) -> AnyFloats:
        return predicted(tile, kept)

    slots = part.start + kept + problem.aims.horizon
    for row, values in map_in_tiles(read, ask, problem.stack.shape, tiling):
        values[absent] = np.nan
        yield Band(slots=slots, row=row, values=values.astype(np.float32, copy=False))
