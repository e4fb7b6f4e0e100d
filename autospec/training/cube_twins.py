"""`calibrate_training`: one network more for each inner fold, for the intervals of a trained one.

A twin learns as the network did, with the same seed, for as many epochs and at the same rates, and
nothing of the samples that it misses reaches it: where the network looked at what was watched, the
twin is told what the network saw.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.splits import make_cube_split
from autospec.data.spectra import FloatArray, IntArray
from autospec.data.splits import Fold
from autospec.errors import TrialFailed
from autospec.evaluate.cube_trust import CalibratedCubes, calibrate_cubes
from autospec.training.cube_ensemble import CubeEnsemble
from autospec.training.cube_fit import prepare
from autospec.training.cube_task import CubeTask
from autospec.training.cube_training import TrainResult
from autospec.training.distributed import Processes
from autospec.training.fit import FitRun, fit
from autospec.training.trainer import one_thread

INTERRUPTED = "it was interrupted before all folds had their network"


class _Replay:
    """A `Task` that learns from samples of its own, and watches what another training saw."""

    n_watch = 1

    def __init__(self, task: CubeTask, metrics: tuple[float, ...]) -> None:
        self.task, self.metrics, self.epochs = task, metrics, 0

    @property
    def n_fit(self) -> int:
        """Samples to learn from."""
        return self.task.n_fit

    @property
    def n_epoch(self) -> int:
        """All of them."""
        return self.task.n_epoch

    @property
    def done(self) -> bool:
        """Whether all epochs were seen."""
        return self.epochs == len(self.metrics)

    def loss(self, network: nn.Module, rows: IntArray) -> torch.Tensor:
        """Return the mean loss of scaled targets."""
        return self.task.loss(network, rows)

    def judge(self, network: nn.Module, rows: IntArray) -> torch.Tensor:
        """Return nothing that is looked at."""
        return torch.zeros((len(rows), 1), dtype=torch.float64)

    def metric(self, judged: FloatArray) -> float:
        """Return what the other training saw after this epoch."""
        self.epochs += 1
        return self.metrics[self.epochs - 1]


def calibrate_training(
    cubes: Cubes,
    result: TrainResult,
    model: CubeEnsemble,
    *,
    on_fold: Callable[[int], None] = lambda number: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> CalibratedCubes:
    """Train the twins of a trained network, and measure residuals and domain.

    Parameters
    ----------
    cubes : Cubes
        The samples that it was trained on, and `result` and `model` what came of it.
    on_fold : callable (int) -> None
        Called with the number of a fold, from 1, before its twin is trained.
    interrupted : callable () -> bool
        True ends it.

    Raises
    ------
    TrialFailed
        If a twin cannot be trained, or it was interrupted.
    """
    assert not result.settings.smearing, "a model file has no room for the factor"
    labelled = cubes.labelled()
    plan = make_cube_split(labelled, result.settings.split).plan
    train, numbers = labelled.rows(plan.train), {id(f): n for n, f in enumerate(plan.folds, 1)}

    def twin(fold: Fold) -> CubeEnsemble:
        if interrupted():
            raise TrialFailed(INTERRUPTED)
        on_fold(numbers[id(fold)])
        return _twin(train, fold, result, model.members[0].device, interrupted)

    log = result.settings.target_transform == "log1p"
    return calibrate_cubes(model, train, plan.folds, twin, log=log)


def _twin(
    train: Cubes,
    fold: Fold,
    result: TrainResult,
    device: torch.device,
    interrupted: Callable[[], bool],
) -> CubeEnsemble:
    """Train one fold's network, up to the epoch whose weights the other kept."""
    seen = tuple(epoch.watched_rmse for epoch in result.epochs[: result.best_epoch])
    with one_thread():
        made, task = prepare(train, fold, result.settings, device)
        replay = _Replay(task, seen)
        run = FitRun(
            processes=Processes(device=device), interrupted=lambda: replay.done or interrupted()
        )
        fit(made.members[0].network, replay, result.settings.config, run)
    if not replay.done:
        raise TrialFailed(INTERRUPTED)
    return made
