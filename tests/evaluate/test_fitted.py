"""The scale a model learns on: there and back, standardised, and held to a range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autospec.data.spectra import FloatArray
from autospec.evaluate.baselines import MeanModel
from autospec.evaluate.fitted import ScaledModel, fit_law

LAB_VALUES = arrays(np.float64, st.integers(2, 20), elements=st.floats(0.0, 600.0))


@given(y=LAB_VALUES, log=st.booleans())
def test_there_and_back_is_the_same(y: FloatArray, log: bool) -> None:
    law = fit_law(y, log=log)
    # 1e-9 of the largest: subtracting a mean and adding it again.
    np.testing.assert_allclose(
        law.inverse(law.forward(y)), y, rtol=1e-9, atol=1e-9 * max(float(y.max()), 1.0)
    )


@pytest.mark.parametrize("log", [False, True])
def test_training_rows_are_standardised(log: bool) -> None:
    y = np.random.default_rng(0).lognormal(3.0, 0.5, 40)
    z = fit_law(y, log=log).forward(y)
    assert z.mean() == pytest.approx(0.0, abs=1e-12) and z.std() == pytest.approx(1.0)


def test_a_wild_prediction_is_held_to_one_sd_beyond_the_training_rows() -> None:
    y = np.array([1.0, 3.0, 7.0, 15.0])
    law = fit_law(y, log=True)
    sd = float(np.log1p(y).std())
    low, high = law.inverse(np.array([-1e3, 1e3]))
    assert np.log1p(low) == pytest.approx(np.log(2.0) - sd)
    assert np.log1p(high) == pytest.approx(np.log(16.0) + sd)


def test_without_the_logarithm_nothing_is_clipped() -> None:
    law = fit_law(np.array([1.0, 3.0]), log=False)
    np.testing.assert_allclose(law.inverse(np.array([-10.0, 10.0])), [-8.0, 12.0])


@pytest.mark.parametrize("log", [False, True])
def test_constant_lab_values_are_given_back(log: bool) -> None:
    law = fit_law(np.full(5, 7.0), log=log)
    np.testing.assert_allclose(law.inverse(np.zeros(3)), 7.0, rtol=1e-12)


def test_the_logarithm_of_minus_one_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="log1p"):
        fit_law(np.array([-1.0, 2.0]), log=True)


def test_a_scaled_model_predicts_in_the_unit_of_the_lab_values() -> None:
    law = fit_law(np.array([1.0, 3.0, 7.0]), log=True)
    model = ScaledModel(model=MeanModel(mean=0.0), law=law)
    # The mean on the log scale is the geometric mean of 1 + y, less 1.
    np.testing.assert_allclose(model.predict(np.zeros((2, 5))), 64.0 ** (1 / 3) - 1, rtol=1e-12)
