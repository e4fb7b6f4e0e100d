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

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from autospec.data.spectra import FloatArray
from autospec.errors import OutOfMemory, TrialFailed, UsageError
from autospec.nets.architecture import Architecture, ArchitectureError
from autospec.nets.cube_architecture import CubeArchitecture
from autospec.training.config import TrainingConfig
from autospec.training.lead import Crew, Lead
from autospec.training.members import FittedMember, Member
from autospec.training.stack import (
    ALONE_CUBE_BYTES,
    STACK_MEMBERS,
    batch_count,
    plan_stacks,
    step_bytes,
)
from autospec.training.team import Team

Device = Literal["auto", "cpu", "cuda"]
EpochCallback = Callable[[int, float], bool]
KEPT_BYTES = 31 << 20  # just below the largest that glibc learns to keep
SMOOTHING = 5  # epochs in the centred mean under which the best epoch is sought


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
    architecture: Architecture | CubeArchitecture,
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
    architecture : Architecture or CubeArchitecture
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
        If a loss or a prediction is not finite, the network does not fit what arrives, or the
        device's memory is exhausted.
    """

    def build(stack: list[int]) -> Team:
        return Team(architecture, [members[m] for m in stack], config, device)

    told = _Told(on_epoch, lead)
    fitting = _fitting(told, members, config)
    most = STACK_MEMBERS
    try:
        while True:
            stacks = _stacks(architecture, members, config, fitting, most)
            most = max(map(len, stacks)) // 2
            try:
                with _workers(device, threads) as pool:
                    return _train(Crew(stacks, build, fitting), members, config, told, pool)
            except torch.OutOfMemoryError as error:
                if most == 0:
                    raise OutOfMemory(f"out of memory on {device}") from error
    except ArchitectureError as error:
        raise TrialFailed(str(error)) from error


class _Told:
    """The callbacks of a training, which hear of an epoch once even if it is run again."""

    def __init__(self, on_epoch: EpochCallback | None, lead: Lead | None) -> None:
        self.on_epoch, self.lead = on_epoch, lead
        self.answers: dict[int, bool] = {}
        self.led = 0

    def after(self, epoch: int, mean_rmse: float) -> bool:
        """Tell of an epoch of all members; return whether the training is to end."""
        if epoch not in self.answers:
            self.answers[epoch] = self.on_epoch is not None and self.on_epoch(epoch, mean_rmse)
        return self.answers[epoch]

    def after_lead(self, epoch: int, mean_rmse: float) -> None:
        """Tell of an epoch of the members that lead."""
        if epoch > self.led and self.lead is not None:
            self.led = epoch
            self.lead.on_epoch(epoch, mean_rmse)


def _train(
    crew: Crew[Team],
    members: Sequence[Member],
    config: TrainingConfig,
    told: _Told,
    pool: ThreadPoolExecutor,
) -> Training:
    """Train the members as they are stacked."""
    lead, ended = crew.lead, False
    curves: list[FloatArray] = []
    for epoch, scores in enumerate(crew.run_epochs(pool, config.max_epochs), start=1):
        if members[0].x_score is None:
            continue
        curves.append(scores)
        mean = np.mean(curves, axis=1)
        ended |= told.after(epoch, float(mean[-1]))
        ended |= epoch - int(np.argmin(smooth(mean))) > config.patience + SMOOTHING // 2
        if ended and (lead is None or epoch >= lead.epochs):
            break
    fold_rmse = np.asarray(curves, dtype=np.float64).reshape(-1, len(members)).T
    fitted = [member for team in crew.teams for member in team.finished()]
    return Training(members=tuple(fitted[i] for i in crew.positions), fold_rmse=fold_rmse)


def _fitting(told: _Told, members: Sequence[Member], config: TrainingConfig) -> Lead | None:
    """Return the lead that these members can have: scored, and ended before patience could be."""
    lead = told.lead
    if lead is None or members[0].x_score is None:
        return None
    longest = min(config.max_epochs, config.patience + SMOOTHING // 2 + 1)
    return Lead(
        members=min(lead.members, len(members)),
        epochs=min(lead.epochs, longest),
        on_epoch=told.after_lead,
    )


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

    A large block of memory is taken and left: glibc then keeps blocks up to that size, where it
    would give every one back to the system and have its pages made anew, which took up to half of
    a step. Elsewhere it does nothing.
    """
    count = (threads or thread_count()) if device.type == "cpu" else 1
    torch.empty(KEPT_BYTES, dtype=torch.uint8)
    with (
        one_thread(),
        ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        yield pool


def _stacks(
    architecture: Architecture | CubeArchitecture,
    members: Sequence[Member],
    config: TrainingConfig,
    lead: Lead | None,
    most: int,
) -> list[list[int]]:
    """Return the positions of members that are trained together: equal steps, equal blocks.

    Those of a lead come first, apart from the others.
    """
    member_bytes = _step_bytes(architecture, members[0], config)
    frozen = [member.start.frozen_blocks if member.start else 0 for member in members]
    steps = [batch_count(len(member.y_fit), config) for member in members]
    leading = lead.members if lead else 0
    follows = [position >= leading for position in range(len(members))]
    kinds = list(zip(follows, frozen, steps, strict=True))
    if isinstance(architecture, CubeArchitecture) and member_bytes > ALONE_CUBE_BYTES:
        most = 1
    return plan_stacks(kinds, member_bytes, most)


def _step_bytes(
    architecture: Architecture | CubeArchitecture, member: Member, config: TrainingConfig
) -> int:
    """Return what one member's step touches; refuses what does not fit."""
    if isinstance(architecture, Architecture):
        return step_bytes(architecture, member.x_fit.shape[1], config.batch_size)
    _, c, h, w, t = member.x_fit.shape
    return step_bytes(architecture, (c, h, w, t), config.batch_size)
