"""`train_result`: what the training of one network on cubes found, put together; no training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.notes import notes_on_data
from autospec.data.cubes.splits import CubeSplitPlan
from autospec.data.splits import Fold
from autospec.evaluate.metrics import compare
from autospec.evaluate.verdict import say_verdict
from autospec.training.cube_training import (
    NETWORK,
    RIDGE,
    Ended,
    TrainData,
    TrainEpoch,
    TrainModel,
    TrainResult,
    TrainSettings,
    TrainSplit,
)
from autospec.training.distributed import Processes
from autospec.training.fit_state import FitState
from autospec.training.precision import resolve_precision


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """A training that has ended, and the predictions of the sealed samples.

    Parameters
    ----------
    name : str
        Of the samples.
    settings : TrainSettings
    cubes, test : Cubes
        All samples as they were read; those that were sealed.
    split : CubeSplitPlan
        Of the labelled ones.
    fold : Fold
        Rows learned from and watched, among the training rows.
    state : FitState
    ended : {"complete", "patience", "budget", "interrupt"}
    models : tuple of TrainModel
        The network, ridge and others.
    smearing : float or None
        The factor of back-transformed predictions, if they have one.
    processes : Processes
        That trained.
    """

    name: str
    settings: TrainSettings
    cubes: Cubes
    test: Cubes
    split: CubeSplitPlan
    fold: Fold
    state: FitState
    ended: Ended
    models: tuple[TrainModel, ...]
    smearing: float | None
    processes: Processes


def train_result(outcome: Outcome) -> TrainResult:
    """Compare the network with ridge, say so in words, and put everything together."""
    o = outcome
    by_name = {model.name: model for model in o.models}
    network, ridge = by_name[NETWORK], by_name[RIDGE]
    versus = compare(o.test.target, np.array(network.predicted), np.array(ridge.predicted))
    names, unit = ("the network", "ridge"), o.cubes.target_unit
    return TrainResult(
        name=o.name,
        settings=o.settings,
        data=_data(o),
        split=_split(o),
        n_parameters=o.settings.architecture.n_parameters(
            o.settings.preprocessing.arriving(o.cubes.shape)
        ),
        epochs=train_epochs(o.state),
        best_epoch=o.state.best_epoch,
        steps=o.state.steps,
        test_ids=o.test.ids,
        observed=tuple(o.test.target.tolist()),
        models=o.models,
        versus_ridge=versus,
        verdict=say_verdict(network.scores, versus, ridge.scores, names=names, unit=unit),
        notes=(*notes_on_data(o.cubes, o.split, o.settings.split.buffer_km), *_notes(o)),
        ended=o.ended,
        device=str(o.processes.device),
        precision=resolve_precision(o.settings.config, o.processes.device),
        torch=torch.__version__,
        processes=o.processes.count,
    )


def _notes(o: Outcome) -> tuple[str, ...]:
    """Say what a reader must know of the training."""
    config, n_fit, processes = o.settings.config, len(o.fold.fit), o.processes.count
    notes = []
    if o.smearing is not None:
        notes.append(
            f"Predictions of 1 + {o.cubes.target_name} are multiplied by {o.smearing:.3g}, the "
            "smearing factor of the samples that were learned from."
        )
    if config.windows(n_fit) == 1 and n_fit > config.batch_size:
        notes.append(
            f"All {n_fit} samples that are learned from are one optimiser step, so an epoch is "
            f"one step. A lower --accumulate-to, such as {config.batch_size}, takes more."
        )
    if -(-min(n_fit, config.samples_a_step(n_fit)) // config.batch_size) < processes:
        notes.append(
            f"{processes} processes share fewer batches than that an optimiser step: some stand "
            "idle. Lower --batch, or raise --accumulate-to."
        )
    if o.ended in ("budget", "interrupt"):
        notes.append("The training can go on: the same command takes it up at its last epoch.")
    return tuple(notes)


def _data(o: Outcome) -> TrainData:
    cubes, labelled = o.cubes, o.cubes.labelled()
    return TrainData(
        n=cubes.n,
        n_unlabelled=cubes.n - labelled.n,
        shape=cubes.shape,
        channels=cubes.channels,
        crs=cubes.crs,
        synthetic=cubes.synthetic,
        target_name=cubes.target_name,
        target_unit=cubes.target_unit,
        provenance=cubes.provenance,
        digest=labelled.digest,
    )


def _split(o: Outcome) -> TrainSplit:
    plan, fold = o.split.plan, o.fold
    used = len(fold.fit) + len(fold.score) + plan.n_test
    return TrainSplit(
        n_fit=len(fold.fit),
        n_watch=len(fold.score),
        n_test=plan.n_test,
        n_dropped=len(o.split.block_of) - used,
        nearest_km=o.split.nearest_km if np.isfinite(o.split.nearest_km) else None,
        digest=plan.digest,
    )


def train_epochs(state: FitState) -> tuple[TrainEpoch, ...]:
    """Return the epochs of a training, as its result holds them."""
    return tuple(
        TrainEpoch(
            epoch=record.epoch,
            learning_rate=record.learning_rate,
            loss=record.loss,
            watched_rmse=record.metric,
            seconds=record.seconds,
        )
        for record in state.history
    )
