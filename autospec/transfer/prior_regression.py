"""A farm's linear regression whose prior is what the library knows (R: our construction).

With g_j the slope function that source j of a library tells of (`autospec.transfer.library_prior`),

    f_j(x) = level + ρ·g_j(x) + h(x),   g_j ~ what the source knows,   h ~ linear, amplitude s

ρ, s and the noise are chosen for each source by penalised marginal likelihood on the farm's
training rows: with ρ near 0 the library is not believed, and the model is a local one. The
regression is the mean of the f_j, weighted by their likelihoods: the farm's own rows say which
fields of the library they resemble. Weights by likelihood are those of Bayesian model averaging
(Hoeting et al. 1999, https://doi.org/10.1214/ss/1009212519), here at the best settings of each
source; ρ is that of an autoregressive model of two sources (Kennedy & O'Hagan 2000,
https://doi.org/10.1093/biomet/87.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import minimize

from autospec.data.spectra import FloatArray, Spectra
from autospec.data.splits import Fold
from autospec.evaluate.fitted import ROOT_WORDS, TargetLaw, fit_law
from autospec.evaluate.kernels import JITTER, held_out
from autospec.evaluate.views import Views, fit_views
from autospec.transfer.library_prior import LibraryPrior, Source, unit_length

START = np.array([1.0, np.log(0.3), np.log(0.1)])  # ρ, log s, log noise (variances in sd² of y)
START_SD = np.array([0.5, 1.5, 1.5])  # of the normal priors around it
REACH = 10.0  # how far from it a setting may go
LEVEL_VARIANCE = 1.0
NAMED = 0.1  # sources of less weight are not named in the report


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
    weights : float64, shape (sources,)
        Of the sources; sum to 1.
    settings : float64, shape (sources, 3)
        ρ, log s, log noise.
    centre : float64, shape (bands,)
        Mean of the farm's training rows under the library's views.
    shared : float64, shape (bands,)
        Coefficients of the library's views, centred and of unit length: what the sources knew and
        the farm's rows moved.
    own : float64, shape (bands',)
        Coefficients of the farm's views.
    level : float
    out_of_fold : float64, shape (n,)
        Held-out prediction of each training row; weights and settings are those of all rows.
    """

    prior: LibraryPrior
    views: Views
    law: TargetLaw
    weights: FloatArray
    settings: FloatArray
    centre: FloatArray
    shared: FloatArray
    own: FloatArray
    level: float
    out_of_fold: FloatArray

    @property
    def belief(self) -> float:
        """Mean ρ: how far the library is believed; 0 not at all."""
        return float(self.weights @ self.settings[:, 0])

    @property
    def detail(self) -> str:
        """What was chosen, in words."""
        order = [i for i in np.argsort(-self.weights, kind="stable") if self.weights[i] >= NAMED]
        named = ", ".join(f"{self.weights[i]:.0%} {self.prior.sources[i].name}" for i in order)
        scale = f", {ROOT_WORDS}" if self.law.root else ""
        return f"weight of the library ρ = {self.belief:.2f} ({named}){scale}"

    def predict(self, values: FloatArray) -> FloatArray:
        """Return predictions, shape (n,), for raw spectra of shape (n, b); each row on its own."""
        if not len(values):
            return np.empty(0)
        shared = self.prior.see(values, self.centre) @ self.shared
        return self.law.inverse(shared + self.views.transform(values) @ self.own + self.level)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _OnSource:
    """The regression on one source: what `PriorModel` is the weighted mean of."""

    loss: float
    settings: FloatArray
    shared: FloatArray
    own: FloatArray
    level: float
    held: FloatArray


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
    views, law = fit_views(train, prior.recipes), fit_law(train.target, root=prior.root)
    x, z = views.transform(train.values), law.forward(train.target)
    seen = prior.views.transform(train.values)
    centre = seen.mean(axis=0)
    library = unit_length(seen - centre, prior.spread)
    each = [
        _fit_source(
            source,
            prior.condition(source, library),
            (x, library, z, law.sd, prior.scale),
            folds,
        )
        for source in prior.sources
    ]
    losses = np.array([one.loss for one in each])
    weights = np.exp(losses.min() - losses)
    weights /= weights.sum()
    return PriorModel(
        prior=prior,
        views=views,
        law=law,
        weights=weights,
        settings=np.stack([one.settings for one in each]),
        centre=centre,
        shared=weights @ np.stack([one.shared for one in each]),
        own=weights @ np.stack([one.own for one in each]),
        level=float(weights @ [one.level for one in each]),
        out_of_fold=law.inverse(weights @ np.stack([one.held for one in each])),
    )


def _fit_source(
    source: Source,
    knows: tuple[FloatArray, FloatArray],
    rows: tuple[FloatArray, FloatArray, FloatArray, float, float],
    folds: tuple[Fold, ...],
) -> _OnSource:
    """Fit the regression on one source.

    `knows` is its mean and covariance at the training rows; `rows` these under the farm's and the
    library's views, their lab values, and the standard deviations of farm and library.
    """
    x, library, z, sd, scale = rows
    mean, covariance = knows[0] / sd, knows[1] / sd**2
    linear = x @ x.T
    settings, loss = _learn_settings(mean, covariance, linear, z)
    belief, own, noise = settings[0], *np.exp(settings[1:])
    kernel = belief**2 * covariance + own * linear + LEVEL_VARIANCE
    kernel = kernel + (noise + JITTER) * np.eye(len(z))
    residual = z - belief * mean
    pull = np.linalg.solve(kernel, residual)
    weighed = pull @ library * belief / sd * scale  # how far the farm's rows move the source
    moved = source.amplitude * weighed - source.told.T @ (source.told @ weighed)
    return _OnSource(
        loss=loss,
        settings=settings,
        shared=belief / sd * scale * (source.slope + moved),
        own=own * (pull @ x),
        level=LEVEL_VARIANCE * float(pull.sum()),
        held=held_out(kernel, residual, folds) + belief * mean,
    )


def _learn_settings(
    mean: FloatArray, covariance: FloatArray, linear: FloatArray, z: FloatArray
) -> tuple[FloatArray, float]:
    """Return ρ, log s, log noise by penalised marginal likelihood, and its negative logarithm."""
    identity = np.eye(len(z))

    def loss(settings: FloatArray) -> tuple[float, FloatArray]:
        belief, own, noise = settings[0], *np.exp(settings[1:])
        kernel = belief**2 * covariance + own * linear + LEVEL_VARIANCE
        residual = z - belief * mean
        try:
            factor = cho_factor(kernel + (noise + JITTER) * identity, lower=True)
        except LinAlgError:
            return 1e6, np.zeros(3)  # settings at which rounding wins: never the best
        inverse = cho_solve(factor, identity)
        weights = inverse @ residual
        lever = inverse - np.outer(weights, weights)
        slope = np.array(
            [
                belief * np.sum(lever * covariance) - mean @ weights,
                own * np.sum(lever * linear) / 2,
                noise * np.trace(lever) / 2,
            ]
        )
        off = (settings - START) / START_SD
        value = residual @ weights / 2 + np.log(np.diag(factor[0])).sum() + off @ off / 2
        return float(value), slope + off / START_SD

    reach = np.stack([START - REACH, START + REACH], axis=1)
    found = minimize(
        loss, START, jac=True, bounds=reach, method="L-BFGS-B", options={"maxiter": 60}
    )
    return np.asarray(found.x), float(found.fun)
