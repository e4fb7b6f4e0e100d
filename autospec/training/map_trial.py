"""`train_watched`: one network of maps, trained for a search; nothing sealed is opened here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from autospec.data.maps.problem import MapProblem
from autospec.data.maps.scaling import MapScaler
from autospec.data.maps.splits import MapSplitPlan
from autospec.errors import OutOfMemory
from autospec.training.cube_training import Ended
from autospec.training.distributed import Processes
from autospec.training.fit import FitRun, fit
from autospec.training.fit_state import FitState
from autospec.training.map_fit import prepare_maps
from autospec.training.map_network import MapNetwork
from autospec.training.map_settings import MapSettings
from autospec.training.train_run import TrainRun
from autospec.training.trainer import Device, EpochCallback, one_thread, resolve_device


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapGround:
    """What every network of a search learns from.

    Parameters
    ----------
    problem : MapProblem
    plan : MapSplitPlan
        What is learned from and what is watched.
    scaler : MapScaler
        Of what is learned from.
    """

    problem: MapProblem
    plan: MapSplitPlan
    scaler: MapScaler


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WatchedTraining:
    """A network and how it learned.

    Parameters
    ----------
    network : MapNetwork
        With the weights of its best epoch.
    state : FitState
        Its history: the watched metric after each epoch.
    ended : {"complete", "patience", "budget", "interrupt"}
        "budget" where `on_epoch` ended it.
    n_fit, n_epoch : int
        Tiles to learn from, and those of one epoch.
    """

    network: MapNetwork
    state: FitState
    ended: Ended
    n_fit: int
    n_epoch: int


def train_watched(
    ground: MapGround,
    settings: MapSettings,
    *,
    device: Device,
    on_epoch: EpochCallback,
    interrupted: Callable[[], bool] = lambda: False,
) -> WatchedTraining:
    """Train a network until its patience, its epochs or `on_epoch` ends it.

    Parameters
    ----------
    ground : MapGround
        What it learns from.
    settings : MapSettings
        The network and how it learns; the split is that of `ground`.
    device : {"auto", "cpu", "cuda"}
        Where.
    on_epoch : callable (epoch, watched metric) -> bool
        True ends the training after this epoch; whatever it raises ends it without a result.
    interrupted : callable () -> bool
        Asked before every step; True ends the training there, and an epoch that has begun is lost.

    Raises
    ------
    TrialFailed
        If the loss or the metric is not finite, the device's memory is exhausted, or it was ended
        before its first epoch.
    """
    enough = _Enough(on_epoch)
    where = resolve_device(device)
    alone = Processes(device=where)
    run = FitRun(
        processes=alone,
        on_epoch=enough.after,
        interrupted=lambda: enough.said or interrupted(),
    )
    with one_thread():  # on a CPU: rounding, and so a score, must not depend on the machine
        try:
            network, task = prepare_maps(
                ground.problem, ground.plan, ground.scaler, settings, TrainRun(processes=alone)
            )
            state, ended = fit(
                network.network, task, settings.config, run, keep_untrained=network.changes
            )
        except torch.OutOfMemoryError as error:
            raise OutOfMemory(f"out of memory on {where}") from error
    return WatchedTraining(
        network=network,
        state=state,
        ended="budget" if enough.said else ended,
        n_fit=task.n_fit,
        n_epoch=task.n_epoch,
    )


class _Enough:
    """Tells of epochs, and keeps the answer until the loop asks."""

    def __init__(self, on_epoch: EpochCallback) -> None:
        self.on_epoch, self.said = on_epoch, False

    def after(self, state: FitState) -> None:
        """Tell of an epoch."""
        self.said = self.on_epoch(state.epoch, state.history[-1].metric)
