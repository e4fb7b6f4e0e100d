"""Recipes: the band grid, the order of the steps, and that only training rows are learnt from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import savgol_filter

from autospec.data.preprocess import (
    REFLECTANCE_FLOOR,
    BandAveraging,
    Preprocessing,
    SavitzkyGolay,
    band_grid,
    make_pipeline,
    to_absorbance,
    to_reflectance,
)
from autospec.data.spectra import FloatArray

EVEN = np.arange(400.0, 1000.0, 5.0)
# Running sums of up to 300 values of size 1 lose at most 300 · 2e-16; ten times that.
SUM_ROUNDING = 1e-12


@st.composite
def axes(draw: st.DrawFn) -> FloatArray:
    gaps = draw(st.lists(st.floats(0.5, 12.0), min_size=1, max_size=60))
    return 350.0 + np.cumsum([0.0, *gaps])


steps = st.floats(0.1, 60.0)


def made(n: int, axis: FloatArray, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).uniform(0.05, 0.6, (n, len(axis)))


def average(values: FloatArray, axis: FloatArray, step: float) -> FloatArray:
    return BandAveraging(axis, step).fit(values).transform(values)


def slow_average(values: FloatArray, axis: FloatArray, grid: FloatArray) -> FloatArray:
    """The bin of a centre is closed below and open above; an empty bin is interpolated."""
    width = grid[1] - grid[0] if len(grid) > 1 else np.inf
    out = np.empty((len(values), len(grid)))
    for i, row in enumerate(values):
        for j, centre in enumerate(grid):
            inside = [
                v
                for x, v in zip(axis, row, strict=True)
                if centre - width / 2 - 1e-9 <= x < centre + width / 2 - 1e-9
            ]
            out[i, j] = np.mean(inside) if inside else np.interp(centre, axis, row)
    return out


@given(axis=axes(), step=steps)
def test_the_grid_is_even_and_lies_inside_the_coverage(axis: FloatArray, step: float) -> None:
    own = np.median(np.diff(axis))
    spacing = max(step, own)
    low, high = axis[0] - own / 2, axis[-1] + own / 2
    grid = band_grid(axis, step)
    np.testing.assert_allclose(np.diff(grid), spacing, rtol=1e-9)  # positions are near 1e3
    if spacing <= high - low:
        assert low - 1e-6 <= grid[0] - spacing / 2
        assert grid[-1] + spacing / 2 <= high + 1e-6
        assert (len(grid) + 1) * spacing > high - low  # one more bin would not fit
    else:
        assert len(grid) == 1


@given(axis=axes(), step=steps, seed=st.integers(0, 99))
@settings(max_examples=60)
def test_averaging_equals_its_slow_twin(axis: FloatArray, step: float, seed: int) -> None:
    values = made(2, axis, seed)
    expected = slow_average(values, axis, band_grid(axis, step))
    np.testing.assert_allclose(average(values, axis, step), expected, atol=SUM_ROUNDING)


@given(axis=axes(), step=steps)
def test_a_flat_spectrum_stays_flat(axis: FloatArray, step: float) -> None:
    flat = np.full((1, len(axis)), 0.37)
    np.testing.assert_allclose(average(flat, axis, step), 0.37, atol=SUM_ROUNDING)


@pytest.mark.parametrize("bands_a_bin", [1, 2, 3, 8])  # 120 bands in whole bins
def test_a_linear_spectrum_is_preserved_on_even_bands(bands_a_bin: int) -> None:
    step = 5.0 * bands_a_bin
    expected = 0.1 + 0.001 * band_grid(EVEN, step)
    out = average(0.1 + 0.001 * EVEN[None, :], EVEN, step)
    np.testing.assert_allclose(out[0], expected, atol=SUM_ROUNDING)


@given(axis=axes(), step=steps)
def test_a_linear_spectrum_is_off_by_half_a_bin_at_most_on_uneven_bands(
    axis: FloatArray, step: float
) -> None:
    grid = band_grid(axis, step)
    width = grid[1] - grid[0] if len(grid) > 1 else 2 * (axis[-1] - axis[0])
    out = average(0.001 * axis[None, :], axis, step)[0]
    assert np.max(np.abs(out - 0.001 * grid)) <= 0.001 * width / 2 + SUM_ROUNDING


@pytest.mark.parametrize("step", [0.5, 5.0])
def test_a_step_not_coarser_than_the_instrument_changes_nothing(step: float) -> None:
    values = made(3, EVEN)
    np.testing.assert_allclose(band_grid(EVEN, step), EVEN, rtol=1e-12)
    np.testing.assert_allclose(average(values, EVEN, step), values, atol=SUM_ROUNDING)


def test_one_band_is_kept() -> None:
    values = np.array([[0.2], [0.4]])
    np.testing.assert_array_equal(average(values, np.array([500.0]), 10.0), values)


def test_a_step_wider_than_the_spectrum_averages_it_whole() -> None:
    values = made(2, EVEN)
    out = average(values, EVEN, 5000.0)
    np.testing.assert_allclose(out[:, 0], values.mean(axis=1), atol=SUM_ROUNDING)


@given(st.floats(REFLECTANCE_FLOOR, 2.0))
def test_absorbance_and_reflectance_are_inverse(fraction: float) -> None:
    back = to_reflectance(to_absorbance(np.array([fraction])))
    # log10 to 5 with float64 rounding, then the power: 5 · ln(10) · 2e-16, ten times that.
    np.testing.assert_allclose(back, fraction, rtol=3e-14)


@pytest.mark.parametrize("fraction", [0.0, -0.2, 1e-9])
def test_reflectance_without_light_counts_as_absorbance_five(fraction: float) -> None:
    np.testing.assert_allclose(to_absorbance(np.array([fraction])), 5.0, rtol=1e-15)


def test_the_pipeline_equals_the_steps_by_hand() -> None:
    train, test = made(12, EVEN, 1), made(4, EVEN, 2)
    recipe = Preprocessing(quantity="absorbance", scatter="msc", step=15.0)
    pipeline = make_pipeline(recipe, EVEN, "reflectance").fit(train)
    seen = (-np.log10(train)).reshape(12, -1, 3).mean(axis=2)
    new = (-np.log10(test)).reshape(4, -1, 3).mean(axis=2)
    reference = seen.mean(axis=0)

    def msc(rows: FloatArray) -> FloatArray:
        slope_offset = [np.polyfit(reference, row, 1) for row in rows]
        return np.array([(r - b) / a for r, (a, b) in zip(rows, slope_offset, strict=True)])

    centre, spread = msc(seen).mean(axis=0), msc(seen).std(axis=0)
    # Two least-squares solvers on well-conditioned data agree to about 1e-12; slopes near 0 of
    # these unstructured spectra divide that up.
    np.testing.assert_allclose(pipeline.transform(test), (msc(new) - centre) / spread, rtol=1e-7)


@pytest.mark.parametrize("derivative", [0, 1, 2])
def test_the_filter_is_savitzky_golay_on_the_averaged_bands(derivative: int) -> None:
    values = made(5, EVEN)
    recipe = Preprocessing(
        quantity="reflectance",
        savgol=SavitzkyGolay(window=7, order=2, derivative=derivative),
        step=5.0,
    )
    unscaled = make_pipeline(recipe, EVEN, "reflectance")[:-1].fit_transform(values)
    expected = savgol_filter(values, 7, 2, deriv=derivative, axis=1)
    # Away from the three bands at each end, where edges are a choice.
    np.testing.assert_allclose(unscaled[:, 3:-3], expected[:, 3:-3], atol=SUM_ROUNDING)


def test_test_rows_do_not_change_what_was_fitted() -> None:
    train, wild = made(12, EVEN, 1), 30 * made(6, EVEN, 2)
    recipe = Preprocessing(quantity="reflectance", scatter="msc", step=10.0)
    pipeline = make_pipeline(recipe, EVEN, "reflectance").fit(train)
    before = pipeline.transform(train)
    fitted = {name: dict(vars(step)) for name, step in pipeline.steps}
    together = pipeline.transform(wild)
    np.testing.assert_array_equal(pipeline.transform(train), before)
    np.testing.assert_equal({n: dict(vars(s)) for n, s in pipeline.steps}, fitted)
    one_by_one = np.vstack([pipeline.transform(row[None]) for row in wild])
    # Matrix products of other shapes may round otherwise.
    np.testing.assert_allclose(together, one_by_one, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scatter", ["none", "snv", "msc"])
def test_training_rows_leave_standardised(scatter: str) -> None:
    recipe = Preprocessing(scatter=scatter, step=10.0)  # type: ignore[arg-type]
    out = make_pipeline(recipe, EVEN, "reflectance").fit_transform(made(30, EVEN))
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(out.std(axis=0), 1, rtol=1e-10)


def test_snv_gives_each_row_mean_zero_and_standard_deviation_one() -> None:
    recipe = Preprocessing(scatter="snv", step=10.0)
    unscaled = make_pipeline(recipe, EVEN, "reflectance")[:-1].fit_transform(made(8, EVEN))
    np.testing.assert_allclose(unscaled.mean(axis=1), 0, atol=SUM_ROUNDING)
    np.testing.assert_allclose(unscaled.std(axis=1), 1, rtol=SUM_ROUNDING)


@pytest.mark.parametrize(
    ("window", "order", "derivative", "named"),
    [
        (4, 2, 0, "window"),
        (1, 1, 0, "window"),
        (103, 2, 0, "window"),
        (5, 5, 0, "order"),
        (5, 0, 0, "order"),
        (5, 2, 3, "derivative"),
        (5, 2, -1, "derivative"),
    ],
)
def test_an_impossible_filter_is_refused_by_name(
    window: int, order: int, derivative: int, named: str
) -> None:
    with pytest.raises(ValueError, match=f"^{named} = "):
        SavitzkyGolay(window=window, order=order, derivative=derivative)


@pytest.mark.parametrize(("step", "fits"), [(40.0, True), (60.0, False)])
def test_a_window_wider_than_the_averaged_spectrum_is_refused(step: float, fits: bool) -> None:
    recipe = Preprocessing(savgol=SavitzkyGolay(window=15, order=2, derivative=1), step=step)
    if fits:  # 600 nm in bins of 40 nm: 15 bands
        assert (
            make_pipeline(recipe, EVEN, "reflectance").fit_transform(made(3, EVEN)).shape[1] == 15
        )
    else:
        with pytest.raises(ValueError, match="window = 15 on 10 bands"):
            make_pipeline(recipe, EVEN, "reflectance")


@pytest.mark.parametrize("step", [0.0, -5.0, float("nan")])
def test_an_impossible_step_is_refused(step: float) -> None:
    with pytest.raises(ValueError, match="step = "):
        Preprocessing(step=step)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Preprocessing(), "absorbance, step 10"),
        (
            Preprocessing(quantity="reflectance", scatter="snv", step=2.5),
            "reflectance, step 2.5, SNV",
        ),
        (
            Preprocessing(scatter="msc", savgol=SavitzkyGolay(window=11, order=2, derivative=1)),
            "absorbance, step 10, MSC, Savitzky–Golay (window 11, order 2, derivative 1)",
        ),
    ],
)
def test_a_recipe_describes_itself(recipe: Preprocessing, words: str) -> None:
    assert recipe.describe() == words
