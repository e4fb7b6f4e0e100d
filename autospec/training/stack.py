"""`Stack`: some members trained as one network; and which members are stacked together.

Members of a stack take their steps together, each on rows of its own: the batch of a member that
has fewer rows is filled up with one that counts for nothing. How members are stacked depends on
the design and the rows alone, never on the machine, and so do the results.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from autospec.errors import TrialFailed
from autospec.nets.architecture import Architecture
from autospec.nets.stacked import StackedNetwork
from autospec.training.adam import Adam
from autospec.training.config import TrainingConfig

STACK_MEMBERS = 10  # at most
STACK_BYTES = 4 << 20  # what the steps of more than three members together may touch
HALVED_BYTES = 1 << 20  # beyond them, members of a kind make two stacks at least
ALONE_BYTES = 64 << 20  # what the step of one of three may touch
PREDICTED_AT_ONCE = 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Beginning:
    """What one member brings.

    Parameters
    ----------
    layers : nn.Sequential
        The layers that learn; trained in place.
    x : float32, shape (n, ...)
        What arrives at them, for the rows to learn from.
    z : float32, shape (n,)
        Scaled targets.
    seed : int
        Fixes the order of the batches.
    """

    layers: nn.Sequential
    x: torch.Tensor
    z: torch.Tensor
    seed: int


class Stack:
    """The network, optimiser and data of some members; state lives only while training."""

    def __init__(self, members: Sequence[Beginning], config: TrainingConfig) -> None:
        shape = members[0].x.shape[1:]
        self.network = StackedNetwork([member.layers for member in members], shape)
        self.seeds = [member.seed for member in members]
        self.rows = [len(member.z) for member in members]
        self.x, self.z = filled([m.x for m in members]), filled([m.z for m in members])
        self.batches = batch_count(self.rows[0], config)
        self.optimiser = Adam(self.network.parameters, config)

    @torch.no_grad()
    def run_epoch(self, epoch: int) -> None:
        """See every row of every member once, in a fresh order."""
        losses = []
        for rows, counts in self._batches(epoch):
            x, z, weights = self._take(rows, counts)
            error = self.network.learn(x, counts) - z
            pull = weights * error
            self.optimiser.begin()
            self.network.back(2.0 * pull, self.optimiser.descend)
            losses.append((pull * error).sum(1))
        if not bool(torch.isfinite(torch.stack(losses)).all()):
            raise TrialFailed(f"the loss is not finite in epoch {epoch}")

    @torch.no_grad()
    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return scaled predictions (M, n) of x (M, n, ...), on the CPU, as float64."""
        parts = torch.split(x, PREDICTED_AT_ONCE, dim=1)
        out = torch.cat([self.network.predict(part) for part in parts], dim=1)
        return out.double().cpu()

    def _batches(self, epoch: int) -> Iterator[tuple[list[np.ndarray], list[int]]]:
        """Yield the rows of every member, and how many they are, step by step."""
        orders = [
            np.random.default_rng([seed, epoch]).permutation(n)
            for seed, n in zip(self.seeds, self.rows, strict=True)
        ]
        # equal parts: never a batch of one
        parts = [np.array_split(order, self.batches) for order in orders]
        for rows in zip(*parts, strict=True):
            yield list(rows), [len(own) for own in rows]

    def _take(
        self, rows: list[np.ndarray], counts: list[int]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return x (M, n, ...), z and the weights of a mean (M, n) of one step."""
        size, most = max(counts), self.x.shape[1]
        index = np.zeros((len(rows), size), dtype=np.int64)
        weights = np.zeros((len(rows), size), dtype=np.float32)
        for m, (own, n) in enumerate(zip(rows, counts, strict=True)):
            index[m, :n], weights[m, :n] = own, 1.0 / n
            index[m] += m * most
        device = self.x.device
        flat = torch.from_numpy(index.ravel()).to(device)
        x = self.x.flatten(0, 1).index_select(0, flat)
        z = self.z.flatten().index_select(0, flat)
        x, z = x.view(*index.shape, *x.shape[1:]), z.view(index.shape)
        return x, z, torch.from_numpy(weights).to(device)


def plan_stacks(
    kinds: Sequence[Hashable], member_bytes: int, most: int = STACK_MEMBERS
) -> list[list[int]]:
    """Return which members are trained together, as their positions.

    The smaller the network the more stacking gains. Of larger ones three gain a little, the
    largest nothing; there members of a kind make two stacks at least, so that a second core has
    work. The bounds were measured, see docs/performance.md.

    Parameters
    ----------
    kinds : sequence
        One a member; only equal ones can be stacked.
    member_bytes : int
        What the step of one member touches, as `step_bytes` counts.
    most : int
        Members a stack, if the device's memory holds no more.
    """
    groups: dict[Hashable, list[int]] = {}
    for position, kind in enumerate(kinds):
        groups.setdefault(kind, []).append(position)
    stacks = []
    for group in groups.values():
        count = math.ceil(len(group) / min(most, largest_stack(member_bytes)))
        if member_bytes > HALVED_BYTES:
            count = min(max(count, 2), len(group))
        stacks += [list(map(int, part)) for part in np.array_split(group, count)]
    return stacks


def largest_stack(member_bytes: int) -> int:
    """Return how many members are stacked at most, if the step of one touches so many bytes."""
    if member_bytes > ALONE_BYTES:
        return 1
    return min(STACK_MEMBERS, max(3, STACK_BYTES // member_bytes))


def step_bytes(architecture: Architecture, bands: int, rows: int) -> int:
    """Return about how many bytes one member's step touches.

    Weights, gradients and both of Adam's means, and every block's values there and back.
    """
    values, length = 0, bands
    for block in architecture.conv:
        values += 2 * block.filters * block.convolved(length)
        length = block.out_length(length)
    values += 2 * sum(block.nodes for block in architecture.fc)
    return 4 * (4 * architecture.n_parameters(bands) + rows * values)


def batch_count(rows: int, config: TrainingConfig) -> int:
    """Return into how many batches an epoch of so many rows is cut."""
    return math.ceil(rows / config.batch_size)


def filled(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Stack tensors (n, ...) of different n, with zeros where one is shorter."""
    return nn.utils.rnn.pad_sequence(list(parts), batch_first=True)
