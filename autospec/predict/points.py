"""Predictions at coordinates, kept for a picture while a file is predicted; nothing is drawn here.

A picture holds samples, never the ground between them, and no more than `MOST_POINTS`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autospec.data.spectra import FloatArray, IntArray
from autospec.predict.output import OutputRows

MOST_POINTS = 10_000  # more are slow to move in a browser, and hide each other


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """The n samples of a file that have a prediction and a place.

    Parameters
    ----------
    ids : tuple of str, length n
    row_numbers : int64, shape (n,)
    places : float64, shape (2, n)
        x and y, finite, in the file's own coordinates.
    numbers : float64, shape (3, n)
        Prediction, lower and upper bound.
    inside : bool, shape (n,)
        Whether they are inside the domain.
    reasons : tuple of str, length n
        Why a sample is outside; empty for the others.
    rows, lost, unplaced, more : int
        Of the file: all rows; those not predicted; those predicted that lack x or y; and those
        that have all and are beyond the first `MOST_POINTS`.
    """

    ids: tuple[str, ...]
    row_numbers: IntArray
    places: FloatArray
    numbers: FloatArray
    inside: NDArray[np.bool_]
    reasons: tuple[str, ...]
    rows: int
    lost: int
    unplaced: int
    more: int

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.ids)


class PointKeeper:
    """Keeps what a picture shows of the rows that pass by; hand `watch` to who writes them."""

    def __init__(self, most: int = MOST_POINTS) -> None:
        self._most = most
        self._kept: list[Points] = []

    def watch(self, rows: OutputRows) -> None:
        """Take in the rows of a block."""
        left = self._most - sum(part.n for part in self._kept)
        self._kept.append(_points(rows, left))

    def points(self) -> Points:
        """Return what was kept."""
        parts = self._kept or [_NOTHING]
        return Points(
            ids=tuple(name for part in parts for name in part.ids),
            row_numbers=np.concatenate([part.row_numbers for part in parts]),
            places=np.concatenate([part.places for part in parts], axis=1),
            numbers=np.concatenate([part.numbers for part in parts], axis=1),
            inside=np.concatenate([part.inside for part in parts]),
            reasons=tuple(why for part in parts for why in part.reasons),
            rows=sum(part.rows for part in parts),
            lost=sum(part.lost for part in parts),
            unplaced=sum(part.unplaced for part in parts),
            more=sum(part.more for part in parts),
        )


def _points(rows: OutputRows, most: int) -> Points:
    """Return the first `most` rows of a block that have a prediction and a place."""
    m = len(rows.ids)
    places = np.full((2, m), np.nan) if rows.places is None else rows.places
    complete = rows.good & np.isfinite(places).all(axis=0)
    at = np.flatnonzero(complete)[:most]
    among = np.searchsorted(np.flatnonzero(rows.good), at)  # in arrays of predicted rows only
    return Points(
        ids=tuple(rows.ids[i] for i in at.tolist()),
        row_numbers=rows.row_numbers[at],
        places=places[:, at],
        numbers=rows.numbers[:3, among],
        inside=rows.inside[among],
        reasons=tuple(rows.reasons[i] for i in at.tolist()),
        rows=m,
        lost=int(np.sum(~rows.good)),
        unplaced=int(np.sum(rows.good & ~complete)),
        more=int(complete.sum()) - len(at),
    )


_NOTHING = Points(
    ids=(),
    row_numbers=np.empty(0, dtype=np.int64),
    places=np.empty((2, 0)),
    numbers=np.empty((3, 0)),
    inside=np.empty(0, dtype=np.bool_),
    reasons=(),
    rows=0,
    lost=0,
    unplaced=0,
    more=0,
)
