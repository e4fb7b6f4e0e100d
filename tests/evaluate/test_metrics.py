"""Metrics against independent twins, their identities, their intervals, and paired verdicts."""

from __future__ import annotations

from dataclasses import fields
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import iqr, pearsonr
from sklearn.metrics import mean_squared_error, r2_score

from autospec.data.spectra import FloatArray
from autospec.evaluate.metrics import (
    METRICS,
    Estimate,
    Scores,
    compare,
    metric_table,
    rmse,
    rmse_reduction_percent,
    score,
)

# Two orders of summing 40 float64 numbers; a hundred roundings.
ROUNDING = 1e-12


def made(n: int, seed: int, noise: float = 3.0) -> tuple[FloatArray, FloatArray]:
    """Observed values, and predictions that are shrunk, shifted and noisy."""
    rng = np.random.default_rng(seed)
    observed = rng.lognormal(3.0, 0.5, n)
    return observed, 4.0 + 0.7 * observed + rng.normal(0, noise, n)


def value(scores: Scores, metric: str) -> float | None:
    return cast("Estimate", getattr(scores, metric)).value


def slow_ccc(observed: FloatArray, predicted: FloatArray) -> float:
    """Lin's concordance with sums written out, ddof 0."""
    n = len(observed)
    mean_o, mean_p = sum(observed) / n, sum(predicted) / n
    s_oo = sum((o - mean_o) ** 2 for o in observed) / n
    s_pp = sum((p - mean_p) ** 2 for p in predicted) / n
    both = zip(observed, predicted, strict=True)
    s_op = sum((o - mean_o) * (p - mean_p) for o, p in both) / n
    return float(2 * s_op / (s_oo + s_pp + (mean_o - mean_p) ** 2))


TWINS = {
    "rmse": lambda o, p: np.sqrt(mean_squared_error(o, p)),
    "me": lambda o, p: sum(p - o) / len(o),
    "sde": lambda o, p: np.sqrt(sum((p - o - (p - o).mean()) ** 2) / len(o)),
    "ccc": slow_ccc,
    "r2": r2_score,
    "rpiq": lambda o, p: iqr(o) / np.sqrt(mean_squared_error(o, p)),
}


def test_every_metric_has_a_twin() -> None:
    assert set(TWINS) == set(METRICS) == {f.name for f in fields(Scores)} - {"n"}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_equals_its_twin(metric: str, seed: int) -> None:
    observed, predicted = made(40, seed)
    assert value(score(observed, predicted), metric) == pytest.approx(
        TWINS[metric](observed, predicted), rel=ROUNDING
    )


@pytest.mark.parametrize("metric", METRICS)
def test_a_table_of_draws_is_row_by_row(metric: str) -> None:
    observed, predicted = made(60, 1)
    rows = np.random.default_rng(2).integers(0, 60, (7, 60))
    table = metric_table(observed[rows], predicted[rows])
    by_row = [metric_table(observed[r], predicted[r])[metric] for r in rows]
    assert table[metric].shape == (7,)
    np.testing.assert_allclose(table[metric], by_row, rtol=ROUNDING)


number = st.floats(-1e3, 1e3)
pairs = st.lists(st.tuples(number, number), min_size=2, max_size=40).map(
    lambda rows: (np.array([r[0] for r in rows]), np.array([r[1] for r in rows]))
)


@given(pairs)
def test_rmse_squared_is_me_squared_plus_sde_squared(both: tuple[FloatArray, FloatArray]) -> None:
    table = metric_table(*both)
    whole = table["me"] ** 2 + table["sde"] ** 2
    # Squares reach 4e6; 40 of them are summed.
    np.testing.assert_allclose(table["rmse"] ** 2, whole, rtol=1e-10, atol=1e-9)


@given(pairs)
def test_ccc_is_symmetric_and_at_most_the_correlation(both: tuple[FloatArray, FloatArray]) -> None:
    observed, predicted = both
    if min(np.std(observed), np.std(predicted)) < 1e-3:
        return  # nearly constant: a correlation is rounding error
    forward = metric_table(observed, predicted)["ccc"]
    backward = metric_table(predicted, observed)["ccc"]
    # Values up to 1e3 with a spread of 1e-3 cancel six of float64's sixteen digits, squared.
    assert forward == pytest.approx(backward, abs=1e-9)
    r = abs(np.corrcoef(observed, predicted)[0, 1])
    assert abs(forward) <= r + 1e-6


def test_a_perfect_prediction_has_ccc_and_r2_of_one_and_no_rpiq() -> None:
    observed, _ = made(30, 0)
    scores = score(observed, observed.copy())
    assert (scores.ccc.value, scores.r2.value) == (pytest.approx(1.0, rel=ROUNDING), 1.0)
    assert (scores.rmse.value, scores.me.value, scores.sde.value) == (0.0, 0.0, 0.0)
    assert scores.rpiq == Estimate(value=None, reason="undefined: every error is 0")


def test_me_is_predicted_minus_observed() -> None:
    observed, _ = made(30, 0)
    assert score(observed, observed + 2.5).me.value == pytest.approx(2.5, rel=ROUNDING)


def test_r2_sees_a_bias_that_a_squared_correlation_does_not() -> None:
    observed, _ = made(30, 0)
    biased = observed + 2 * observed.std()
    assert pearsonr(observed, biased).statistic ** 2 == pytest.approx(1.0, rel=ROUNDING)
    assert score(observed, biased).r2.value == pytest.approx(1 - 4, rel=ROUNDING)


@pytest.mark.parametrize("metric", ["ccc", "r2", "rpiq"])
@pytest.mark.parametrize("constant", [0.0, 12.0, 0.1])  # 0.1: the mean of seven rounds
def test_constant_observations_give_no_value_and_a_reason(metric: str, constant: float) -> None:
    scores = score(np.full(7, constant), np.linspace(0, 1, 7))
    expected = Estimate(value=None, reason="undefined: the observed values are constant")
    assert getattr(scores, metric) == expected


@pytest.mark.parametrize("metric", ["rmse", "me", "sde"])
def test_constant_observations_still_have_errors(metric: str) -> None:
    observed, predicted = np.full(7, 0.1), np.linspace(0, 1, 7)
    expected = TWINS[metric](observed, predicted)
    assert value(score(observed, predicted), metric) == pytest.approx(expected, rel=ROUNDING)


def test_bootstrap_draws_of_one_repeated_value_do_not_reach_the_interval() -> None:
    # One of seven values differs: a third of the draws, (6/7)^7, are constant.
    observed = np.array([0.1] * 6 + [0.3])
    r2 = score(observed, np.linspace(0, 1, 7)).r2
    assert r2.low is not None and r2.low > -1e3


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("seed", range(3))
def test_the_interval_covers_the_point_and_is_fixed_by_the_seed(metric: str, seed: int) -> None:
    observed, predicted = made(60, seed)
    first, again, other = (
        cast("Estimate", getattr(score(observed, predicted, seed=s), metric)) for s in (3, 3, 4)
    )
    assert first.low is not None and first.high is not None and first.value is not None
    assert first.low < first.value < first.high
    assert first == again
    assert (first.low, first.high) != (other.low, other.high)


def test_the_interval_of_the_mean_error_covers_it_about_as_often_as_it_says() -> None:
    n, studies, truth = 40, 250, 1.5
    errors = np.random.default_rng(0).normal(truth, 4.0, (studies, n))
    found = [score(np.arange(float(n)), np.arange(n) + e, seed=i).me for i, e in enumerate(errors)]
    covered = np.mean([e.low <= truth <= e.high for e in found])  # type: ignore[operator]
    # A percentile interval of a mean of 40 covers 93.7 % (normal quantile for Student's, ddof 0);
    # 250 studies add a standard error of 1.5 %: three of them either way.
    assert covered == pytest.approx(0.937, abs=0.046)


def test_fewer_than_two_rows_are_our_own_bug() -> None:
    with pytest.raises(AssertionError):
        score(np.ones(1), np.ones(1))


@pytest.mark.parametrize(
    ("first_sd", "second_sd", "better"),
    [(1.0, 4.0, "first"), (4.0, 1.0, "second")],
)
@pytest.mark.parametrize("seed", range(4))
def test_the_verdict_names_the_better_model(
    first_sd: float, second_sd: float, better: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    observed = rng.lognormal(3.0, 0.5, 80)
    first, second = (observed + sd * rng.normal(size=80) for sd in (first_sd, second_sd))
    found = compare(observed, first, second)
    assert found.better == better
    assert found.low <= found.difference <= found.high
    assert found.difference == pytest.approx(rmse(observed, first) - rmse(observed, second))
    assert found.reduction_percent == pytest.approx(
        100 * (1 - rmse(observed, first) / rmse(observed, second))
    )


def test_equally_good_models_are_told_apart_about_as_seldom_as_the_level_says() -> None:
    n, studies = 60, 200
    rng = np.random.default_rng(0)
    observed = rng.lognormal(3.0, 0.5, n)
    errors = rng.normal(0, 2.0, (studies, 2, n))
    told = [
        compare(observed, observed + one, observed + two, seed=i).better != "cannot tell"
        for i, (one, two) in enumerate(errors)
    ]
    # 5 % nominal, a percentile interval of 60 rows some 2 % more; 200 studies: sd 1.8 %, three.
    assert np.mean(told) <= 0.07 + 0.054


def test_a_model_cannot_be_told_from_itself() -> None:
    observed, predicted = made(40, 0)
    found = compare(observed, predicted, predicted.copy())
    assert found.better == "cannot tell"
    assert (found.difference, found.low, found.high) == (0.0, 0.0, 0.0)
    assert found.reduction_percent == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_swapping_the_models_turns_the_comparison_round(seed: int) -> None:
    observed, first = made(40, seed)
    _, second = made(40, seed, noise=5.0)
    there, back = compare(observed, first, second), compare(observed, second, first)
    # The same draws in both; the two quantiles differ in rounding only.
    assert back.difference == -there.difference
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), rel=1e-9)
    swapped = {"first": "second", "second": "first", "cannot tell": "cannot tell"}
    assert back.better == swapped[there.better]


def test_the_comparison_is_paired() -> None:
    # Both share large errors; only the pairing shows that the first is always a little better.
    rng = np.random.default_rng(0)
    observed = rng.lognormal(3.0, 0.5, 60)
    shared = rng.normal(0, 10.0, 60)
    found = compare(observed, observed + shared, observed + 1.05 * shared)
    alone = score(observed, observed + shared).rmse
    assert found.better == "first"
    assert alone.high is not None and alone.high > rmse(observed, observed + 1.05 * shared)


def test_no_reduction_is_told_of_a_perfect_reference() -> None:
    observed, predicted = made(40, 0)
    found = compare(observed, predicted, observed.copy())
    assert (found.reduction_percent, found.better) == (None, "second")


@pytest.mark.parametrize(
    ("reference", "other", "percent"), [(4.0, 3.0, 25.0), (4.0, 5.0, -25.0), (4.0, 4.0, 0.0)]
)
def test_a_positive_reduction_means_the_other_is_better(
    reference: float, other: float, percent: float
) -> None:
    assert rmse_reduction_percent(reference, other) == percent
