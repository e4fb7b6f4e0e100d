"""What follows a product in a stacked block: batch normalisation, activation, pooling, dropout.

Values lie channels first, (M, channels, n, length). Each step keeps what its way back needs, and
forgets it there. What arrives, values and gradients, is the step's own to overwrite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import nn

from autospec.nets.build import SeededDropout

aten = torch.ops.aten
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # https://arxiv.org/abs/1706.02515


class Finish(Protocol):
    """One step after a product."""

    def learn(self, x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return what becomes of x in training; `counts` are the rows of each member."""

    def back(self, grad: torch.Tensor) -> torch.Tensor:
        """Return the gradient of what `learn` was given, for that of what it returned."""

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return what becomes of x in prediction."""


class Activation:
    """One of torch's activations."""

    def __init__(self, layer: nn.Module) -> None:
        self.layer = layer
        self.kept: list[torch.Tensor] = []

    def learn(self, x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Keep x for Swish, and what became of it for the others: it says enough."""
        out = self.predict(x)
        self.kept.append(x if isinstance(self.layer, nn.SiLU) else out)
        return out

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return the activation of x, in its place if it can be."""
        if isinstance(self.layer, nn.ReLU):
            return torch.relu_(x)
        if isinstance(self.layer, nn.LeakyReLU):
            return nn.functional.leaky_relu_(x, self.layer.negative_slope)
        if isinstance(self.layer, nn.ELU):
            return nn.functional.elu_(x)
        return torch.selu_(x) if isinstance(self.layer, nn.SELU) else nn.functional.silu(x)

    def back(self, grad: torch.Tensor) -> torch.Tensor:
        """Turn the gradient, in its place."""
        kept, layer = self.kept.pop(), self.layer
        if isinstance(layer, nn.SiLU):
            aten.silu_backward.grad_input(grad, kept, grad_input=grad)
        elif isinstance(layer, nn.ReLU):
            aten.threshold_backward.grad_input(grad, kept, 0.0, grad_input=grad)
        elif isinstance(layer, nn.LeakyReLU):
            slope = layer.negative_slope
            aten.leaky_relu_backward.grad_input(grad, kept, slope, True, grad_input=grad)
        else:
            alpha, scale = (SELU_ALPHA, SELU_SCALE) if isinstance(layer, nn.SELU) else (1.0, 1.0)
            aten.elu_backward.grad_input(grad, alpha, scale, 1.0, True, kept, grad_input=grad)
        return grad


class Dropout:
    """Each member's values masked by its own stream."""

    def __init__(self, layers: Sequence[SeededDropout]) -> None:
        self.layers = layers
        self.scale = 1.0 / (1.0 - layers[0].p)
        self.kept: list[torch.Tensor] = []

    def learn(self, x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return x where a mask is not 0, scaled."""
        full = min(counts) == x.shape[2]
        mask = torch.empty_like(x) if full else torch.zeros_like(x)
        for layer, own, n in zip(self.layers, mask, counts, strict=True):
            layer.masks.fill(own[:, :n], layer.p)
        self.kept.append(mask.mul_(self.scale))
        return x * mask

    def back(self, grad: torch.Tensor) -> torch.Tensor:
        """Mask the gradient."""
        return grad.mul_(self.kept.pop())

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return x: nothing is dropped."""
        return x


class AveragePool:
    """Mean of each `size` neighbours; what is left over is not seen.

    torch's own pooling goes value by value; here, one of the `size` places of all windows at once.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.length = 0

    def learn(self, x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return (M, c, n, length // size)."""
        self.length = x.shape[3]
        return self.predict(x)

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return (M, c, n, length // size)."""
        first, *others = _places(x, self.size)
        out = first + others[0]
        for place in others[1:]:
            out += place
        return out.div_(self.size)

    def back(self, grad: torch.Tensor) -> torch.Tensor:
        """Share each gradient among its window."""
        to_x = _blank(grad, self.length, self.size)
        share = grad.div_(self.size)
        for place in _places(to_x, self.size):
            place.copy_(share)
        return to_x


class MaxPool:
    """Largest of each `size` neighbours; the first of equal ones learns."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.kept: list[tuple[torch.Tensor, torch.Tensor]] = []

    def learn(self, x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return (M, c, n, length // size)."""
        out = self.predict(x)
        self.kept.append((x, out))
        return out

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return (M, c, n, length // size)."""
        first, *others = _places(x, self.size)
        out = torch.maximum(first, others[0])
        for place in others[1:]:
            torch.maximum(out, place, out=out)
        return out

    def back(self, grad: torch.Tensor) -> torch.Tensor:
        """Give each gradient to the value that was taken."""
        x, largest = self.kept.pop()
        to_x, hit = _blank(grad, x.shape[3], self.size), torch.empty_like(largest)
        for place, to_place in zip(_places(x, self.size), _places(to_x, self.size), strict=True):
            torch.sub(place, largest, out=hit).sign_().add_(1.0)  # 1 where equal: eq is slower
            hit *= grad
            grad -= hit  # exactly 0 once it is given away
            to_place.copy_(hit)
        return to_x


class BatchNorm:
    """Each channel of each member normalised by the member's own rows.

    Parameters
    ----------
    weight, bias, mean, variance : Tensor, shape (M, channels)
        What learns, and the running statistics, which `learn` moves.
    momentum, eps : float
        As of `nn.BatchNorm1d`.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor,
        statistics: tuple[torch.Tensor, torch.Tensor],
        *,
        momentum: float,
        eps: float,
    ) -> None:
        self.weight, self.bias = weight, bias
        self.mean, self.variance = statistics
        self.momentum, self.eps = momentum, eps
        self.to_weight, self.to_bias = torch.empty_like(weight), torch.empty_like(bias)
        self.kept: list[tuple[torch.Tensor, ...]] = []
        self.counts: Sequence[int] = ()

    def learn(self, x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return x normalised; rows past a member's count give 0."""
        self.counts, self.kept = counts, []
        if min(counts) == x.shape[2]:
            return self._normalised(x, slice(None))
        out = torch.zeros_like(x)
        for m, n in enumerate(counts):
            out[m, :, :n] = self._normalised(x[m : m + 1, :, :n], slice(m, m + 1))[0]
        return out

    def back(self, grad: torch.Tensor) -> torch.Tensor:
        """Return the gradient of x; those of weight and bias are kept until they are asked for."""
        kept, self.kept = self.kept, []
        if min(self.counts) == grad.shape[2]:
            return self._turned(grad, slice(None), kept[0])
        out = torch.zeros_like(grad)
        for m, n in enumerate(self.counts):
            some = grad[m : m + 1, :, :n]
            out[m, :, :n] = self._turned(some, slice(m, m + 1), kept[m])[0]
        return out

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return x normalised by the running statistics."""
        scale = self.weight * torch.rsqrt(self.variance + self.eps)
        shift = self.bias - self.mean * scale
        return x * scale[:, :, None, None] + shift[:, :, None, None]

    def _normalised(self, x: torch.Tensor, who: slice) -> torch.Tensor:
        """Normalise (m, c, n, length): each channel lies together, as layer norm wants it."""
        flat = x.flatten(2)
        size = flat.shape[2]
        unit, mean, rstd = torch.native_layer_norm(flat, [size], None, None, self.eps)
        self.kept.append((flat, unit, mean, rstd))
        variance = (rstd[..., 0] ** -2 - self.eps).clamp_(min=0.0) * (size / max(size - 1, 1))
        self.mean[who].lerp_(mean[..., 0], self.momentum)
        self.variance[who].lerp_(variance, self.momentum)
        out = unit * self.weight[who, :, None] + self.bias[who, :, None]
        return out.view(x.shape)

    def _turned(
        self, grad: torch.Tensor, who: slice, kept: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        flat, unit, mean, rstd = kept
        turned = grad.flatten(2)
        self.to_bias[who] = turned.sum(2)
        self.to_weight[who] = unit.mul_(turned).sum(2)
        turned = turned * self.weight[who, :, None]
        to_x: torch.Tensor = aten.native_layer_norm_backward(
            turned, flat, [flat.shape[2]], mean, rstd, None, None, [True, False, False]
        )[0]
        return to_x.view(grad.shape)


def _places(x: torch.Tensor, size: int) -> tuple[torch.Tensor, ...]:
    """Return the first, second, ... of each window along the last axis, as views."""
    windows = x.shape[-1] // size
    seen = x[..., : windows * size]
    return tuple(seen.view(*x.shape[:-1], windows, size).unbind(-1))


def _blank(grad: torch.Tensor, length: int, size: int) -> torch.Tensor:
    """Return an empty tensor (M, c, n, length), 0 where no window reaches."""
    blank = grad.new_empty(*grad.shape[:3], length)
    blank[..., length // size * size :] = 0.0
    return blank
