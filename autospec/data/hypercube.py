"""Conditioned Latin hypercube sampling of points (https://doi.org/10.1016/j.cageo.2005.12.009).

Every variable is cut into as many quantiles as rows are wanted. The objective is the number of
quantiles missed or doubled, summed over variables, plus the summed absolute difference between the
correlations of the sample and of the whole (the paper's O1 and O3; there are no classes, so no
O2; both weights are 1). Rows are exchanged by simulated annealing; the best sample seen is kept.
"""

from __future__ import annotations

import numpy as np

from autospec.data.spectra import FloatArray, IntArray

SWAPS = 10_000
START_HEAT, END_HEAT = 1.0, 0.001  # one quantile missed is 1; cools by the same factor a swap
WORST_SHARE = 0.5  # how often the swap takes out a row of the fullest quantiles


def latin_hypercube(scores: FloatArray, n_wanted: int, seed: int, kept: IntArray) -> IntArray:
    """Choose rows that spread over the quantiles of every variable.

    Parameters
    ----------
    scores : float64, shape (n, c)
        Points.
    n_wanted : int
        Rows to choose, at most n less the kept ones.
    seed : int
        Fixes the annealing.
    kept : int64, shape (k,)
        Rows that are in the sample anyway: they fill quantiles, and are never exchanged.

    Returns
    -------
    int64, shape (n_wanted,)
        Ascending. Each of the 10,000 swaps costs O(n_wanted·c), whatever n is.
    """
    rng = np.random.default_rng(seed)
    pool = np.setdiff1d(np.arange(len(scores)), kept)
    state = _Sample(scores, kept, rng.choice(pool, n_wanted, replace=False))
    if n_wanted == len(pool):
        return pool
    best, best_rows = state.objective, state.rows.copy()
    for heat in np.geomspace(START_HEAT, END_HEAT, SWAPS):
        worst = rng.random() < WORST_SHARE
        place = state.worst_place(rng) if worst else int(rng.integers(n_wanted))
        row = int(pool[rng.integers(len(pool))])
        while state.holds[row]:
            row = int(pool[rng.integers(len(pool))])
        before, out = state.objective, int(state.rows[place])
        state.exchange(place, row)
        if state.objective > before and rng.random() >= np.exp((before - state.objective) / heat):
            state.exchange(place, out)
        elif state.objective < best:
            best, best_rows = state.objective, state.rows.copy()
    return np.sort(best_rows)


def strata(scores: FloatArray, parts: int) -> IntArray:
    """Return the quantile of each value within its column: int64 (n, c), 0 to `parts` − 1.

    Equal counts a quantile (to one row); equal values are parted in the order of their rows.
    """
    n = len(scores)
    found = np.empty(scores.shape, dtype=np.int64)
    for j in range(scores.shape[1]):
        found[np.argsort(scores[:, j], kind="stable"), j] = np.arange(n) * parts // n
    return found


class _Sample:
    """A sample under exchange, with the sums that its objective needs."""

    def __init__(self, scores: FloatArray, kept: IntArray, rows: IntArray) -> None:
        spread = scores.std(axis=0)
        self.points = (scores - scores.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        self.rows = rows
        self.size = len(kept) + len(rows)
        self.strata = strata(scores, self.size)
        self.columns = np.arange(scores.shape[1])
        self.wanted = _correlation(
            self.points.sum(axis=0), self.points.T @ self.points, len(scores)
        )
        self.holds = np.zeros(len(scores), dtype=bool)
        self.filled = np.zeros((self.size, scores.shape[1]), dtype=np.int64)
        self.total = np.zeros(scores.shape[1])
        self.products = np.zeros((scores.shape[1], scores.shape[1]))
        for row in (*kept.tolist(), *rows.tolist()):
            self._count(row, 1)
        self.objective = self._objective()

    def exchange(self, place: int, row: int) -> None:
        """Put `row` in the place of the one there."""
        self._count(int(self.rows[place]), -1)
        self._count(row, 1)
        self.rows[place] = row
        self.objective = self._objective()

    def worst_place(self, rng: np.random.Generator) -> int:
        """Return a place whose row sits in the fullest quantiles; one of them by chance."""
        crowd = self.filled[self.strata[self.rows], self.columns].sum(axis=1)
        return int(rng.choice(np.flatnonzero(crowd == crowd.max())))

    def _count(self, row: int, sign: int) -> None:
        point = self.points[row]
        self.holds[row] = sign > 0
        self.filled[self.strata[row], self.columns] += sign
        self.total += sign * point
        self.products += sign * np.outer(point, point)

    def _objective(self) -> float:
        missed = np.abs(self.filled - 1).sum()
        found = _correlation(self.total, self.products, self.size)
        return float(missed + np.abs(found - self.wanted).sum())


def _correlation(total: FloatArray, products: FloatArray, n: int) -> FloatArray:
    """Return correlations from sums; 0 where a variable does not vary."""
    covariance = products / n - np.outer(total, total) / n**2
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    scale = np.outer(spread, spread)
    return np.asarray(
        np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 1e-12)
    )
