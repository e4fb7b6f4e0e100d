"""What random folds would have made of the same models: the leak, measured; no sealed sample here.

Every model keeps what was chosen for it; only the rows that it learns from change. Under random
folds a sample's neighbours, whose windows overlap its own, are among them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.splits import random_folds
from autospec.data.spectra import FloatArray
from autospec.data.splits import Fold
from autospec.evaluate.cube_baselines import CubeBaseline, refit_baseline
from autospec.evaluate.metrics import score
from autospec.search.candidates import WINNER
from autospec.search.cubes.design import CubeDesign
from autospec.search.cubes.result import LeakageRow
from autospec.search.cubes.twins import predict_missed, train_twins
from autospec.training.trainer import Device

OutOfFold = Callable[[tuple[Fold, ...]], FloatArray]


def measure_leakage(
    train: Cubes,
    folds: tuple[Fold, ...],
    winner: OutOfFold,
    baselines: tuple[CubeBaseline, ...],
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
    winner : callable (folds) -> float64, shape (n,)
        Out-of-fold predictions of the winner's design, such as `out_of_fold` makes.
    baselines : tuple of CubeBaseline
        Tuned on the honest folds.
    seed : int
        Fixes the random folds and the bootstrap.

    Raises
    ------
    TrialFailed
        If a network cannot be trained.
    """
    leaky = random_folds(train.n, len(folds), seed)
    models = {WINNER: winner}
    models |= {b.name: _refits(train, b) for b in baselines}
    return tuple(
        _row(name, train, model(folds), model(leaky), seed) for name, model in models.items()
    )


def out_of_fold(
    train: Cubes, design: CubeDesign, epochs: int, *, seed: int, device: Device
) -> OutOfFold:
    """Return what trains one network a fold, and predicts each sample by the one that missed it."""

    def predict(folds: tuple[Fold, ...]) -> FloatArray:
        twins = train_twins(train, folds, design, epochs, seed=seed, device=device)
        return predict_missed(train, folds, twins)

    return predict


def _refits(train: Cubes, baseline: CubeBaseline) -> OutOfFold:
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
