"""Cubist, rules with linear models at their ends, behind the `[baselines]` extra; nothing else.

The package `cubist` wraps RuleQuest's program and is licensed under the GPL-3.0: it is no part of
autospec, is imported here only, and is installed by those who want it. Cubist comes from Quinlan
1992, Learning with continuous classes, Proceedings of the 5th Australian Joint Conference on
Artificial Intelligence, 343–348.
"""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import PCA

from autospec.data.spectra import FloatArray, Spectra
from autospec.data.splits import Fold
from autospec.errors import UsageError
from autospec.evaluate.fitted import Fitted, TargetLaw, fit_law
from autospec.evaluate.views import FOUR_VIEWS, Views, fit_views

if TYPE_CHECKING:
    from cubist import Cubist

COMMITTEES = (1, 5, 20)
SCORES = 10  # principal components: rules on 216 collinear bands of 30 rows would be a lottery
INSTALL = 'pip install "autospec-soil[baselines]"'


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CubistModel:
    """A fitted Cubist on principal components.

    Parameters
    ----------
    views : Views
        Four preprocessings.
    scores : sklearn PCA
        Of that.
    law : TargetLaw
        The scale it learned on.
    regressor : cubist.Cubist
        On whitened scores.
    """

    views: Views
    scores: PCA
    law: TargetLaw
    regressor: Cubist

    def predict(self, values: FloatArray) -> FloatArray:
        """Return predictions, shape (n,), for raw spectra of shape (n, b)."""
        x = self.scores.transform(self.views.transform(values))
        return self.law.inverse(_predict(self.regressor, x))


def have_cubist() -> bool:
    """Return whether the extra is installed."""
    return importlib.util.find_spec("cubist") is not None


def fit_cubist(train: Spectra, folds: tuple[Fold, ...]) -> Fitted:
    """Fit Cubist on ten components of four views; 1, 5 or 20 committees, chosen on the folds.

    Parameters
    ----------
    train : Spectra
        Training rows, all labelled.
    folds : tuple of Fold
        Positions within `train`; ties go to fewer committees.

    Returns
    -------
    Fitted
        Principal components of the out-of-fold predictions are those of all training rows, which
        makes them a little optimistic.

    Raises
    ------
    UsageError
        If the extra is not installed.
    """
    if not have_cubist():
        raise UsageError(f"Cubist wants the package cubist. Next: {INSTALL}")
    views, law = fit_views(train, FOUR_VIEWS), fit_law(train.target, root=False)
    seen = views.transform(train.values)
    scores = PCA(min(SCORES, train.n - 1, seen.shape[1]), whiten=True, random_state=0).fit(seen)
    x, z = scores.transform(seen), law.forward(train.target)
    held = [_held_out(x, z, folds, committees) for committees in COMMITTEES]
    best = int(np.argmin([np.mean((one - z) ** 2) for one in held]))
    regressor = _fit(x, z, COMMITTEES[best])
    return Fitted(
        model=CubistModel(views=views, scores=scores, law=law, regressor=regressor),
        out_of_fold=law.inverse(held[best]),
        detail=f"committees of {COMMITTEES[best]} on {x.shape[1]} components of four views",
    )


def _held_out(x: FloatArray, z: FloatArray, folds: tuple[Fold, ...], committees: int) -> FloatArray:
    total, count = np.zeros(len(z)), np.zeros(len(z))
    for fold in folds:
        regressor = _fit(x[fold.fit], z[fold.fit], committees)
        total[fold.score] += _predict(regressor, x[fold.score])
        count[fold.score] += 1
    return np.asarray(total / count)


def _fit(x: FloatArray, z: FloatArray, committees: int) -> Cubist:
    from cubist import Cubist

    return Cubist(n_committees=committees, random_state=0).fit(x, z)


def _predict(regressor: Cubist, x: FloatArray) -> FloatArray:
    with warnings.catch_warnings():  # it names plain columns itself, then misses them
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        return np.asarray(regressor.predict(x), dtype=np.float64)
