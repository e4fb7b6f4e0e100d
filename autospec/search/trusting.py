"""Intervals of test rows and how they did, or the reason why a model has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autospec.data.spectra import FloatArray
from autospec.errors import UsageError
from autospec.evaluate.conformal import DEFAULT_LEVEL
from autospec.evaluate.trust import Trust, summarise_trust

Bounds = Callable[[FloatArray, float], tuple[FloatArray, FloatArray]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Bounds of m test rows, and what they came to."""

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    trust: Trust


def measure_intervals(
    bounds: Bounds, observed: FloatArray, predicted: FloatArray, inside: tuple[bool, ...]
) -> Intervals | str:
    """Return the intervals of m test rows, or in words why there are none.

    Parameters
    ----------
    bounds : callable (predicted, level) -> pair of float64, shape (m,)
    observed, predicted : float64, shape (m,)
    inside : tuple of bool, length m
        Whether each row is inside the applicability domain.
    """
    try:
        lower, upper = bounds(predicted, DEFAULT_LEVEL)
    except UsageError as error:
        return str(error)
    if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        return "a bound is not finite."
    return Intervals(
        lower=tuple(float(v) for v in lower),
        upper=tuple(float(v) for v in upper),
        trust=summarise_trust(observed, predicted, (lower, upper), np.array(inside), DEFAULT_LEVEL),
    )
