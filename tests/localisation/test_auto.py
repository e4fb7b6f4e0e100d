"""Weights of auto: a mixture, held near its start, moved by a clear difference only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from autospec.data.spectra import FloatArray
from autospec.localisation.auto import PULL, stack_weights


def members(noise: list[float], *, n: int = 30, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Out-of-fold predictions (k, n) with errors of so much noise, and what was observed."""
    rng = np.random.default_rng(seed)
    observed = rng.normal(20.0, 5.0, n)
    return observed + np.array(noise)[:, None] * rng.normal(size=(len(noise), n)), observed


def even(k: int) -> FloatArray:
    return np.full(k, 1 / k)


@settings(max_examples=100, deadline=None)
@given(
    k=st.integers(1, 12),
    n=st.integers(5, 40),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    pull=st.sampled_from([0.0, 0.1, PULL, 1e6]),
    seed=st.integers(0, 10_000),
)
def test_weights_are_a_mixture(k: int, n: int, scale: float, pull: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    observed = rng.normal(size=n) * scale
    out_of_fold = observed + rng.normal(size=(k, n)) * scale * 10 ** rng.uniform(-2, 2, (k, 1))
    weights = stack_weights(out_of_fold, observed, rng.dirichlet(np.ones(k)), pull)
    assert weights.shape == (k,) and (weights >= 0).all()
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)


def test_an_infinite_pull_leaves_the_start() -> None:
    start = np.array([0.5, 0.2, 0.2, 0.1])
    weights = stack_weights(*members([1.0, 3.0, 0.1, 9.0]), start, pull=1e12)
    np.testing.assert_allclose(weights, start, atol=1e-6)  # condition of the equations: 1e6


def test_members_without_any_error_keep_the_start() -> None:
    out_of_fold, observed = members([0.0, 0.0, 0.0])
    start = np.array([0.6, 0.3, 0.1])
    np.testing.assert_allclose(stack_weights(out_of_fold, observed, start), start, atol=1e-9)


def test_equal_members_keep_the_start() -> None:
    out_of_fold, observed = members([1.0])
    start = np.array([0.6, 0.3, 0.1])
    weights = stack_weights(np.repeat(out_of_fold, 3, axis=0), observed, start)
    np.testing.assert_allclose(weights, start, atol=1e-6)


@pytest.mark.parametrize("best", range(4))
def test_without_pull_the_clearly_better_member_has_nearly_all(best: int) -> None:
    noise = [5.0] * 4
    noise[best] = 0.2
    weights = stack_weights(*members(noise), even(4), pull=0.0)
    assert int(np.argmax(weights)) == best
    assert weights[best] > 0.95


def test_a_member_without_error_has_all_the_weight() -> None:
    """Pulled by the error of the mix, auto would be far worse than its best member here."""
    weights = stack_weights(*members([0.0, 4.0, 4.0]), even(3))
    np.testing.assert_allclose(weights, [1.0, 0.0, 0.0], atol=1e-3)


@pytest.mark.parametrize("best", range(4))
def test_the_clearly_better_member_gains(best: int) -> None:
    noise = [4.0] * 4
    noise[best] = 0.5
    weights = stack_weights(*members(noise), even(4))
    others = np.delete(weights, best)
    assert weights[best] > 0.25 > others.max()


def test_a_member_that_is_far_off_loses_its_weight() -> None:
    noise = [1.0] * 9
    out_of_fold, observed = members(noise)
    out_of_fold[3] += 100.0
    weights = stack_weights(out_of_fold, observed, even(9))
    assert weights[3] < even(9)[3] / 5
    assert np.delete(weights, 3).min() > 0.9 * even(9)[3]


@pytest.mark.parametrize("factor", [1e-3, 50.0])
def test_the_unit_of_the_lab_values_does_not_matter(factor: float) -> None:
    out_of_fold, observed = members([1.0, 2.0, 4.0])
    scaled = stack_weights(factor * out_of_fold, factor * observed, even(3))
    np.testing.assert_allclose(scaled, stack_weights(out_of_fold, observed, even(3)), atol=1e-9)


@pytest.mark.parametrize("pull", [0.1, PULL])
@pytest.mark.parametrize("seed", range(4))
def test_the_weights_are_those_of_a_general_solver(pull: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    out_of_fold, observed = members(list(rng.uniform(0.5, 4.0, 6)), seed=seed)
    start = rng.dirichlet(np.full(6, 3.0))
    alone = np.sum((out_of_fold - observed) ** 2, axis=1)
    size = min(np.sum((start @ out_of_fold - observed) ** 2), alone.min())

    def loss(weights: FloatArray) -> float:
        misfit = np.sum((weights @ out_of_fold - observed) ** 2) / size
        return float(misfit + pull * np.sum((weights - start) ** 2))

    twin = minimize(
        loss,
        even(6),
        method="SLSQP",
        bounds=[(0.0, 1.0)] * 6,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1.0},
        options={"ftol": 1e-14, "maxiter": 500},
    ).x
    ours = stack_weights(out_of_fold, observed, start, pull)
    # SLSQP's gradients are differences of 1e-8, so its weights are good to about 1e-5
    np.testing.assert_allclose(ours, twin, atol=1e-4)
    assert loss(ours) <= loss(twin) + 1e-6  # the sum of 1 is an equation of weight 1e3 in ours
