"""`CalibratedModel`: a fitted model with its twins, its calibration and its domain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autospec.data.spectra import Spectra
from autospec.data.splits import Fold
from autospec.errors import TrialFailed
from autospec.evaluate.conformal import Calibration, thin
from autospec.evaluate.domain import Domain, fit_domain
from autospec.evaluate.fitted import Predictor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CalibratedModel:
    """A fitted model, and what says how far to trust it.

    Parameters
    ----------
    model : Predictor
        Predicts raw spectra on the axis of `train`.
    twins : tuple of Predictor
        The same, each fitted without one fold of `train`.
    calibration : Calibration
        Of the rows of `train`.
    domain : Domain
        Of `train`.
    train : Spectra
        The rows with a lab value that it learned from; of the library none.
    """

    model: Predictor
    twins: tuple[Predictor, ...]
    calibration: Calibration
    domain: Domain
    train: Spectra


def calibrate(
    model: Predictor,
    train: Spectra,
    folds: tuple[Fold, ...],
    fit: Callable[[Fold], Predictor],
    *,
    log: bool,
) -> CalibratedModel:
    """Fit a twin for each fold, and measure residuals and domain.

    Parameters
    ----------
    model : Predictor
        Fitted on all of `train`.
    train, folds, fit, log
        As for `fit_twins`.

    Raises
    ------
    TrialFailed
        If a twin's prediction is not finite.
    """
    twins, calibration = fit_twins(train, folds, fit, log=log)
    return CalibratedModel(
        model=model,
        twins=twins,
        calibration=calibration,
        domain=fit_domain(train, folds),
        train=train,
    )


def fit_twins(
    train: Spectra,
    folds: tuple[Fold, ...],
    fit: Callable[[Fold], Predictor],
    *,
    log: bool,
) -> tuple[tuple[Predictor, ...], Calibration]:
    """Fit a model's twins, one a fold, and let each predict the rows that it missed.

    Parameters
    ----------
    train : Spectra
        All labelled.
    folds : tuple of Fold
        Positions within `train`; every row is scored by exactly one.
    fit : callable (Fold) -> Predictor
        Fits the model's twin on ``fold.fit``, with all its choices, as the model was on all rows.
    log : bool
        Residuals are of log(1 + y).

    Raises
    ------
    TrialFailed
        If a twin's prediction is not finite.
    """
    held, twin_of, twins = np.full(train.n, np.nan), np.full(train.n, -1), []
    for number, fold in enumerate(folds):
        assert (twin_of[fold.score] < 0).all(), "a row is missed by one twin only"
        twin = fit(fold)
        twins.append(twin)
        held[fold.score] = twin.predict(train.values[fold.score])
        twin_of[fold.score] = number
    assert (twin_of >= 0).all(), "every row is missed by one twin"
    if not np.isfinite(held).all():
        raise TrialFailed("a twin's prediction of a row that it missed is not finite")
    calibration = Calibration(
        observed=train.target.copy(),
        out_of_fold=held,
        twin_of=tuple(int(t) for t in twin_of),
        log=log,
    )
    return tuple(twins), thin(calibration)
