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
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.scaling import ChannelScaler, CubePreprocessing, fit_scaler
from autospec.data.spectra import FloatArray
from autospec.data.splits import Fold

RECIPE = CubePreprocessing()
PENALTIES = np.logspace(-3, 4, 15)  # of ridge, times the number of features
FOREST_TREES = 300
FOREST_SHARES = (0.02, 0.1)  # of the features that each node of a tree may choose from
FOREST_LEAF = 3  # samples
BOOSTING_DEPTHS = (2, 4)
BOOSTING_RATE = 0.05
BOOSTING_ROUNDS = 150
BOOSTING_SHARE = 0.1  # of the features, drawn anew at each node
BOOSTING_BINS = 63  # a few hundred samples fill no more


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
    cv_rmse : float
        Mean RMSE of the folds with those numbers: tuned, so optimistic.
    model : FlatModel
    """

    name: str
    detail: str
    cv_rmse: float
    model: FlatModel


def fit_cube_baselines(
    train: Cubes, folds: tuple[Fold, ...], seed: int
) -> tuple[CubeBaseline, ...]:
    """Tune and fit gradient boosting, random forest, ridge and the mean.

    Parameters
    ----------
    train : Cubes
        Training samples, all labelled.
    folds : tuple of Fold
        Positions within `train`.
    seed : int
        Fixes the draws of both kinds of trees.

    Returns
    -------
    tuple of CubeBaseline
        In that order. Ties go to the setting that is listed first.
    """
    errors: dict[str, list[FloatArray]] = {}
    for fold in folds:  # one fold at a time: its flattened patches are the memory of this job
        scaler = fit_scaler(RECIPE, train.rows(fold.fit))
        seen = _Seen(
            x_fit=_flat(scaler, train.rows(fold.fit)),
            y_fit=train.target[fold.fit],
            x_score=_flat(scaler, train.rows(fold.score)),
            y_score=train.target[fold.score],
        )
        for name, rmse in _fold_errors(seen, seed).items():
            errors.setdefault(name, []).append(rmse)
    tuned = []
    for name, each in errors.items():
        curve = np.mean(each, axis=0)
        best = int(np.argmin(curve))
        regressor, detail = _regressor(name, best, train, seed)
        model = _fitted(regressor, train)
        tuned.append(
            CubeBaseline(name=name, detail=detail, cv_rmse=float(curve[best]), model=model)
        )
    return tuple(tuned)


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


def _fold_errors(seen: _Seen, seed: int) -> dict[str, FloatArray]:
    """Return each baseline's RMSE of this fold, one a setting."""
    forests = [
        _trained(_forest(share, seed), seen.x_fit, seen.y_fit).predict(seen.x_score)
        for share in FOREST_SHARES
    ]
    boosted = [
        np.stack(
            list(
                _trained(
                    _boosting(depth, BOOSTING_ROUNDS, seed), seen.x_fit, seen.y_fit
                ).staged_predict(seen.x_score)
            )
        )
        for depth in BOOSTING_DEPTHS
    ]
    mean = np.full(len(seen.y_score), seen.y_fit.mean())
    return {
        "gradient boosting": seen.rmse(np.concatenate(boosted)),
        "random forest": seen.rmse(np.stack(forests)),
        "ridge": seen.rmse(_ridge_path(seen)),
        "mean": seen.rmse(mean),
    }


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
        return _forest(share, seed), f"{FOREST_TREES} trees, {share:.0%} of the cells a node"
    if name == "ridge":
        penalty = float(PENALTIES[setting]) * int(np.prod(train.shape))
        return Ridge(alpha=penalty, solver="cholesky"), f"penalty {penalty:.3g}"
    return DummyRegressor(), ""


def _forest(share: float, seed: int) -> RandomForestRegressor:
    return RandomForestRegressor(
        FOREST_TREES, max_features=share, min_samples_leaf=FOREST_LEAF, random_state=seed
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
    digit.
    """
    if isinstance(regressor, RandomForestRegressor):
        return regressor.set_params(n_jobs=_cores()).fit(x, y).set_params(n_jobs=1)
    return regressor.fit(x, y)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _flat(scaler: ChannelScaler, cubes: Cubes) -> FloatArray:
    """Return (n, c·h·w·t) in float64."""
    return scaler.transform(cubes).reshape(cubes.n, -1).astype(np.float64)
