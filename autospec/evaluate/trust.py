"""How intervals and domain did on test rows: the record that results carry.

No model that is measured here saw its test rows. A model that is fitted afterwards on all rows, as
a localisation's final one, did: whoever keeps it with such a record says so beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autospec.data.spectra import FloatArray
from autospec.evaluate.calibrated import CalibratedModel
from autospec.evaluate.conformal import Calibration, check_level, cv_plus

NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Coverage and domain on test rows.

    Parameters
    ----------
    level : float
        What the intervals are made to hold.
    rows : int
        Test rows; one that several draws test counts in each.
    covered, covered_low, covered_high : float
        Share of them inside their interval, with a 95 % interval: Wilson's score interval
        (https://doi.org/10.1080/01621459.1927.10502953) of rows that are tested once; a bootstrap
        over draws and samples (`evaluate.repeated`) of rows that several draws test.
    mean_width : float
        In the unit of the lab values.
    inside : int
        Rows inside the applicability domain.
    rmse_inside, rmse_outside : float or None
        None where there are no such rows.
    """

    level: float
    rows: int
    covered: float
    covered_low: float
    covered_high: float
    mean_width: float
    inside: int
    rmse_inside: float | None
    rmse_outside: float | None


def bounds(
    calibrated: CalibratedModel, values: FloatArray, predicted: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper bound, shape (m,), of raw spectra (m, b).

    An interval that does not hold its own prediction is widened to it.

    Raises
    ------
    UsageError
        If the calibration cannot support the level.
    """
    check_level(calibrated.calibration.n, level)
    by_twin = np.stack([twin.predict(values) for twin in calibrated.twins])
    return holding_bounds(calibrated.calibration, by_twin, predicted, level)


def holding_bounds(
    calibration: Calibration, by_twin: FloatArray, predicted: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Return the bounds of `cv_plus`, each widened to the prediction where it does not hold it."""
    lower, upper = cv_plus(calibration, by_twin, level)
    return np.minimum(lower, predicted), np.maximum(upper, predicted)


def summarise_trust(
    observed: FloatArray,
    predicted: FloatArray,
    interval: tuple[FloatArray, FloatArray],
    inside: NDArray[np.bool_],
    level: float,
) -> Trust:
    """Measure coverage and domain on m test rows.

    Parameters
    ----------
    observed, predicted : float64, shape (m,)
    interval : pair of float64, shape (m,)
        Lower and upper bounds, from `bounds`.
    inside : bool, shape (m,)
        From `Domain.measure`.
    level : float
        What the intervals are made to hold.
    """
    lower, upper = interval
    share, low, high = wilson(int(np.sum((observed >= lower) & (observed <= upper))), len(observed))
    return Trust(
        level=level,
        rows=len(observed),
        covered=share,
        covered_low=low,
        covered_high=high,
        mean_width=float(np.mean(upper - lower)),
        inside=int(inside.sum()),
        rmse_inside=_rmse((predicted - observed)[inside]),
        rmse_outside=_rmse((predicted - observed)[~inside]),
    )


def wilson(hits: int, n: int) -> tuple[float, float, float]:
    """Return the share of hits in n ≥ 1 rows, and Wilson's 95 % score interval of it."""
    share, z2 = hits / n, NORMAL_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low, high = max(centre - half, 0.0), min(centre + half, 1.0)
    return share, min(low, share), max(high, share)  # at 0 and 1 the ends would miss by rounding


def _rmse(errors: FloatArray) -> float | None:
    return float(np.sqrt(np.mean(errors**2))) if len(errors) else None
