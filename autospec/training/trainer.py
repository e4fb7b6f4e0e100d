"""How networks learn: all members (folds, or seeds of an ensemble) of one architecture in step.

Members advance together, epoch by epoch, so that the curve a search watches is the mean over
folds at equal epochs: pruning and the number of epochs are then chosen by cross-validation, and
no single fold ever stops its own training. `train_members` is the seam behind which one batched
model can train all members at once; callers see only `Member` in and `Training` out.

On a CPU each member is trained by one thread, and as many members at once as there are cores.
That is faster for small networks than all cores on one member, it does not stall when another
program wants a core, and the result does not depend on the number of threads.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from typing import Literal

import numpy as np
import torch
from torch import nn

from autospec.data.spectra import FloatArray
from autospec.errors import TrialFailed, UsageError
from autospec.nets.architecture import Architecture, ArchitectureError
from autospec.nets.build import build_network
from autospec.training.config import TargetTransform, TrainingConfig

Device = Literal["auto", "cpu", "cuda"]
EpochCallback = Callable[[int, float], bool]
PREDICTED_AT_ONCE = 1024
SMOOTHING = 5  # epochs in the centred mean under which the best epoch is sought


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """One network to train: the rows it learns from and, for a fold, the rows that score it.

    Parameters
    ----------
    x_fit : float64, shape (n, b)
        Preprocessed spectra to learn from.
    y_fit : float64, shape (n,)
        Their lab values.
    x_score, y_score : float64, shapes (m, b) and (m,), or None
        Rows that are predicted after each epoch; they never touch the weights.
    seed : int
        Fixes the initial weights, the dropout masks and the order of the batches.
    """

    x_fit: FloatArray
    y_fit: FloatArray
    x_score: FloatArray | None = None
    y_score: FloatArray | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedMember:
    """A trained network with its target scaling; predicts in the unit of the lab values."""

    network: nn.Sequential
    scale: TargetScale
    device: torch.device

    def predict(self, x: FloatArray) -> FloatArray:
        """Return predictions, shape (n,), for preprocessed spectra of shape (n, b)."""
        self.network.eval()
        with torch.inference_mode():
            parts = torch.split(_as_input(x, self.device), PREDICTED_AT_ONCE)
            out = [self.network(part) for part in parts]
        return self.scale.inverse(torch.cat(out)[:, 0].cpu().numpy().astype(np.float64))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Training:
    """What came out of training all members.

    Parameters
    ----------
    members : tuple of FittedMember
        At their last epoch.
    fold_rmse : float64, shape (members, epochs)
        RMSE of each member's scoring rows after each epoch, in the unit of the lab values;
        no columns if nothing was scored.
    """

    members: tuple[FittedMember, ...]
    fold_rmse: FloatArray

    @property
    def best_epoch(self) -> int:
        """The epoch (from 1) at which the smoothed fold-averaged curve is lowest."""
        return int(np.argmin(smooth(self.fold_rmse.mean(axis=0)))) + 1

    @property
    def score(self) -> float:
        """The smoothed fold-averaged RMSE at the best epoch."""
        return float(smooth(self.fold_rmse.mean(axis=0)).min())


@dataclass(frozen=True, slots=True)
class TargetScale:
    """The target transform, fitted on one member's training rows."""

    log: bool
    mean: float
    sd: float

    @classmethod
    def fit(cls, transform: TargetTransform, y: FloatArray) -> TargetScale:
        """Fit the transform to lab values of shape (n,)."""
        if transform == "none":
            return cls(False, 0.0, 1.0)
        log = transform == "log1p"
        if log and float(y.min()) <= -1.0:
            raise TrialFailed(f"log1p of a lab value of {y.min():g}; want all above -1")
        z = np.log1p(y) if log else y
        return cls(log, float(z.mean()), float(z.std()) or 1.0)

    def forward(self, y: FloatArray) -> FloatArray:
        """Return scaled targets."""
        return np.asarray(((np.log1p(y) if self.log else y) - self.mean) / self.sd)

    def inverse(self, z: FloatArray) -> FloatArray:
        """Return targets in the unit of the lab values."""
        y = z * self.sd + self.mean
        return np.asarray(np.expm1(np.minimum(y, 50.0)) if self.log else y)


def resolve_device(name: Device) -> torch.device:
    """Turn "auto", "cpu" or "cuda" into a torch device.

    Raises
    ------
    UsageError
        If CUDA is asked for and not there.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no CUDA device. Use --device cpu or auto.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def thread_count() -> int:
    """Return how many members are trained at once on this machine's CPU: one a core."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def smooth(curve: FloatArray) -> FloatArray:
    """Return the centred running mean over 5 epochs (fewer at the ends) of a curve (epochs,)."""
    half = SMOOTHING // 2
    total = np.concatenate([[0.0], np.cumsum(curve)])
    low = np.maximum(np.arange(len(curve)) - half, 0)
    high = np.minimum(np.arange(len(curve)) + half + 1, len(curve))
    return np.asarray((total[high] - total[low]) / (high - low))


def train_members(
    architecture: Architecture,
    members: Sequence[Member],
    config: TrainingConfig,
    *,
    device: torch.device,
    on_epoch: EpochCallback | None = None,
) -> Training:
    """Train every member of one architecture, epoch by epoch in step.

    With scoring rows, training ends when the fold-averaged curve has not fallen for
    `config.patience` epochs; without, it runs `config.max_epochs`.

    Parameters
    ----------
    architecture : Architecture
        The same network for all.
    members : sequence of Member
        Folds or ensemble seeds; all scored, or none.
    config : TrainingConfig
        How they learn.
    device : torch.device
        Where.
    on_epoch : callable (epoch, fold-averaged RMSE) -> bool, optional
        Called after each scored epoch; True ends the training here, and whatever it raises ends
        it without a result.

    Raises
    ------
    TrialFailed
        If a loss or a prediction is not finite, the network does not fit the spectra, or the
        device's memory is exhausted.
    """
    try:
        learners = [_Learner(architecture, m, config, device) for m in members]
        curves: list[list[float]] = []
        with _workers(device) as pool:
            for epoch in range(1, config.max_epochs + 1):
                scores = list(pool.map(_Learner.run_epoch, learners, repeat(epoch)))
                if members[0].x_score is None:
                    continue
                curves.append(scores)
                mean = np.mean(curves, axis=1)
                if on_epoch is not None and on_epoch(epoch, float(mean[-1])):
                    break
                if epoch - int(np.argmin(smooth(mean))) > config.patience + SMOOTHING // 2:
                    break
    except ArchitectureError as error:
        raise TrialFailed(str(error)) from error
    except torch.OutOfMemoryError as error:
        raise TrialFailed(f"out of memory on {device}") from error
    fold_rmse = np.asarray(curves, dtype=np.float64).reshape(-1, len(members)).T
    return Training(members=tuple(ln.fitted() for ln in learners), fold_rmse=fold_rmse)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread in the block, so that rounding does not depend on the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _workers(device: torch.device) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool with one worker a core (one for a GPU), each with one torch thread.

    The number of threads is set in every worker: OpenMP keeps it for each thread apart, and a
    convolution that is a worker's first operation would otherwise still use all cores.
    """
    count = thread_count() if device.type == "cpu" else 1
    with (
        one_thread(),
        ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        yield pool


class _Learner:
    """One member's network, optimiser and data on the device; state lives only while training."""

    def __init__(
        self,
        architecture: Architecture,
        member: Member,
        config: TrainingConfig,
        device: torch.device,
    ) -> None:
        self.member, self.device = member, device
        self.scale = TargetScale.fit(config.target_transform, member.y_fit)
        z = self.scale.forward(member.y_fit)
        self.x = _as_input(member.x_fit, device)
        self.z = torch.as_tensor(z, dtype=torch.float32, device=device)[:, None]
        bands = member.x_fit.shape[1]
        self.network = build_network(architecture, bands, seed=member.seed, device=device)
        output = self.network[-1]
        assert isinstance(output, nn.Linear)
        with torch.no_grad():
            output.bias.fill_(float(z.mean()))
        kind = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
        self.optimiser = kind(
            self.network.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.batches = math.ceil(len(z) / config.batch_size)

    def run_epoch(self, epoch: int) -> float:
        """See every training row once, in a fresh order; return the score, NaN without rows."""
        order = np.random.default_rng([self.member.seed, epoch]).permutation(len(self.z))
        self.network.train()
        losses = []
        for part in np.array_split(order, self.batches):  # equal parts: never a batch of one
            rows = torch.as_tensor(part, device=self.device)
            self.optimiser.zero_grad(set_to_none=True)
            loss = nn.functional.mse_loss(self.network(self.x[rows]), self.z[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            losses.append(loss.detach())
        if not bool(torch.isfinite(torch.stack(losses)).all()):
            raise TrialFailed(f"the loss is not finite in epoch {epoch}")
        return self.score()

    def score(self) -> float:
        """Return the RMSE of the scoring rows, in the unit of the lab values."""
        if self.member.x_score is None or self.member.y_score is None:
            return math.nan
        error = self.fitted().predict(self.member.x_score) - self.member.y_score
        rmse = float(np.sqrt(np.mean(error**2)))
        if not math.isfinite(rmse):
            raise TrialFailed("a prediction is not finite")
        return rmse

    def fitted(self) -> FittedMember:
        """Return the network as it is now."""
        return FittedMember(network=self.network, scale=self.scale, device=self.device)


def _as_input(x: FloatArray, device: torch.device) -> torch.Tensor:
    """Cast (n, b) float64 to the float32 (n, 1, b) that networks see."""
    return torch.as_tensor(x, dtype=torch.float32, device=device)[:, None, :]
