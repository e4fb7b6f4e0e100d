"""Memory-based learning: a Gaussian process for each row to predict, on its own neighbours.

The idea is that of Ramirez-Lopez et al. 2013 (https://doi.org/10.1016/j.geoderma.2012.12.014): no
model of the library is kept; each row to predict calls up the library rows most like it and is
predicted from these. Where we differ: the farm's rows take part in every prediction; the kernel's
settings are learnt once and not for each row; and the farm is not taken for a part of the library.
With g the law that spectra obey, linear and radial, the covariance of two lab values is

    cov(y, y') = q·q'·k_g(x, x')·(1 in one field, c between two) + [same field]·level + noise

c is how far fields agree in their laws: with c near 0 the library is not believed. q is 1 for the
farm and the strength of the library's laws for its rows, which have a noise of their own too:
without these a library of noise would have the farm taken for noise. All settings are learnt by
marginal likelihood (Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, chapter 5;
q and c make an intrinsic model of coregionalisation, section 9.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.decomposition import PCA

from autospec.data.spectra import FloatArray, IntArray, Spectra, join_spectra
from autospec.data.splits import Fold
from autospec.evaluate.fitted import ROOT_WORDS, Fitted, TargetLaw, fit_law
from autospec.evaluate.views import FOUR_VIEWS, SNV_VIEW, Views, fit_views

NEIGHBOURS = (30, 60, 120)  # library rows a prediction calls up
DISTANCE_SCORES = 10  # principal components that tell which rows are alike, each of sd 1
KERNEL_SCORES = 60  # principal components that the kernel reads, as long as they are
TUNING_ROWS = 150  # library rows, beside the farm's, that learn the kernel's settings
BLOCK_ROWS = 50  # rows predicted at once; bounds the memory
OWN_FIELD = -1  # the farm's number among the fields, which count from 0
JITTER = 1e-6
# Log of: linear amplitude, radial amplitude, radial length, level of a field, noise of the farm,
# noise of the library, strength q; then the logit of c. Variances in sd² of the lab values; views
# have length about 1.
START = np.array([*np.log([0.5, 0.5, 0.7, 0.5, 0.1, 0.1, 1.0]), 0.0])
START_SD = 2.5  # of the normal priors around it
REACH = 10.0  # how far from it a setting may go


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """How the model sees spectra; made of training rows only.

    Parameters
    ----------
    views : Views
        Four preprocessings.
    kernel_scores : sklearn PCA
        Of the views.
    likeness : Views
        SNV absorbance.
    distance_scores : sklearn PCA
        Of that; whitened.
    """

    views: Views
    kernel_scores: PCA
    likeness: Views
    distance_scores: PCA

    def read(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what the kernel reads (n, p) and the place among likes (n, q) of spectra."""
        return (
            self.kernel_scores.transform(self.views.transform(values)),
            self.distance_scores.transform(self.likeness.transform(values)),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Memory:
    """Rows a prediction is made from.

    Parameters
    ----------
    x : float64, shape (n, p)
        What the kernel reads.
    place : float64, shape (n, q)
        Where a row lies among its likes.
    field : int64, shape (n,)
        Number of the field; −1 for the farm.
    z : float64, shape (n,)
        Lab values on the scale of the model.
    """

    x: FloatArray
    place: FloatArray
    field: IntArray
    z: FloatArray

    def rows(self, index: IntArray) -> Memory:
        """Return the rows at `index`."""
        return Memory(
            x=self.x[index], place=self.place[index], field=self.field[index], z=self.z[index]
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MemoryModel:
    """A library and a farm, ready to be asked; nothing is fitted until `predict`.

    Parameters
    ----------
    sight : Sight
        How spectra are seen.
    law : TargetLaw
        The scale it learned on.
    library, local : Memory
        Library rows, and the farm's training rows.
    neighbours : int
        Library rows a prediction calls up.
    settings : float64, shape (8,)
        Of the kernel, as in `START`.
    """

    sight: Sight
    law: TargetLaw
    library: Memory
    local: Memory
    neighbours: int
    settings: FloatArray

    @property
    def agreement(self) -> float:
        """c: how far fields agree in their laws, 0 to 1."""
        return float(expit(self.settings[7]))

    def predict(self, values: FloatArray) -> FloatArray:
        """Return predictions, shape (n,), for raw spectra of shape (n, b); each row on its own."""
        x, place = self.sight.read(values)
        z = recall(x, place, self.library, self.local, self.neighbours, self.settings)
        return self.law.inverse(z)


def fit_memory_based(
    library: Spectra, local: Spectra, folds: tuple[Fold, ...], *, root: bool = False, seed: int = 0
) -> Fitted:
    """Prepare memory-based learning: learn the kernel's settings, choose the neighbours.

    Parameters
    ----------
    library : Spectra
        Labelled rows, the farm's own purged.
    local : Spectra
        The farm's training rows, all labelled.
    folds : tuple of Fold
        Positions within `local`; they choose 30, 60 or 120 neighbours by the squared error of the
        rows they score, predicted from the library and the rows they fit. Ties go to fewer.
    root : bool
        Learn the cube root of y.
    seed : int
        Fixes which library rows learn the kernel's settings.

    Returns
    -------
    Fitted
        Preprocessing, principal components and kernel settings of the out-of-fold predictions are
        those of all training rows, which makes them a little optimistic.
    """
    law = fit_law(np.concatenate([library.target, local.target]), root=root)
    sight = _fit_sight(join_spectra([library, local]))
    fields = np.unique(np.asarray(library.fields), return_inverse=True)[1].astype(np.int64)
    ours = _memorise(sight, law, local, np.full(local.n, OWN_FIELD))
    theirs = _memorise(sight, law, library, fields)
    part = np.random.default_rng(seed).permutation(library.n)[:TUNING_ROWS]
    settings = learn_settings(_together(theirs.rows(part), ours))
    sizes = sorted({min(k, library.n) for k in NEIGHBOURS})
    held = [_held_out(theirs, ours, folds, k, settings) for k in sizes]
    best = int(np.argmin([np.mean((z - ours.z) ** 2) for z in held]))
    model = MemoryModel(
        sight=sight, law=law, library=theirs, local=ours, neighbours=sizes[best], settings=settings
    )
    words = (
        f"{sizes[best]} of {library.n} library rows for each prediction, and all {local.n} own; "
        f"agreement of fields c = {model.agreement:.2f}"
    )
    return Fitted(
        model=model,
        out_of_fold=law.inverse(held[best]),
        detail=words + (f", {ROOT_WORDS}" if root else ""),
    )


def recall(
    x: FloatArray,
    place: FloatArray,
    library: Memory,
    local: Memory,
    neighbours: int,
    settings: FloatArray,
) -> FloatArray:
    """Predict each row from its own neighbours in the library and all local rows.

    Parameters
    ----------
    x, place : float64, shapes (n, p) and (n, q)
        Of rows of the farm, as in `Memory`.
    library, local : Memory
        What is known.
    neighbours : int
        1 to the library's rows; the nearest by Euclidean distance of places.
    settings : float64, shape (8,)
        Of the kernel, as in `START`.

    Returns
    -------
    float64, shape (n,)
        Posterior means on the scale of the model.
    """
    out = np.empty(len(x))
    for start in range(0, len(x), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        apart = _square_distance(place[block], library.place)
        near = np.argsort(apart, axis=1, kind="stable")[:, :neighbours]
        shape = (len(near), len(local.z))
        known = np.concatenate(
            [library.x[near], np.broadcast_to(local.x, (*shape, local.x.shape[1]))], axis=1
        )
        field = np.hstack([library.field[near], np.full(shape, OWN_FIELD)])
        z = np.hstack([library.z[near], np.broadcast_to(local.z, shape)])
        own = np.full((len(near), 1), OWN_FIELD)
        covariance = _kernel(known, field, known, field, settings)
        covariance += _noise(field, settings)[..., None] * np.eye(z.shape[1])
        cross = _kernel(x[block, None, :], own, known, field, settings)[:, 0]
        weights = np.linalg.solve(covariance, z[..., None])[..., 0]
        out[block] = (cross * weights).sum(axis=1)
    return out


def learn_settings(rows: Memory) -> FloatArray:
    """Learn the kernel's settings from rows by penalised marginal likelihood, shape (8,)."""
    linear, square = rows.x @ rows.x.T, _square_distance(rows.x, rows.x)
    same = rows.field[:, None] == rows.field
    ours = np.diag((rows.field == OWN_FIELD).astype(np.float64))
    theirs = np.eye(len(rows.z)) - ours
    other = (rows.field != OWN_FIELD).astype(np.float64)
    strange = other[:, None] + other  # library rows in a pair

    def loss(settings: FloatArray) -> tuple[float, FloatArray]:
        a, r, length, level, noise, other_noise, q = np.exp(settings[:7])
        c = float(expit(settings[7]))
        shared = np.where(same, 1.0, c) * q**strange
        straight = shared * a * linear
        radial = shared * r * np.exp(-0.5 * square / length**2)
        levels, noises = level * same, (noise * ours, other_noise * theirs)
        law = straight + radial
        parts = [straight, radial, radial * square / length**2, levels, *noises]
        parts += [strange * law, np.where(same, 0.0, (1.0 - c) * law)]
        covariance = law + levels + noises[0] + noises[1]
        value, slope = _likelihood(covariance + JITTER * np.eye(len(rows.z)), parts, rows.z)
        off = (settings - START) / START_SD
        return value + float(off @ off / 2), slope + off / START_SD

    reach = np.stack([START - REACH, START + REACH], axis=1)
    found = minimize(loss, START, jac=True, bounds=reach, options={"maxiter": 40})  # L-BFGS-B
    return np.asarray(found.x)


def _likelihood(
    covariance: FloatArray, parts: list[FloatArray], z: FloatArray
) -> tuple[float, FloatArray]:
    """Return the negative log likelihood and its slopes (Rasmussen & Williams 2006, eq. 5.9).

    `parts` are the derivatives of the covariance by each setting.
    """
    try:
        factor = cho_factor(covariance, lower=True)
    except LinAlgError:
        return 1e6, np.zeros(len(parts))  # settings at which rounding wins: never the best
    inverse = cho_solve(factor, np.eye(len(z)))
    weights = inverse @ z
    value = float(z @ weights / 2 + np.log(np.diag(factor[0])).sum())
    lever = inverse - np.outer(weights, weights)
    return value, np.array([np.sum(lever * part) / 2 for part in parts])


def _kernel(
    x: FloatArray, x_field: IntArray, y: FloatArray, y_field: IntArray, settings: FloatArray
) -> FloatArray:
    """Return covariances of rows (..., n, p) and (..., m, p) without noise, shape (..., n, m)."""
    a, r, length, level = np.exp(settings[:4])
    law = a * (x @ np.swapaxes(y, -1, -2)) + r * np.exp(-0.5 * _square_distance(x, y) / length**2)
    law *= _strength(x_field, settings)[..., :, None] * _strength(y_field, settings)[..., None, :]
    same = x_field[..., :, None] == y_field[..., None, :]
    return np.asarray(np.where(same, law + level, expit(settings[7]) * law))


def _strength(field: IntArray, settings: FloatArray) -> FloatArray:
    """Return the strength of the law of rows by their field."""
    return np.asarray(np.where(field == OWN_FIELD, 1.0, np.exp(settings[6])))


def _noise(field: IntArray, settings: FloatArray) -> FloatArray:
    """Return the noise variance of rows by their field."""
    return np.asarray(np.exp(np.where(field == OWN_FIELD, settings[4], settings[5])) + JITTER)


def _square_distance(x: FloatArray, y: FloatArray) -> FloatArray:
    square_x, square_y = (x**2).sum(axis=-1), (y**2).sum(axis=-1)
    cross = x @ np.swapaxes(y, -1, -2)
    return np.asarray(np.maximum(square_x[..., :, None] + square_y[..., None, :] - 2 * cross, 0.0))


def _fit_sight(train: Spectra) -> Sight:
    views, likeness = fit_views(train, FOUR_VIEWS), fit_views(train, SNV_VIEW)
    x, alike = views.transform(train.values), likeness.transform(train.values)
    return Sight(
        views=views,
        kernel_scores=PCA(min(KERNEL_SCORES, *x.shape), random_state=0).fit(x),
        likeness=likeness,
        distance_scores=PCA(
            min(DISTANCE_SCORES, train.n - 1, alike.shape[1]), whiten=True, random_state=0
        ).fit(alike),
    )


def _memorise(sight: Sight, law: TargetLaw, rows: Spectra, field: IntArray) -> Memory:
    x, place = sight.read(rows.values)
    return Memory(x=x, place=place, field=field, z=law.forward(rows.target))


def _together(first: Memory, second: Memory) -> Memory:
    return Memory(
        x=np.vstack([first.x, second.x]),
        place=np.vstack([first.place, second.place]),
        field=np.concatenate([first.field, second.field]),
        z=np.concatenate([first.z, second.z]),
    )


def _held_out(
    library: Memory, local: Memory, folds: tuple[Fold, ...], neighbours: int, settings: FloatArray
) -> FloatArray:
    """Return the mean held-out prediction of each local row, on the scale of the model."""
    total, count = np.zeros(len(local.z)), np.zeros(len(local.z))
    for fold in folds:
        rows = local.rows(fold.score)
        part = local.rows(fold.fit)
        total[fold.score] += recall(rows.x, rows.place, library, part, neighbours, settings)
        count[fold.score] += 1
    return np.asarray(total / count)
