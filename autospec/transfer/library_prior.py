"""Linear regression for a farm whose prior is what the library knows (R: our construction).

On views of the spectra, a Gaussian process with a linear kernel is a linear regression with a
normal prior on its coefficients. First the library alone: its fields are each centred, spectra and
lab values, so that instruments and levels of fields drop out and only slopes are learned. What it
leaves, a mean and a covariance of the slope function, becomes the prior of the farm:

    f(x) = level + ρ·g(x) + h(x),   g ~ library's posterior,   h ~ linear, amplitude s

ρ, s and the noise are chosen by marginal likelihood on the farm's training rows: with ρ near 0 the
library is not believed, and the model is a local one. Rasmussen & Williams 2006, Gaussian Processes
for Machine Learning, chapter 2, has the algebra; the weight ρ is that of an autoregressive model of
two sources (Kennedy & O'Hagan 2000, https://doi.org/10.1093/biomet/87.1.1).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor

from autospec.data.spectra import FloatArray, Spectra
from autospec.data.splits import Fold
from autospec.evaluate.fitted import TargetLaw, fit_law
from autospec.evaluate.kernels import JITTER, amplitudes, held_out, linear_kernel
from autospec.evaluate.views import Views, fit_views

TUNING_ROWS = 250  # library rows for the kernel's settings; its time grows with their cube
PRIOR_ROWS = 1500  # library rows that the prior holds; likewise
START = np.array([0.5, np.log(0.3), np.log(0.1)])  # ρ, log s, log noise (variances in sd² of y)
START_SD = np.array([0.5, 1.5, 1.5])  # of the normal priors around it
LEVEL_VARIANCE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LibraryPrior:
    """What the slopes of the library's fields say about any farm; knows nothing of the farm.

    Parameters
    ----------
    views : Views
        Fitted on the library.
    spread : float64, shape (bands,)
        Standard deviation of each band of the views within the library's fields.
    slope : float64, shape (bands,)
        Mean of the slope function: coefficients of centred views, in standard deviations `scale`.
    amplitude : float
        Prior variance of each coefficient.
    told : float64, shape (rows, bands)
        What the library takes from that: the covariance of the coefficients is
        amplitude·I − toldᵀ·told.
    scale : float
        Of the library's centred lab values, on the model's scale.
    log : bool
        Whether lab values are log(1 + y).
    """

    views: Views
    spread: FloatArray
    slope: FloatArray
    amplitude: float
    told: FloatArray
    scale: float
    log: bool

    @property
    def rows(self) -> int:
        """Library rows it holds."""
        return len(self.told)

    def condition(self, values: FloatArray, centre: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean (n,) and covariance (n, n) of the slope function.

        Parameters
        ----------
        values : float64, shape (n, b)
            Raw spectra of a farm.
        centre : float64, shape (bands,)
            Mean of the farm's training rows under `views`.
        """
        x = unit_length(self.views.transform(values) - centre, self.spread)
        known = x @ self.told.T
        covariance = self.amplitude * (x @ x.T) - known @ known.T
        return x @ self.slope * self.scale, covariance * self.scale**2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PriorModel:
    """A farm's regression on a library prior.

    Parameters
    ----------
    prior : LibraryPrior
        What the library knows.
    views : Views
        Fitted on the farm's training rows.
    law : TargetLaw
        The scale it learned on.
    settings : float64, shape (3,)
        ρ, log s, log noise.
    centre : float64, shape (bands,)
        Mean of the farm's training rows under the library's views.
    shared : float64, shape (bands,)
        Coefficients of the library's views, centred and of unit length: what the library knew and
        the farm's rows moved.
    own : float64, shape (bands',)
        Coefficients of the farm's views.
    level : float
    out_of_fold : float64, shape (n,)
        Held-out prediction of each training row; ρ, s and noise are those of all rows.
    """

    prior: LibraryPrior
    views: Views
    law: TargetLaw
    settings: FloatArray
    centre: FloatArray
    shared: FloatArray
    own: FloatArray
    level: float
    out_of_fold: FloatArray

    @property
    def belief(self) -> float:
        """ρ: how far the library is believed; 0 not at all."""
        return float(self.settings[0])

    @property
    def detail(self) -> str:
        """What was chosen, in words."""
        scale = ", on log(1 + y)" if self.law.log else ""
        return f"weight of the library ρ = {self.belief:.2f}, {self.prior.rows} of its rows{scale}"

    def predict(self, values: FloatArray) -> FloatArray:
        """Return predictions, shape (n,), for raw spectra of shape (n, b); each row on its own."""
        if not len(values):
            return np.empty(0)
        seen = self.prior.views.transform(values) - self.centre
        shared = unit_length(seen, self.prior.spread) @ self.shared
        return self.law.inverse(shared + self.views.transform(values) @ self.own + self.level)


def fit_library_prior(library: Spectra, *, log: bool, seed: int = 0) -> LibraryPrior:
    """Learn the slopes that the library's fields share.

    Parameters
    ----------
    library : Spectra
        Labelled rows, the farm's own purged.
    log : bool
        Learn log(1 + y): slopes of fields of different level compare better.
    seed : int
        Fixes which rows are used, where there are more than 1500.
    """
    views = fit_views(library)
    x = views.transform(library.values)
    z = np.log1p(library.target) if log else library.target.copy()
    names = np.asarray(library.fields)
    for name in np.unique(names):
        rows = names == name
        x[rows] -= x[rows].mean(axis=0)
        z[rows] -= z[rows].mean()
    spread, scale = x.std(axis=0), float(z.std()) or 1.0
    x = unit_length(x, spread)
    order = np.random.default_rng(seed).permutation(len(z))[:PRIOR_ROWS]
    x, z = x[order], z[order] / scale
    tuned = GaussianProcessRegressor(linear_kernel(), alpha=JITTER, random_state=0)
    with warnings.catch_warnings():  # a setting at the end of its range is no fault
        warnings.simplefilter("ignore", ConvergenceWarning)
        tuned.fit(x[:TUNING_ROWS], z[:TUNING_ROWS])
    amplitude = amplitudes(tuned.kernel_)[0]
    noise = float(tuned.kernel_.k2.noise_level) + JITTER
    root, _ = cho_factor(amplitude * (x @ x.T) + noise * np.eye(len(z)), lower=True)
    told = solve_triangular(root, amplitude * x, lower=True)
    return LibraryPrior(
        views=views,
        spread=spread,
        slope=told.T @ solve_triangular(root, z, lower=True),
        amplitude=amplitude,
        told=told,
        scale=scale,
        log=log,
    )


def fit_on_prior(prior: LibraryPrior, train: Spectra, folds: tuple[Fold, ...]) -> PriorModel:
    """Fit a farm's regression on a library prior.

    Parameters
    ----------
    prior : LibraryPrior
        On the farm's bands, quantity and unit.
    train : Spectra
        The farm's training rows, all labelled.
    folds : tuple of Fold
        Positions within `train`, for the out-of-fold predictions only.
    """
    views, law = fit_views(train), fit_law(train.target, log=prior.log)
    x, z = views.transform(train.values), law.forward(train.target)
    centre = prior.views.transform(train.values).mean(axis=0)
    mean, covariance = prior.condition(train.values, centre)
    mean, covariance = mean / law.sd, covariance / law.sd**2
    linear = x @ x.T

    def kernel(settings: FloatArray) -> FloatArray:
        noise = np.exp(settings[2]) + JITTER
        local = np.exp(settings[1]) * linear + LEVEL_VARIANCE
        return np.asarray(settings[0] ** 2 * covariance + local + noise * np.eye(len(z)))

    def loss(settings: FloatArray) -> float:
        off = (settings - START) / START_SD
        return _negative_log_likelihood(kernel(settings), z - settings[0] * mean) + float(
            off @ off / 2
        )

    settings = minimize(loss, START, method="L-BFGS-B", options={"maxiter": 60}).x
    residual = z - settings[0] * mean
    final = kernel(settings)
    held = held_out(final, residual, folds) + settings[0] * mean
    weights = np.linalg.solve(final, residual)
    return PriorModel(
        prior=prior,
        views=views,
        law=law,
        settings=settings,
        centre=centre,
        shared=_moved(prior, train.values, centre, settings[0] / law.sd * prior.scale, weights),
        own=np.exp(settings[1]) * (weights @ x),
        level=LEVEL_VARIANCE * float(weights.sum()),
        out_of_fold=law.inverse(held),
    )


def _moved(
    prior: LibraryPrior, values: FloatArray, centre: FloatArray, belief: float, weights: FloatArray
) -> FloatArray:
    """Return belief·slope + belief²·covariance·Xᵀ·weights, X the rows that were fitted."""
    pull = weights @ unit_length(prior.views.transform(values) - centre, prior.spread)
    covariance = prior.amplitude * pull - prior.told.T @ (prior.told @ pull)
    return np.asarray(belief * prior.slope + belief**2 * covariance)


def unit_length(x: FloatArray, spread: FloatArray) -> FloatArray:
    """Return centred views with bands of one spread and rows of length about 1."""
    # A band that never varies within a field of the library says nothing, however a farm's does.
    known = np.where(spread > 1e-6 * spread.max(), spread, np.inf)
    return np.asarray(x / known / np.sqrt(x.shape[1]))


def _negative_log_likelihood(kernel: FloatArray, residual: FloatArray) -> float:
    try:
        factor = cho_factor(kernel, lower=True)
    except LinAlgError:
        return 1e6  # settings at which rounding wins: never the best
    fit = residual @ cho_solve(factor, residual) / 2
    return float(fit + np.log(np.diag(factor[0])).sum())
