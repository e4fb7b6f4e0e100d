"""`MapScores`: how good maps are, cell by cell over time; intervals over squares and dates."""

from __future__ import annotations

from dataclasses import dataclass

from autospec.evaluate.metrics import Estimate, Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class MapScores:
    """Scores of all counted cells and dates, pooled, with intervals that respect neighbourhood.

    Neighbouring cells and dates err alike: the bootstrap draws groups, the squares of the map at
    single dates, with all their cells. Cells without a value are never counted.

    Parameters
    ----------
    pooled : Scores
        `n` is the number of cells and dates.
    mae, pearson_r2 : Estimate
        Mean absolute error; squared correlation, which is not R2.
    n_groups : int
        Squares and dates that the bootstrap draws from.
    nse_median : float or None
        Median over cells of 1 − SSE/SST along time, the Nash–Sutcliffe efficiency
        (https://doi.org/10.1016/0022-1694(70)90255-6); None with fewer than 3 dates.
    """

    pooled: Scores
    mae: Estimate
    pearson_r2: Estimate
    n_groups: int
    nse_median: float | None
