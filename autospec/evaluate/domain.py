"""The applicability domain: how far a new spectrum lies from those that a model learned from.

Three distances in a principal component space of the training spectra (absorbance, averaged to
about 216 bands): Q, the squared part of a spectrum that the components cannot show; Hotelling's
T², its distance from the centre within them; and the distance to the nearest training spectrum,
also within them, each component in standard deviations. Q and T² as in Jackson & Mudholkar 1979
(https://doi.org/10.1080/00401706.1979.10489779). Their limits are empirical quantiles of the
training rows' own distances, each measured by a space fitted without that row's fold: distances of
rows in the space that they shaped would be far too small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autospec.data.preprocess import BandAveraging, published_step, to_absorbance
from autospec.data.spectra import FloatArray, Quantity, Spectra
from autospec.data.splits import Fold
from autospec.data.tensors import Matrix, Vector

SHARE_INSIDE = 0.95  # of the training rows' own kind, all three limits together
EXPLAINED = 0.99
MAX_COMPONENTS = 10
ROWS_A_COMPONENT = 3
AT_ONCE = 256  # rows whose neighbours are sought together
MAX_NEIGHBOURS = 5000  # training rows kept for the nearest distance
DISTANCES = ("Q", "T²", "nearest")
FLAT = 1e-9  # absorbance: a component that varies less says nothing
ROUNDING = np.array([1e-12, 1e-6, 1e-3])  # distances that are nothing: limits are not below them


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distances:
    """Where m spectra lie; each float64, shape (m,), and `inside` and `reasons` alike."""

    q: FloatArray
    t2: FloatArray
    nearest: FloatArray
    inside: tuple[bool, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Space:
    """A principal component space.

    Parameters
    ----------
    mean : float64, shape (b',)
    loadings : float64, shape (k, b')
    sd : float64, shape (k,)
        Standard deviation of the training scores (ddof 1).
    scores : float64, shape (n, k)
        Of training rows, in `sd`.
    """

    mean: Vector
    loadings: Matrix
    sd: Vector
    scores: Matrix

    def measure(self, x: FloatArray) -> FloatArray:
        """Return Q, T² and the nearest distance of spectra (m, b'), shape (3, m)."""
        centred = x - self.mean
        scores = centred @ self.loadings.T
        q = np.sum((centred - scores @ self.loadings) ** 2, axis=1)
        scores = scores / self.sd
        t2 = np.sum(scores**2, axis=1)
        own = np.sum(self.scores**2, axis=1)
        nearest = np.empty(len(x))
        for start in range(0, len(x), AT_ONCE):  # all rows by all neighbours would be 80 MB
            part = slice(start, start + AT_ONCE)
            which = (own - 2 * scores[part] @ self.scores.T).argmin(axis=1)
            # again by differences: the squares above cancel where a row is its own neighbour
            nearest[part] = np.sqrt(np.sum((scores[part] - self.scores[which]) ** 2, axis=1))
        return np.stack([q, t2, nearest])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Domain:
    """The applicability domain of a model; made by `fit_domain`.

    Parameters
    ----------
    axis : float64, shape (b,)
        Bands of the spectra that it measures.
    quantity : {"reflectance", "absorbance"}
        What they are.
    space : Space
    limits : float64, shape (3,)
        Of Q, T² and the nearest distance.
    """

    axis: Vector
    quantity: Quantity
    space: Space
    limits: Vector

    def measure(self, values: FloatArray) -> Distances:
        """Measure spectra of shape (m, b), and say of each whether it is inside, or why not."""
        return tell(self.space, self.limits, _seen(values, self.axis, self.quantity))


def tell(space: Space, limits: FloatArray, x: FloatArray) -> Distances:
    """Measure rows (m, b') in a space, and say of each which of the three limits it exceeds."""
    q, t2, nearest = measured = space.measure(x)
    beyond = ~(measured <= limits[:, None])  # what is no number is not inside
    reasons = [""] * len(x)
    for i in np.flatnonzero(beyond.any(axis=0)).tolist():
        reasons[i] = "; ".join(
            f"{name} {value:.3g} above {limit:.3g}"
            for name, value, limit, out in zip(
                DISTANCES, measured[:, i], limits, beyond[:, i], strict=True
            )
            if out
        )
    inside = tuple(not reason for reason in reasons)
    return Distances(q=q, t2=t2, nearest=nearest, inside=inside, reasons=tuple(reasons))


def fit_domain(train: Spectra, folds: tuple[Fold, ...], seed: int = 0) -> Domain:
    """Fit the domain to training rows.

    Parameters
    ----------
    train : Spectra
        n rows of b bands.
    folds : tuple of Fold
        Positions within `train`; replicates are kept whole by them.
    seed : int
        Fixes which rows are kept where there are more than 5000.
    """
    x = _seen(train.values, train.axis, train.quantity)
    k = components(x, min(len(fold.fit) for fold in folds))
    held = [fit_space(x[fold.fit], k, seed).measure(x[fold.score]) for fold in folds]
    return Domain(
        axis=train.axis.copy(),
        quantity=train.quantity,
        space=fit_space(x, k, seed),
        limits=limits_of(np.concatenate(held, axis=1)),
    )


def limits_of(held: FloatArray) -> FloatArray:
    """Return one quantile of each distance (3, n), such that all three together hold 95 %.

    A row's largest rank among the three says at which quantile it would be inside; the limits are
    at the rank that 95 % of the rows do not exceed. Of fewer than about 20 rows it is the largest.
    """
    n = held.shape[1]
    ranks = np.argsort(np.argsort(held, axis=1, kind="stable"), axis=1).max(axis=0)
    rank = np.sort(ranks)[min(math.ceil(SHARE_INSIDE * (n + 1)), n) - 1]
    return np.asarray(np.maximum(np.sort(held, axis=1)[:, rank], ROUNDING))


def _seen(values: FloatArray, axis: FloatArray, quantity: Quantity) -> FloatArray:
    averaging = BandAveraging(axis, published_step(axis)).fit(values)
    averaged = averaging.transform(values)
    return to_absorbance(averaged) if quantity == "reflectance" else averaged


def components(x: FloatArray, rows: int) -> int:
    """Return how many components show 99 % of the spectra (n, b'), as far as `rows` allow.

    The same number for every fold: distances in spaces of different size are not alike.
    """
    power = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    told = np.cumsum(power) / max(float(power.sum()), 1e-300)
    most = max(min(rows // ROWS_A_COMPONENT, MAX_COMPONENTS, rows - 1, len(power)), 1)
    return min(int(np.searchsorted(told, EXPLAINED)) + 1, most)


def fit_space(x: FloatArray, k: int, seed: int) -> Space:
    """Fit k principal components to rows (n, b'); at most 5000 of them, drawn, stay neighbours."""
    mean = x.mean(axis=0)
    centred = x - mean
    _, singular, loadings = np.linalg.svd(centred, full_matrices=False)
    sd = np.maximum(singular[:k] / np.sqrt(max(len(x) - 1, 1)), FLAT)
    scores = (centred @ loadings[:k].T) / sd
    if len(scores) > MAX_NEIGHBOURS:
        scores = scores[np.random.default_rng(seed).permutation(len(scores))[:MAX_NEIGHBOURS]]
    return Space(mean=mean, loadings=loadings[:k].copy(), sd=sd, scores=scores)
