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
from autospec.nets.cube_architecture import CubeArchitecture, Shape
from autospec.nets.stacked import StackedNetwork
from autospec.training.adam import Adam
from autospec.training.config import Loss, TrainingConfig

STACK_MEMBERS = 10  # at most
STACK_BYTES = 4 << 20  # what the steps of more than three members together may touch
HALVED_BYTES = 1 << 20  # beyond them, members of a kind make two stacks at least
ALONE_BYTES = 64 << 20  # what the step of one of three may touch
ALONE_CUBE_BYTES = 8 << 20  # the same for cubes, which gain less and whose values are more
PREDICTED_AT_ONCE = 1024
CUBES_AT_ONCE = 128  # 64 filters of 10 x 10 x 4: 13 MB
OF_CUBES = 6  # axes of (M, n, c, h, w, t)


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
        if self.x.dim() == OF_CUBES:  # channels last, so that every step takes rows as they lie
            self.x = self.x.movedim(2, -1).contiguous()
        self.loss = config.loss
        self.batches = batch_count(self.rows[0], config)
        self.optimiser = Adam(self.network.parameters, config)

    @torch.no_grad()
    def run_epoch(self, epoch: int) -> None:
        """See every row of every member once, in a fresh order."""
        losses = []
        for rows, counts in self._batches(epoch):
            x, z, weights = self._take(rows, counts)
            error = self.network.learn(x, counts) - z
            self.optimiser.begin()
            self.network.back(weights * _slope(self.loss, error), self.optimiser.descend)
            losses.append((weights * error * error).sum(1))
        if not bool(torch.isfinite(torch.stack(losses)).all()):
            raise TrialFailed(f"the loss is not finite in epoch {epoch}")

    @torch.no_grad()
    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return scaled predictions (M, n) of x (M, n, ...), on the CPU, as float64."""
        parts = torch.split(x, at_once(x[0, 0]), dim=1)
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
        if x.dim() == OF_CUBES:
            x = x.movedim(-1, 2)
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


def step_bytes(
    architecture: Architecture | CubeArchitecture, arriving: int | Shape, rows: int
) -> int:
    """Return about how many bytes one member's step touches.

    Weights, gradients and both of Adam's means, and every block's values there and back;
    `arriving` are bands, or (c, h, w, t).
    """
    values = 2 * sum(block.nodes for block in architecture.fc)
    if isinstance(architecture, CubeArchitecture):
        assert not isinstance(arriving, int)
        weights, volume = architecture.n_parameters(arriving), arriving[1:]
        for conv in architecture.conv:
            values += 2 * conv.filters * math.prod(conv.convolved(volume))
            volume = conv.out_volume(volume)
    else:
        assert isinstance(arriving, int)
        weights, length = architecture.n_parameters(arriving), arriving
        for block in architecture.conv:
            values += 2 * block.filters * block.convolved(length)
            length = block.out_length(length)
    return 4 * (4 * weights + rows * values)


def at_once(row: torch.Tensor) -> int:
    """Return how many rows like this one are predicted at once."""
    return CUBES_AT_ONCE if row.dim() == OF_CUBES - 2 else PREDICTED_AT_ONCE


def _slope(loss: Loss, error: torch.Tensor) -> torch.Tensor:
    """Return the gradient of the loss of each row by its prediction."""
    if loss == "mse":
        return 2.0 * error
    return torch.sign(error) if loss == "l1" else error.clamp(-1.0, 1.0)


def batch_count(rows: int, config: TrainingConfig) -> int:
    """Return into how many batches an epoch of so many rows is cut."""
    return math.ceil(rows / config.batch_size)


def filled(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Stack tensors (n, ...) of different n, with zeros where one is shorter."""
    return nn.utils.rnn.pad_sequence(list(parts), batch_first=True)
