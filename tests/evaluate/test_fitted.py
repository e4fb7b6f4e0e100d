"""The scale a model learns on: there and back, standardised, and held to a range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autospec.data.spectra import FloatArray
from autospec.evaluate.fitted import fit_law

LAB_VALUES = arrays(np.float64, st.integers(2, 20), elements=st.floats(0.0, 600.0))
SIGNED = arrays(  # what is held of the cube of a subnormal number is no number of ten digits
    np.float64, st.integers(2, 20), elements=st.floats(-50.0, 600.0, allow_subnormal=False)
)
PREDICTIONS = arrays(np.float64, 30, elements=st.floats(-1e3, 1e3))


@given(y=SIGNED, root=st.booleans())
def test_there_and_back_is_the_same(y: FloatArray, root: bool) -> None:
    law = fit_law(y, root=root)
    # 1e-9 of the largest: subtracting a mean and adding it again.
    np.testing.assert_allclose(
        law.inverse(law.forward(y)), y, rtol=1e-9, atol=1e-9 * max(float(np.abs(y).max()), 1.0)
    )


@given(y=SIGNED, share=arrays(np.float64, 10, elements=st.floats(0.0, 1.0)), root=st.booleans())
def test_back_and_there_is_the_same_within_what_is_held(
    y: FloatArray, share: FloatArray, root: bool
) -> None:
    law = fit_law(y, root=root)
    z = (law.low + share * (law.high - law.low) - law.mean) / law.sd
    size = max(abs(law.low), abs(law.high)) / law.sd  # rounding's, before the mean is taken off
    np.testing.assert_allclose(law.forward(law.inverse(z)), z, rtol=1e-9, atol=1e-12 * (1 + size))


@given(y=LAB_VALUES, z=PREDICTIONS)
def test_where_no_lab_value_is_negative_no_prediction_on_roots_is(
    y: FloatArray, z: FloatArray
) -> None:
    law = fit_law(y, root=True)
    assert law.low >= 0.0 and (law.inverse(z) >= 0.0).all()


@given(y=SIGNED, root=st.booleans())
def test_predictions_rise_with_what_the_model_says(y: FloatArray, root: bool) -> None:
    predicted = fit_law(y, root=root).inverse(np.linspace(-10.0, 10.0, 41))
    assert (np.diff(predicted) >= 0.0).all()


@pytest.mark.parametrize("root", [False, True])
def test_training_rows_are_standardised(root: bool) -> None:
    y = np.random.default_rng(0).lognormal(3.0, 0.5, 40)
    z = fit_law(y, root=root).forward(y)
    assert z.mean() == pytest.approx(0.0, abs=1e-12) and z.std() == pytest.approx(1.0)


@pytest.mark.parametrize("y", [[27.0, 64.0, 125.0, 343.0], [-8.0, -1.0, 27.0, 64.0]])
def test_a_wild_prediction_is_held_to_one_sd_beyond_the_training_rows(y: list[float]) -> None:
    roots = np.cbrt(y)
    law = fit_law(np.array(y), root=True)
    found = law.inverse(np.array([-1e3, 1e3]))
    sd = roots.std()
    np.testing.assert_allclose(np.cbrt(found), [roots.min() - sd, roots.max() + sd], rtol=1e-12)


def test_one_sd_below_small_values_is_held_to_nought() -> None:
    law = fit_law(np.array([0.0, 1.0, 8.0, 27.0]), root=True)
    assert law.low == 0.0 and law.inverse(np.array([-1e3])) == 0.0


def test_without_the_root_nothing_is_held() -> None:
    law = fit_law(np.array([1.0, 3.0]), root=False)
    np.testing.assert_allclose(law.inverse(np.array([-10.0, 10.0])), [-8.0, 12.0])


@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize("value", [0.0, 0.1, 7.0, 12.3, -3.3])
@pytest.mark.parametrize("n", [2, 5, 18, 30])
def test_constant_lab_values_are_given_back_and_have_no_spread(
    n: int, value: float, root: bool
) -> None:
    """The standard deviation of 18 times 0.1 is 1e-17, of rounding: no scale to divide by."""
    law = fit_law(np.full(n, value), root=root)
    assert law.sd == 1.0
    np.testing.assert_allclose(law.inverse(np.zeros(3)), value, rtol=1e-12)


def test_a_small_spread_is_one() -> None:
    y = 100.0 + 1e-6 * np.arange(5.0)
    assert fit_law(y, root=False).sd == pytest.approx(y.std(), rel=1e-12)
