"""The models every result stands beside: the mean predictor and tuned PLSR. No networks here.

PLSR is ikpls's improved kernel PLS (https://doi.org/10.1002/(SICI)1099-128X(199701)11:1<73::AID-
CEM435>3.0.CO;2-#), centred and not scaled; its preprocessing and its number of components are
chosen together by the same inner folds that score a trial.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.pipeline import Pipeline

from autospec.data.preprocess import Preprocessing, SavitzkyGolay, make_pipeline, published_step
from autospec.data.spectra import FloatArray, Spectra
from autospec.data.splits import Fold

MAX_COMPONENTS = 25
AVERAGING_POWER = 8  # a recipe of twice the lowest CV RMSE weighs 1/256
_FIRST_DERIVATIVE = SavitzkyGolay(window=11, order=2, derivative=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeanModel:
    """Predicts the mean of the training rows."""

    mean: float

    def predict(self, values: FloatArray) -> FloatArray:
        """Return the mean for each row of `values`, shape (n, b)."""
        return np.full(len(values), self.mean)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PLSRModel:
    """A fitted PLSR: preprocessing, then a linear map.

    Parameters
    ----------
    pipeline : sklearn Pipeline
        Fitted on the training rows.
    coefficients : float64, shape (b',)
        For preprocessed bands.
    x_mean : float64, shape (b',)
        Their means in training.
    y_mean : float
        Mean lab value in training.
    recipe, components : Preprocessing, int
        What the inner folds chose.
    cv_rmse : float
        The mean fold RMSE of that choice (a tuned, so optimistic, number).
    out_of_fold : float64, shape (n,)
        Its prediction of each training row, mean over the folds that score it.
    """

    pipeline: Pipeline
    coefficients: FloatArray
    x_mean: FloatArray
    y_mean: float
    recipe: Preprocessing
    components: int
    cv_rmse: float
    out_of_fold: FloatArray

    def predict(self, values: FloatArray) -> FloatArray:
        """Return predictions for raw spectra of shape (n, b)."""
        centred = self.pipeline.transform(values) - self.x_mean
        return np.asarray(centred @ self.coefficients + self.y_mean)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AveragedPLSR:
    """Tuned PLSR models of several preprocessings, averaged: none has to be chosen.

    Parameters
    ----------
    models : tuple of PLSRModel
        One a recipe.
    weights : float64, shape (len(models),)
        Sum to 1.
    low, high : float
        The range of the training lab values, widened by their standard deviation: each model is
        held to it before it enters the mean, because one of twelve may extrapolate wildly.
    """

    models: tuple[PLSRModel, ...]
    weights: FloatArray
    low: float
    high: float

    @property
    def out_of_fold(self) -> FloatArray:
        """Prediction of each training row by the folds that do not hold it, shape (n,)."""
        return self._mean([model.out_of_fold for model in self.models])

    def predict(self, values: FloatArray) -> FloatArray:
        """Return predictions for raw spectra of shape (n, b)."""
        return self._mean([model.predict(values) for model in self.models])

    def _mean(self, each: Sequence[FloatArray]) -> FloatArray:
        return np.asarray(self.weights @ np.clip(np.stack(each), self.low, self.high))


def fit_mean(train: Spectra) -> MeanModel:
    """Fit the mean predictor."""
    return MeanModel(mean=float(train.target.mean()))


def plsr_recipes(step: float = 10.0) -> tuple[Preprocessing, ...]:
    """Return the twelve recipes PLSR chooses from, with bands averaged to `step`."""
    return tuple(
        Preprocessing(quantity=quantity, scatter=scatter, savgol=savgol, step=step)
        for quantity in ("absorbance", "reflectance")
        for scatter in ("none", "snv", "msc")
        for savgol in (None, _FIRST_DERIVATIVE)
    )


def fit_plsr(train: Spectra, folds: tuple[Fold, ...]) -> PLSRModel:
    """Tune and fit PLSR on the training rows.

    Parameters
    ----------
    train : Spectra
        Training rows, all labelled.
    folds : tuple of Fold
        Inner folds, as positions within `train`.

    Returns
    -------
    PLSRModel
        Refitted on all training rows with the recipe and the number of components (1 to 25) of
        the lowest mean fold RMSE; ties go to fewer components and the earlier recipe. Bands are
        averaged to 1/216 of the axis, in whole nm or cm⁻¹ from 1 to 20.
    """
    (models,) = tune_plsr(train, folds, (train.target,))
    return min(models, key=lambda model: model.cv_rmse)


def tune_plsr(
    train: Spectra,
    folds: tuple[Fold, ...],
    targets: Sequence[FloatArray],
    recipes: Sequence[Preprocessing] = (),
) -> tuple[tuple[PLSRModel, ...], ...]:
    """Tune the number of components for each recipe, and fit each on all rows.

    Parameters
    ----------
    train : Spectra
        Training rows.
    folds : tuple of Fold
        Inner folds, as positions within `train`.
    targets : sequence of float64, shape (n,)
        Lab values, on one scale or several: the spectra are preprocessed once for all.
    recipes : sequence of Preprocessing
        By default the twelve of `plsr_recipes`.

    Returns
    -------
    tuple of tuple of PLSRModel
        For each target one model a recipe, in their order.
    """
    recipes = recipes or plsr_recipes(published_step(train.axis))
    models = [_tuned(train, folds, recipe, targets) for recipe in recipes]
    return tuple(zip(*models, strict=True))


def average_plsr(models: tuple[PLSRModel, ...], target: FloatArray) -> AveragedPLSR:
    """Average PLSR models tuned on lab values `target` (n,), the better ones by far the most."""
    errors = np.array([model.cv_rmse for model in models])
    weights = (np.maximum(errors, 1e-300) / max(errors.min(), 1e-300)) ** -AVERAGING_POWER
    sd = float(target.std())
    return AveragedPLSR(
        models=models,
        weights=weights / weights.sum(),
        low=float(target.min()) - sd,
        high=float(target.max()) + sd,
    )


def refit_plsr(tuned: PLSRModel, train: Spectra) -> PLSRModel:
    """Fit the recipe and components of a tuned PLSR on other rows; its scores stay as they are.

    Parameters
    ----------
    tuned : PLSRModel
        `cv_rmse` and `out_of_fold` of the new model are its own: of the rows it was tuned on.
    train : Spectra
        Training rows, all labelled, on the axis it was tuned on.
    """
    pipeline = make_pipeline(tuned.recipe, train.axis, train.quantity)
    x = fit_in_blocks(pipeline, train.values)
    x_mean, y_mean = x.mean(axis=0), float(train.target.mean())
    coefficients = pls_coefficients(x - x_mean, train.target - y_mean, tuned.components)
    return replace(
        tuned,
        pipeline=pipeline,
        coefficients=coefficients[-1],
        x_mean=x_mean,
        y_mean=y_mean,
    )


def fit_in_blocks(pipeline: Pipeline, values: FloatArray, rows: int = 1000) -> FloatArray:
    """Fit a pipeline and transform its rows, without a second table as wide as the instrument.

    Parameters
    ----------
    pipeline : sklearn Pipeline
        Of `make_pipeline`; fitted in place.
    values : float64, shape (n, b)
        Raw spectra.
    rows : int
        How many at once, up to band averaging.
    """
    narrow = [name for name, _ in pipeline.steps].index("bands") + 1
    first = pipeline[:narrow].fit(values[:1])  # up to band averaging nothing is learnt from rows
    starts = range(0, len(values), rows)
    x = np.vstack([first.transform(values[start : start + rows]) for start in starts])
    return np.asarray(pipeline[narrow:].fit_transform(x))


def _tuned(
    train: Spectra, folds: tuple[Fold, ...], recipe: Preprocessing, targets: Sequence[FloatArray]
) -> tuple[PLSRModel, ...]:
    """Preprocess by one recipe, in each fold and on all rows; tune and fit for each target."""
    seen = []
    for fold in folds:
        inside = make_pipeline(recipe, train.axis, train.quantity)
        fitted = inside.fit_transform(train.values[fold.fit])
        seen.append((fold, fitted, inside.transform(train.values[fold.score])))
    pipeline = make_pipeline(recipe, train.axis, train.quantity)
    x = pipeline.fit_transform(train.values)
    x_mean = x.mean(axis=0)
    models = []
    for target in targets:
        curve, held = _component_curve(seen, target)
        components = int(np.argmin(curve)) + 1
        y_mean = float(target.mean())
        models.append(
            PLSRModel(
                pipeline=pipeline,
                coefficients=pls_coefficients(x - x_mean, target - y_mean, components)[-1],
                x_mean=x_mean,
                y_mean=y_mean,
                recipe=recipe,
                components=components,
                cv_rmse=float(curve[components - 1]),
                out_of_fold=held[components - 1],
            )
        )
    return tuple(models)


def _component_curve(
    seen: Sequence[tuple[Fold, FloatArray, FloatArray]], target: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the mean fold RMSE (a,) and the held-out predictions (a, n) of 1 to a components.

    `seen` holds each fold with its preprocessed rows: those to fit on, and those to score.
    """
    limit = min(MAX_COMPONENTS, min(len(x_fit) for _, x_fit, _ in seen) - 1, seen[0][1].shape[1])
    curves = []
    held, scored = np.zeros((limit, len(target))), np.zeros(len(target))
    for fold, x_fit, x_score in seen:
        y_fit, y_score = target[fold.fit], target[fold.score]
        x_mean, y_mean = x_fit.mean(axis=0), y_fit.mean()
        coefficients = pls_coefficients(x_fit - x_mean, y_fit - y_mean, limit)
        predicted = (x_score - x_mean) @ coefficients.T + y_mean
        curves.append(np.sqrt(np.mean((predicted - y_score[:, None]) ** 2, axis=0)))
        held[: predicted.shape[1], fold.score] += predicted.T
        scored[fold.score] += 1
    shortest = min(len(curve) for curve in curves)
    return np.mean([curve[:shortest] for curve in curves], axis=0), held / np.maximum(scored, 1)


def pls_coefficients(x: FloatArray, y: FloatArray, components: int) -> FloatArray:
    """Return the coefficients of PLS with 1, 2, ... components on centred data, shape (a, b').

    There are `components` rows, or as many as the numerical rank of `x` allows (at least one).
    """
    from ikpls.numpy import PLS

    model = PLS(center_X=False, center_Y=False, scale_X=False, scale_Y=False)
    with warnings.catch_warnings():  # "past the numerical rank": those components are cut below
        warnings.filterwarnings("ignore", category=UserWarning, module="ikpls")
        model.fit(x, y[:, None], min(components, x.shape[1]))
    return np.asarray(model.B)[: max(int(model.max_stable_components), 1), :, 0]
