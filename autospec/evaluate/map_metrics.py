"""`MapScores`: how good maps are, cell by cell over time; intervals over dates or squares.

The numbers are computed from sums over groups of cells, never from the cells themselves: RMSE, ME,
SDE, CCC, R2, MAE and r² are exact, as `autospec.evaluate.metrics` computes them; the quartiles of
RPIQ are those of a sample of at most 65,536 cells and dates (exact where there are fewer).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from autospec.data.cubes.cubes import BoolArray
from autospec.data.findings import count
from autospec.data.spectra import FloatArray, IntArray
from autospec.evaluate.metrics import (
    BOOTSTRAPS,
    LEVEL,
    VERDICT_ROWS,
    Comparison,
    Estimate,
    Scores,
    Winner,
    rmse_reduction_percent,
)

SUMS = ("n", "y", "p", "yy", "pp", "yp", "abs_e", "e", "ee")
NAMES = ("rmse", "me", "sde", "ccc", "r2", "mae", "pearson_r2")
GROUPS = {"forward": "date", "blocks": "square"}  # by the kind of split
SAMPLE = 65_536
DRAWN_SAMPLE = 16_384  # of it, every few of the ascending values: in each draw of the bootstrap
QUARTILES = (0.25, 0.75)
_CHUNK = 4_000_000  # numbers of one chunk of draws
_ROUNDING = 1e-12  # of a variance from sums, relative to the mean square
_SINGLE = 4 * float(np.finfo(np.float32).eps)  # maps are float32: less than this is constant


@dataclass(frozen=True, slots=True, kw_only=True)
class MapScores:
    """Scores of all counted cells and dates, pooled, with intervals that respect neighbourhood.

    Neighbouring cells and dates err alike: the bootstrap draws groups, which are what the split
    held out: whole dates, or whole squares of the map at all their dates. Cells without a value
    are never counted.

    Parameters
    ----------
    pooled : Scores
        `n` is the number of cells and dates.
    mae, pearson_r2 : Estimate
        Mean absolute error; squared correlation, which is not R2.
    n_groups : int
        Dates, or squares, that the bootstrap draws from.
    nse_median : float or None
        Median over cells of 1 − SSE/SST along time, the Nash–Sutcliffe efficiency
        (https://doi.org/10.1016/0022-1694(70)90255-6); None with fewer than 3 dates.
    """

    pooled: Scores
    mae: Estimate
    pearson_r2: Estimate
    n_groups: int
    nse_median: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupSums:
    """What scores of one target need of its counted cells, group by group.

    Parameters
    ----------
    sums : float64, shape (g, 9)
        Of each group: the number of cells, and the sums of `SUMS`, where y and p are observed and
        predicted values less `shift`, e = p − y. Every group has a cell.
    shift : float
        Near the values, so that squares lose no digits.
    values : float64, shape (m,)
        Observed values, ascending: all, or a random sample of them.
    group : int64, shape (m,)
        The group of each.
    """

    sums: FloatArray
    shift: float
    values: FloatArray
    group: IntArray


def sums_of(observed: FloatArray, predicted: FloatArray, shift: float) -> FloatArray:
    """Return (9, n): of single cells, what is summed over groups, in the order of `SUMS`.

    Parameters
    ----------
    observed, predicted : float64, shape (n,)
    shift : float
    """
    y, p = observed - shift, predicted - shift
    e = p - y
    return np.stack([np.ones_like(y), y, p, y * y, p * p, y * p, np.abs(e), e, e * e])


def score_groups(groups: GroupSums, *, nse_median: float | None = None, seed: int = 0) -> MapScores:
    """Score one target, with 95 % percentile bootstrap intervals over its groups.

    Parameters
    ----------
    groups : GroupSums
        At least one.
    nse_median : float or None
        Handed on.
    seed : int
        Fixes the 2000 draws.
    """
    n_groups = len(groups.sums)
    total = groups.sums.sum(axis=0)
    point = _metrics(total, groups.shift) | {"rpiq": _rpiq(groups, np.ones((1, n_groups)), total)}
    step = -(-len(groups.values) // DRAWN_SAMPLE) or 1
    thin = replace(groups, values=groups.values[::step], group=groups.group[::step])
    spread: dict[str, list[FloatArray]] = {name: [] for name in point}
    for counts in _draws(n_groups, seed):
        drawn = counts @ groups.sums
        some = _metrics(drawn, groups.shift) | {"rpiq": _rpiq(thin, counts, drawn)}
        for name, values in some.items():
            spread[name].append(values)
    reasons = _reasons(total, groups.shift)
    estimates = {
        name: _estimate(float(np.squeeze(value)), np.concatenate(spread[name]), reasons[name])
        for name, value in point.items()
    }
    if n_groups == 1:  # always the same one is drawn
        estimates = {name: replace(e, low=None, high=None) for name, e in estimates.items()}
    mae, pearson_r2 = estimates.pop("mae"), estimates.pop("pearson_r2")
    return MapScores(
        pooled=Scores(n=round(float(total[0])), **estimates),
        mae=mae,
        pearson_r2=pearson_r2,
        n_groups=n_groups,
        nse_median=nse_median,
    )


def say_groups(n: int, kind: str) -> str:
    """Return ``12 dates`` or ``5 squares``: what the bootstrap draws under a kind of split."""
    return count(n, GROUPS[kind])


def compare_groups(first: FloatArray, second: FloatArray, *, seed: int = 0) -> Comparison:
    """Compare two models on the same groups by a paired bootstrap of the RMSE difference.

    Parameters
    ----------
    first, second : float64, shape (g, 9)
        Their sums, of the same cells; g at least 1.
    seed : int
        Fixes the 2000 draws.

    Returns
    -------
    Comparison
        ``better`` is "cannot tell" when the 95 % interval of the difference holds 0, or with
        fewer than 20 groups.
    """
    n, ee = SUMS.index("n"), SUMS.index("ee")
    assert bool((first[:, n] == second[:, n]).all()), "both models on the same cells"
    both = np.stack([first[:, n], first[:, ee], second[:, ee]], axis=1)
    draws = np.concatenate([_rmse_pair(counts @ both) for counts in _draws(len(both), seed)])
    here, there = _rmse_pair(both.sum(axis=0))
    low, high = np.quantile(draws[:, 0] - draws[:, 1], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    better: Winner = "cannot tell"
    if len(both) >= VERDICT_ROWS:
        better = "first" if high < 0 else "second" if low > 0 else "cannot tell"
    return Comparison(
        difference=float(here - there),
        low=float(low),
        high=float(high),
        reduction_percent=rmse_reduction_percent(float(there), float(here)) if there > 0 else None,
        better=better,
    )


def nash_sutcliffe(cells: FloatArray, shift: float, fewest: int = 3) -> FloatArray:
    """Return 1 − SSE/SST of each cell along time; NaN with fewer dates, or without variation.

    Parameters
    ----------
    cells : float64, shape (4, ...)
        Number of dates, sums of y and of y² less `shift`, and of squared errors.
    shift : float
    fewest : int
        Dates that a cell needs.
    """
    n, y, yy, ee = cells
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = _variance(n, y, yy)
        known = (n >= fewest) & _varies(variance, y / n, yy / n, shift)
        return np.where(known, 1.0 - ee / (n * variance), np.nan)


def _rmse_pair(drawn: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(drawn[..., 1:] / drawn[..., :1]))


def _draws(n: int, seed: int) -> Iterator[FloatArray]:
    """Yield how often each of n groups is drawn, (draws, n), in chunks: 2000 draws in all."""
    rng = np.random.default_rng(seed)
    each = max(1, _CHUNK // n)
    for start in range(0, BOOTSTRAPS, each):
        rows = min(each, BOOTSTRAPS - start)
        drawn = rng.integers(0, n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def _metrics(sums: FloatArray, shift: float) -> dict[str, FloatArray]:
    """Return every metric but RPIQ along the leading axes of (..., 9); NaN where undefined."""
    n, y, p, yy, pp, yp, absolute, e, ee = np.moveaxis(sums, -1, 0)
    var_y, var_p = _variance(n, y, yy), _variance(n, p, pp)
    covariance = yp / n - (y / n) * (p / n)
    varies = _varies(var_y, y / n, yy / n, shift)
    moves = varies & _varies(var_p, p / n, pp / n, shift)
    with np.errstate(divide="ignore", invalid="ignore"):
        ccc = 2 * covariance / (var_y + var_p + (e / n) ** 2)
        return {
            "rmse": np.sqrt(ee / n),
            "me": e / n,
            "sde": np.sqrt(_variance(n, e, ee)),
            "ccc": np.where(varies, ccc, np.nan),
            "r2": np.where(varies, 1 - ee / n / var_y, np.nan),
            "mae": absolute / n,
            "pearson_r2": np.where(moves, covariance**2 / (var_y * var_p), np.nan),
        }


def _variance(n: FloatArray, total: FloatArray, squares: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(squares / n - (total / n) ** 2, 0.0))


def _varies(
    variance: FloatArray, mean: FloatArray, mean_square: FloatArray, shift: float
) -> BoolArray:
    """Say where a variance is more than what rounding leaves of a constant."""
    least = np.maximum(_ROUNDING * mean_square, (_SINGLE * (mean + shift)) ** 2)
    return np.asarray(variance > least)


def _reasons(total: FloatArray, shift: float) -> dict[str, str]:
    """Say why a metric is undefined, where it is."""
    n, y, _, yy = total[:4]
    constant = not bool(_varies(_variance(n, y, yy), y / n, yy / n, shift))
    observed = "the observed values are constant"
    other = {"rpiq": "every error is 0", "pearson_r2": "the predicted values are constant"}
    return {name: observed if constant else other.get(name, "") for name in (*NAMES, "rpiq")}


def _rpiq(groups: GroupSums, counts: FloatArray, drawn: FloatArray) -> FloatArray:
    """Return the interquartile range over the RMSE for each draw (draws, g)."""
    drawn = np.atleast_2d(drawn)
    n, y, _, yy, ee = (drawn[:, SUMS.index(name)] for name in ("n", "y", "p", "yy", "ee"))
    fine = _varies(_variance(n, y, yy), y / n, yy / n, groups.shift) & (ee > 0)
    out = np.full(len(drawn), np.nan)
    each = max(1, _CHUNK // max(1, len(groups.values)))
    for start in range(0, len(drawn), each):
        part = slice(start, start + each)
        times = counts[part].astype(np.int32)[:, groups.group]
        np.cumsum(times, axis=1, out=times)
        for i, upto in enumerate(times, start):
            if fine[i] and len(upto) and upto[-1]:
                low, high = (_quantile(groups.values, upto, q) for q in QUARTILES)
                out[i] = (high - low) / np.sqrt(ee[i] / n[i])
    return out


def _quantile(values: FloatArray, upto: IntArray, q: float) -> float:
    """Return a quantile of values that are repeated: `upto` counts those up to each, inclusive."""
    place = (int(upto[-1]) - 1) * q
    below = int(place)
    low, high = values[np.searchsorted(upto, [below, min(below + 1, int(upto[-1]) - 1)], "right")]
    return float(low + (high - low) * (place - below))


def _estimate(value: float, draws: FloatArray, reason: str) -> Estimate:
    if not np.isfinite(value):
        return Estimate(value=None, reason=f"undefined: {reason}")
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return Estimate(value=value)
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value=value, low=float(low), high=float(high))
