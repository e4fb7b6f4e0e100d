"""How far to trust a model of cubes: its twins, its CV+ intervals and its domain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from autospec.data.cubes.cubes import Cubes
from autospec.data.spectra import FloatArray, IntArray
from autospec.data.splits import Fold
from autospec.evaluate.calibrated import fit_and_calibrate
from autospec.evaluate.conformal import Calibration, check_level
from autospec.evaluate.cube_domain import CubeDomain, fit_cube_domain
from autospec.evaluate.trust import holding_bounds


class CubePredictor(Protocol):
    """Anything fitted that predicts cubes."""

    def predict(self, cubes: Cubes) -> FloatArray:
        """Return predictions, shape (n,), of n cubes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CalibratedCubes:
    """A fitted model of cubes, and what says how far to trust it.

    Parameters
    ----------
    model : CubePredictor
        Predicts cubes of the channels, in their order, and of the window of `train`.
    twins : tuple of CubePredictor
        The same, each fitted without one fold of `train`.
    calibration : Calibration
        Of the rows of `train` that a fold scores.
    domain : CubeDomain
        Of `train`.
    train : Cubes
        The labelled samples that it learned from.
    """

    model: CubePredictor
    twins: tuple[CubePredictor, ...]
    calibration: Calibration
    domain: CubeDomain
    train: Cubes


def calibrate_cubes(
    model: CubePredictor,
    train: Cubes,
    folds: tuple[Fold, ...],
    fit: Callable[[Fold], CubePredictor],
    *,
    log: bool,
) -> CalibratedCubes:
    """Fit a twin for each fold, and measure residuals and domain.

    With whole blocks held out behind a buffer the residuals are those of places that the twins
    did not learn from anything nearby, and the intervals are made for such places. Where design and
    epochs were chosen on these same folds, as a search does, the residuals are a little too small,
    and so the intervals a little too narrow.

    Parameters
    ----------
    model : CubePredictor
        Fitted on all of `train`.
    train : Cubes
        All labelled.
    folds : tuple of Fold
        Positions within `train`. A row is scored by one of them at most; those that none scores,
        such as the oldest of forward chaining, are left out of the calibration.
    fit : callable (Fold) -> CubePredictor
        Fits the model's twin on ``fold.fit``, as the model was fitted on all rows: with the same
        design and epochs, or with choices of its own.
    log : bool
        Residuals are of log(1 + y).

    Raises
    ------
    TrialFailed
        If a twin's prediction is not finite.
    """

    def predict(twin: CubePredictor, rows: IntArray) -> FloatArray:
        return twin.predict(train.rows(rows))

    twins, calibration = fit_and_calibrate(train.target, folds, fit, predict, log=log)
    return CalibratedCubes(
        model=model,
        twins=twins,
        calibration=calibration,
        domain=fit_cube_domain(train, folds),
        train=train,
    )


def cube_bounds(
    calibrated: CalibratedCubes, cubes: Cubes, predicted: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper bound, shape (n,), of n cubes.

    An interval that does not hold its own prediction is widened to it.

    Raises
    ------
    UsageError
        If the calibration cannot support the level.
    """
    check_level(calibrated.calibration.n, level)
    by_twin = np.stack([twin.predict(cubes) for twin in calibrated.twins])
    return holding_bounds(calibrated.calibration, by_twin, predicted, level)
