"""auto's twins: what its intervals are made of, for the final model and for every draw alike."""

from __future__ import annotations

from autospec.data.spectra import IntArray
from autospec.data.splits import Fold, make_folds
from autospec.evaluate.calibrated import CalibratedModel, calibrate
from autospec.localisation.auto import Auto, fit_autos
from autospec.localisation.candidates import LibraryModels, allows_log
from autospec.localisation.farm_model import FarmModel
from autospec.localisation.members import fit_members
from autospec.localisation.preparation import Prepared
from autospec.localisation.protocol import inner_folds

TWINS = 5


def calibrate_auto(
    prepared: Prepared,
    models: LibraryModels,
    auto: Auto,
    rows: IntArray,
    seed: int,
    *,
    n_folds: int = TWINS,
) -> CalibratedModel:
    """Fit auto's twins, each with all of auto's choices made anew on the rows that it sees.

    Parameters
    ----------
    prepared, models
        The rows, and what the library alone taught: all twins share the library.
    auto : Auto
        Fitted on `rows`.
    rows : int64, shape (n,)
        Positions among the farm's rows with a lab value.
    seed : int
        Fixes the folds, and the inner folds of each twin.
    n_folds : int
        Twins at most: a farm of fewer samples has one a sample.

    Returns
    -------
    CalibratedModel
        Predicts raw spectra of the farm.

    Raises
    ------
    StudyFailed
        If nothing can be fitted without one of the folds.
    """
    farm, raw = prepared.farm.rows(rows), prepared.raw.rows(rows)
    folds = make_folds(raw, min(n_folds, len(set(raw.groups))), 1, seed)

    def fit(fold: Fold) -> FarmModel:
        part = farm.rows(fold.fit)
        inner = inner_folds(part.own, seed).folds
        members, _ = fit_members(models, part, inner, None, only_auto=True)
        return farm_model(prepared, fit_autos(members, part.own.target)[0])

    return calibrate(farm_model(prepared, auto), raw, folds, fit, log=allows_log(raw.target))


def farm_model(prepared: Prepared, auto: Auto) -> FarmModel:
    """Return auto as a predictor of the farm's raw spectra."""
    return FarmModel(
        axis=prepared.raw.axis,
        quantity=prepared.raw.quantity,
        grid=prepared.networked.axis,
        auto=auto,
    )
