"""Windows that share cells with others: a buffer keeps places apart, not the windows round them."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import BallTree

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.places import EARTH_KM, is_geographic
from autospec.data.spectra import FloatArray, IntArray

TURN = 360.0  # degrees: east of 180 begins the west
ROUNDING = 1e-9  # of a window: two that touch are not called overlapping


def count_overlapping(cubes: Cubes, learned: IntArray, held: IntArray) -> int | None:
    """Count held-out samples whose window shares cells with that of one that is learned from.

    Two windows of h by w cells of side a share some if their places lie less than w·a apart from
    west to east and less than h·a from south to north, in the unit of the crs.

    Parameters
    ----------
    cubes : Cubes
    learned, held : int64, shape (m,), (k,)
        Rows of `cubes`; at least one is learned from.

    Returns
    -------
    int or None
        None where the size of a cell is not known.
    """
    if not cubes.cell_size:
        return None
    _, h, w, _ = cubes.shape
    size = cubes.cell_size * np.array([w, h])
    xy = np.column_stack([cubes.x, cubes.y])
    turns = (-TURN, 0.0, TURN) if is_geographic(cubes.crs) else (0.0,)
    tree = BallTree(xy[learned] / size, metric="chebyshev")
    nearest = np.min([_nearest(tree, (xy[held] + (turn, 0.0)) / size) for turn in turns], axis=0)
    return int((nearest < 1.0 - ROUNDING).sum())


def _nearest(tree: BallTree, points: FloatArray) -> FloatArray:
    return np.asarray(tree.query(points)[0][:, 0])


def window_diagonal_km(cubes: Cubes) -> float | None:
    """Return the diagonal of a window in km, the longest of them; None if no cell size is known.

    Places at least so far apart have windows that share no cell.
    """
    if not cubes.cell_size:
        return None
    _, h, w, _ = cubes.shape
    if not is_geographic(cubes.crs):
        return float(np.hypot(w, h) * cubes.cell_size / 1000.0)
    widest = np.cos(np.radians(np.abs(cubes.y).min()))  # nearest the equator a degree is longest
    return float(np.hypot(w * widest, h) * np.radians(cubes.cell_size) * EARTH_KM)
