"""Leakage: where only the place tells, random folds look good and blocks do not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.splits import CubeSplit, make_cube_split
from autospec.data.spectra import FloatArray
from autospec.data.splits import Fold
from autospec.search.cubes.leakage import measure_leakage
from autospec.search.cubes.twins import predict_missed
from tests.search.cubes.made_study import made_cubes


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """Predicts what the nearest sample it learned from has: it knows places and nothing else."""

    train: Cubes

    def predict(self, cubes: Cubes) -> FloatArray:
        dx = cubes.x[:, None] - self.train.x
        dy = cubes.y[:, None] - self.train.y
        return self.train.target[np.argmin(dx**2 + dy**2, axis=1)]


def test_a_model_that_knows_places_alone_is_exposed() -> None:
    """Clusters 5 km apart, each with a level of its own."""
    rng = np.random.default_rng(0)
    centre = np.repeat(np.arange(25), 8)
    cubes = made_cubes(n=200)
    cubes = replace(
        cubes,
        x=500_000.0 + 5_000 * (centre % 5) + rng.uniform(0, 1_000, 200),
        y=5_600_000.0 + 5_000 * (centre // 5) + rng.uniform(0, 1_000, 200),
        target=20.0 + rng.normal(size=25)[centre] + 0.1 * rng.normal(size=200),
    )
    split = CubeSplit(block_km=5.0, buffer_km=1.0)
    plan = make_cube_split(cubes, split).plan
    train = cubes.rows(plan.train)

    def neighbour(folds: tuple[Fold, ...]) -> FloatArray:
        models = tuple(Neighbour(train=train.rows(fold.fit)) for fold in folds)
        return predict_missed(train, folds, models)

    (row,) = measure_leakage(train, plan.folds, {"neighbour": neighbour}, seed=0)
    assert (row.honest.r2.value or 0.0) < 0.1
    assert (row.leaky.r2.value or 0.0) > 0.8
    assert row.honest.n == row.leaky.n == train.n
