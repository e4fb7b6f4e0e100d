"""`MapScaler`: values to [0, 1] by the range of what is learned from, and back."""

from __future__ import annotations

from dataclasses import dataclass

from autospec.data.tensors import Vector

NO_VALUE = -0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapScaler:
    """Lowest and highest values, and means, of the cells and dates that are learned from.

    Parameters
    ----------
    low, high, mean : float64, shape (c + s,)
        Of inputs, then static channels; high > low.
    target_low, target_high, target_mean : float64, shape (k,)
        Of targets.
    gappy : bool
        Whether an input or a target lacks a value somewhere in what is learned from.
    """

    low: Vector
    high: Vector
    mean: Vector
    target_low: Vector
    target_high: Vector
    target_mean: Vector
    gappy: bool
