"""Target transforms: there and back, and Duan's smearing of logarithms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autospec.training.target_scale import TargetScale

LAB_VALUES = arrays(np.float64, st.integers(2, 30), elements=st.floats(0, 600))


@given(LAB_VALUES, st.floats(-3, 3))
def test_one_prediction_for_all_is_smeared_to_their_mean(y: np.ndarray, z: float) -> None:
    """Whatever it was: S·exp(ẑ) is then mean(1 + y)."""
    constant = np.full(len(y), z)
    scale = TargetScale.fit("log1p", y).smeared(constant, y)
    np.testing.assert_allclose(1.0 + scale.inverse(constant), 1.0 + y.mean(), rtol=1e-9)


@given(LAB_VALUES)
def test_predictions_without_error_are_left_as_they_are(y: np.ndarray) -> None:
    scale = TargetScale.fit("log1p", y)
    smeared = scale.smeared(scale.forward(y), y)
    assert smeared.smearing == pytest.approx(1.0, rel=1e-9)
    np.testing.assert_allclose(smeared.inverse(scale.forward(y)), y, rtol=1e-9, atol=1e-9)


def test_smearing_takes_the_bias_from_lognormal_noise() -> None:
    """By at least nine tenths, with 20,000 rows: its own error is then some thousandths."""
    rng = np.random.default_rng(0)
    level = rng.uniform(1, 3, size=20_000)
    y = np.expm1(level + 0.6 * rng.normal(size=20_000))
    y = np.maximum(y, 0.0)
    scale = TargetScale.fit("log1p", y)
    z = (level - scale.mean) / scale.sd
    bias = [abs(float(np.mean(s.inverse(z) - y))) for s in (scale, scale.smeared(z, y))]
    assert bias[1] < 0.1 * bias[0]


def test_a_network_far_off_still_has_a_finite_factor() -> None:
    y = np.array([1.0, 5.0, 9.0])
    smeared = TargetScale.fit("log1p", y).smeared(np.full(3, -1e6), y)
    assert np.isfinite(smeared.smearing) and smeared.smearing > 0
