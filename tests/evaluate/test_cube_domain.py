"""The domain of cubes: about 95 % of the same kind inside, other kinds and windows of gaps out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.scaling import CubePreprocessing, fit_scaler
from autospec.evaluate import cube_domain as module
from autospec.evaluate.cube_domain import CubeDomain, features, fit_cube_domain
from tests.evaluate.made_cubes import made_cubes
from tests.evaluate.test_cube_trust import blocks, forward


def fitted(n: int = 60, seed: int = 0) -> CubeDomain:
    return fit_cube_domain(made_cubes(n, seed=seed), blocks(n, 5))


def changed(cubes: Cubes, change: Callable[[np.ndarray], np.ndarray]) -> Cubes:
    values = np.where(cubes.valid, change(cubes.values.astype(np.float64)), 0.0)
    return replace(cubes, values=values.astype(np.float32))


def with_gaps(cubes: Cubes, channel: int, share: float) -> Cubes:
    valid = cubes.valid.copy()
    valid[:, channel] &= np.random.default_rng(4).uniform(size=valid[:, channel].shape) >= share
    return replace(cubes, valid=valid, values=np.where(valid, cubes.values, np.float32(0)))


def test_about_95_percent_of_new_windows_of_the_same_kind_are_inside() -> None:
    shares = [
        np.mean(fitted(60, seed).measure(made_cubes(100, seed=100 + seed)).inside)
        for seed in range(12)
    ]
    assert 0.85 < np.mean(shares) < 0.975  # gaps have a limit of their own, beside the 95 %


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "another unit": lambda v: v * 1000,
    "a level far above": lambda v: v + 3e4,
    "noise": lambda v: v + 300 * np.random.default_rng(0).normal(size=v.shape),
    "another season": lambda v: v * np.array([3.0, 1.0, 1.0, 0.2]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_windows_of_another_kind_are_outside_and_say_why(kind: str) -> None:
    found = fitted().measure(changed(made_cubes(30, seed=9), KINDS[kind]))
    assert np.mean(found.inside) < 0.05
    told = zip(found.reasons, found.inside, strict=True)
    assert all(bool(why) != inside for why, inside in told)


def test_a_channel_beyond_its_range_is_named_with_its_numbers() -> None:
    found = fitted().measure(changed(made_cubes(1, seed=9), lambda v: v * 1000))
    assert re.search(r"mean of rain \S+, \S+ to \S+ in training", found.reasons[0])


@pytest.mark.parametrize(("share", "inside"), [(0.0, 0.8), (0.9, 0.0), (1.0, 0.0)])
def test_a_flood_of_gaps_is_outside(share: float, inside: float) -> None:
    found = fitted().measure(with_gaps(made_cubes(30, seed=9, gaps=0.0), 1, share))
    assert np.mean(found.inside) >= inside and np.isfinite(found.q).all()
    assert all("ndvi: " in why for why in found.reasons if share) or not share
    assert inside or not any(found.inside)


def test_values_beyond_all_numbers_are_outside() -> None:
    found = fitted().measure(changed(made_cubes(3, seed=9), lambda v: v * 1e34))
    assert not any(found.inside)


def test_features_are_those_of_a_slow_twin() -> None:
    cubes = made_cubes(4, gaps=0.3)
    scaler = fit_scaler(CubePreprocessing(), cubes)
    x = scaler.transform(cubes).astype(np.float64)
    c, _, _, t = cubes.shape
    for row, found in zip(x, features(cubes, scaler), strict=True):
        means = [row[i, :, :, k].mean() for i in range(c) for k in range(t)]
        spread = [np.sqrt(np.mean([row[i, :, :, k].var() for k in range(t)])) for i in range(c)]
        np.testing.assert_allclose(found, means + spread, rtol=1e-12)


def test_it_does_not_matter_how_many_windows_are_measured_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    domain, new = fitted(), made_cubes(7, seed=3)
    whole = domain.measure(new)
    monkeypatch.setattr("autospec.data.cubes.pieces.CELLS_AT_ONCE", 2 * 3 * 5 * 5 * 4)
    parts = domain.measure(new)
    np.testing.assert_allclose(parts.q, whole.q, rtol=1e-12)
    assert parts.reasons == whole.reasons


def test_forward_chaining_and_channels_that_do_not_vary_give_a_domain() -> None:
    train = changed(made_cubes(30), lambda v: v * np.array([1.0, 0.0, 1.0])[:, None, None, None])
    domain = fit_cube_domain(train, forward(30, 4))
    assert np.isfinite(domain.limits).all()
    assert np.mean(domain.measure(train).inside) > 0.8
    other = changed(made_cubes(3, seed=5), lambda v: v)
    assert not any(domain.measure(other).inside)


def test_nothing_of_a_scored_window_shapes_its_own_distance() -> None:
    train, folds = made_cubes(30), blocks(30, 5)
    odd = folds[0].score
    values = train.values.copy()
    values[odd] *= 50
    wild = replace(train, values=values)
    kept = [module._held_distances(part, folds[0], 3, 0) for part in (train, wild)]
    assert (kept[1][0] > 100 * kept[0][0]).all()
