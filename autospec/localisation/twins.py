"""auto's twins, and the domain of its rows: alike for the final model and for every draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autospec.data.spectra import IntArray, Spectra
from autospec.data.splits import Fold, make_folds
from autospec.evaluate.calibrated import CalibratedModel, calibrate
from autospec.localisation.auto import fit_autos
from autospec.localisation.candidates import LibraryModels, is_nonnegative
from autospec.localisation.farm_model import FarmModel
from autospec.localisation.members import fit_members
from autospec.localisation.preparation import Prepared
from autospec.localisation.protocol import inner_folds

TWINS = 5


def fit_auto(
    prepared: Prepared,
    models: LibraryModels,
    rows: IntArray,
    folds: tuple[Fold, ...],
) -> tuple[FarmModel, dict[str, str]]:
    """Fit auto on some of the farm's rows.

    Parameters
    ----------
    prepared, models
        The rows, and what the library alone taught.
    rows : int64, shape (n,)
        Positions among the farm's rows with a lab value.
    folds : tuple of Fold
        Inner folds, positions within `rows`.

    Returns
    -------
    FarmModel, and members that could not be fitted with their reasons

    Raises
    ------
    StudyFailed
        If no member could be fitted.
    """
    train = prepared.farm.rows(rows)
    members, failures = fit_members(models, train, folds, selected=None, only_auto=True)
    model = FarmModel(
        axis=prepared.raw.axis,
        quantity=prepared.raw.quantity,
        grid=prepared.networked.axis,
        auto=fit_autos(members, train.own.target)[0],
    )
    return model, failures


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Twins:
    """How auto's twins are to be fitted, before they are; made by `lay_twins`.

    Parameters
    ----------
    train : Spectra
        Rows of the farm with a lab value, as its instrument gives them.
    folds : tuple of Fold
        One a twin, positions within `train`; each row is scored by one.
    fit : callable (Fold) -> FarmModel
        Fits auto on ``fold.fit``, with all its choices made anew.
    log : bool
        Whether residuals are taken on log(1 + y).
    """

    train: Spectra
    folds: tuple[Fold, ...]
    fit: Callable[[Fold], FarmModel]
    log: bool


def lay_twins(prepared: Prepared, models: LibraryModels, rows: IntArray, seed: int) -> Twins:
    """Lay folds over training rows, and say how auto is fitted without each of them.

    Parameters
    ----------
    prepared, models
        The rows, and what the library alone taught: all twins share the library.
    rows : int64, shape (n,)
        Positions among the farm's rows with a lab value.
    seed : int
        Fixes the folds, and the inner folds of each twin.

    Returns
    -------
    Twins
        Five; of fewer samples one a sample.
    """
    train = prepared.raw.rows(rows)

    def fit(fold: Fold) -> FarmModel:
        inner = inner_folds(train.rows(fold.fit), seed).folds
        return fit_auto(prepared, models, rows[fold.fit], inner)[0]

    return Twins(
        train=train,
        folds=make_folds(train, min(TWINS, len(set(train.groups))), 1, seed),
        fit=fit,
        log=is_nonnegative(train.target),
    )


def calibrate_auto(model: FarmModel, twins: Twins) -> CalibratedModel:
    """Return auto, fitted on ``twins.train``, with its twins, its calibration and its domain.

    Raises
    ------
    StudyFailed
        If nothing can be fitted without one of the folds.
    TrialFailed
        If a twin predicts what is not finite.
    """
    return calibrate(model, twins.train, twins.folds, twins.fit, log=twins.log)
