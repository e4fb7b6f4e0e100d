"""Made rasters over time with a known law, for the tests of map scores and baselines; no tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps.asking import pose
from autospec.data.maps.problem import MapAims, MapProblem
from autospec.data.maps.tiles import Tile

SHAPE = (24, 12, 14)  # t, h, w
A, B, C = 0, 1, 2  # channels; C follows a law of the others


def made_values(seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """Channels a, b, c of (t, 3, h, w): c = 2·a + 3·b of the slot before − 1."""
    rng = np.random.default_rng(seed)
    t, h, w = shape
    values = rng.normal(5, 2, size=(t, 3, h, w))
    before = np.concatenate([values[:1, B], values[:-1, B]])
    values[:, C] = 2 * values[:, A] + 3 * before - 1
    return values.astype(np.float32)


def made_stack(values: np.ndarray, names: tuple[str, ...] = ("a", "b", "c")) -> RasterStack:
    t, _, h, w = values.shape
    start = np.datetime64("2020-01-01", "s")
    return RasterStack(
        dynamic=values,
        static=np.zeros((1, h, w), dtype=np.float32) + np.arange(w, dtype=np.float32),
        channels=names,
        static_channels=("east",),
        times=start + np.arange(t) * np.timedelta64(16 * 86400, "s"),
        transform=(0.5, 0.0, 10.0, 0.0, -0.25, 50.0),
        crs="EPSG:4326",
        synthetic=True,
    )


def made_problem(
    values: np.ndarray,
    targets: tuple[str, ...] = ("c",),
    *,
    horizon: int = 0,
    length: int = 4,
) -> MapProblem:
    aims = MapAims(targets=targets, horizon=horizon, length=length)
    return pose(made_stack(values), aims)


@dataclass(frozen=True, kw_only=True)
class NoisyModel:
    """Some function of the inputs that is the same for a cell in whatever tile it is seen."""

    gain: float
    k: int = 1

    def predict(self, tile: Tile) -> np.ndarray:
        return self._said(tile.dynamic[:, :1])

    def predict_all(self, problem: MapProblem) -> np.ndarray:
        """What it says of every date of a stack, horizon 0, without tiles."""
        return self._said(np.asarray(problem.stack.dynamic[:, A : A + 1]))

    def _said(self, a: np.ndarray) -> np.ndarray:
        seen = np.nan_to_num(a, nan=5.0)
        return np.repeat(2 * seen + 14 + self.gain * np.sin(9 * seen), self.k, axis=1)


@dataclass(frozen=True, kw_only=True)
class ConstantModel:
    value: float

    def predict(self, tile: Tile) -> np.ndarray:
        return np.full(tile.last.shape, self.value, dtype=np.float32)
