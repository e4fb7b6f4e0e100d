"""Maps of a whole problem: every date and row once, edges as the inside, in little memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from autospec.data.cubes.cubes import Float32Array
from autospec.data.maps.asking import pose
from autospec.data.maps.problem import MapAims, MapProblem
from autospec.data.maps.tiles import Tile
from autospec.data.maps.tiling import Tiling
from autospec.evaluate.mapping import MapPredictor, map_problem, n_tiles
from tests.predict.made_map_bundles import made_stack


@dataclass(frozen=True)
class Pointwise:
    """Sums the inputs of a cell, and its static layer."""

    k: int = 1

    def predict(self, tile: Tile) -> Float32Array:
        total = np.nan_to_num(tile.dynamic).sum(axis=1, keepdims=True) + tile.static[None, :1]
        return np.repeat(total, self.k, axis=1)


@dataclass(frozen=True)
class Neighbours:
    """Three 3 x 3 convolutions in a row: a cell is told by those at most 3 away."""

    def predict(self, tile: Tile) -> Float32Array:
        x = torch.from_numpy(np.nan_to_num(tile.dynamic).sum(axis=1, keepdims=True))
        kernel = torch.linspace(-0.3, 0.4, 9).view(1, 1, 3, 3)
        for _ in range(3):
            x = torch.tanh(torch.nn.functional.conv2d(x, kernel, padding=1))
        return x.numpy()


def posed(horizon: int, t: int = 9, h: int = 41, w: int = 53) -> MapProblem:
    aims = MapAims(targets=("ndvi",), horizon=horizon, length=4)
    return pose(made_stack(t, h, w), aims)


def mapped(problem: MapProblem, model: MapPredictor, tiling: Tiling) -> Float32Array:
    """Put the bands together, each cell and date of them once."""
    slots = problem.slots + problem.aims.horizon
    out = np.full((len(slots), 1, *problem.stack.shape), np.nan, dtype=np.float32)
    for band in map_problem(problem, model, slots, tiling):
        where = np.searchsorted(slots, band.slots)
        rows = slice(band.row, band.row + band.values.shape[2])
        assert np.isnan(out[where, :, rows]).all(), "a row came twice"
        out[where, :, rows] = band.values
    return out


@pytest.mark.parametrize("horizon", [0, 2])
def test_each_cell_of_each_date_comes_once_and_right(horizon: int) -> None:
    problem = posed(horizon)
    found = mapped(problem, Pointwise(), Tiling(tile=17, margin=3))
    stack = problem.stack
    inputs = stack.dynamic[:][:, list(problem.inputs)]
    truth = inputs.sum(axis=1, keepdims=True) + stack.static[None, :1]
    np.testing.assert_allclose(found, truth, atol=2e-6)  # float32, numbers up to 10


@pytest.mark.parametrize("tile", [27, 32, 61])
def test_tiles_say_what_one_piece_says_where_the_margin_holds_what_is_seen(tile: int) -> None:
    """It sees 3 cells far, half a margin of 6: no seam, no edge, only rounding."""
    problem = posed(1)
    whole = mapped(problem, Neighbours(), Tiling(tile=80, margin=12))
    assert Tiling(tile=80, margin=12).tiles(problem.stack.shape) == 1
    tiled = mapped(problem, Neighbours(), Tiling(tile=tile, margin=6))
    np.testing.assert_allclose(tiled, whole, atol=1e-6)  # a few roundings of numbers below 1


def test_dates_after_the_last_are_mapped_and_gaps_are_empty() -> None:
    stack = made_stack(9)
    values = stack.dynamic[:].copy()
    values[4] = np.nan
    aims = MapAims(targets=("ndvi",), horizon=2, length=4)
    problem = pose(replace(stack, dynamic=values), aims)
    found = mapped(problem, Pointwise(), Tiling(tile=64, margin=0))
    np.testing.assert_array_equal(np.isnan(found).all(axis=(1, 2, 3)), np.arange(9) == 4)


def test_progress_is_told_tile_by_tile() -> None:
    problem, tiling, told = posed(1), Tiling(tile=17, margin=3), []
    slots = problem.slots + 1
    for _ in map_problem(problem, Pointwise(), slots, tiling, lambda *now: told.append(now)):
        pass
    total = n_tiles(problem, slots, tiling)
    assert told == [(i + 1, total) for i in range(total)]


def test_memory_does_not_grow_with_the_number_of_dates() -> None:
    def peak(t: int) -> int:
        problem = posed(0, t, 60, 60)
        tracemalloc.start()
        for _ in map_problem(problem, Pointwise(), problem.slots, Tiling(tile=32, margin=4)):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(60) < 1.2 * peak(10)
