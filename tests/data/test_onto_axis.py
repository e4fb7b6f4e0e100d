"""Spectra come onto a model's bands by value of wavelength, or are refused with the reason."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.data.onto_axis import OntoAxis, fit_onto
from autospec.data.spectra import AxisUnit, FloatArray
from autospec.errors import DataError


def curve(wavelength_nm: FloatArray) -> FloatArray:
    """Absorbance that bends over hundreds of nm, as a soil's does."""
    return np.asarray(0.5 + 0.2 * np.sin(wavelength_nm / 300.0))


def bands(low: float, high: float, step: float) -> FloatArray:
    return np.arange(low, high + step / 2, step)


MODEL = bands(420, 2400, 10)


def fit(axis: FloatArray, unit: AxisUnit = "nm", wanted: FloatArray = MODEL) -> OntoAxis:
    return fit_onto(axis, unit, "absorbance", wanted, "nm", "absorbance")


def told(onto: OntoAxis, *words: str) -> bool:
    return any(all(word in note for word in words) for note in onto.notes)


@pytest.mark.parametrize("shift", [0.0, 9e-7])
def test_the_models_own_bands_pass_untouched(shift: float) -> None:
    values = np.random.default_rng(0).uniform(size=(3, len(MODEL)))
    onto = fit(MODEL + shift)
    assert onto.transform(values) is values
    assert onto.notes == ()


@pytest.mark.parametrize(
    ("axis", "unit"),
    [
        (bands(350, 2500, 1), "nm"),
        (bands(350, 2500, 10), "nm"),
        (bands(404, 2420, 8), "nm"),
        (bands(353.3, 2500, 2.7), "nm"),
        (bands(400, 2500, 30), "nm"),
        (bands(4000, 25_000, 8), "cm-1"),
        (1e7 / MODEL[::-1], "cm-1"),
    ],
)
def test_a_known_curve_keeps_its_values(axis: FloatArray, unit: AxisUnit) -> None:
    shape = curve(axis if unit == "nm" else 1e7 / axis)
    scale = np.array([[1.0], [1.5]])
    onto = fit(axis, unit)
    got = onto.transform(scale * shape)
    # Lines over 30 nm of a curve that bends by 0.2/300² a nm²: at most 2.2e-6 · 30²/8 = 2.5e-4.
    np.testing.assert_allclose(got, scale * curve(MODEL), atol=5e-4)
    assert told(onto, "cm-1 turned into nm") is (unit == "cm-1")


def test_a_model_in_wavenumbers_takes_a_file_in_nm() -> None:
    wanted = bands(4100, 20_000, 50)
    onto = fit_onto(bands(400, 2500, 1), "nm", "absorbance", wanted, "cm-1", "absorbance")
    got = onto.transform(curve(bands(400, 2500, 1))[None])
    np.testing.assert_allclose(got[0], curve(1e7 / wanted), atol=5e-4)
    assert told(onto, "nm turned into cm-1")


@settings(max_examples=30, deadline=None)
@given(
    first=st.floats(300, 420),
    step=st.floats(0.5, 35),
    over=st.floats(0, 200),
    slope=st.floats(-1e-3, 1e-3),
)
def test_a_straight_line_keeps_its_values_exactly(
    first: float, step: float, over: float, slope: float
) -> None:
    axis = np.arange(first, 2400 + step + over, step)
    got = fit(axis).transform((1 + slope * axis)[None])
    # A band within a tenth of a step (1 nm) of the model's is taken for it: see `band_weights`.
    np.testing.assert_allclose(got[0], 1 + slope * MODEL, atol=1.01 * abs(slope) + 1e-9)


@pytest.mark.parametrize("axis", [MODEL, bands(400, 2500, 1)])
def test_quantities_are_converted_before_averaging(axis: FloatArray) -> None:
    absorbance = curve(axis)[None]
    same = fit(axis).transform(absorbance)
    onto = fit_onto(axis, "nm", "reflectance", MODEL, "nm", "absorbance")
    np.testing.assert_allclose(onto.transform(10**-absorbance), same, rtol=1e-12)
    assert told(onto, "reflectance turned into absorbance")
    back = fit_onto(axis, "nm", "absorbance", MODEL, "nm", "reflectance")
    direct = fit_onto(axis, "nm", "reflectance", MODEL, "nm", "reflectance")
    np.testing.assert_allclose(
        back.transform(absorbance), direct.transform(10**-absorbance), rtol=1e-12
    )


def test_blocks_and_the_whole_come_out_alike() -> None:
    axis = bands(4000, 25_000, 8)
    onto = fit(axis, "cm-1")
    values = np.random.default_rng(0).uniform(size=(7, len(axis)))
    parts = [onto.transform(values[:3]), onto.transform(values[3:])]
    np.testing.assert_array_equal(np.concatenate(parts), onto.transform(values))
    assert onto.transform(values[:0]).shape == (0, len(MODEL))


@pytest.mark.parametrize(
    ("low", "high", "share"),
    [(400, 1000, 71), (1000, 2500, 30), (441, 2500, 2), (420, 2379, 2), (3000, 5000, 100)],
)
def test_a_file_that_does_not_cover_the_model_is_refused(
    low: float, high: float, share: int
) -> None:
    with pytest.raises(DataError) as error:
        fit(np.linspace(low, high, 200))
    line = error.value.problems[0]
    assert f"bands {low:g} to {high:g} nm; the model wants 420 to 2400 nm: {share} %" in line
    assert "Pass spectra of the model's kind of instrument" in line


@pytest.mark.parametrize("low", [420.9, 424.0, 430.0])
@pytest.mark.parametrize("end", ["below", "above"])
def test_one_spacing_at_an_end_is_filled_and_told(low: float, end: str) -> None:
    axis = np.arange(low, 2500.0, 1.0)
    wanted = MODEL
    if end == "above":
        axis, wanted = 3000 - axis[::-1], 3000 - MODEL[::-1]
    onto = fit(axis, wanted=wanted)
    got = onto.transform(curve(axis)[None])[0]
    k, nearest = (0, axis[0]) if end == "below" else (-1, axis[-1])
    assert got[k] == pytest.approx(float(curve(np.array(nearest))), abs=1e-12)
    # Within a tenth of a band's spacing nothing is missing.
    assert told(onto, f"1 band of the model {end}", "filled") is (low > 421)


def test_the_overhang_is_at_most_one_percent_of_the_range() -> None:
    wanted = bands(500, 1000, 20)
    assert fit(np.arange(505.0, 1000.5, 0.5), wanted=wanted).notes
    with pytest.raises(DataError, match="are missing"):
        fit(np.arange(505.1, 1000.5, 0.5), wanted=wanted)


def holed(low: float, high: float, step: float = 5.0) -> FloatArray:
    axis = bands(400, 2500, step)
    return axis[(axis <= low) | (axis >= high)]


def test_a_hole_is_bridged_and_told() -> None:
    axis = holed(1000, 1080)
    onto = fit(axis)
    assert told(onto, "no band between 1000 and 1080 nm", "7 model bands there")
    np.testing.assert_allclose(onto.transform(curve(axis)[None])[0], curve(MODEL), atol=3e-3)


def test_wide_holes_are_refused() -> None:
    with pytest.raises(DataError, match=r"no band between 1000 and 1300 nm\): 15 % of its bands"):
        fit(holed(1000, 1300))


@pytest.mark.parametrize(
    ("step", "coarse"), [(1.0, False), (3.9, False), (4.2, True), (10.0, True), (50.0, True)]
)
def test_a_much_coarser_file_is_told_but_has_no_holes(step: float, coarse: bool) -> None:
    onto = fit(bands(400, 2500, step), wanted=bands(420, 2400, 1))
    assert told(onto, "the bands are", "narrow features") is coarse
    assert not told(onto, "interpolated")


@pytest.mark.parametrize(("late", "fits"), [(5.0, True), (10.0, True), (12.0, False)])
def test_one_averaged_band_of_a_fine_model_may_be_missing(late: float, fits: bool) -> None:
    wanted = bands(420, 2500, 1)  # models read it averaged to 10 nm
    axis = bands(420 + late, 2500, 1)
    if fits:
        onto = fit_onto(axis, "nm", "absorbance", wanted, "nm", "absorbance")
        got = onto.transform(curve(axis)[None])[0]
        np.testing.assert_allclose(got[: int(late)], curve(axis)[0], rtol=1e-12)
        assert told(onto, "filled")
    else:
        with pytest.raises(DataError, match="missing"):
            fit_onto(axis, "nm", "absorbance", wanted, "nm", "absorbance")
