"""MMD, energy distance and classifier AUC: equal to slow twins, level on one distribution."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.data.spectra import FloatArray
from autospec.transfer.two_sample import (
    classifier_auc,
    energy_distance,
    measure_mmd,
    median_distance,
)


def samples(seed: int, n: int = 60, m: int = 30, d: int = 4) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(m, d))


def names(x: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    return np.arange(len(x)).astype(np.str_)


def auc(x: FloatArray, y: FloatArray, seed: int = 0) -> float:
    return classifier_auc(x, y, names(x), names(y), np.random.default_rng(seed))


def p_value(x: FloatArray, y: FloatArray, seed: int) -> float:
    width = median_distance(np.vstack([x, y]))
    return measure_mmd(x, y, width, permutations=99, rng=np.random.default_rng(seed)).p


def slow_mean(x: FloatArray, y: FloatArray | None, of: object) -> float:
    """Mean of a function over all pairs; over pairs of different rows if `y` is None."""
    assert callable(of)
    pairs = combinations(x, 2) if y is None else ((a, b) for a in x for b in y)
    return float(np.mean([of(a, b) for a, b in pairs]))


def slow_mmd(x: FloatArray, y: FloatArray, width: float) -> float:
    def kernel(a: FloatArray, b: FloatArray) -> float:
        return float(np.exp(-np.sum((a - b) ** 2) / (2 * width**2)))

    within = slow_mean(x, None, kernel) + slow_mean(y, None, kernel)
    return within - 2 * slow_mean(x, y, kernel)


def slow_energy(x: FloatArray, y: FloatArray) -> float:
    def length(a: FloatArray, b: FloatArray) -> float:
        return float(np.sqrt(np.sum((a - b) ** 2)))

    return 2 * slow_mean(x, y, length) - slow_mean(x, None, length) - slow_mean(y, None, length)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 12), m=st.integers(2, 9), d=st.integers(1, 4), seed=st.integers(0, 99))
def test_statistics_equal_their_slow_twins(n: int, m: int, d: int, seed: int) -> None:
    x, y = samples(seed, n, m, d)
    fast = measure_mmd(x, y, 1.3, permutations=1, rng=np.random.default_rng(0)).squared
    # sums of some hundred float64 of size 1
    np.testing.assert_allclose(fast, slow_mmd(x, y, 1.3), atol=1e-12)
    np.testing.assert_allclose(energy_distance(x, y), slow_energy(x, y), atol=1e-12)


def test_p_is_the_share_of_all_relabellings_that_are_as_far_apart() -> None:
    x, y = samples(3, 4, 3)
    pooled = np.vstack([x, y])
    every = []
    for chosen in combinations(range(7), 4):
        rest = np.setdiff1d(np.arange(7), chosen)
        every.append(slow_mmd(pooled[list(chosen)], pooled[rest], 1.3))
    exact = np.mean(np.array(every) >= slow_mmd(x, y, 1.3) - 1e-12)
    p = measure_mmd(x, y, 1.3, permutations=20_000, rng=np.random.default_rng(1)).p
    assert p == pytest.approx(exact, abs=0.02)  # five standard errors of 20,000 draws


def test_p_values_of_one_distribution_are_spread_evenly() -> None:
    p = [p_value(*samples(seed), seed) for seed in range(60)]
    assert np.mean(p) == pytest.approx(0.5, abs=0.15)  # four standard errors of 60 uniform draws
    assert np.mean(np.array(p) <= 0.05) <= 0.15


@pytest.mark.parametrize("seed", range(3))
def test_a_shift_is_seen_by_every_statistic(seed: int) -> None:
    x, y = samples(seed)
    moved = y + 1.5
    assert p_value(x, moved, seed) == 0.01  # the smallest that 99 relabellings allow
    assert auc(x, moved) > 0.9
    assert energy_distance(x, moved) > 10 * abs(energy_distance(x, y))


def test_auc_of_one_distribution_is_a_half_on_average() -> None:
    found = [auc(*samples(seed)) for seed in range(20)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)  # three standard errors at sd 0.08


def test_auc_sees_a_farm_inside_the_cloud_of_the_library() -> None:
    x, y = samples(0)
    assert auc(x, 0.2 * y) > 0.9


def test_twins_of_one_name_never_face_themselves() -> None:
    x, y = samples(1, 20, 20, 8)
    twice = np.vstack([x, x]), np.vstack([y, y])
    named = classifier_auc(
        *twice, np.tile(names(x), 2), np.tile(names(y), 2), np.random.default_rng(0)
    )
    assert named < auc(*twice) - 0.05


def test_a_sample_of_one_name_is_parted_by_row() -> None:
    x, y = samples(0)
    same = np.zeros(len(x)).astype(np.str_)
    alone = classifier_auc(x, y + 3.0, same, names(y), np.random.default_rng(0))
    assert alone > 0.9


def test_bandwidth_survives_replicates() -> None:
    points = np.zeros((20, 2))
    points[0] = [3.0, 4.0]
    assert median_distance(points) == 5.0
