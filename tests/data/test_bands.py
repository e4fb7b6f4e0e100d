"""Common grids are never finer than an instrument, stay inside it, and average without bias."""

from __future__ import annotations

import numpy as np
import pytest

from autospec.data.bands import band_weights, common_grid, mean_step, wide_gaps

ONE_NM = np.arange(400.0, 2501.0)
FIVE_NM = np.arange(402.0, 2400.0, 5.0)
UNEVEN = np.concatenate([np.arange(420.0, 1000.0, 1.0), np.arange(1000.0, 2450.0, 4.0)])
HOLED = np.concatenate([np.arange(431.0, 1010.0, 4.8), np.arange(1070.0, 2153.0, 4.8)])
AXES = {"one": ONE_NM, "five": FIVE_NM, "uneven": UNEVEN, "holed": HOLED}
PAIRS = [(a, b) for a in AXES for b in AXES if a != b]


def overlap(*axes: np.ndarray) -> tuple[float, float]:
    return max(a[0] for a in axes), min(a[-1] for a in axes)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_grid_is_even_and_as_coarse_as_the_coarsest(first: str, second: str) -> None:
    axes = [AXES[first], AXES[second]]
    low, high = overlap(*axes)
    grid = common_grid(axes, low, high)
    step = np.diff(grid)
    np.testing.assert_allclose(step, step[0], rtol=1e-9)
    # 1 %: spacings that close count as one spacing
    assert step[0] >= 0.99 * max(mean_step(a, low, high) for a in axes)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_no_bin_leaves_the_coverage_of_an_instrument(first: str, second: str) -> None:
    axes = [AXES[first], AXES[second]]
    low, high = overlap(*axes)
    grid = common_grid(axes, low, high)
    half = (grid[1] - grid[0]) / 2
    slack = 0.2 * half  # a tenth of a step, as the module allows
    for axis in axes:
        own = mean_step(axis, low, high) / 2
        assert grid[0] - half >= axis[0] - own - slack
        assert grid[-1] + half <= axis[-1] + own + slack


def test_bands_that_all_have_stay_as_they_are() -> None:
    grid = common_grid([ONE_NM, ONE_NM[50:]], *overlap(ONE_NM, ONE_NM[50:]))
    np.testing.assert_array_equal(grid, ONE_NM[50:])


def test_uneven_bands_that_all_have_stay_as_they_are() -> None:
    grid = common_grid([UNEVEN, UNEVEN + 0.05], 420.05, float(UNEVEN[-1]))
    assert np.isin(grid, UNEVEN).all()


@pytest.mark.parametrize("order", [(ONE_NM, FIVE_NM), (FIVE_NM, ONE_NM)])
def test_the_coarsest_even_axis_keeps_its_own_bands(order: tuple[np.ndarray, np.ndarray]) -> None:
    grid = common_grid(order, *overlap(*order))
    np.testing.assert_allclose(grid, FIVE_NM, rtol=1e-12)
    weights = band_weights(FIVE_NM, grid).toarray()
    np.testing.assert_array_equal(weights, np.eye(len(FIVE_NM)))


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("which", [0, 1])
def test_weights_are_shares(first: str, second: str, which: int) -> None:
    axes = [AXES[first], AXES[second]]
    weights = band_weights(axes[which], common_grid(axes, *overlap(*axes)))
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, rtol=1e-12)


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("which", [0, 1])
def test_a_sloping_line_keeps_its_place(first: str, second: str, which: int) -> None:
    axes = [AXES[first], AXES[second]]
    grid = common_grid(axes, *overlap(*axes))
    moved = axes[which] @ band_weights(axes[which], grid) - grid
    slack = 0.1 * (grid[1] - grid[0])  # bands that close count as one band
    assert np.abs(moved).max() <= slack


def test_a_bin_is_the_mean_of_the_lines_between_finer_bands() -> None:
    fine = np.arange(400.0, 501.0)
    grid = np.arange(405.0, 500.0, 5.0)
    rng = np.random.default_rng(0)
    values = rng.normal(size=fine.size)
    dense = np.linspace(-2.5, 2.5, 100_001)  # the slow twin: the mean of many interpolated points
    wanted = [np.interp(g + dense, fine, values).mean() for g in grid]
    # The twin's own step is 5e-5 nm, its end points count whole: 1e-5 of values of order 1.
    np.testing.assert_allclose(values @ band_weights(fine, grid), wanted, atol=1e-4)


def test_an_instrument_with_a_hole_keeps_its_own_bands_beside_it() -> None:
    holed = FIVE_NM[(FIVE_NM < 1000) | (FIVE_NM > 1060)]
    weights = band_weights(holed, FIVE_NM).toarray()
    shared = np.isin(FIVE_NM, holed)
    np.testing.assert_allclose(weights[:, shared], np.eye(len(holed)), atol=1e-12)


def test_a_hole_between_detectors_is_interpolated_and_told() -> None:
    grid = common_grid([ONE_NM, HOLED], *overlap(ONE_NM, HOLED))
    ((low, high, across),) = wide_gaps(HOLED, grid)
    inside = (grid - 2.4 > low) & (grid + 2.4 < high)
    assert inside.sum() == across > 5
    line = HOLED @ band_weights(HOLED, grid)
    np.testing.assert_allclose(line[inside], grid[inside], rtol=1e-12)
    assert wide_gaps(ONE_NM, grid) == []


def test_axes_without_two_shared_bands_give_no_grid() -> None:
    assert common_grid([ONE_NM, FIVE_NM], 402.0, 403.0).size == 0
