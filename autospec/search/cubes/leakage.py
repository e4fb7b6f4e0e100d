"""What random folds would have made of the same models: the leak, measured; no sealed sample here.

Every model keeps what was chosen for it; only the rows that it learns from change. Under random
folds a sample's neighbours, whose windows overlap its own, are among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.splits import random_folds
from autospec.data.spectra import FloatArray
from autospec.data.splits import Fold
from autospec.evaluate.cube_baselines import CubeBaseline, refit_baseline
from autospec.evaluate.metrics import score
from autospec.search.cubes.result import LeakageRow
from autospec.search.cubes.twins import predict_missed

OutOfFold = Callable[[tuple[Fold, ...]], FloatArray]


def measure_leakage(
    train: Cubes,
    folds: tuple[Fold, ...],
    models: Mapping[str, OutOfFold],
    *,
    seed: int,
) -> tuple[LeakageRow, ...]:
    """Score models on out-of-fold predictions under honest and under random folds.

    Parameters
    ----------
    train : Cubes
        Training samples.
    folds : tuple of Fold
        The honest inner folds.
    models : mapping of str to callable (folds) -> float64, shape (n,)
        By name, what predicts each sample by a model that missed it; NaN where none did.
    seed : int
        Fixes the random folds and the bootstrap.

    Raises
    ------
    TrialFailed
        If a network cannot be trained.
    """
    leaky = random_folds(train.n, len(folds), seed)
    return tuple(
        _row(name, train, model(folds), model(leaky), seed) for name, model in models.items()
    )


def refits_of(train: Cubes, baseline: CubeBaseline) -> OutOfFold:
    """Return what fits a tuned baseline once a fold, its numbers as they are."""

    def predict(folds: tuple[Fold, ...]) -> FloatArray:
        models = tuple(refit_baseline(baseline, train.rows(fold.fit)) for fold in folds)
        return predict_missed(train, folds, models)

    return predict


def _row(name: str, train: Cubes, honest: FloatArray, leaky: FloatArray, seed: int) -> LeakageRow:
    """Score both on the samples that both kinds of fold score."""
    both = np.isfinite(honest) & np.isfinite(leaky)
    observed = train.target[both]
    return LeakageRow(
        name=name,
        honest=score(observed, honest[both], seed=seed),
        leaky=score(observed, leaky[both], seed=seed),
    )
