"""Two more numbers that papers on cubes report: mean absolute error and squared correlation.

They stand beside the scores of `autospec.evaluate.metrics`, whose draws they share, and decide
nothing: R2 there is 1 − SSE/SST, which hydrology calls the Nash–Sutcliffe efficiency
(https://doi.org/10.1016/0022-1694(70)90255-6).
"""

from __future__ import annotations

import numpy as np

from autospec.data.spectra import FloatArray
from autospec.evaluate.metrics import LEVEL, Estimate, bootstrap_rows


def mean_absolute_error(observed: FloatArray, predicted: FloatArray, *, seed: int = 0) -> Estimate:
    """Return the mean of |predicted − observed|, with its 95 % bootstrap interval.

    Parameters
    ----------
    observed, predicted : float64, shape (n,)
        In the same unit.
    seed : int
        Fixes the 2000 bootstrap draws over the rows.
    """
    error = np.abs(predicted - observed)
    draws = error[bootstrap_rows(len(error), seed)].mean(axis=-1)
    return _estimate(float(error.mean()), draws)


def squared_correlation(observed: FloatArray, predicted: FloatArray, *, seed: int = 0) -> Estimate:
    """Return Pearson's r², 0 to 1, with its 95 % bootstrap interval.

    Blind to bias and scale: predictions that are all twice too high have 1. Undefined where the
    observed or the predicted values are constant, as those of the mean are.

    Parameters
    ----------
    observed, predicted : float64, shape (n,)
    seed : int
        Fixes the 2000 bootstrap draws over the rows.
    """
    for values, name in ((observed, "observed"), (predicted, "predicted")):
        if np.ptp(values) == 0:
            return Estimate(value=None, reason=f"undefined: the {name} values are constant")
    rows = bootstrap_rows(len(observed), seed)
    value = float(_squared(observed, predicted))
    return _estimate(value, _squared(observed[rows], predicted[rows]))


def _squared(observed: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return r² along the last axis; NaN where one of the two is constant."""
    o, p = (v - v.mean(axis=-1, keepdims=True) for v in (observed, predicted))
    varies = (np.ptp(observed, axis=-1) > 0) & (np.ptp(predicted, axis=-1) > 0)
    below = (o**2).sum(axis=-1) * (p**2).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(varies, (o * p).sum(axis=-1) ** 2 / below, np.nan)


def _estimate(value: float, draws: FloatArray) -> Estimate:
    low, high = np.quantile(draws[np.isfinite(draws)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value=value, low=float(low), high=float(high))
