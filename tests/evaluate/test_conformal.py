"""CV+ intervals: against a literal twin in loops, by simulated coverage, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospec.data.spectra import FloatArray
from autospec.errors import UsageError
from autospec.evaluate.conformal import (
    MAX_ROWS,
    Calibration,
    check_level,
    cv_plus,
    highest_level,
    thin,
    usual_level,
)


def made(n: int, k: int, seed: int, *, log: bool = False, low: float = 0.0) -> Calibration:
    rng = np.random.default_rng(seed)
    observed = low + rng.lognormal(2.0, 0.6, n)
    return Calibration(
        observed=observed,
        out_of_fold=observed + rng.normal(0, 2.0, n),
        twin_of=tuple(int(t) for t in rng.permutation(np.arange(n) % k)),
        log=log,
    )


def slow_bounds(c: Calibration, by_twin: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Barber and others' definition, word for word: one loop over new rows, one over the n."""
    lower, upper = [], []
    for j in range(by_twin.shape[1]):
        below, above = [], []
        for i in range(c.n):
            y, held, new = c.observed[i], c.out_of_fold[i], by_twin[c.twin_of[i], j]
            if c.log:
                y, held, new = (math.log1p(max(v, 0.0)) for v in (y, held, new))
            below.append(new - abs(y - held))
            above.append(new + abs(y - held))
        first = math.floor((1 - level) * (c.n + 1) + 1e-9)
        last = math.ceil(level * (c.n + 1) - 1e-9)
        lower.append(sorted(below)[first - 1])
        upper.append(sorted(above)[last - 1])
    low, high = np.array(lower), np.array(upper)
    if c.log:
        low, high = np.expm1(low), np.expm1(high)
    return (np.maximum(low, 0), np.maximum(high, 0)) if c.observed.min() >= 0 else (low, high)


@given(
    n=st.integers(10, 60),
    share=st.floats(0.1, 1.0),
    level=st.sampled_from([0.5, 0.8, 0.9]),
    log=st.booleans(),
    low=st.sampled_from([0.0, -30.0]),
    seed=st.integers(0, 999),
)
def test_bounds_are_those_of_the_definition(
    n: int, share: float, level: float, log: bool, low: float, seed: int
) -> None:
    k = max(2, round(share * n))
    calibration = made(n, k, seed, log=log and low == 0, low=low)
    by_twin = np.random.default_rng(seed).normal(8, 4, (k, 7))
    for fast, slow in zip(
        cv_plus(calibration, by_twin, level), slow_bounds(calibration, by_twin, level), strict=True
    ):
        np.testing.assert_allclose(fast, slow, rtol=1e-12, atol=1e-12)  # the same sums of doubles


def test_with_a_twin_a_row_it_is_the_jackknife_plus() -> None:
    """One row, by hand: n = 9 at 90 % takes the smallest and the largest of the nine."""
    observed = np.arange(10.0, 19.0)
    residual = np.array([1, 2, 3, 1, 2, 3, 1, 2, 3.0])
    calibration = Calibration(
        observed=observed, out_of_fold=observed + residual, twin_of=tuple(range(9)), log=False
    )
    by_twin = np.array([20, 21, 22, 23, 24, 25, 26, 27, 28.0])[:, None]
    lower, upper = cv_plus(calibration, by_twin, 0.9)
    assert (lower[0], upper[0]) == (19.0, 31.0)  # 20 − 1, 21 − 2 and 22 − 3; 28 + 3


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("n", "k"), [(30, 5), (30, 30), (100, 10)])
def test_exchangeable_rows_are_held_as_often_as_the_level_says(n: int, k: int, log: bool) -> None:
    """Twins are means of their rows: 300 data sets, 50 new rows each.

    Held shares of data sets have an sd of about 0.05 at n = 30, so their mean one of 0.003. CV+
    errs to the wide side by the rank, at most 1 / (n + 1), and by twins that saw fewer rows.
    """
    held = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        y = rng.lognormal(2.0, 0.5, n + 50)
        observed, new, fold = y[:n], y[n:], np.arange(n) % k
        means = np.array([observed[fold != j].mean() for j in range(k)])
        calibration = Calibration(
            observed=observed, out_of_fold=means[fold], twin_of=tuple(fold.tolist()), log=log
        )
        lower, upper = cv_plus(calibration, np.repeat(means[:, None], 50, axis=1), 0.9)
        held.append(np.mean((lower <= new) & (new <= upper)))
    assert 0.9 - 0.01 < np.mean(held) < 0.9 + 1 / (n + 1) + 0.02


@given(seed=st.integers(0, 99), level=st.sampled_from([0.6, 0.9]))
def test_on_the_log_scale_the_bounds_are_turned_back_and_no_deviation(
    seed: int, level: float
) -> None:
    calibration = made(40, 5, seed, log=True)
    by_twin = np.random.default_rng(seed).uniform(1, 30, (5, 6))
    plain = Calibration(
        observed=np.log1p(calibration.observed),
        out_of_fold=np.log1p(np.maximum(calibration.out_of_fold, 0)),
        twin_of=calibration.twin_of,
        log=False,
    )
    lower, upper = cv_plus(plain, np.log1p(by_twin), level)
    found = cv_plus(calibration, by_twin, level)
    np.testing.assert_allclose(found[0], np.expm1(lower), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found[1], np.expm1(upper), rtol=1e-9)


def test_a_lower_bound_is_not_below_zero_unless_a_lab_value_is() -> None:
    wide = np.full((5, 3), 0.5)
    assert (cv_plus(made(40, 5, 0), wide, 0.9)[0] == 0).all()
    assert (cv_plus(made(40, 5, 0, low=-20.0), wide, 0.9)[0] < 0).all()


def test_a_higher_level_is_not_narrower() -> None:
    calibration, by_twin = made(50, 5, 3), np.random.default_rng(0).normal(8, 4, (5, 20))
    bounds = [cv_plus(calibration, by_twin, level) for level in (0.5, 0.7, 0.8, 0.9, 0.95)]
    assert (np.diff([lower for lower, _ in bounds], axis=0) <= 0).all()
    assert (np.diff([upper for _, upper in bounds], axis=0) >= 0).all()


def test_a_level_that_the_rows_cannot_support_is_refused_with_what_they_can() -> None:
    with pytest.raises(UsageError) as refusal:
        cv_plus(made(30, 5, 0), np.zeros((5, 1)), 0.99)
    assert str(refusal.value) == (
        "level 0.99 wants at least 99 calibration rows; this model has 30, which support at most "
        "0.967. Ask for a lower level, or measure more samples."
    )


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 90.0, float("nan")])
def test_a_level_that_is_no_share_is_refused(level: float) -> None:
    with pytest.raises(UsageError, match="want a share between 0 and 1"):
        check_level(30, level)


@given(n=st.integers(1, 500))
def test_the_highest_level_is_supported_and_nothing_above_it(n: int) -> None:
    assert check_level(n, highest_level(n)) == n
    with pytest.raises(UsageError):
        check_level(n, highest_level(n) + 1e-6)


@pytest.mark.parametrize(
    ("n", "level"), [(3, None), (4, 0.8), (8, 0.8), (9, 0.9), (19, 0.9), (500, 0.9)]
)
def test_the_usual_level_is_the_highest_of_two_that_the_rows_support(
    n: int, level: float | None
) -> None:
    assert usual_level(n) == level


def test_many_rows_are_thinned_to_a_part_that_gives_much_the_same_bounds() -> None:
    many = made(20_000, 5, 1)
    few = thin(many)
    assert few.n == MAX_ROWS and thin(few) is few
    assert set(few.observed) <= set(many.observed)
    by_twin = np.full((5, 1), 8.0)
    for one, other in zip(cv_plus(few, by_twin, 0.9), cv_plus(many, by_twin, 0.9), strict=True):
        assert abs(one[0] - other[0]) < 0.5  # a quantile of 2000 normal residuals: sd 0.08


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        Calibration(observed=np.ones(3), out_of_fold=np.ones(2), twin_of=(0, 0, 0), log=False)
