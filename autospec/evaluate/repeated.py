"""Metrics over repeated draws of training rows: means, paired comparisons, and their intervals.

The draws of one farm share most of their rows, so a standard error over draws alone would be far
too small. Every interval here resamples both: the draws, and the farm's samples (a sample's
replicates together) in all draws at once. What was never drawn, another farm, is in no interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from autospec.data.spectra import FloatArray
from autospec.evaluate.metrics import (
    BOOTSTRAPS,
    LEVEL,
    METRICS,
    VERDICT_ROWS,
    Estimate,
    Winner,
    metric_table,
)

VERDICT_DRAWS = 3  # fewer say too little about which samples happened to train


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Repeated:
    """Predictions of one model on the test rows of d draws.

    Parameters
    ----------
    observed : float64, shape (n,)
        Lab values of all rows of the farm.
    samples : int64, shape (n,)
        Which sample a row is of, from 0; replicates share a number.
    predicted : float64, shape (d, n)
        NaN where the row is not a test row of the draw.
    """

    observed: FloatArray
    samples: np.ndarray[tuple[int], np.dtype[np.int64]]
    predicted: FloatArray

    @property
    def tested(self) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
        """Which rows each draw tests, shape (d, n)."""
        return np.isfinite(self.predicted)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedFigures:
    """RMSE of a first model against a second over the same draws.

    Parameters
    ----------
    reduction_percent, low, high : float
        100·(second − first)/second of the mean RMSEs, and its 95 % interval; positive means the
        first is better. 0 where the second makes no error at all.
    wins, ties : int
        Draws in which the first has the lower RMSE, and the same.
    better : {"first", "second", "cannot tell"}
        The verdict; "cannot tell" when the interval holds 0, with fewer than 3 draws, or with
        fewer than 20 samples tested.
    """

    reduction_percent: float
    low: float
    high: float
    wins: int
    ties: int
    better: Winner


def score_draws(model: Repeated) -> list[dict[str, float]]:
    """Return every metric of every draw; NaN where one is undefined."""
    rows = []
    for tested, predicted in zip(model.tested, model.predicted, strict=True):
        table = metric_table(model.observed[tested], predicted[tested])
        rows.append({name: float(table[name]) for name in METRICS})
    return rows


def mean_scores(model: Repeated, *, seed: int = 0) -> dict[str, Estimate]:
    """Return the mean over the draws of every metric, with its 95 % interval.

    Parameters
    ----------
    model : Repeated
        At least one draw.
    seed : int
        Fixes the 2000 bootstrap draws.
    """
    points = score_draws(model)
    weights, draws = _resample(model, seed)
    spread = _weighted_metrics(model, weights)
    return {
        name: _estimate(
            np.array([row[name] for row in points]),
            _over_draws(spread[name], draws),
        )
        for name in METRICS
    }


def mean_of_rows(
    values: FloatArray, samples: np.ndarray[tuple[int], np.dtype[np.int64]], *, seed: int = 0
) -> Estimate:
    """Return the mean over the draws of the mean of any value of their test rows.

    Parameters
    ----------
    values : float64, shape (d, n)
        NaN where the row is not a test row of the draw; each draw has at least one.
    samples : int64, shape (n,)
        Which sample a row is of, from 0; replicates share a number.
    seed : int
        Fixes the 2000 bootstrap draws.
    """
    rows = Repeated(observed=np.zeros(values.shape[1]), samples=samples, predicted=values)
    weights, draws = _resample(rows, seed)
    each = weights @ np.nan_to_num(values).T / _total(rows, weights)
    return _estimate(np.nanmean(values, axis=1), _over_draws(each, draws))


def compare_draws(first: Repeated, second: Repeated, *, seed: int = 0) -> PairedFigures:
    """Compare two models on the same draws and rows.

    Parameters
    ----------
    first, second : Repeated
        Over the same draws.
    seed : int
        Fixes the 2000 bootstrap draws; both models see the same.
    """
    assert np.array_equal(first.tested, second.tested), "the same rows"
    weights, draws = _resample(first, seed)
    ones = np.ones((1, len(first.observed)))
    mean_rmse = partial(_mean_rmse, draws=draws, weights=weights)
    point = [_draw_rmse(model, ones)[0] for model in (first, second)]
    spread = _reduction_percent(mean_rmse(second), mean_rmse(first))
    low, high = np.nanquantile(spread, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    better: Winner = "cannot tell"
    samples = len(np.unique(first.samples[first.tested.any(axis=0)]))
    if samples >= VERDICT_ROWS and len(first.predicted) >= VERDICT_DRAWS:
        better = "first" if low > 0 else "second" if high < 0 else "cannot tell"
    return PairedFigures(
        reduction_percent=float(_reduction_percent(point[1].mean(), point[0].mean())),
        low=float(low),
        high=float(high),
        wins=int((point[0] < point[1]).sum()),
        ties=int((point[0] == point[1]).sum()),
        better=better,
    )


def _resample(model: Repeated, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return how often each row (s, n) and each draw (s, d) is in each bootstrap draw."""
    rng = np.random.default_rng(seed)
    samples = int(model.samples.max()) + 1
    d = len(model.predicted)
    rows = rng.multinomial(samples, np.full(samples, 1 / samples), BOOTSTRAPS)[:, model.samples]
    return rows.astype(np.float64), rng.multinomial(d, np.full(d, 1 / d), BOOTSTRAPS) / d


def _mean_rmse(model: Repeated, *, draws: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the mean RMSE of every bootstrap draw, shape (s,)."""
    return _over_draws(_draw_rmse(model, weights), draws)


def _draw_rmse(model: Repeated, weights: FloatArray) -> FloatArray:
    """Return the RMSE of each draw under row weights (s, n), shape (s, d)."""
    square = np.nan_to_num((model.predicted - model.observed) ** 2)
    return np.asarray(np.sqrt(weights @ square.T / _total(model, weights)))


def _total(model: Repeated, weights: FloatArray) -> FloatArray:
    """Return the weight of each draw's test rows, shape (s, d); NaN for none: it has no metric."""
    total = weights @ model.tested.T
    return np.where(total > 0, total, np.nan)


def _weighted_metrics(model: Repeated, weights: FloatArray) -> dict[str, FloatArray]:
    """Return every metric of every draw under row weights (s, n), each of shape (s, d)."""
    tested = model.tested.astype(np.float64)
    predicted = np.nan_to_num(model.predicted)
    total = _total(model, weights)

    def mean(values: FloatArray) -> FloatArray:
        return np.asarray(weights @ (values * tested).T / total)

    o, p = model.observed[None], predicted
    mean_o, mean_p, me = mean(o), mean(p), mean(p - o)
    var_o, var_p = mean(o**2) - mean_o**2, mean(p**2) - mean_p**2
    square = mean((p - o) ** 2)
    rmse = np.sqrt(square)
    varies = var_o > 1e-12 * np.maximum(mean(o**2), 1e-300)  # below it is rounding
    with np.errstate(divide="ignore", invalid="ignore"):
        ccc = 2 * (mean(o * p) - mean_o * mean_p) / (var_o + var_p + (mean_o - mean_p) ** 2)
        r2, rpiq = 1 - square / var_o, _weighted_iqr(model, weights) / rmse
    return {
        "rmse": rmse,
        "me": me,
        "sde": np.sqrt(np.maximum(square - me**2, 0.0)),
        "ccc": np.where(varies, ccc, np.nan),
        "r2": np.where(varies, r2, np.nan),
        "rpiq": np.where(varies & (rmse > 0), rpiq, np.nan),
    }


def _weighted_iqr(model: Repeated, weights: FloatArray) -> FloatArray:
    """Return the interquartile range of each draw's observed values, shape (s, d)."""
    order = np.argsort(model.observed, kind="stable")
    values, sorted_weights = model.observed[order], weights[:, order]
    columns = []
    for tested in model.tested[:, order]:
        below = np.cumsum(sorted_weights * tested, axis=1)
        quartiles = [
            values[np.argmax(below >= share * below[:, -1:], axis=1)] for share in (0.25, 0.75)
        ]
        columns.append(quartiles[1] - quartiles[0])
    return np.stack(columns, axis=1)


def _over_draws(values: FloatArray, draws: FloatArray) -> FloatArray:
    """Return the mean of `values` (s, d) over the draws that define it, (s,); NaN for none."""
    defined = draws * np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.asarray((np.nan_to_num(values) * defined).sum(axis=1) / defined.sum(axis=1))


def _reduction_percent(reference: FloatArray, other: FloatArray) -> FloatArray:
    """Return 100·(reference − other)/reference; 0 where the reference is 0."""
    some = np.where(reference == 0, np.inf, reference)
    return np.asarray(100.0 * (reference - other) / some)


def _estimate(points: FloatArray, spread: FloatArray) -> Estimate:
    finite = points[np.isfinite(points)]
    if not len(finite):
        words = "undefined: in every draw the observed values are constant, or every error is 0"
        return Estimate(value=None, reason=words)
    low, high = np.nanquantile(spread, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value=float(finite.mean()), low=float(low), high=float(high))
