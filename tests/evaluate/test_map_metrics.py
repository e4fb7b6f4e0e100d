"""Scores from sums of groups: what the scores of the rows themselves are."""

from __future__ import annotations

import numpy as np
import pytest

from autospec.evaluate.cube_metrics import mean_absolute_error, squared_correlation
from autospec.evaluate.map_metrics import (
    GroupSums,
    compare_groups,
    nash_sutcliffe,
    score_groups,
    sums_of,
)
from autospec.evaluate.metrics import METRICS, compare, score


def rows(seed: int, n: int = 400, level: float = 20.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    observed = rng.gamma(2.0, 3.0, n) + level
    return observed, observed + rng.normal(1, 3, n)


def grouped(observed: np.ndarray, predicted: np.ndarray, group: np.ndarray) -> GroupSums:
    shift = float(observed[0])
    cells = sums_of(observed, predicted, shift)
    _, group = np.unique(group, return_inverse=True)
    order = np.argsort(observed)
    sums = np.stack([np.bincount(group, weights=s) for s in cells], axis=1)
    return GroupSums(sums=sums, shift=shift, values=observed[order], group=group[order])


@pytest.mark.parametrize("level", [0.0, 20.0, 1e5])
@pytest.mark.parametrize("metric", METRICS)
def test_values_are_those_of_the_rows(metric: str, level: float) -> None:
    observed, predicted = rows(1, level=level)
    found = score_groups(grouped(observed, predicted, np.arange(400) // 7)).pooled
    assert found.n == 400
    # sums of squares lose as many digits as the level has more than the spread
    wanted = getattr(score(observed, predicted), metric).value
    assert getattr(found, metric).value == pytest.approx(wanted, rel=1e-9)


def test_mae_and_correlation_are_those_of_the_rows() -> None:
    observed, predicted = rows(2)
    found = score_groups(grouped(observed, predicted, np.arange(400) // 7))
    assert found.mae.value == pytest.approx(mean_absolute_error(observed, predicted).value)
    assert found.pearson_r2.value == pytest.approx(squared_correlation(observed, predicted).value)


@pytest.mark.parametrize("metric", METRICS)
def test_with_groups_of_one_cell_intervals_are_those_of_the_rows(metric: str) -> None:
    observed, predicted = rows(3)
    found = getattr(score_groups(grouped(observed, predicted, np.arange(400))).pooled, metric)
    wanted = getattr(score(observed, predicted), metric)
    # 2000 draws on both sides: an end of an interval has a Monte-Carlo error of about 2 % of it
    allowed = 0.12 * (wanted.high - wanted.low)
    assert found.low == pytest.approx(wanted.low, abs=allowed)
    assert found.high == pytest.approx(wanted.high, abs=allowed)


def test_intervals_are_wider_where_a_group_errs_alike() -> None:
    rng = np.random.default_rng(4)
    observed = rng.normal(0, 1, 900)
    predicted = observed + np.repeat(rng.normal(0, 1, 30), 30)
    alike = score_groups(grouped(observed, predicted, np.arange(900) // 30)).pooled.me
    apart = score_groups(grouped(observed, predicted, np.arange(900))).pooled.me
    assert alike.low is not None and alike.high is not None
    assert apart.low is not None and apart.high is not None
    assert alike.high - alike.low > 3 * (apart.high - apart.low)


@pytest.mark.parametrize("metric", ["ccc", "r2", "rpiq"])
def test_a_constant_truth_has_no_such_score(metric: str) -> None:
    observed, predicted = np.full(50, 0.1), rows(0)[1][:50]
    found = getattr(score_groups(grouped(observed, predicted, np.arange(50) // 5)).pooled, metric)
    assert found.value is None
    assert "observed values are constant" in found.reason


def test_a_constant_prediction_has_no_correlation_even_after_rounding_to_single() -> None:
    observed = rows(0)[0]
    predicted = np.full(400, 300.1) * (1 + 1e-7 * np.random.default_rng(0).normal(size=400))
    found = score_groups(grouped(observed, predicted, np.arange(400) // 5))
    assert found.pearson_r2.value is None
    assert "predicted values are constant" in found.pearson_r2.reason


def test_without_an_error_rpiq_is_undefined() -> None:
    observed = rows(0)[0]
    found = score_groups(grouped(observed, observed, np.arange(400) // 5)).pooled
    assert found.r2.value == 1.0
    assert found.rpiq.value is None and "every error is 0" in found.rpiq.reason


def test_comparison_of_single_cells_is_that_of_the_rows() -> None:
    observed, first = rows(5)
    second = first + np.random.default_rng(9).normal(0, 1.5, 400)
    wanted = compare(observed, first, second)
    both = [grouped(observed, p, np.arange(400)).sums for p in (first, second)]
    found = compare_groups(both[0], both[1])
    assert found.difference == pytest.approx(wanted.difference)
    assert found.reduction_percent == pytest.approx(wanted.reduction_percent)
    assert found.low == pytest.approx(wanted.low, abs=0.12 * (wanted.high - wanted.low))
    assert found.better == wanted.better == "first"


def test_fewer_than_20_groups_settle_nothing() -> None:
    observed, first = rows(6)
    both = [grouped(observed, p, np.arange(400) // 25).sums for p in (first, first + 50)]
    found = compare_groups(both[0], both[1])
    assert found.high < 0
    assert found.better == "cannot tell"


def test_nash_sutcliffe_is_one_minus_sse_over_sst_of_each_cell() -> None:
    rng = np.random.default_rng(0)
    observed = rng.normal(30, 2, (6, 5))
    observed[:, 4] = 7.0
    predicted = observed + rng.normal(0, 1, (6, 5))
    y = observed - 30.0
    error = ((predicted - observed) ** 2).sum(axis=0)
    cells = np.stack([np.full(5, 6.0), y.sum(axis=0), (y**2).sum(axis=0), error])
    cells[0, 3] = 2.0
    found = nash_sutcliffe(cells, 30.0)
    spread = ((observed - observed.mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(found[:3], 1 - error[:3] / spread[:3])
    assert np.isnan(found[3:]).all()  # two dates; no variation


def test_the_seed_fixes_the_intervals() -> None:
    groups = grouped(*rows(7), np.arange(400) // 10)
    one, again, other = (score_groups(groups, seed=seed) for seed in (1, 1, 2))
    assert one == again != other
