"""`StackedNetwork`: networks of one architecture as one, their weights in common tensors.

Small networks spend most of a step outside the arithmetic; stacked, they spend it once for all.
What is computed for a member is what its own `nn.Sequential` computes, to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from autospec.nets.build import SeededDropout, masked
from autospec.nets.stacked_ops import (
    AveragePool,
    BatchNorm,
    Convolution,
    FirstConvolution,
    Linear,
    MaxPool,
    Norm,
)

Apply = Callable[[torch.Tensor, Sequence[int] | None], torch.Tensor]


class StackedNetwork:
    """M networks that learn together.

    Until `release` the weights and statistics of the given networks are views of the stack: they
    follow it. Thereafter they are the networks' own again.

    Parameters
    ----------
    networks : sequence of nn.Sequential
        As `build_network` makes them, or the layers from one block on; all of one architecture.
    """

    def __init__(self, networks: Sequence[nn.Sequential]) -> None:
        self.networks = networks
        self.parameters: list[torch.Tensor] = []
        self.steps = 0
        self.layers: list[Apply] = [self._layer(list(same)) for same in zip(*networks, strict=True)]

    def learn(self, x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return outputs (M, n, 1) in training, of x (M, n, ...).

        Only the first `counts[m]` rows of member m count; those past them must be finite.
        """
        self.steps += 1
        for layer in self.layers:
            x = layer(x, counts)
        return x

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return outputs (M, n, 1) as in prediction, of x (M, n, ...)."""
        with torch.no_grad():
            for layer in self.layers:
                x = layer(x, None)
        return x

    def release(self) -> None:
        """Give every network weights and statistics of its own, as they are now."""
        for network in self.networks:
            for layer in network:
                if len(self.networks) > 1:
                    for tensor in (*layer.parameters(), *layer.buffers()):
                        tensor.data = tensor.data.clone()
                if isinstance(layer, nn.BatchNorm1d):
                    assert layer.num_batches_tracked is not None
                    layer.num_batches_tracked += self.steps
        self.steps = 0

    def _layer(self, same: list[nn.Module]) -> Apply:
        """Return what the same layer of all members does."""
        layer = same[0]
        if isinstance(layer, nn.Conv1d):
            return self._convolution(same, layer)
        if isinstance(layer, nn.Linear):
            weight, bias = self._common(same, "weight"), self._common(same, "bias")
            return lambda x, counts: _applied(Linear, x, weight, bias)
        if isinstance(layer, nn.BatchNorm1d):
            return self._batch_norm(same, layer)
        if isinstance(layer, SeededDropout):
            droppers = [own for own in same if isinstance(own, SeededDropout)]
            return lambda x, counts: x if counts is None else _dropped(x, counts, droppers)
        if isinstance(layer, nn.Flatten):
            return lambda x, counts: x.flatten(2)
        if isinstance(layer, nn.MaxPool1d):
            return lambda x, counts: _applied(MaxPool, x, layer.kernel_size)
        if isinstance(layer, nn.AvgPool1d):
            (size,) = (
                layer.kernel_size if isinstance(layer.kernel_size, tuple) else (layer.kernel_size,)
            )
            return lambda x, counts: _applied(AveragePool, x, size)
        if isinstance(layer, nn.ConstantPad1d):
            return lambda x, counts: layer(x)
        return lambda x, counts: _activated(x, layer)

    def _convolution(self, same: list[nn.Module], layer: nn.Conv1d) -> Apply:
        weight, bias = self._common(same, "weight"), self._common(same, "bias")
        # only spectra have one channel and want no gradient
        spectra = layer.in_channels == 1 and len(self.parameters) == 2
        kind = FirstConvolution if spectra else Convolution
        stride = layer.stride[0]
        return lambda x, counts: _applied(kind, x, weight, bias, stride)

    def _batch_norm(self, same: list[nn.Module], layer: nn.BatchNorm1d) -> Apply:
        weight, bias = self._common(same, "weight"), self._common(same, "bias")
        assert layer.momentum is not None
        norm = Norm(
            self._common(same, "running_mean"),
            self._common(same, "running_var"),
            layer.momentum,
            layer.eps,
        )

        def apply(x: torch.Tensor, counts: Sequence[int] | None) -> torch.Tensor:
            if counts is not None:
                return _applied(BatchNorm, x, weight, bias, norm, counts)
            scale = weight * torch.rsqrt(norm.variance + norm.eps)
            shape = (len(same), 1, -1) + (1,) * (x.dim() - 3)
            return x * scale.view(shape) + (bias - norm.mean * scale).view(shape)

        return apply

    def _common(self, same: list[nn.Module], name: str) -> torch.Tensor:
        """Stack what the members' layers call `name`, and let theirs be views of it."""
        own = [getattr(layer, name) for layer in same]
        alone = len(own) == 1
        stack = own[0].data[None] if alone else torch.stack([tensor.data for tensor in own])
        for tensor, view in zip(own, stack, strict=True):
            tensor.data = view
        if isinstance(own[0], nn.Parameter):
            stack.requires_grad_()
            self.parameters.append(stack)
        return stack


def _applied(function: type[torch.autograd.Function], *given: object) -> torch.Tensor:
    out: torch.Tensor = function.apply(*given)  # type: ignore[no-untyped-call]
    return out


def _activated(x: torch.Tensor, layer: nn.Module) -> torch.Tensor:
    """Return the activation of x, which nothing else needs any more: in its place if it can be."""
    if isinstance(layer, nn.ReLU):
        return torch.relu_(x)
    if isinstance(layer, nn.LeakyReLU):
        return nn.functional.leaky_relu_(x, layer.negative_slope)
    if isinstance(layer, nn.ELU):
        return nn.functional.elu_(x)
    return torch.selu_(x) if isinstance(layer, nn.SELU) else nn.functional.silu(x)


def _dropped(x: torch.Tensor, counts: Sequence[int], same: list[SeededDropout]) -> torch.Tensor:
    """Return x (M, n, ...) masked, each member's rows by its own stream."""
    kept = x.new_zeros(x.shape) if min(counts) < x.shape[1] else x.new_empty(x.shape)
    for layer, mask, n in zip(same, kept, counts, strict=True):
        layer.masks.fill(mask[:n], layer.p)
    return masked(x, kept, same[0].p)
