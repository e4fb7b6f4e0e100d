"""Spectra rotated to their numerical rank; numpy only, no PLS here.

PLS is equivariant under a rotation of the bands, so fitting on principal-component scores gives
the same predictions as fitting on the spectra, up to the variance of the directions left out.
Soil spectra of some hundred bands have a numerical rank of some tens, which is what makes RS-Local
cheap. The covariance is streamed, so the library is never copied: only its scores are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autospec.data.spectra import FloatArray, IntArray
from autospec.errors import DataError

BLOCK_BYTES = 4 * 2**20
EXTRA = 3  # columns beside the scores: ones, lab values, squared lengths
LANE = 16  # columns that fill a cache line in float32
LEAD = LANE - EXTRA
AVERAGED = 5e-7  # share of the variance


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rotation:
    """A centred rotation of the bands, cut at a rank.

    Parameters
    ----------
    mean : float64, shape (b,)
        Mean spectrum of the rows it was found on.
    basis : float64, shape (b, rank)
        Orthonormal directions, largest variance first.
    variances : float64, shape (rank,)
        Mean square of the scores of those rows in each of them.
    left_out : float
        Share of the total variance in the directions that were cut, 0 to 1.
    """

    mean: FloatArray
    basis: FloatArray
    variances: FloatArray
    left_out: float

    @property
    def rank(self) -> int:
        """Number of directions kept."""
        return int(self.basis.shape[1])

    def apply(self, values: FloatArray) -> FloatArray:
        """Return the scores of spectra (n, b), shape (n, rank)."""
        return np.asarray((values - self.mean) @ self.basis)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RotatedLibrary:
    """A library as PLS reads it; made by `rotate_library`.

    Parameters
    ----------
    rotation : Rotation
        What was done to the spectra.
    lead : int
        Directions in front, L, see `find_lead`.
    table : float32 (after a cut) or float64 (of everything), shape (n, width)
        L scores, a column of ones, lab values less `centre`, squared lengths in the other
        directions, their scores, and zeros up to a multiple of 16 columns. One product gives every
        sum, and each row starts at a cache line: a sum does not depend on where its rows lie.
    centre : float
        Mean lab value.
    """

    rotation: Rotation
    lead: int
    table: NDArray[np.float32] | FloatArray
    centre: float

    def widen(self, values: FloatArray) -> FloatArray:
        """Lay out numbers of the directions (..., rank) as the table does, zeros elsewhere."""
        wide = np.zeros((*values.shape[:-1], self.table.shape[1]))
        wide[..., : self.lead] = values[..., : self.lead]
        wide[..., self.lead + EXTRA : self.rotation.rank + EXTRA] = values[..., self.lead :]
        return wide


def find_rotation(values: FloatArray, rows: IntArray, tolerance: float) -> Rotation:
    """Find the fewest principal directions that leave out at most `tolerance` of the variance.

    Parameters
    ----------
    values : float64, shape (n, b)
        Spectra.
    rows : int64, shape (n',)
        The rows to use, n' ≥ 2.
    tolerance : float
        Share of the total variance that may be left out, 0 to 1; 0 keeps every direction.

    Returns
    -------
    Rotation

    Raises
    ------
    DataError
        If all spectra are the same.
    """
    bands = values.shape[1]
    mean = np.zeros(bands)
    for block in blocks(len(rows), bands):
        mean += values[rows[block]].sum(axis=0)
    mean /= len(rows)
    scatter = np.zeros((bands, bands))
    for block in blocks(len(rows), bands):
        centred = values[rows[block]] - mean
        scatter += centred.T @ centred
    sizes, directions = np.linalg.eigh(scatter)
    sizes, directions = np.maximum(sizes[::-1], 0.0), directions[:, ::-1]
    total = float(sizes.sum())
    if not total > 0:
        raise DataError(f"all {len(rows)} spectra are the same; want spectra that differ")
    # tail[p]: what p directions leave out; summed from the small end, where rounding matters
    tail = np.append(np.cumsum(sizes[::-1])[::-1], 0.0) / total
    rank = bands if tolerance <= 0 else max(int(np.argmax(tail <= tolerance)), 1)
    return Rotation(
        mean=mean,
        basis=np.ascontiguousarray(directions[:, :rank]),
        variances=sizes[:rank] / len(rows),
        left_out=float(tail[rank]),
    )


def rotate_library(
    values: FloatArray, rows: IntArray, target: FloatArray, tolerance: float
) -> RotatedLibrary:
    """Rotate the labelled rows of a library to their numerical rank.

    Parameters
    ----------
    values : float64, shape (n, b)
        Spectra; read in blocks, never copied whole.
    rows : int64, shape (n',)
        The rows to use; row i of the result is row ``rows[i]`` here.
    target : float64, shape (n,)
        Lab values, finite in `rows`.
    tolerance : float
        Share of the variance that may be left out, 0 to 1.

    Returns
    -------
    RotatedLibrary
    """
    rotation = find_rotation(values, rows, tolerance)
    lead = find_lead(rotation, tolerance)
    # a cut says that digits may go: float32 then, which moves errors less than the cut does
    kind = np.float32 if tolerance > 0 else np.float64
    width = -(-(rotation.rank + EXTRA) // LANE) * LANE
    table = np.zeros((len(rows), width), dtype=kind)
    centre = float(target[rows].mean())
    for block in blocks(len(rows), values.shape[1]):
        scores = rotation.apply(values[rows[block]])
        table[block, :lead], rest = scores[:, :lead], scores[:, lead:]
        table[block, lead] = 1.0
        table[block, lead + 2] = np.square(rest).sum(axis=1)
        table[block, lead + EXTRA : rotation.rank + EXTRA] = rest
    table[:, lead + 1] = target[rows] - centre
    return RotatedLibrary(rotation=rotation, lead=lead, table=table, centre=centre)


def find_lead(rotation: Rotation, tolerance: float) -> int:
    """Return how many directions PLS must know in full if means do for the others; 0 if all.

    Where 13 directions hold all but 5e-7 of the variance, the covariance of the others among
    themselves may be replaced by its mean (unless `tolerance` is 0). Its share enters errors by
    its square: 1e-9 where the others are noise, 5e-6 seen on real spectra.
    """
    rest = rotation.variances[LEAD:].sum() / rotation.variances.sum()
    return min(LEAD, rotation.rank) if tolerance > 0 and rest <= AVERAGED else 0


def blocks(n: int, width: int) -> list[slice]:
    """Return slices of 0..n whose float64 rows of `width` fill at most 4 MiB."""
    step = max(BLOCK_BYTES // (8 * max(width, 1)), 1)
    return [slice(first, min(first + step, n)) for first in range(0, n, step)]
