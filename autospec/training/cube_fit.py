"""`train_cubes`: one network on cubes, trained by `autospec.training.fit` and scored once.

The first inner fold is watched for early stopping; the sealed samples are opened at the end.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace

import numpy as np
import torch
from torch import nn

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.scaling import fit_scaler
from autospec.data.cubes.splits import CubeSplitPlan, make_cube_split
from autospec.data.spectra import FloatArray
from autospec.data.splits import Fold
from autospec.errors import UsageError
from autospec.evaluate.cube_baselines import BASELINES, fit_cube_baselines
from autospec.evaluate.metrics import score
from autospec.nets.architecture import ArchitectureError
from autospec.nets.build_cubes import build_cube_network
from autospec.training.cube_ensemble import CubeEnsemble
from autospec.training.cube_outcome import Outcome, train_result
from autospec.training.cube_task import CubeTask
from autospec.training.cube_training import (
    MEAN,
    NETWORK,
    RIDGE,
    TrainModel,
    TrainResult,
    TrainSettings,
)
from autospec.training.fit import FitRun, fit
from autospec.training.losses import loss_function
from autospec.training.members import FittedMember, run_layers
from autospec.training.target_scale import TargetScale
from autospec.training.train_run import TrainRun
from autospec.training.trainer import one_thread


def train_cubes(
    cubes: Cubes, *, name: str, settings: TrainSettings, run: TrainRun
) -> tuple[TrainResult, CubeEnsemble] | None:
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
    (TrainResult, CubeEnsemble), or None
        The ensemble is the one network. None in a process beside the main one; the processes have
        parted when the training is over.

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
    how = _how(settings, run, {"samples": labelled.digest, "name": name}, begun)
    with one_thread():  # on a CPU: rounding, and so a network, must not depend on the machine
        model, task = prepare(train, fold, settings, run.processes.device)
        (member,) = model.members
        state, ended = fit(member.network, task, settings.config, how)
        run.processes.part()  # scoring may take longer than the others would wait
        if not run.processes.main:
            return None
        if settings.smearing:
            member = _smeared(member, task, train.target[fold.fit])
            model = replace(model, members=(member,))
        sealed = labelled.rows(split.plan.unseal())
        models = _scored(model, settings, train, split, sealed)
    outcome = Outcome(
        name=name,
        settings=settings,
        cubes=cubes,
        test=sealed,
        split=split,
        fold=fold,
        state=state,
        ended=ended,
        models=models,
        smearing=member.scale.smearing if settings.smearing else None,
        processes=run.processes,
    )
    return train_result(outcome), model


def watched_fold(split: CubeSplitPlan) -> Fold:
    """Return the inner fold whose score rows are watched.

    The first; forward in time the last, which learns from all dates but the latest.
    """
    return split.plan.folds[-1 if split.kind == "forward" else 0]


def prepare(
    train: Cubes, fold: Fold, settings: TrainSettings, device: torch.device
) -> tuple[CubeEnsemble, CubeTask]:
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
    model = CubeEnsemble(scaler=scaler, members=(member,))
    z = scale.forward(fit_rows.target).astype(np.float32)  # networks see float32
    return model, CubeTask(
        x_fit=torch.as_tensor(scaler.transform(fit_rows), device=device),
        z_fit=torch.as_tensor(z, device=device),
        x_watch=torch.as_tensor(scaler.transform(watch_rows), device=device),
        y_watch=watch_rows.target,
        scale=scale,
        function=loss_function(settings.config.loss),
    )


def _how(settings: TrainSettings, run: TrainRun, data: dict[str, object], begun: float) -> FitRun:
    """Return how the loop runs, and what has to be the same where it is taken up.

    Smearing and baselines come after the training: with others it is still the same network.
    """
    told = asdict(settings)
    for after in ("config", "smearing", "baselines"):
        del told[after]
    return FitRun(
        processes=run.processes,
        checkpoint=run.checkpoint,
        told=told | data,
        on_epoch=run.on_epoch,
        interrupted=run.interrupted,
        deadline_s=None if run.budget_s is None else begun + run.budget_s,
    )


def _smeared(member: FittedMember, task: CubeTask, observed: FloatArray) -> FittedMember:
    """Let predictions be means, not medians, as told by the samples that were learned from."""
    z = run_layers(member.network, task.x_fit)[:, 0].cpu().numpy().astype(np.float64)
    return replace(member, scale=member.scale.smeared(z, observed))


def _scored(
    model: CubeEnsemble, settings: TrainSettings, train: Cubes, split: CubeSplitPlan, sealed: Cubes
) -> tuple[TrainModel, ...]:
    predictors = {NETWORK: ("", model.predict)}
    folds, seed = split.plan.folds, settings.split.seed
    names = BASELINES if settings.baselines == "all" else (RIDGE, MEAN)
    for baseline in fit_cube_baselines(train, folds, seed, names):
        predictors[baseline.name] = (baseline.detail, baseline.model.predict)
    models = []
    for name, (detail, predict) in predictors.items():
        predicted = predict(sealed)
        scores = score(sealed.target, predicted, seed=settings.split.seed)
        models.append(
            TrainModel(name=name, detail=detail, predicted=tuple(predicted.tolist()), scores=scores)
        )
    return tuple(models)
