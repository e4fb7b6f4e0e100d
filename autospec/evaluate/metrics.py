"""The numbers a prediction is judged by, with bootstrap intervals, and paired comparisons.

Conventions: error = predicted − observed; every standard deviation has ddof 0, so that
RMSE² = ME² + SDE²; R2 = 1 − SSE/SST, never a squared correlation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from autospec.data.spectra import FloatArray, IntArray

METRICS = ("rmse", "me", "sde", "ccc", "r2", "rpiq")
LEVEL = 0.95
BOOTSTRAPS = 2000
MIN_ROWS = 2
VERDICT_ROWS = 20  # a percentile interval from fewer is too narrow to settle anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A metric with its percentile bootstrap interval; None, with a reason, if undefined.

    Parameters
    ----------
    value, low, high : float or None
        The metric on all rows, and the ends of the interval at 95 % (over the draws where the
        metric is defined).
    reason : str
        Why the value is None; else empty.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """All metrics of one model on one set of rows.

    RMSE, ME (mean of predicted − observed) and SDE (standard deviation of the error) are in the
    unit of the lab values. CCC is Lin's concordance (https://doi.org/10.2307/2532051). RPIQ is
    the interquartile range of the observed over the RMSE
    (https://doi.org/10.1016/j.trac.2010.05.006).
    """

    n: int
    rmse: Estimate
    me: Estimate
    sde: Estimate
    ccc: Estimate
    r2: Estimate
    rpiq: Estimate


Winner = Literal["first", "second", "cannot tell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """RMSE of a first model minus RMSE of a second on the same rows, with a paired interval.

    Parameters
    ----------
    difference, low, high : float
        RMSE(first) − RMSE(second) in the unit of the lab values, and the ends of its 95 %
        interval; negative means the first is better.
    reduction_percent : float or None
        By how much the first cuts the RMSE of the second, in %; None if the second has none.
    better : {"first", "second", "cannot tell"}
        The verdict.
    """

    difference: float
    low: float
    high: float
    reduction_percent: float | None
    better: Winner


def rmse(observed: FloatArray, predicted: FloatArray) -> float:
    """Return the root mean square error, in the unit of the observed."""
    return float(np.sqrt(np.mean((predicted - observed) ** 2)))


def rmse_reduction_percent(reference: float, other: float) -> float:
    """Return 100·(reference − other)/reference: positive means the other model is better."""
    return 100.0 * (reference - other) / reference


def metric_table(observed: FloatArray, predicted: FloatArray) -> dict[str, FloatArray]:
    """Compute every metric along the last axis.

    Parameters
    ----------
    observed, predicted : float64, shape (..., n)
        Same shapes; the leading axes are bootstrap draws.

    Returns
    -------
    dict of float64, shape (...)
        One entry a metric. CCC, R2 and RPIQ are NaN where the observations are constant, RPIQ
        also where every error is 0.
    """
    error = predicted - observed
    mean_square = np.mean(error**2, axis=-1)
    out = {"rmse": np.sqrt(mean_square), "me": np.mean(error, axis=-1), "sde": np.std(error, -1)}
    var_o, var_p = np.var(observed, axis=-1), np.var(predicted, axis=-1)
    shift = np.mean(predicted, axis=-1) - np.mean(observed, axis=-1)
    centred_o = observed - np.mean(observed, axis=-1, keepdims=True)
    centred_p = predicted - np.mean(predicted, axis=-1, keepdims=True)
    covariance = np.mean(centred_o * centred_p, axis=-1)
    quartiles = np.quantile(observed, [0.25, 0.75], axis=-1)
    varies = np.ptp(observed, axis=-1) > 0  # exact, where the variance of a constant may round
    with np.errstate(divide="ignore", invalid="ignore"):
        out["ccc"] = np.where(varies, 2 * covariance / (var_o + var_p + shift**2), np.nan)
        out["r2"] = np.where(varies, 1 - mean_square / var_o, np.nan)
        rpiq = (quartiles[1] - quartiles[0]) / out["rmse"]
        out["rpiq"] = np.where(varies & (mean_square > 0), rpiq, np.nan)
    return {name: np.asarray(value, dtype=np.float64) for name, value in out.items()}


def score(observed: FloatArray, predicted: FloatArray, *, seed: int = 0) -> Scores:
    """Score predictions, with 95 % percentile bootstrap intervals over the rows.

    Parameters
    ----------
    observed, predicted : float64, shape (n,)
        Lab values and predictions in the same unit; n at least 2.
    seed : int
        Fixes the 2000 bootstrap draws.

    Returns
    -------
    Scores
    """
    assert observed.shape == predicted.shape and len(observed) >= MIN_ROWS
    point = metric_table(observed, predicted)
    draws = bootstrap_rows(len(observed), seed)
    spread = metric_table(observed[draws], predicted[draws])
    constant = np.ptp(observed) == 0
    reason = "the observed values are constant" if constant else "every error is 0"
    estimates = {name: _estimate(float(point[name]), spread[name], reason) for name in METRICS}
    return Scores(n=len(observed), **estimates)


def compare(
    observed: FloatArray, first: FloatArray, second: FloatArray, *, seed: int = 0
) -> Comparison:
    """Compare two models on the same rows by a paired bootstrap of the RMSE difference.

    Parameters
    ----------
    observed, first, second : float64, shape (n,)
        Lab values and both models' predictions.
    seed : int
        Fixes the 2000 bootstrap draws.

    Returns
    -------
    Comparison
        ``better`` is "cannot tell" when the 95 % interval of the difference holds 0, or with
        fewer than 20 rows.
    """
    draws = bootstrap_rows(len(observed), seed)

    def difference(rows: IntArray | slice) -> FloatArray:
        o = observed[rows]
        both = [np.sqrt(np.mean((p[rows] - o) ** 2, axis=-1)) for p in (first, second)]
        return np.asarray(both[0] - both[1])

    low, high = np.quantile(difference(draws), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    better: Winner = "cannot tell"
    if len(observed) >= VERDICT_ROWS:
        better = "first" if high < 0 else "second" if low > 0 else "cannot tell"
    reference = rmse(observed, second)
    return Comparison(
        difference=float(difference(slice(None))),
        low=float(low),
        high=float(high),
        reduction_percent=(
            rmse_reduction_percent(reference, rmse(observed, first)) if reference > 0 else None
        ),
        better=better,
    )


def bootstrap_rows(n: int, seed: int) -> IntArray:
    """Return the rows of 2000 bootstrap draws, shape (2000, n)."""
    return np.random.default_rng(seed).integers(0, n, size=(BOOTSTRAPS, n))


def _estimate(value: float, draws: FloatArray, reason: str) -> Estimate:
    if not np.isfinite(value):
        return Estimate(value=None, reason=f"undefined: {reason}")
    finite = draws[np.isfinite(draws)]
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value=value, low=float(low), high=float(high))
