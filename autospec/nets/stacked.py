"""`StackedNetwork`: networks of one architecture as one, their weights in common tensors.

Small networks spend most of a step outside the arithmetic; stacked, they spend it once for all.
What is computed for a member is what its own `nn.Sequential` computes, to rounding. The way back is
written out: no graph is recorded, values are changed where they lie, and a weight moves as soon as
its gradient is there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import nn

from autospec.nets.build import SeededDropout
from autospec.nets.build_cubes import FilterDropout
from autospec.nets.finishes import Activation, AveragePool, BatchNorm, Dropout, Finish, MaxPool
from autospec.nets.inlets import Inlet, Whole, Windows
from autospec.nets.volume_norms import BatchNormOfVolumes, GroupNorm
from autospec.nets.volumes import (
    AverageVolumes,
    Convolution,
    FilterMasks,
    Flattened,
    GlobalAverage,
    MaxVolumes,
)

MOVED_AT_ONCE = 1 << 20  # weights: their gradients then stay in the cache
WHOLE = slice(None)
Part = tuple[slice, slice]  # members, rows
Norm = BatchNorm | BatchNormOfVolumes | GroupNorm


class Descent(Protocol):
    """What moves weights: told the position of a tensor in `parameters`, a part, its gradient."""

    def __call__(self, position: int, part: Part, grad: torch.Tensor) -> None:
        """Move some rows of some members by their gradient."""


class Block:
    """A convolution or a fully connected layer of M members, and what follows until the next.

    Parameters
    ----------
    weight : Tensor, shape (M, outputs, columns)
        Biases included, as the inlet lays its ones.
    position : int
        Of the weight among the network's parameters.
    inlet : Inlet
        How values reach it.
    """

    def __init__(self, weight: torch.Tensor, position: int, inlet: Inlet) -> None:
        self.weight, self.position, self.inlet = weight, position, inlet
        self.finishes: list[Finish] = []
        self.norms: list[tuple[int, Norm]] = []

    def learn(self, x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return the outputs (M, outputs, n, length) in training."""
        self.inlet.take(x)
        x = self.inlet.product(self.weight)
        for finish in self.finishes:
            x = finish.learn(x, counts)
        return x

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs (M, outputs, n, length) in prediction."""
        self.inlet.take(x)
        x = self.inlet.product(self.weight)
        for finish in self.finishes:
            x = finish.predict(x)
        return x

    def back(self, grad: torch.Tensor, descent: Descent, *, further: bool) -> torch.Tensor | None:
        """Move what learns, given the outputs' gradient; return the input's, if it is asked for."""
        for finish in reversed(self.finishes):
            grad = finish.back(grad)
        to_input = self.inlet.to_input(self.weight, grad) if further else None
        for who, rows in self._parts():
            to_weight = self.inlet.to_weight(grad[who, rows], who)
            descent(self.position, (who, rows), to_weight)
        for position, norm in self.norms:
            descent(position, (WHOLE, WHOLE), norm.to_weight)
            descent(position + 1, (WHOLE, WHOLE), norm.to_bias)
        return to_input

    def _parts(self) -> list[Part]:
        """Return which weights are moved at a time: all, or some rows of one member."""
        m, outputs, columns = self.weight.shape
        if self.weight.numel() <= MOVED_AT_ONCE:
            return [(WHOLE, WHOLE)]
        step = max(1, MOVED_AT_ONCE // columns)
        starts = range(0, outputs, step)
        return [(slice(i, i + 1), slice(row, row + step)) for i in range(m) for row in starts]


class StackedNetwork:
    """M networks that learn together.

    Until `release` the weights and statistics of the given networks are views of the stack: they
    follow it. Thereafter they are the networks' own again.

    Parameters
    ----------
    networks : sequence of nn.Sequential
        As `build_network` makes them, or the layers from one block on; all of one architecture.
    shape : tuple of int
        (channels, length) of what arrives, or (channels, h, w, t), or (nodes,).
    """

    def __init__(self, networks: Sequence[nn.Sequential], shape: Sequence[int]) -> None:
        self.networks = networks
        self.parameters: list[torch.Tensor] = []
        self.steps = 0
        self.blocks: list[Block] = []
        channels, *volume = shape if len(shape) > 1 else (*shape, 1)
        pads: tuple[int, ...] = (0,) * 2 * len(volume)
        layers = list(zip(*networks, strict=True))
        for i, same in enumerate(layers):
            layer = same[0]
            if isinstance(layer, nn.ConstantPad1d | nn.ConstantPad3d):
                pads = layer.padding
            elif isinstance(layer, nn.Conv1d | nn.Conv3d):
                pooled = isinstance(layers[i + 2][0], nn.MaxPool3d | nn.AvgPool3d)
                inlet = _convolution(layer, (channels, *volume), pads, pooled=pooled)
                self._block(list(same), inlet)
                channels, volume, pads = layer.out_channels, list(inlet.volume), (0,) * len(pads)
            elif isinstance(layer, nn.Linear):
                self._block(list(same), Whole(channels, math.prod(volume)))
                channels, volume = layer.out_features, [1]
            elif not isinstance(layer, nn.Flatten) or len(volume) > 1:
                self._follow(self._finish(list(same)))
                volume = _left(layer, volume)

    def learn(self, x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return outputs (M, n) in training, of x (M, n, ...).

        Only the first `counts[m]` rows of member m count; those past them must be finite.
        """
        self.steps += 1
        x = _channels_first(x)
        for block in self.blocks:
            x = block.learn(x, counts)
        return x[:, 0, :, 0]

    def back(self, grad: torch.Tensor, descent: Descent) -> None:
        """Move all weights, for the gradient (M, n) of what `learn` returned last."""
        arriving: torch.Tensor | None = grad[:, None, :, None]
        for block in reversed(self.blocks):
            assert arriving is not None
            arriving = block.back(arriving, descent, further=block is not self.blocks[0])

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return outputs (M, n) as in prediction, of x (M, n, ...)."""
        x = _channels_first(x)
        for block in self.blocks:
            x = block.predict(x)
        return x[:, 0, :, 0]

    def release(self) -> None:
        """Give every network weights and statistics of its own, as they are now."""
        for network in self.networks:
            for layer in network:
                for tensor in (*layer.parameters(), *layer.buffers()):
                    tensor.data = tensor.data.clone(memory_format=torch.contiguous_format)
                if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm3d):
                    assert layer.num_batches_tracked is not None
                    layer.num_batches_tracked += self.steps
        self.steps = 0

    def _block(self, same: list[nn.Module], inlet: Inlet) -> None:
        """Begin a block: weights and biases of all members in one tensor, theirs views of it."""
        own = [layer for layer in same if isinstance(layer, nn.Conv1d | nn.Conv3d | nn.Linear)]
        outputs, inner = own[0].weight.shape[0], math.prod(own[0].weight.shape[1:])
        stack = own[0].weight.new_zeros(len(own), outputs, inlet.columns)
        for layer, rows in zip(own, stack, strict=True):
            assert layer.bias is not None
            rows[:, :inner] = layer.weight.data.flatten(1)
            rows[:, inner] = layer.bias.data
            layer.weight.data = rows[:, :inner].unflatten(1, layer.weight.shape[1:])
            layer.bias.data = rows[:, inner]
        self.blocks.append(Block(stack, len(self.parameters), inlet))
        self.parameters.append(stack)

    def _follow(self, finish: Finish) -> None:
        """Let a step follow the last block; a largest is taken before what keeps the order."""
        finishes = self.blocks[-1].finishes
        before = finishes[-1] if finishes else None
        rising = isinstance(before, Activation) and not isinstance(before.layer, nn.SiLU)
        finishes.append(finish)
        if rising and isinstance(finish, MaxVolumes):
            finishes[-2:] = finishes[:-3:-1]

    def _finish(self, same: list[nn.Module]) -> Finish:
        """Return what the same layer of all members does after a product."""
        layer = same[0]
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm3d | nn.GroupNorm):
            return self._norm(same, layer)
        if isinstance(layer, SeededDropout):
            return Dropout([own for own in same if isinstance(own, SeededDropout)])
        if isinstance(layer, FilterDropout):
            return FilterMasks([own for own in same if isinstance(own, FilterDropout)])
        if isinstance(layer, nn.MaxPool1d):
            return MaxPool(_size(layer))
        if isinstance(layer, nn.AvgPool1d):
            return AveragePool(_size(layer))
        if isinstance(layer, nn.MaxPool3d):
            return MaxVolumes()
        if isinstance(layer, nn.AvgPool3d):
            return AverageVolumes()
        if isinstance(layer, nn.AdaptiveAvgPool3d):
            return GlobalAverage()
        return Flattened() if isinstance(layer, nn.Flatten) else Activation(layer)

    def _norm(
        self, same: list[nn.Module], layer: nn.BatchNorm1d | nn.BatchNorm3d | nn.GroupNorm
    ) -> Norm:
        weight, bias = _common(same, "weight"), _common(same, "bias")
        norm: Norm
        if isinstance(layer, nn.GroupNorm):
            norm = GroupNorm(weight, bias, groups=layer.num_groups, eps=layer.eps)
        else:
            assert layer.momentum is not None
            kind = BatchNorm if isinstance(layer, nn.BatchNorm1d) else BatchNormOfVolumes
            statistics = (_common(same, "running_mean"), _common(same, "running_var"))
            norm = kind(weight, bias, statistics, momentum=layer.momentum, eps=layer.eps)
        self.blocks[-1].norms.append((len(self.parameters), norm))
        self.parameters += [weight, bias]
        return norm


def _convolution(
    layer: nn.Conv1d | nn.Conv3d, shape: Sequence[int], pads: tuple[int, ...], *, pooled: bool
) -> Windows | Convolution:
    """Return the inlet of a convolution of what arrives in `shape`, padded as torch has `pads`."""
    if isinstance(layer, nn.Conv1d):
        return Windows(shape[0], shape[1], layer, (pads[0], pads[1]))
    of_t, of_w, of_h = pads[:2], pads[2:4], pads[4:]
    return Convolution(shape, layer, (of_h, of_w, of_t), pooled=pooled)


def _left(layer: nn.Module, volume: list[int]) -> list[int]:
    """Return what a layer that is no product leaves of a volume."""
    if isinstance(layer, nn.Flatten):
        return [math.prod(volume)]
    if isinstance(layer, nn.AdaptiveAvgPool3d):
        return [1] * len(volume)
    if isinstance(layer, nn.MaxPool1d | nn.AvgPool1d | nn.MaxPool3d | nn.AvgPool3d):
        return [n // _size(layer) for n in volume]
    return volume


def _common(same: list[nn.Module], name: str) -> torch.Tensor:
    """Stack what the members' layers call `name`, and let theirs be views of it."""
    own = [getattr(layer, name) for layer in same]
    stack = torch.stack([tensor.data for tensor in own])
    for tensor, view in zip(own, stack, strict=True):
        tensor.data = view
    return stack


def _size(layer: nn.MaxPool1d | nn.AvgPool1d | nn.MaxPool3d | nn.AvgPool3d) -> int:
    size = layer.kernel_size
    return size[0] if isinstance(size, tuple) else size


def _channels_first(x: torch.Tensor) -> torch.Tensor:
    """Return (M, channels, n, ...) for x (M, n, channels, ...) or (M, n, nodes)."""
    x = x.transpose(1, 2)
    return x.unsqueeze(3) if x.dim() == 3 else x
