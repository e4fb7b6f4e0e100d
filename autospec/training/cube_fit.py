"""`train_cubes`: one network on cubes, trained by `autospec.training.fit` and scored once.

The first inner fold is watched for early stopping; the sealed samples are opened at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.scaling import ChannelScaler, fit_scaler
from autospec.data.cubes.splits import LEAKAGE_WARNING, CubeSplitPlan, make_cube_split
from autospec.data.spectra import FloatArray
from autospec.data.splits import Fold
from autospec.errors import UsageError
from autospec.evaluate.cube_baselines import fit_cube_baselines
from autospec.evaluate.metrics import Comparison, compare, score
from autospec.nets.architecture import ArchitectureError
from autospec.nets.build_cubes import build_cube_network
from autospec.training.cube_task import CubeTask
from autospec.training.cube_training import (
    MEAN,
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
from autospec.training.fit import FitRun, fit
from autospec.training.fit_state import FitState
from autospec.training.losses import loss_function
from autospec.training.members import FittedMember
from autospec.training.precision import resolve_precision
from autospec.training.target_scale import TargetScale
from autospec.training.trainer import one_thread


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRun:
    """How the training runs; nothing here changes what is learned.

    Parameters
    ----------
    processes : Processes
        This one, and those beside it.
    checkpoint : Path or None
        Where how far it is is kept, and taken up from.
    on_epoch : callable (FitState) -> None
        Called after every epoch.
    interrupted : callable () -> bool
        True ends the training before its next step; the best weights so far are scored.
    budget_s : float or None
        Likewise, after so many seconds.
    """

    processes: Processes
    checkpoint: Path | None = None
    on_epoch: Callable[[FitState], None] = lambda state: None
    interrupted: Callable[[], bool] = lambda: False
    budget_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedCubes:
    """A trained network and the scaling before it; predicts in the unit of the lab values."""

    scaler: ChannelScaler
    member: FittedMember

    def predict(self, cubes: Cubes) -> FloatArray:
        """Return predictions, shape (n,)."""
        return self.member.predict(self.scaler.transform(cubes))


def train_cubes(
    cubes: Cubes, *, name: str, settings: TrainSettings, run: TrainRun
) -> tuple[TrainResult, TrainedCubes] | None:
    """Train one network on cubes, and score it on the sealed samples beside ridge and the mean.

    Parameters
    ----------
    cubes : Cubes
        Samples; those without a lab value are left out.
    name : str
        Of the samples.
    settings : TrainSettings
        What is trained, and how.
    run : TrainRun
        How it runs.

    Returns
    -------
    (TrainResult, TrainedCubes), or None
        None in a process beside the main one.

    Raises
    ------
    UsageError
        If the cubes are too small for the network.
    DataError
        If there are too few samples for the split.
    TrialFailed, OutputError, SettingsDiffer
        As `autospec.training.fit.fit`.
    """
    begun = time.monotonic()
    labelled = cubes.labelled()
    split = make_cube_split(labelled, settings.split)
    train, fold = labelled.rows(split.plan.train), watched_fold(split)
    model, task = _prepare(train, fold, settings, run.processes.device)
    how = FitRun(
        processes=run.processes,
        checkpoint=run.checkpoint,
        told={**_told(settings), "samples": labelled.digest, "name": name},
        on_epoch=run.on_epoch,
        interrupted=run.interrupted,
        deadline_s=None if run.budget_s is None else begun + run.budget_s,
    )
    with one_thread():  # on a CPU: rounding, and so a network, must not depend on the machine
        state, ended = fit(model.member.network, task, settings.config, how)
        if not run.processes.main:
            return None
        sealed = labelled.rows(split.plan.unseal())
        models = _scored(model, settings, train, split, sealed)
    versus = _versus(models, sealed.target)
    result = TrainResult(
        name=name,
        settings=settings,
        data=_data(cubes, labelled),
        split=_split(split, fold, labelled.n),
        n_parameters=settings.architecture.n_parameters(
            settings.preprocessing.arriving(labelled.shape)
        ),
        epochs=tuple(_epoch(record) for record in asdict(state)["history"]),
        best_epoch=state.best_epoch,
        steps=state.steps,
        test_ids=sealed.ids,
        observed=tuple(sealed.target.tolist()),
        models=models,
        versus_ridge=versus,
        verdict=_verdict(models, versus, labelled.target_unit),
        notes=_notes(settings, labelled, task.n_fit, ended, run.processes.count),
        ended=ended,
        device=str(run.processes.device),
        precision=resolve_precision(settings.config, run.processes.device),
        torch=torch.__version__,
        processes=run.processes.count,
    )
    return result, model


def watched_fold(split: CubeSplitPlan) -> Fold:
    """Return the inner fold whose score rows are watched.

    The first; forward in time the last, which learns from all dates but the latest.
    """
    return split.plan.folds[-1 if split.kind == "forward" else 0]


def _prepare(
    train: Cubes, fold: Fold, settings: TrainSettings, device: torch.device
) -> tuple[TrainedCubes, CubeTask]:
    """Fit what stands before and behind the network on the rows it learns from, and build it."""
    fit_rows, watch_rows = train.rows(fold.fit), train.rows(fold.score)
    scaler = fit_scaler(settings.preprocessing, fit_rows)
    scale = TargetScale.fit(settings.target_transform, fit_rows.target)
    shape = settings.preprocessing.arriving(train.shape)
    try:
        network = build_cube_network(
            settings.architecture, shape, seed=settings.config.seed, device=device
        )
    except ArchitectureError as error:
        raise UsageError(
            f"{error}. Use larger windows, or a --preset with fewer blocks."
        ) from error
    if settings.target_transform == "none":
        last = network[-1]
        assert isinstance(last, nn.Linear)
        nn.init.constant_(last.bias, float(fit_rows.target.mean()))
    member = FittedMember(
        architecture=settings.architecture, network=network, scale=scale, device=device
    )
    model = TrainedCubes(scaler=scaler, member=member)
    z = scale.forward(fit_rows.target).astype(np.float32)  # networks see float32
    return model, CubeTask(
        x_fit=torch.as_tensor(scaler.transform(fit_rows), device=device),
        z_fit=torch.as_tensor(z, device=device),
        x_watch=torch.as_tensor(scaler.transform(watch_rows), device=device),
        y_watch=watch_rows.target,
        scale=scale,
        function=loss_function(settings.config.loss),
    )


def _told(settings: TrainSettings) -> dict[str, object]:
    return {name: value for name, value in asdict(settings).items() if name != "config"}


def _scored(
    model: TrainedCubes, settings: TrainSettings, train: Cubes, split: CubeSplitPlan, sealed: Cubes
) -> tuple[TrainModel, ...]:
    predictors = {NETWORK: ("", model.predict)}
    folds, seed = split.plan.folds, settings.split.seed
    for baseline in fit_cube_baselines(train, folds, seed, (RIDGE, MEAN)):
        predictors[baseline.name] = (baseline.detail, baseline.model.predict)
    models = []
    for name, (detail, predict) in predictors.items():
        predicted = predict(sealed)
        scores = score(sealed.target, predicted, seed=settings.split.seed)
        models.append(
            TrainModel(name=name, detail=detail, predicted=tuple(predicted.tolist()), scores=scores)
        )
    return tuple(models)


def _versus(models: tuple[TrainModel, ...], observed: FloatArray) -> Comparison:
    predicted = {model.name: np.asarray(model.predicted) for model in models}
    return compare(observed, predicted[NETWORK], predicted[RIDGE])


def _verdict(models: tuple[TrainModel, ...], versus: Comparison, unit: str) -> str:
    rmses = {model.name: model.scores.rmse.value for model in models}
    words = {
        "first": "The network beats ridge beyond noise",
        "second": "Ridge beats the network beyond noise",
        "cannot tell": "Whether the network beats ridge cannot be told",
    }[versus.better]
    return (
        f"{words}: RMSE {rmses[NETWORK]:.3g} against {rmses[RIDGE]:.3g} {unit}, difference "
        f"{versus.difference:.3g} (95 % interval {versus.low:.3g} to {versus.high:.3g})."
    )


def _notes(
    settings: TrainSettings, labelled: Cubes, n_fit: int, ended: Ended, processes: int
) -> tuple[str, ...]:
    config = settings.config
    notes = []
    if labelled.synthetic:
        notes.append("The samples are synthetic: made up, not measured.")
    if settings.split.kind == "random":
        notes.append(f"{LEAKAGE_WARNING[0].upper()}{LEAKAGE_WARNING[1:]}.")
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
    if ended in ("budget", "interrupt"):
        notes.append("The training can go on: the same command takes it up at its last epoch.")
    return tuple(notes)


def _data(cubes: Cubes, labelled: Cubes) -> TrainData:
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


def _split(split: CubeSplitPlan, fold: Fold, n: int) -> TrainSplit:
    used = len(fold.fit) + len(fold.score) + split.plan.n_test
    return TrainSplit(
        n_fit=len(fold.fit),
        n_watch=len(fold.score),
        n_test=split.plan.n_test,
        n_dropped=n - used,
        nearest_km=split.nearest_km if np.isfinite(split.nearest_km) else None,
        digest=split.plan.digest,
    )


def _epoch(record: dict[str, float]) -> TrainEpoch:
    return TrainEpoch(
        epoch=int(record["epoch"]),
        learning_rate=record["learning_rate"],
        loss=record["loss"],
        watched_rmse=record["metric"],
        seconds=record["seconds"],
    )
