"""The models every result on cubes stands beside: forests, boosting, ridge and mean. No networks.

All see flattened patches: the c·h·w·t cells of a sample, standardised per channel, at the channel's
mean where there is no value. Their numbers are tuned on the folds that score a trial, with the
scaling fitted inside each fold. Random forest as in Breiman 2001
(https://doi.org/10.1023/A:1010933404324), boosting of trees on histograms as in Friedman 2001
(https://doi.org/10.1214/aos/1013203451), ridge as in Hoerl & Kennard 1970
(https://doi.org/10.1080/00401706.1970.10488634), all by scikit-learn.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.scaling import ChannelScaler, CubePreprocessing, fit_scaler
from autospec.data.spectra import FloatArray
from autospec.data.splits import Fold

BASELINES = ("gradient boosting", "random forest", "ridge", "mean")
QUICKEST = ("mean", "ridge", "gradient boosting", "random forest")
RECIPE = CubePreprocessing()
PENALTIES = np.logspace(-3, 4, 15)  # of ridge, times the number of features
FOREST_TREES = 300
TUNING_TREES = 60  # enough to tell shares apart; the forest itself has more
FOREST_SHARES = (0.02, 0.1, 1 / 3, 1.0)  # of the features that each node may choose from
FOREST_LEAF = 3  # samples
BOOSTING_DEPTHS = (2, 4)
BOOSTING_RATE = 0.05
BOOSTING_ROUNDS = 400
BOOSTING_SHARE = 0.1  # of the features, drawn anew at each node
BOOSTING_BINS = 63  # a few hundred samples fill no more
GRIDS = {"gradient boosting": BOOSTING_DEPTHS, "random forest": FOREST_SHARES}  # step by step
UNTUNED = {"gradient boosting": 149, "random forest": 1, "ridge": 7}  # 150 trees, 10 %, about 3
Halt = Literal["hurry", "stop"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FlatModel:
    """A fitted regressor on flattened patches.

    Parameters
    ----------
    scaler : ChannelScaler
        Fitted on the training samples.
    regressor : scikit-learn regressor
        Fitted on their (n, c·h·w·t) standardised cells.
    """

    scaler: ChannelScaler
    regressor: Any

    def predict(self, cubes: Cubes) -> FloatArray:
        """Return predictions, float64, shape (n,)."""
        return np.asarray(self.regressor.predict(_flat(self.scaler, cubes)), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CubeBaseline:
    """A tuned baseline, fitted on all training samples.

    Parameters
    ----------
    name : {"gradient boosting", "random forest", "ridge", "mean"}
    detail : str
        Its tuned numbers in words.
    cv_rmse : float or None
        Mean RMSE of the folds with those numbers: tuned, so optimistic. The forest's is that of
        60 trees. None if there was no time to tune it.
    model : FlatModel
    cut : bool
        Whether there was no time for all of its settings.
    """

    name: str
    detail: str
    cv_rmse: float | None
    model: FlatModel
    cut: bool = False


def never() -> None:
    """Say that there is time for all."""


def fit_cube_baselines(
    train: Cubes,
    folds: tuple[Fold, ...],
    seed: int,
    names: Sequence[str] = BASELINES,
    *,
    halt: Callable[[], Halt | None] = never,
) -> tuple[CubeBaseline, ...]:
    """Tune and fit gradient boosting, random forest, ridge and the mean, or some of them.

    Parameters
    ----------
    train : Cubes
        Training samples, all labelled.
    folds : tuple of Fold
        Positions within `train`.
    seed : int
        Fixes the draws of both kinds of trees.
    names : sequence of str
        Which, of `BASELINES`: trees take most of the time.
    halt : callable () -> {"hurry", "stop"} or None
        Asked before each fit. "hurry": tuning ends at the settings that are scored by then.
        "stop": what is not tuned by then is left out; the mean never is.

    Returns
    -------
    tuple of CubeBaseline
        In the order of `names`. Ties go to the setting that is listed first.
    """
    tuned: dict[str, CubeBaseline] = {}
    for name in sorted(names, key=QUICKEST.index):
        told = _tuned(name, train, folds, seed, never if name == "mean" else halt)
        if told is None:
            continue
        curve, cut = told
        best = int(np.argmin(curve)) if len(curve) else UNTUNED[name]
        regressor, detail = _regressor(name, best, train, seed)
        tuned[name] = CubeBaseline(
            name=name,
            detail=detail,
            cv_rmse=float(curve[best]) if len(curve) else None,
            model=_fitted(regressor, train),
            cut=cut,
        )
    return tuple(tuned[name] for name in names if name in tuned)


def refit_baseline(baseline: CubeBaseline, train: Cubes) -> FlatModel:
    """Fit a baseline with its tuned numbers on other samples, its scaling included.

    Parameters
    ----------
    baseline : CubeBaseline
    train : Cubes
        All labelled, of the shape that it was tuned on.
    """
    return _fitted(baseline.model.regressor, train)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """One fold, flattened: features (m, p) and lab values (m,) to fit on and to score."""

    x_fit: FloatArray
    y_fit: FloatArray
    x_score: FloatArray
    y_score: FloatArray

    def rmse(self, predicted: FloatArray) -> FloatArray:
        """Return the RMSE of each row of predictions (k, m)."""
        return np.asarray(np.sqrt(np.mean((np.atleast_2d(predicted) - self.y_score) ** 2, axis=1)))


def _tuned(
    name: str, train: Cubes, folds: tuple[Fold, ...], seed: int, halt: Callable[[], Halt | None]
) -> tuple[FloatArray, bool] | None:
    """Return the mean RMSE of the folds, one a setting, and whether tuning was cut short.

    The forest's grid ends early where a larger share of the features is no better: the largest
    take most of the time. None if all is to stop.
    """
    curve = np.empty(0)
    for step in GRIDS.get(name, (0.0,)):
        errors = []
        for fold in folds:  # one at a time: its flattened patches are the memory of this job
            why = halt()
            if why is not None:
                return None if why == "stop" else (curve, True)
            errors.append(_fold_errors(name, step, _seen(train, fold), seed))
        mean = np.mean(errors, axis=0)
        if name == "random forest" and len(curve) and mean[0] > curve[-1]:
            break
        curve = np.concatenate([curve, mean])
    return curve, False


def _seen(train: Cubes, fold: Fold) -> _Seen:
    fit = train.rows(fold.fit)
    scaler = fit_scaler(RECIPE, fit)
    return _Seen(
        x_fit=_flat(scaler, fit),
        y_fit=fit.target,
        x_score=_flat(scaler, train.rows(fold.score)),
        y_score=train.target[fold.score],
    )


def _fold_errors(name: str, step: float, seen: _Seen, seed: int) -> FloatArray:
    """Return a baseline's RMSE of this fold, one a setting of this step of its grid."""
    if name == "gradient boosting":
        regressor = _trained(_boosting(int(step), BOOSTING_ROUNDS, seed), seen.x_fit, seen.y_fit)
        return seen.rmse(np.stack(list(regressor.staged_predict(seen.x_score))))
    if name == "random forest":
        forest = _trained(_forest(step, TUNING_TREES, seed), seen.x_fit, seen.y_fit)
        return seen.rmse(forest.predict(seen.x_score))
    if name == "ridge":
        return seen.rmse(_ridge_path(seen))
    return seen.rmse(np.full(len(seen.y_score), seen.y_fit.mean()))


def _ridge_path(seen: _Seen) -> FloatArray:
    """Return ridge's predictions for every penalty, shape (penalties, m).

    From one eigendecomposition, of x xᵀ or xᵀ x, whichever is smaller.
    """
    x_mean, y_mean = seen.x_fit.mean(axis=0), seen.y_fit.mean()
    x, y, new = seen.x_fit - x_mean, seen.y_fit - y_mean, seen.x_score - x_mean
    penalties = PENALTIES[:, None] * x.shape[1]
    if x.shape[1] > len(x):
        values, vectors = np.linalg.eigh(x @ x.T)
        told, shown = vectors.T @ y, (new @ x.T) @ vectors
    else:
        values, vectors = np.linalg.eigh(x.T @ x)
        told, shown = vectors.T @ (x.T @ y), new @ vectors
    return np.asarray((told / (np.maximum(values, 0.0) + penalties)) @ shown.T + y_mean)


def _regressor(name: str, setting: int, train: Cubes, seed: int) -> tuple[Any, str]:
    """Return the unfitted regressor of a setting, and its numbers in words."""
    if name == "gradient boosting":
        depth = BOOSTING_DEPTHS[setting // BOOSTING_ROUNDS]
        rounds = setting % BOOSTING_ROUNDS + 1
        return _boosting(depth, rounds, seed), f"{rounds} trees of depth {depth}"
    if name == "random forest":
        share = FOREST_SHARES[setting]
        return _forest(
            share, FOREST_TREES, seed
        ), f"{FOREST_TREES} trees, {share:.0%} of the cells a node"
    if name == "ridge":
        penalty = float(PENALTIES[setting]) * int(np.prod(train.shape))
        return Ridge(alpha=penalty, solver="cholesky"), f"penalty {penalty:.3g}"
    return DummyRegressor(), ""


def _forest(share: float, trees: int, seed: int) -> RandomForestRegressor:
    return RandomForestRegressor(
        trees, max_features=share, min_samples_leaf=FOREST_LEAF, random_state=seed
    )


def _boosting(depth: int, rounds: int, seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        max_iter=rounds,
        max_depth=depth,
        learning_rate=BOOSTING_RATE,
        max_features=BOOSTING_SHARE,
        max_bins=BOOSTING_BINS,
        early_stopping=False,
        random_state=seed,
    )


def _fitted(regressor: Any, train: Cubes) -> FlatModel:  # noqa: ANN401 (a scikit-learn regressor)
    scaler = fit_scaler(RECIPE, train)
    return FlatModel(
        scaler=scaler, regressor=_trained(clone(regressor), _flat(scaler, train), train.target)
    )


def _trained(regressor: Any, x: FloatArray, y: FloatArray) -> Any:  # noqa: ANN401
    """Fit in place; a forest with all cores, and then told to predict with one.

    Its trees' predictions are added up in the order that threads finish, which changes the last
    digit. Boosting has one thread: its many small steps wait for all, and where another program
    held a core, 400 trees on 180 samples took 69 s instead of 2.
    """
    if isinstance(regressor, RandomForestRegressor):
        return regressor.set_params(n_jobs=_cores()).fit(x, y).set_params(n_jobs=1)
    with threadpool_limits(1, "openmp"):
        return regressor.fit(x, y)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _flat(scaler: ChannelScaler, cubes: Cubes) -> FloatArray:
    """Return (n, c·h·w·t) in float64."""
    return scaler.transform(cubes).reshape(cubes.n, -1).astype(np.float64)
