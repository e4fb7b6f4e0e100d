"""What regressors on cells are given: their features, and rows drawn from what is learned from.

A cell's features are its inputs at a slot and the two before it, which of them are missing, layers
that do not change and, with a horizon, the latest value of each target; and those of the cells
around it, within a radius.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from autospec.data.cubes.cubes import Float32Array
from autospec.data.maps.problem import MapProblem
from autospec.data.maps.scaling import MapScaler
from autospec.data.maps.splits import FIT, MapSplitPlan
from autospec.data.maps.tiles import Place, Tile, fit_places, read_tile, watch_places
from autospec.data.spectra import FloatArray, IntArray

LAGS = 3  # slots that are seen: a date and the two before it
TILE, MOST_TILES = 64, 100  # that rows are drawn from
MOST_READ = 2000  # tiles, where most have no value


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Cells and dates: features (n, p), latest values (n, k), targets (n, k), NaN: no value."""

    x: FloatArray
    latest: FloatArray
    y: FloatArray

    def of(self, target: int, change: bool) -> tuple[FloatArray, FloatArray]:
        """Return the features of rows that have the target, and what a regressor is to say."""
        has = np.isfinite(self.y[:, target])
        said = self.y[has, target] - (self.latest[has, target] if change else 0.0)
        return self.x[has], said


def n_features(problem: MapProblem, radius: int) -> int:
    """Return how many features a cell has."""
    changing, last = len(problem.inputs), len(problem.targets) if problem.aims.horizon else 0
    layers = 2 * LAGS * changing + len(problem.stack.static_channels) + last
    return int((2 * radius + 1) ** 2) * layers


def draw_rows(
    posed: tuple[MapProblem, MapSplitPlan],
    scaler: MapScaler,
    wanted: tuple[int, int, int],
    seed: int,
) -> Rows:
    """Draw about n rows of a role with a radius, as many from each of 100 tiles that have some.

    `wanted` is (role, radius, n). What a tile lacks the later ones make up for. Rows stand where
    in a sequence answers are kept, so that there is as much before them as where they are scored.
    """
    problem, plan = posed
    role, radius, n = wanted
    rng = np.random.default_rng(np.random.SeedSequence((seed, role, radius)))
    places = _fit_places(problem, plan) if role == FIT else watch_places(problem, plan, TILE)
    parts: list[Rows] = []
    left, filled, tiles = n, 0, min(MOST_TILES, len(places))
    for i in rng.permutation(len(places))[:MOST_READ].tolist():
        share = -(-left // max(tiles - filled, 1))
        parts.append(_draw_tile(posed, scaler, (places[i], role, radius, share), rng))
        left, filled = left - len(parts[-1].y), filled + bool(len(parts[-1].y))
        if left <= 0 or filled == tiles:
            break
    return Rows(
        x=np.concatenate([part.x for part in parts]),
        latest=np.concatenate([part.latest for part in parts]),
        y=np.concatenate([part.y for part in parts]),
    )


def _fit_places(problem: MapProblem, plan: MapSplitPlan) -> list[Place]:
    return [
        replace(place, kept=_scored_positions(problem, place.slot))
        for place in fit_places(problem, plan, TILE)
    ]


def _scored_positions(problem: MapProblem, start: int) -> tuple[int, ...]:
    """Return the positions with as much before them as those that `sequences` keeps."""
    length = problem.aims.length
    before = length - max(length // 2, 1)
    lead = before if problem.aims.horizon else before // 2
    return tuple(range(lead if start else 0, length))


def _draw_tile(
    posed: tuple[MapProblem, MapSplitPlan],
    scaler: MapScaler,
    wanted: tuple[Place, int, int, int],
    rng: np.random.Generator,
) -> Rows:
    """Draw rows of a tile: `wanted` is (place, role, radius, n)."""
    place, role, radius, n = wanted
    tile = read_tile(*posed, place, role)
    has = tile.counted & tile.present[:, None, None] & np.isfinite(tile.target).any(axis=1)
    at = np.argwhere(has)
    slots, rows, columns = at[rng.permutation(len(at))[:n]].T
    last = posed[0].aims.horizon > 0
    padded = Padded.of(tile, scaler, radius=radius, last=last)
    latest = latest_values(tile, scaler)[slots, :, rows, columns]
    return Rows(
        x=padded.features(slots, rows, columns),
        latest=latest.astype(np.float64),
        y=tile.target[slots, :, rows, columns].astype(np.float64),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Padded:
    """A tile with its edges repeated `radius` times, and gaps before its first slot.

    Parameters
    ----------
    layers : float32, shape (LAGS - 1 + t, 2c, h + 2·radius, w + 2·radius)
        Inputs, means where there is no value, then 1 where there is none and 0 elsewhere.
    static : float32, shape (s, h + 2·radius, w + 2·radius)
    last : float32, shape (t, k, h + 2·radius, w + 2·radius)
        k is 0 where it is not to be seen.
    radius : int
    """

    layers: Float32Array
    static: Float32Array
    last: Float32Array
    radius: int

    @classmethod
    def of(cls, tile: Tile, scaler: MapScaler, *, radius: int, last: bool) -> Padded:
        """Pad a tile."""
        t, c, h, w = tile.dynamic.shape
        before = np.full((LAGS - 1, c, h, w), np.nan, dtype=np.float32)
        dynamic = np.concatenate([before, tile.dynamic])
        missing = ~np.isfinite(dynamic)
        mean = scaler.mean.astype(np.float32)[:, None, None]
        layers = np.concatenate([np.where(missing, mean[:c], dynamic), missing], axis=1)
        static = np.where(np.isfinite(tile.static), tile.static, mean[c:])
        latest = latest_values(tile, scaler) if last else np.zeros((t, 0, h, w), dtype=np.float32)
        return cls(
            layers=_edged(layers, radius),
            static=_edged(static, radius),
            last=_edged(latest, radius),
            radius=radius,
        )

    def features(self, slots: IntArray, rows: IntArray, columns: IntArray) -> FloatArray:
        """Return the features (n, p) of cells of the tile at some slots."""
        parts = []
        for down in range(2 * self.radius + 1):
            for right in range(2 * self.radius + 1):
                r, q = rows + down, columns + right
                parts += [self.layers[slots + lag, :, r, q] for lag in range(LAGS)]
                parts += [self.static[:, r, q].T, self.last[slots, :, r, q]]
        return np.concatenate(parts, axis=1).astype(np.float64)


def _edged(values: Float32Array, radius: int) -> Float32Array:
    around = [(0, 0)] * (values.ndim - 2) + [(radius, radius)] * 2
    return np.pad(values, around, mode="edge").astype(np.float32, copy=False)


def latest_values(tile: Tile, scaler: MapScaler) -> Float32Array:
    """Return latest values of the targets, (t, k, h, w); a target's mean where there is none."""
    mean = scaler.target_mean.astype(np.float32)[:, None, None]
    return np.where(np.isfinite(tile.last), tile.last, mean)
