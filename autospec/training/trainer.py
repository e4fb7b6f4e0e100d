"""How networks learn: all members (folds, or seeds of an ensemble) of one architecture in step.

Members advance together, epoch by epoch, so that the curve a search watches is the mean over
folds at equal epochs: pruning and the number of epochs are then chosen by cross-validation, and
no single fold ever stops its own training. Some members are trained as one stacked network
(`autospec.training.stack`); callers see only `Member` in and `Training` out.

On a CPU each stack is trained by one thread, and as many at once as there are cores. That is
faster for small networks than all cores on one stack, it does not stall when another program
wants a core, and the result does not depend on the number of threads.

A member may start from another member's weights, with its first blocks frozen (`Start`). The first
members may lead (`Lead`): they learn alone for some epochs, so that a design that does badly there
can be given up before the others have cost anything.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import nn

from autospec.data.spectra import FloatArray
from autospec.errors import OutOfMemory, TrialFailed, UsageError
from autospec.nets.architecture import Architecture, ArchitectureError
from autospec.nets.build import build_network
from autospec.training.config import TrainingConfig
from autospec.training.lead import Crew, Lead
from autospec.training.stack import (
    PREDICTED_AT_ONCE,
    Beginning,
    Stack,
    batch_count,
    filled,
    plan_stacks,
)
from autospec.training.target_scale import TargetScale

Device = Literal["auto", "cpu", "cuda"]
EpochCallback = Callable[[int, float], bool]
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
    start : Start or None
        Where the weights come from; drawn by `seed` if None.
    """

    x_fit: FloatArray
    y_fit: FloatArray
    x_score: FloatArray | None = None
    y_score: FloatArray | None = None
    seed: int = 0
    start: Start | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Start:
    """What a member takes over from a trained one, which itself stays as it is.

    Weights, batch-norm statistics and the target scaling are taken over; the output bias is then
    moved so that the mean prediction of the rows to learn from is their mean.

    Parameters
    ----------
    member : FittedMember
        Of the same architecture, trained on spectra preprocessed alike.
    frozen_blocks : int
        Blocks, counted from the spectrum (conv blocks, then FC blocks), that do not learn: their
        weights and statistics stay, and they run as in prediction, without dropout. The output
        block always learns.
    """

    member: FittedMember
    frozen_blocks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedMember:
    """A trained network with its target scaling; predicts in the unit of the lab values.

    `architecture` is what the network was built from.
    """

    architecture: Architecture
    network: nn.Sequential
    scale: TargetScale
    device: torch.device

    def predict(self, x: FloatArray) -> FloatArray:
        """Return predictions, shape (n,), for preprocessed spectra of shape (n, b)."""
        out = _run(self.network, _as_input(x, self.device))
        return self.scale.inverse(out[:, 0].cpu().numpy().astype(np.float64))


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
    """Return how many stacks are trained at once on this machine's CPU: one a core."""
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
    lead: Lead | None = None,
    threads: int | None = None,
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
        it without a result. While others catch up with a lead it is called for their epochs, from
        1 on, and True ends the training when they have caught up.
    lead : Lead or None
        Which scored members learn alone at first.
    threads : int, optional
        Stacks trained at once on a CPU; by default one a core. It changes the time, not the result.

    Raises
    ------
    TrialFailed
        If a loss or a prediction is not finite, the network does not fit the spectra, or the
        device's memory is exhausted.
    """

    def build(stack: list[int]) -> _Team:
        return _Team(architecture, [members[m] for m in stack], config, device)

    try:
        curves: list[FloatArray] = []
        lead = _fitting(lead, members, config)
        crew = Crew(_stacks(architecture, members, config, lead), build, lead)
        caught_up = lead.epochs if lead else 0
        with _workers(device, threads) as pool:
            ended = False
            for epoch, scores in enumerate(crew.run_epochs(pool, config.max_epochs), start=1):
                if members[0].x_score is None:
                    continue
                curves.append(scores)
                mean = np.mean(curves, axis=1)
                ended |= on_epoch is not None and on_epoch(epoch, float(mean[-1]))
                ended |= epoch - int(np.argmin(smooth(mean))) > config.patience + SMOOTHING // 2
                if ended and epoch >= caught_up:
                    break
    except ArchitectureError as error:
        raise TrialFailed(str(error)) from error
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(f"out of memory on {device}") from error
    fold_rmse = np.asarray(curves, dtype=np.float64).reshape(-1, len(members)).T
    fitted = [member for team in crew.teams for member in team.finished()]
    return Training(members=tuple(fitted[i] for i in crew.positions), fold_rmse=fold_rmse)


def _fitting(lead: Lead | None, members: Sequence[Member], config: TrainingConfig) -> Lead | None:
    """Return the lead that these members can have: scored, and ended before patience could be."""
    if lead is None or members[0].x_score is None:
        return None
    longest = min(config.max_epochs, config.patience + SMOOTHING // 2 + 1)
    return replace(lead, members=min(lead.members, len(members)), epochs=min(lead.epochs, longest))


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
def _workers(device: torch.device, threads: int | None) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of `threads` workers (one for a GPU), each with one torch thread.

    The number of threads is set in every worker: OpenMP keeps it for each thread apart, and a
    convolution that is a worker's first operation would otherwise still use all cores.
    """
    count = (threads or thread_count()) if device.type == "cpu" else 1
    with (
        one_thread(),
        ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        yield pool


class _Team:
    """Members that are trained as one stack: what they begin with, and what they are scored on."""

    def __init__(
        self,
        architecture: Architecture,
        members: Sequence[Member],
        config: TrainingConfig,
        device: torch.device,
    ) -> None:
        self.members = members
        begun = [_begin(architecture, member, config, device) for member in members]
        self.fitted = [fitted for fitted, _ in begun]
        self.frozen = [
            nn.Sequential(*list(fitted.network)[: -len(start.layers)]) for fitted, start in begun
        ]
        self.scored = [self._arriving(m) for m in range(len(members))]
        self.stack = Stack([start for _, start in begun], config)

    def finished(self) -> list[FittedMember]:
        """Return the networks as they are now; the training ends here."""
        self.stack.network.release()
        return self.fitted

    def _arriving(self, m: int) -> torch.Tensor:
        """Return what arrives, of a member's scoring rows, at the layers that learn."""
        x, fitted = self.members[m].x_score, self.fitted[m]
        if x is None:
            return torch.empty(0)
        return _run(self.frozen[m], _as_input(x, fitted.device))

    def run_epoch(self, epoch: int) -> list[float]:
        """Let all members see their rows once; return their scores, NaN without rows."""
        self.stack.run_epoch(epoch)
        if self.members[0].x_score is None:
            return [math.nan] * len(self.members)
        out = self.stack.predict(filled(self.scored)).numpy()
        return [self._score(m, z) for m, z in enumerate(out)]

    def _score(self, m: int, z: FloatArray) -> float:
        """Return the RMSE of a member's scoring rows, in the unit of the lab values."""
        target = self.members[m].y_score
        assert target is not None
        error = self.fitted[m].scale.inverse(z[: len(target)]) - target
        rmse = float(np.sqrt(np.mean(error**2)))
        if not math.isfinite(rmse):
            raise TrialFailed("a prediction is not finite")
        return rmse


def _begin(
    architecture: Architecture, member: Member, config: TrainingConfig, device: torch.device
) -> tuple[FittedMember, Beginning]:
    """Return a member's network before its first step, and what of it learns from what."""
    start = member.start
    scale = start.member.scale if start else TargetScale.fit(config.target_transform, member.y_fit)
    z = torch.as_tensor(scale.forward(member.y_fit), dtype=torch.float32, device=device)
    x = _as_input(member.x_fit, device)
    network = build_network(architecture, member.x_fit.shape[1], seed=member.seed, device=device)
    learning = network
    if start is not None:
        network.load_state_dict(start.member.network.state_dict())
        frozen, learning = _cut(network, start.frozen_blocks)
        x = _run(frozen, x)
    _centre_output(learning, float(scale.forward(member.y_fit).mean()), x if start else None)
    fitted = FittedMember(architecture=architecture, network=network, scale=scale, device=device)
    return fitted, Beginning(layers=learning, x=x, z=z, seed=member.seed)


def _centre_output(layers: nn.Sequential, mean: float, x: torch.Tensor | None) -> None:
    """Set the output bias to the mean of the scaled targets.

    After a start, when the weights mean something, move it until the mean prediction of what
    arrives, `x`, is there.
    """
    output = layers[-1]
    assert isinstance(output, nn.Linear)
    with torch.no_grad():
        if x is None:
            output.bias.fill_(mean)
        else:
            output.bias.add_(mean - _run(layers, x).mean())


def _stacks(
    architecture: Architecture,
    members: Sequence[Member],
    config: TrainingConfig,
    lead: Lead | None,
) -> list[list[int]]:
    """Return the positions of members that are trained together: equal steps, equal blocks.

    Those of a lead come first, apart from the others.
    """
    bands = members[0].x_fit.shape[1]
    architecture.flattened(bands)  # refuses what does not fit
    frozen = [member.start.frozen_blocks if member.start else 0 for member in members]
    steps = [batch_count(len(member.y_fit), config) for member in members]
    leading = lead.members if lead else 0
    follows = [position >= leading for position in range(len(members))]
    kinds = list(zip(follows, frozen, steps, strict=True))
    return plan_stacks(kinds, architecture, bands, config.batch_size)


def _as_input(x: FloatArray, device: torch.device) -> torch.Tensor:
    """Cast (n, b) float64 to the float32 (n, 1, b) that networks see."""
    return torch.as_tensor(x, dtype=torch.float32, device=device)[:, None, :]


def _run(layers: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    """Pass `x`, first axis n, through layers as in prediction; nothing is learnt."""
    layers.eval()
    with torch.no_grad():
        return torch.cat([layers(part) for part in torch.split(x, PREDICTED_AT_ONCE)])


def _cut(network: nn.Sequential, blocks: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Return the layers of the first `blocks` blocks, and the others, as views of the network."""
    layers = list(network)
    heads = [i for i, layer in enumerate(layers) if isinstance(layer, nn.Conv1d | nn.Linear)]
    return nn.Sequential(*layers[: heads[blocks]]), nn.Sequential(*layers[heads[blocks] :])
