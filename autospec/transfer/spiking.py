"""PLSR on library and farm together: corrected, spiked, on a selection. RS-Local is not here.

From the least to the most trust in the farm's few rows: the library's model with a slope and a
bias of the farm; library and farm in one fit, the farm's rows weighing more ("spiking", Guerrero et
al. 2010, https://doi.org/10.1016/j.geoderma.2009.12.021; the weights are chosen, our construction);
the farm's rows and a selection of the library, all alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from autospec.data.preprocess import Preprocessing
from autospec.data.spectra import FloatArray, Spectra, join_spectra
from autospec.data.splits import Fold, make_folds
from autospec.evaluate.baselines import (
    MAX_COMPONENTS,
    PLSRModel,
    fit_plsr,
    pls_coefficients,
    refit_plsr,
    tune_plsr,
)
from autospec.evaluate.fitted import Fitted, Predictor

TUNING_FOLDS = 5
TUNING_ROWS = 3000  # library rows that choose the recipe and the components of the global model
SPIKING_ROWS = 1500  # library rows beside the farm's: the fit is once a share and fold
LOCAL_SHARES = (0.2, 0.5, 0.8)  # of the total weight


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Corrected:
    """A model of the library, moved to a farm by a straight line.

    Parameters
    ----------
    model : Predictor
        Knows nothing of the farm.
    intercept, slope : float
        Prediction = intercept + slope · the model's; in the unit of the lab values, and none.
    """

    model: Predictor
    intercept: float
    slope: float

    def predict(self, values: FloatArray) -> FloatArray:
        """Return predictions, shape (n,), for raw spectra of shape (n, b)."""
        return np.asarray(self.intercept + self.slope * self.model.predict(values))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Choice:
    """A share and a number of components, with what the folds say of it."""

    share: float
    components: int
    cv_rmse: float
    out_of_fold: FloatArray


def fit_global_plsr(
    library: Spectra, folds: tuple[Fold, ...] | None = None, *, seed: int = 0
) -> PLSRModel:
    """Tune and fit PLSR on the library; it knows nothing of a farm, so once is enough.

    Parameters
    ----------
    library : Spectra
        Labelled rows, the farm's own purged.
    folds : tuple of Fold, optional
        Positions within `library`; five folds stratified by field if None.
    seed : int
        Fixes the folds and, of a library of more than 3000 rows, the 3000 that tune.

    Returns
    -------
    PLSRModel
        Fitted on all rows. `cv_rmse` and `out_of_fold` are of the rows that tuned.
    """
    if folds is not None:
        return fit_plsr(library, folds)
    part = _thinned(library, TUNING_ROWS, seed)
    tuned = fit_plsr(part, make_folds(part, min(TUNING_FOLDS, len(set(part.groups))), 1, seed))
    return tuned if part is library else refit_plsr(tuned, library)


def correct_slope_and_bias(model: Predictor, local: Spectra, folds: tuple[Fold, ...]) -> Fitted:
    """Correct a model of the library by least squares of lab values on its predictions.

    Parameters
    ----------
    model : Predictor
        Never saw a row of `local`.
    local : Spectra
        The farm's training rows, all labelled.
    folds : tuple of Fold
        Positions within `local`; the line is refitted in each, so out-of-fold predictions are
        honest.
    """
    predicted = model.predict(local.values)
    total, count = np.zeros(local.n), np.zeros(local.n)
    for fold in folds:
        intercept, slope = _line(predicted[fold.fit], local.target[fold.fit])
        total[fold.score] += intercept + slope * predicted[fold.score]
        count[fold.score] += 1
    intercept, slope = _line(predicted, local.target)
    return Fitted(
        model=Corrected(model=model, intercept=intercept, slope=slope),
        out_of_fold=total / count,
        detail=f"{intercept:.3g} + {slope:.3g} · the library's PLSR",
    )


def fit_spiked_plsr(
    global_model: PLSRModel,
    library: Spectra,
    local: Spectra,
    folds: tuple[Fold, ...],
    *,
    seed: int = 0,
) -> Fitted:
    """Fit weighted PLSR on library and farm together.

    Parameters
    ----------
    global_model : PLSRModel
        Lends its recipe and its pipeline, fitted on library rows only.
    library : Spectra
        Labelled rows, the farm's own purged.
    local : Spectra
        The farm's training rows, all labelled.
    folds : tuple of Fold
        Positions within `local`.
    seed : int
        Fixes which rows of a library of more than 1500 take part.

    Returns
    -------
    Fitted
        The farm's rows share 0.2, 0.5 or 0.8 of the total weight; the share and the number of
        components (1 to 25) have the lowest mean fold RMSE on the farm's rows. Ties go to the
        smaller share and fewer components.
    """
    part = _thinned(library, SPIKING_ROWS, seed)
    pipeline = global_model.pipeline
    x = np.vstack([pipeline.transform(part.values), pipeline.transform(local.values)])
    y = np.concatenate([part.target, local.target])
    choices = [_try_share(x, y, local.n, folds, share) for share in LOCAL_SHARES]
    best = min(choices, key=lambda choice: choice.cv_rmse)
    weights = _weights(part.n, local.n, best.share)
    coefficients, x_mean, y_mean = weighted_pls(x, y, weights, best.components)
    model = replace(
        global_model,
        coefficients=coefficients[-1],
        x_mean=x_mean,
        y_mean=y_mean,
        components=best.components,
        cv_rmse=best.cv_rmse,
        out_of_fold=best.out_of_fold,
    )
    return Fitted(
        model=model,
        out_of_fold=best.out_of_fold,
        detail=f"{best.components} components; the farm's rows share {best.share:g} of the weight "
        f"beside {part.n} library rows; {model.recipe.describe()}",
    )


def fit_selected_plsr(
    selected: Spectra, local: Spectra, folds: tuple[Fold, ...], recipe: Preprocessing
) -> Fitted:
    """Tune and fit PLSR on selected library rows and the farm's training rows, all alike.

    Parameters
    ----------
    selected : Spectra
        The library rows a selection keeps; they train in every fold.
    local : Spectra
        The farm's training rows, all labelled.
    folds : tuple of Fold
        Positions within `local`; only these rows score the number of components.
    recipe : Preprocessing
        Of the library's own PLSR, say: K differs from draw to draw, its spectra hardly do.

    Returns
    -------
    Fitted
        The rows were selected with all of `local` as judges, so the folds' scores and the
        out-of-fold predictions are optimistic beyond the tuning: never report them as a result.
    """
    everywhere = np.arange(selected.n)
    joined = tuple(
        Fold(fit=np.concatenate([everywhere, selected.n + fold.fit]), score=selected.n + fold.score)
        for fold in folds
    )
    both = join_spectra([selected, local])
    ((model,),) = tune_plsr(both, joined, (both.target,), (recipe,))
    return Fitted(
        model=model,
        out_of_fold=model.out_of_fold[selected.n :],
        detail=f"{model.components} components on {selected.n} library rows and the farm's "
        f"{local.n}; {model.recipe.describe()}",
    )


def weighted_pls(
    x: FloatArray, y: FloatArray, weights: FloatArray, components: int
) -> tuple[FloatArray, FloatArray, float]:
    """Fit PLS to weighted rows: means and covariances are weighted ones.

    Parameters
    ----------
    x : float64, shape (n, b)
        Preprocessed spectra.
    y : float64, shape (n,)
        Lab values.
    weights : float64, shape (n,)
        Above 0; only their ratios matter.
    components : int
        At least 1.

    Returns
    -------
    coefficients : float64, shape (a, b)
        Of 1, 2, ... components; fewer than wanted if the rank of `x` ends.
    x_mean : float64, shape (b,)
        Weighted means of the bands.
    y_mean : float
        Weighted mean of the lab values.
    """
    share = weights / weights.sum()
    x_mean, y_mean = share @ x, float(share @ y)
    root = np.sqrt(share * len(share))
    coefficients = pls_coefficients(root[:, None] * (x - x_mean), root * (y - y_mean), components)
    return coefficients, x_mean, y_mean


def _try_share(
    x: FloatArray, y: FloatArray, m: int, folds: tuple[Fold, ...], share: float
) -> _Choice:
    """Find the best number of components for a share; the last `m` rows are the farm's."""
    n = len(y) - m
    held, count, curves = np.zeros((MAX_COMPONENTS, m)), np.zeros(m), []
    for fold in folds:
        rows = np.concatenate([np.arange(n), n + fold.fit])
        weights = _weights(n, len(fold.fit), share)
        coefficients, x_mean, y_mean = weighted_pls(x[rows], y[rows], weights, MAX_COMPONENTS)
        predicted = coefficients @ (x[n + fold.score] - x_mean).T + y_mean
        curves.append(np.sqrt(np.mean((predicted - y[n + fold.score]) ** 2, axis=1)))
        held[: len(predicted), fold.score] += predicted
        count[fold.score] += 1
    shortest = min(len(curve) for curve in curves)
    curve = np.mean([curve[:shortest] for curve in curves], axis=0)
    best = int(np.argmin(curve))
    return _Choice(
        share=share,
        components=best + 1,
        cv_rmse=float(curve[best]),
        out_of_fold=held[best] / np.maximum(count, 1),
    )


def _weights(n: int, m: int, share: float) -> FloatArray:
    """Return weights of n library rows and m local ones; the local ones' sum to `share`."""
    return np.concatenate([np.full(n, (1.0 - share) / n), np.full(m, share / m)])


def _line(predicted: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Return intercept and slope of y on `predicted`; slope 1 where none can be told."""
    centred = predicted - predicted.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = float(centred @ (y - y.mean()) / (centred @ centred))
    if not np.isfinite(slope) or np.ptp(predicted) <= 1e-12 * np.abs(predicted).max():
        slope = 1.0
    return float(y.mean() - slope * predicted.mean()), slope


def _thinned(library: Spectra, most: int, seed: int) -> Spectra:
    """Return the library, or `most` rows of it drawn by the seed."""
    if library.n <= most:
        return library
    return library.rows(np.sort(np.random.default_rng(seed).permutation(library.n)[:most]))
