"""`CalibratedModel`: a fitted model with its twins, its calibration and its domain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from autospec.data.spectra import FloatArray, IntArray, Spectra
from autospec.data.splits import Fold
from autospec.errors import TrialFailed
from autospec.evaluate.conformal import Calibration, thin
from autospec.evaluate.domain import Domain, fit_domain
from autospec.evaluate.fitted import Predictor

Twin = TypeVar("Twin")


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
    scored = np.concatenate([fold.score for fold in folds])
    assert len(np.unique(scored)) == train.n, "every row is missed by one twin"

    def predict(twin: Predictor, rows: IntArray) -> FloatArray:
        return twin.predict(train.values[rows])

    return fit_and_calibrate(train.target, folds, fit, predict, log=log)


def fit_and_calibrate(
    target: FloatArray,
    folds: tuple[Fold, ...],
    fit: Callable[[Fold], Twin],
    predict: Callable[[Twin, IntArray], FloatArray],
    *,
    log: bool,
) -> tuple[tuple[Twin, ...], Calibration]:
    """Fit one twin a fold; rows that no fold scores are in no calibration.

    Parameters
    ----------
    target : float64, shape (n,)
        Lab values of the rows that `folds` point into.
    folds, fit, log
        As for `fit_twins`; a row is scored by one of the folds at most.
    predict : callable (twin, positions) -> float64
        Predicts the rows at these positions.

    Raises
    ------
    TrialFailed
        If a twin's prediction is not finite.
    """
    held, twin_of, twins = np.full(len(target), np.nan), np.full(len(target), -1), []
    for number, fold in enumerate(folds):
        assert (twin_of[fold.score] < 0).all(), "a row is missed by one twin only"
        twin = fit(fold)
        twins.append(twin)
        held[fold.score] = predict(twin, fold.score)
        twin_of[fold.score] = number
    scored = np.flatnonzero(twin_of >= 0)
    if not np.isfinite(held[scored]).all():
        raise TrialFailed("a twin's prediction of a row that it missed is not finite")
    calibration = Calibration(
        observed=target[scored],
        out_of_fold=held[scored],
        twin_of=tuple(twin_of[scored].tolist()),
        log=log,
    )
    return tuple(twins), thin(calibration)
