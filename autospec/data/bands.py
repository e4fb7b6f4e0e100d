"""Bands that instruments share: one grid for several axes, and the weights that lead onto it.

A grid is no finer than the coarsest instrument is on the mean. Which tables take part and why is
`align`'s matter; here are only axes and weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from autospec.data.spectra import FloatArray, IntArray

SAME_BAND = 0.1  # bands closer than this share of the spacing are one band
SAME_STEP = 0.01  # headers are rounded: spacings this close are one spacing
WIDE_GAP = 5.0  # a spacing of more than so many usual ones is a hole, and is told


def mean_step(axis: FloatArray, low: float, high: float) -> float:
    """Return the mean spacing of the bands of `axis` inside [low, high]; inf below two bands.

    The mean, not the median: on an uneven axis a grid of this step has as many bands as the axis.
    Holes between detectors (`WIDE_GAP` medians and more) are not spacing.
    """
    steps = np.diff(axis[_inside(axis, low, high)])
    if len(steps) == 0:
        return float("inf")
    return float(np.mean(steps[steps <= WIDE_GAP * np.median(steps)]))


def common_grid(axes: Sequence[FloatArray], low: float, high: float) -> FloatArray:
    """Return the bands that all axes can serve between `low` and `high`.

    Parameters
    ----------
    axes : sequence of float64, shape (b_i,)
        Ascending band positions in one unit; the first is preferred where spacings are equal.
    low, high : float
        Range that every axis covers.

    Returns
    -------
    float64, shape (b',)
        The first axis's own bands, if all axes have them. Otherwise even steps of the coarsest
        axis's mean spacing, laid on its first band, as far as the bin around a band lies inside
        the coverage of every axis (each band stands for half a spacing to either side). Empty if
        some axis has fewer than two bands there.
    """
    steps = [mean_step(axis, low, high) for axis in axes]
    step = max(steps)
    if not np.isfinite(step):
        return np.empty(0)
    slack = SAME_BAND * step
    low, high = low - slack, high + slack
    own = axes[0][_inside(axes[0], low, high)]
    if all(_same_bands(axis[_inside(axis, low, high)], own, step) for axis in axes):
        return own
    coarsest = next(i for i, s in enumerate(steps) if s >= (1 - SAME_STEP) * step)
    step = steps[coarsest]
    anchor = axes[coarsest][_inside(axes[coarsest], low, high)][0]
    first = max(a[0] - s / 2 for a, s in zip(axes, steps, strict=True))
    last = min(a[-1] + s / 2 for a, s in zip(axes, steps, strict=True))
    count = int(np.floor((high - anchor) / step)) + 1
    grid = anchor + step * np.arange(count)
    return np.asarray(grid[(grid - step / 2 >= first - slack) & (grid + step / 2 <= last + slack)])


def band_weights(axis: FloatArray, grid: FloatArray) -> csr_matrix:
    """Return the weights of every band of `axis` in every band of `grid`.

    Parameters
    ----------
    axis : float64, shape (b,)
        Ascending band positions of the instrument.
    grid : float64, shape (b',)
        From `common_grid`.

    Returns
    -------
    csr_matrix, shape (b, b')
        Columns sum to 1. Where the instrument has the grid's own bands, they are taken as they
        are. Otherwise straight lines join neighbouring bands, and a common band is their mean over
        the step around it if the instrument is finer than the grid, else their value at its
        centre. Spectra that are one straight line keep their values.
    """
    step = float(np.mean(np.diff(grid)))
    nearest = _nearest(axis, grid)
    finer = mean_step(axis, grid[0] - step / 2, grid[-1] + step / 2) < (1 - SAME_BAND) * step
    if not finer and bool(np.all(np.abs(axis[nearest] - grid) <= SAME_BAND * step)):
        columns = np.arange(len(grid))
        return csr_matrix((np.ones(len(grid)), (nearest, columns)), (len(axis), len(grid)))
    bins = [_bin(axis, centre, step / 2 if finer else 0.0) for centre in grid.tolist()]
    rows = np.concatenate([bands for bands, _ in bins])
    columns = np.repeat(np.arange(len(grid)), [len(bands) for bands, _ in bins])
    shares = np.concatenate([share for _, share in bins])
    return csr_matrix((shares, (rows, columns)), (len(axis), len(grid)))


def wide_gaps(axis: FloatArray, grid: FloatArray) -> list[tuple[float, float, int]]:
    """Return the holes of `axis` as (from, to, bands of `grid` interpolated across)."""
    step = float(np.mean(np.diff(grid)))
    gaps = []
    for i in np.flatnonzero(np.diff(axis) > WIDE_GAP * step):
        low, high = float(axis[i]), float(axis[i + 1])
        across = int(np.sum((grid - step / 2 > low) & (grid + step / 2 < high)))
        if across:
            gaps.append((low, high, across))
    return gaps


def _bin(axis: FloatArray, centre: float, half: float) -> tuple[IntArray, FloatArray]:
    """Return bands and their shares in the mean over centre ± half; a band may stand there twice.

    Trapezia between the bands inside and the two ends, which their neighbours share. A bin at the
    edge of the coverage is narrowed evenly, so that it is still about its centre.
    """
    half = max(min(half, centre - float(axis[0]), float(axis[-1]) - centre), 0.0)
    low, high = centre - half, centre + half
    points, weights = np.array([centre]), np.ones(1)
    if low < high:
        points = np.concatenate([[low], axis[(axis > low) & (axis < high)], [high]])
        widths = np.diff(points) / (high - low)
        weights = (np.append(widths, 0.0) + np.append(0.0, widths)) / 2
    right = np.clip(np.searchsorted(axis, points), 1, len(axis) - 1)
    share = np.clip((points - axis[right - 1]) / (axis[right] - axis[right - 1]), 0.0, 1.0)
    bands = np.concatenate([right - 1, right]).astype(np.int64)
    return bands, np.concatenate([weights * (1 - share), weights * share])


def _inside(
    axis: FloatArray, low: float, high: float
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Mark the bands in [low, high]; 1e-9 forgives what 1e7/WL rounds."""
    return np.asarray((axis >= low * (1 - 1e-9)) & (axis <= high * (1 + 1e-9)))


def _nearest(axis: FloatArray, grid: FloatArray) -> IntArray:
    right = np.clip(np.searchsorted(axis, grid), 1, len(axis) - 1)
    left_is_nearer = grid - axis[right - 1] < axis[right] - grid
    return np.asarray(right - left_is_nearer, dtype=np.int64)


def _same_bands(axis: FloatArray, own: FloatArray, step: float) -> bool:
    return len(axis) == len(own) and bool(np.all(np.abs(axis - own) <= SAME_BAND * step))
