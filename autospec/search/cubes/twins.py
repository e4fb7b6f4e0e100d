"""One network a fold, of a design and its epochs: for intervals, maps of errors and leakage.

The design and its number of epochs were chosen on all training samples: a search in every fold
would take as long as the search itself, times the folds.
"""

from __future__ import annotations

import numpy as np

from autospec.data.cubes.cubes import Cubes
from autospec.data.spectra import FloatArray
from autospec.data.splits import Fold
from autospec.evaluate.cube_trust import CubePredictor
from autospec.search.cubes.design import CubeDesign
from autospec.search.cubes.objective import fitted_rows
from autospec.training.cube_ensemble import CubeEnsemble
from autospec.training.ensemble import with_epochs
from autospec.training.members import Member
from autospec.training.trainer import Device, resolve_device, train_members

TWIN_STREAM = 2  # of the study's seed; the refits draw from 1


def train_twins(
    train: Cubes,
    folds: tuple[Fold, ...],
    design: CubeDesign,
    epochs: int,
    *,
    seed: int,
    device: Device,
) -> tuple[CubeEnsemble, ...]:
    """Train one network a fold for so many epochs, all in step.

    One, where the model has several: with as many a fold, its file would be several times as
    large. A single network errs a little more than the mean of several, so that the intervals err
    to the safe side.

    Raises
    ------
    TrialFailed
        If a network cannot be trained.
    """
    seeds = np.random.SeedSequence([seed, TWIN_STREAM]).generate_state(len(folds))
    scalers, members = [], []
    for fold, own in zip(folds, seeds, strict=True):
        scaler, rows = fitted_rows(design.preprocessing, train, fold)
        scalers.append(scaler)
        members.append(Member(x_fit=scaler.transform(rows), y_fit=rows.target, seed=int(own)))
    training = train_members(
        design.architecture,
        members,
        with_epochs(design.training, epochs),
        device=resolve_device(device),
    )
    return tuple(
        CubeEnsemble(scaler=scaler, members=(member,))
        for scaler, member in zip(scalers, training.members, strict=True)
    )


def predict_missed(
    train: Cubes, folds: tuple[Fold, ...], twins: tuple[CubePredictor, ...]
) -> FloatArray:
    """Return the prediction, shape (n,), of each sample by the twin that missed it.

    NaN for a sample that no fold scores, such as the oldest of forward chaining.
    """
    out = np.full(train.n, np.nan)
    for fold, twin in zip(folds, twins, strict=True):
        out[fold.score] = twin.predict(train.rows(fold.score))
    return out
