"""Metrics over draws: intervals against slow loops, verdicts on planted models, coverage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from autospec.data.spectra import FloatArray, IntArray
from autospec.evaluate import repeated
from autospec.evaluate.metrics import BOOTSTRAPS, LEVEL, METRICS, metric_table
from autospec.evaluate.repeated import (
    Repeated,
    compare_draws,
    mean_of_rows,
    mean_scores,
    score_draws,
)

TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)


def made(
    *, n: int = 40, d: int = 5, train: int = 15, noise: float = 2.0, seed: int = 0, copies: int = 1
) -> Repeated:
    """Predictions with errors of their own a sample and a draw; `copies` rows a sample."""
    rng = np.random.default_rng(seed)
    samples = np.repeat(np.arange(n), copies)
    observed = rng.lognormal(3.0, 0.4, n)[samples]
    predicted = np.full((d, n * copies), np.nan)
    common = rng.normal(0, noise, n)[samples]
    for draw in range(d):
        tested = ~np.isin(samples, rng.choice(n, train, replace=False))
        own = rng.normal(0, 0.3 * noise, n * copies)
        predicted[draw, tested] = (observed + common + own)[tested]
    return Repeated(observed=observed, samples=samples, predicted=predicted)


def slow_metrics(
    observed: FloatArray, predicted: FloatArray, weights: IntArray
) -> dict[str, float]:
    """Every metric with each row written out as often as it was drawn."""
    often = np.repeat(np.arange(len(observed)), weights)
    if not len(often):
        return dict.fromkeys(METRICS, np.nan)
    o, p = observed[often], predicted[often]
    found = {name: float(value) for name, value in metric_table(o, p).items()}
    # A weighted quartile is a drawn value; the metrics of one table interpolate between two.
    quartiles = np.quantile(o, [0.25, 0.75], method="inverted_cdf")
    if np.isfinite(found["rpiq"]):
        found["rpiq"] = float(quartiles[1] - quartiles[0]) / found["rmse"]
    return found


def slow_spread(model: Repeated, seed: int) -> dict[str, list[float]]:
    """Bootstrap draws of the mean of each metric, by loops over draws, rows and metrics."""
    rng = np.random.default_rng(seed)
    samples, d = int(model.samples.max()) + 1, len(model.predicted)
    drawn = rng.multinomial(samples, np.full(samples, 1 / samples), BOOTSTRAPS)
    draws = rng.multinomial(d, np.full(d, 1 / d), BOOTSTRAPS)
    spread: dict[str, list[float]] = {name: [] for name in METRICS}
    for by_sample, by_draw in zip(drawn, draws, strict=True):
        tables = []
        for times, tested, predicted in zip(by_draw, model.tested, model.predicted, strict=True):
            weights = by_sample[model.samples][tested]
            table = slow_metrics(model.observed[tested], predicted[tested], weights)
            tables += [table] * int(times)
        for name in METRICS:
            values = np.array([table[name] for table in tables])
            if np.isfinite(values).any():
                spread[name].append(float(np.mean(values[np.isfinite(values)])))
    return spread


@pytest.mark.parametrize(
    "model",
    [made(d=1, n=25, train=5), made(d=3, n=12, train=4), made(d=2, n=10, train=3, copies=3)],
    ids=["one draw", "three draws", "replicates"],
)
def test_intervals_are_those_of_the_slow_loops(
    model: Repeated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeated, "BOOTSTRAPS", 300)
    monkeypatch.setattr(f"{__name__}.BOOTSTRAPS", 300)
    found, spread = mean_scores(model, seed=3), slow_spread(model, 3)
    for name in METRICS:
        low, high = np.quantile(spread[name], TAILS)
        assert (found[name].low, found[name].high) == pytest.approx((low, high), rel=1e-9), name


@pytest.mark.parametrize("name", METRICS)
def test_the_value_is_the_mean_over_draws(name: str) -> None:
    model = made()
    values = [
        float(metric_table(model.observed[tested], predicted[tested])[name])
        for tested, predicted in zip(model.tested, model.predicted, strict=True)
    ]
    assert mean_scores(model)[name].value == pytest.approx(np.mean(values), rel=1e-12)
    assert [row[name] for row in score_draws(model)] == pytest.approx(values, rel=1e-12)


def test_a_seed_fixes_the_intervals() -> None:
    model = made()
    assert mean_scores(model, seed=1) == mean_scores(model, seed=1)
    assert mean_scores(model, seed=1) != mean_scores(model, seed=2)


def test_replicates_of_a_sample_do_not_narrow_an_interval() -> None:
    once = made(n=40, d=4)
    rows = np.repeat(np.arange(40), 3)
    thrice = Repeated(observed=once.observed[rows], samples=rows, predicted=once.predicted[:, rows])
    assert mean_scores(thrice)["rmse"].low == pytest.approx(mean_scores(once)["rmse"].low, rel=1e-9)
    apart = replace(thrice, samples=np.arange(120))
    assert width(apart) < 0.7 * width(once)


def width(model: Repeated) -> float:
    estimate = mean_scores(model)["rmse"]
    assert estimate.low is not None and estimate.high is not None
    return estimate.high - estimate.low


def test_more_draws_of_the_same_rows_do_not_promise_more_than_the_rows_hold() -> None:
    # Draws of one farm share the errors of its samples: an interval over draws alone would
    # shrink to a quarter.
    assert width(made(d=48, seed=2)) > 0.6 * width(made(d=3, seed=2))


def test_a_draw_without_rows_in_a_resample_is_left_out() -> None:
    model = made(n=30, train=27, d=2)  # three test rows: none of them in a resample of twenty
    low = mean_scores(model)["rmse"].low
    smallest = min(
        np.abs(predicted[tested] - model.observed[tested]).min()
        for tested, predicted in zip(model.tested, model.predicted, strict=True)
    )
    assert low is not None and low >= smallest  # and not 0


@pytest.mark.parametrize("name", ["ccc", "r2", "rpiq"])
def test_constant_lab_values_leave_a_metric_undefined_with_a_reason(name: str) -> None:
    model = made()
    constant = replace(model, observed=np.full_like(model.observed, 7.0))
    estimate = mean_scores(constant)[name]
    assert estimate.value is None and estimate.reason is not None and "constant" in estimate.reason


def by_errors(model: Repeated, factor: float) -> Repeated:
    """The same model with its errors `factor` times as large."""
    off = model.predicted - model.observed
    return replace(model, predicted=model.observed + factor * off)


def test_equal_models_cannot_be_told_apart() -> None:
    model = made()
    found = compare_draws(model, model)
    assert (found.reduction_percent, found.low, found.high) == (0.0, 0.0, 0.0)
    assert (found.wins, found.ties, found.better) == (0, 5, "cannot tell")


@pytest.mark.parametrize("seed", range(3))
def test_a_factor_on_every_error_is_the_reduction(seed: int) -> None:
    model = made(seed=seed)
    found = compare_draws(by_errors(model, 0.8), model)
    assert (found.reduction_percent, found.low, found.high) == pytest.approx((20.0, 20.0, 20.0))
    assert (found.wins, found.ties, found.better) == (5, 0, "first")
    assert compare_draws(model, by_errors(model, 0.8)).better == "second"


def test_a_better_model_with_errors_of_its_own_is_told() -> None:
    worse, better = made(n=80, noise=4.0, seed=1), made(n=80, noise=1.0, seed=1)
    assert compare_draws(better, worse).better == "first"
    assert compare_draws(worse, better).better == "second"


@pytest.mark.parametrize(("n", "verdict"), [(19, "cannot tell"), (20, "first")])
def test_under_twenty_samples_no_verdict_is_given(n: int, verdict: str) -> None:
    model = made(n=n, train=0)
    assert compare_draws(by_errors(model, 0.5), model).better == verdict


@pytest.mark.parametrize(("d", "verdict"), [(1, "cannot tell"), (2, "cannot tell"), (3, "first")])
def test_under_three_draws_no_verdict_is_given(d: int, verdict: str) -> None:
    model = made(d=d)
    assert compare_draws(by_errors(model, 0.5), model).better == verdict


def test_rows_of_one_sample_count_once_for_the_verdict() -> None:
    model = made(n=10, train=0, copies=4)
    assert compare_draws(by_errors(model, 0.5), model).better == "cannot tell"


def test_a_second_without_error_is_no_division_by_zero() -> None:
    model = made()
    found = compare_draws(model, by_errors(model, 0.0))
    assert (found.reduction_percent, found.wins, found.better) == (0.0, 0, "cannot tell")


def test_models_on_other_rows_are_our_mistake() -> None:
    with pytest.raises(AssertionError, match="the same rows"):
        compare_draws(made(seed=0), made(seed=1))


def slow_comparison(first: Repeated, second: Repeated, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    samples, d = int(first.samples.max()) + 1, len(first.predicted)
    drawn = rng.multinomial(samples, np.full(samples, 1 / samples), BOOTSTRAPS)
    draws = rng.multinomial(d, np.full(d, 1 / d), BOOTSTRAPS)
    found = []
    for by_sample, by_draw in zip(drawn, draws, strict=True):
        means = []
        for model in (first, second):
            errors = []
            for draw in np.repeat(np.arange(d), by_draw):
                rows = np.flatnonzero(model.tested[draw])
                often = np.repeat(rows, by_sample[model.samples[rows]])
                off = model.predicted[draw, often] - model.observed[often]
                errors.append(np.sqrt(np.mean(off**2)))
            means.append(np.mean(errors))
        found.append(100.0 * (means[1] - means[0]) / means[1])
    low, high = np.quantile(found, TAILS)
    return float(low), float(high)


def test_a_comparison_is_that_of_the_slow_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated, "BOOTSTRAPS", 300)
    monkeypatch.setattr(f"{__name__}.BOOTSTRAPS", 300)
    first = made(n=24, d=3, train=8)
    off = np.random.default_rng(5).normal(0, 1.0, first.predicted.shape)
    second = replace(first, predicted=first.predicted + off)
    found = compare_draws(first, second, seed=2)
    assert (found.low, found.high) == pytest.approx(slow_comparison(first, second, 2), rel=1e-9)


def covered(make: Callable[[int], tuple[Repeated, float]], farms: int) -> float:
    """Share of farms whose interval of the RMSE holds the true one."""
    hits = 0
    for seed in range(farms):
        model, truth = make(seed)
        estimate = mean_scores(model, seed=seed)["rmse"]
        assert estimate.low is not None and estimate.high is not None
        hits += estimate.low <= truth <= estimate.high
    return hits / farms


def test_intervals_cover_the_rmse_of_a_farm_of_endless_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repeated, "BOOTSTRAPS", 400)

    def make(seed: int) -> tuple[Repeated, float]:
        return made(n=90, d=6, train=30, noise=2.0, seed=seed), 2.0 * np.hypot(1.0, 0.3)

    # 95 % less what a percentile interval of 90 rows lacks; sd of a share of 150 is 0.02. An
    # interval over the draws alone covers about a third.
    assert 0.86 <= covered(make, 150) <= 0.99


def test_the_mean_of_any_value_is_resampled_as_the_metrics_are() -> None:
    """The mean error through `mean_of_rows` is ME, its interval too."""
    model = made(copies=2)
    found = mean_of_rows(model.predicted - model.observed, model.samples, seed=5)
    wanted = mean_scores(model, seed=5)["me"]
    np.testing.assert_allclose(
        (found.value, found.low, found.high), (wanted.value, wanted.low, wanted.high), rtol=1e-9
    )  # fmt: skip


def test_a_share_that_is_the_same_in_every_row_is_certain() -> None:
    model = made()
    always = np.where(model.tested, 1.0, np.nan)
    found = mean_of_rows(always, model.samples)
    np.testing.assert_allclose((found.value, found.low, found.high), 1.0, rtol=1e-12)
