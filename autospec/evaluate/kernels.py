"""Ridge, Gaussian process and support vector regression on views of the spectra.

Out-of-fold predictions of the first two come in closed form: with K the kernel of all training
rows plus noise, the residuals of a fold B of rows are the solution of (K⁻¹)_BB e = (K⁻¹ y)_B, so
that a fold costs one small system and not one fit. Views and kernel settings are those of all
training rows, which makes such a prediction a little optimistic.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, Kernel, WhiteKernel
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVR

from autospec.data.spectra import FloatArray, Spectra
from autospec.data.splits import Fold
from autospec.evaluate.fitted import ROOT_WORDS, Fitted, TargetLaw, fit_law
from autospec.evaluate.views import FOUR_VIEWS, Views, fit_views

RIDGE_PENALTIES = np.logspace(-5, 2, 29)  # beside a kernel whose diagonal is about 1
SVR_GRID = {"C": [1.0, 10.0, 100.0], "gamma": [0.05, 0.2, 1.0]}
SVR_TUBE = 0.05  # half-width in standard deviations of the lab values
JITTER = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KernelModel:
    """A fitted kernel regression.

    Parameters
    ----------
    views : Views
        What is done to the spectra.
    law : TargetLaw
        The scale it learned on.
    regressor : sklearn regressor
        On views of the spectra.
    """

    views: Views
    law: TargetLaw
    regressor: Any

    def predict(self, values: FloatArray) -> FloatArray:
        """Return predictions, shape (n,), for raw spectra of shape (n, b)."""
        return self.law.inverse(self.regressor.predict(self.views.transform(values)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DualRidge:
    """Kernel ridge by its dual weights (n,) on the training views `x` (n, bands)."""

    x: FloatArray
    weights: FloatArray

    def predict(self, x: FloatArray) -> FloatArray:
        """Return predictions, shape (m,), for views of shape (m, bands)."""
        return np.asarray((x @ self.x.T) @ self.weights)


def fit_ridge(train: Spectra, folds: tuple[Fold, ...]) -> Fitted:
    """Fit ridge regression on four views; the penalty is the best of 29 on the folds.

    Parameters
    ----------
    train : Spectra
        Training rows, all labelled.
    folds : tuple of Fold
        Positions within `train`.

    References
    ----------
    Hoerl & Kennard 1970, https://doi.org/10.1080/00401706.1970.10488634
    """
    views, law = fit_views(train), fit_law(train.target, root=False)
    x, z = views.transform(train.values), law.forward(train.target)
    kernel = x @ x.T
    best: tuple[float, float, FloatArray] | None = None
    for penalty in RIDGE_PENALTIES:
        held = held_out(kernel + penalty * np.eye(len(z)), z, folds)
        error = float(np.mean((held - z) ** 2))
        if best is None or error < best[0]:
            best = (error, float(penalty), held)
    assert best is not None
    weights = np.asarray(np.linalg.solve(kernel + best[1] * np.eye(len(z)), z), dtype=np.float64)
    return Fitted(
        model=KernelModel(views=views, law=law, regressor=DualRidge(x=x, weights=weights)),
        out_of_fold=law.inverse(best[2]),
        detail=f"penalty {best[1]:.2g} on four views",
    )


def linear_kernel() -> Kernel:
    """Return amplitude² · x·x' + noise."""
    return ConstantKernel(0.5, (1e-3, 1e3)) * DotProduct(0, "fixed") + WhiteKernel(0.1, (1e-4, 10))


def curved_kernel() -> Kernel:
    """Return a linear and a radial part, each with an amplitude, and noise."""
    radial = ConstantKernel(0.5, (1e-3, 1e3)) * RBF(0.7, (0.05, 20))
    linear = ConstantKernel(0.5, (1e-3, 1e3)) * DotProduct(0, "fixed")
    return linear + radial + WhiteKernel(0.1, (1e-4, 10))


def amplitudes(kernel: Kernel) -> tuple[float, float, float]:
    """Return linear and radial amplitude and radial length of one of the two kernels above."""
    signal = kernel.k1
    if isinstance(signal.k1, ConstantKernel):
        return float(signal.k1.constant_value), 0.0, 1.0
    linear, radial = signal.k1, signal.k2
    return (
        float(linear.k1.constant_value),
        float(radial.k1.constant_value),
        float(radial.k2.length_scale),
    )


def fit_gpr(
    train: Spectra,
    folds: tuple[Fold, ...],
    *,
    kernel: Kernel,
    root: bool = False,
    recipes: tuple[Any, ...] = FOUR_VIEWS,
) -> Fitted:
    """Fit a Gaussian process, its kernel by marginal likelihood.

    Parameters
    ----------
    train : Spectra
        Training rows, all labelled.
    folds : tuple of Fold
        Positions within `train`, for the out-of-fold predictions only.
    kernel : sklearn Kernel
        With a `WhiteKernel`.
    root : bool
        Learn the cube root of y.
    recipes : tuple of Preprocessing
        The views.

    References
    ----------
    Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, MIT Press
    """
    views, law = fit_views(train, recipes), fit_law(train.target, root=root)
    x, z = views.transform(train.values), law.forward(train.target)
    process = GaussianProcessRegressor(kernel, alpha=JITTER, random_state=0)
    with warnings.catch_warnings():  # a setting at the end of its range is no fault
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(x, z)
    held = held_out(process.kernel_(x) + JITTER * np.eye(len(z)), z, folds)
    return Fitted(
        model=KernelModel(views=views, law=law, regressor=process),
        out_of_fold=law.inverse(held),
        detail=f"{process.kernel_}" + (f", {ROOT_WORDS}" if root else ""),
    )


def fit_svr(train: Spectra, folds: tuple[Fold, ...], *, root: bool = False) -> Fitted:
    """Fit support vector regression with a radial kernel on four views, tuned on the folds.

    Parameters
    ----------
    train : Spectra
        Training rows, all labelled.
    folds : tuple of Fold
        Positions within `train`.
    root : bool
        Learn the cube root of y.

    References
    ----------
    Smola & Schölkopf 2004, https://doi.org/10.1023/B:STCO.0000035301.49549.88
    """
    views, law = fit_views(train), fit_law(train.target, root=root)
    x, z = views.transform(train.values), law.forward(train.target)
    search = GridSearchCV(
        SVR(epsilon=SVR_TUBE),
        SVR_GRID,
        cv=[(fold.fit, fold.score) for fold in folds],
        scoring="neg_mean_squared_error",
    ).fit(x, z)
    total, count = np.zeros(len(z)), np.zeros(len(z))
    for fold in folds:
        part = SVR(epsilon=SVR_TUBE, **search.best_params_).fit(x[fold.fit], z[fold.fit])
        total[fold.score] += part.predict(x[fold.score])
        count[fold.score] += 1
    chosen = ", ".join(f"{name} {value:g}" for name, value in search.best_params_.items())
    return Fitted(
        model=KernelModel(views=views, law=law, regressor=search.best_estimator_),
        out_of_fold=law.inverse(total / count),
        detail=chosen + (f", {ROOT_WORDS}" if root else ""),
    )


def held_out(kernel: FloatArray, z: FloatArray, folds: tuple[Fold, ...]) -> FloatArray:
    """Return the mean held-out prediction of each row over the folds that score it.

    Parameters
    ----------
    kernel : float64, shape (n, n)
        Of the training rows, noise included.
    z : float64, shape (n,)
        Targets with mean 0.
    folds : tuple of Fold
        Every row is scored by at least one.
    """
    inverse = np.linalg.inv(kernel)
    weights = inverse @ z
    total, count = np.zeros(len(z)), np.zeros(len(z))
    for fold in folds:
        rows = fold.score
        residual = np.linalg.solve(inverse[np.ix_(rows, rows)], weights[rows])
        total[rows] += z[rows] - residual
        count[rows] += 1
    return np.asarray(total / count)
