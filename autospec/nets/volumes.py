"""Volumes in a stacked network: how they reach a convolution's weights, and what follows it.

Values are (M, channels, n, h, w, t), as everywhere channels before rows, but in memory channels
come last: torch's convolution and pooling of volumes are fastest so. One call a member lays no
windows: those of a 5 x 5 x 3 kernel would be 75 times what arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import nn

from autospec.nets.build_cubes import FilterDropout
from autospec.nets.cube_architecture import POOL
from autospec.nets.products import halves

aten = torch.ops.aten
Pads = Sequence[Sequence[int]]  # before and after, of h, w and t
ONES, NONE = [1, 1, 1], [0, 0, 0]
SPACE = (3, 4, 5)


class Convolution:
    """The inlet of a convolution over volumes.

    Parameters
    ----------
    shape : sequence of int
        (channels, h, w, t) of what arrives, before padding.
    layer : nn.Conv3d
        Its kernel and stride.
    pads : three pairs of int
        Zeros before and after, along h, w and t.
    pooled : bool
        Whether pooling follows with no normalisation between: then what no pool sees is left out.
    """

    def __init__(self, shape: Sequence[int], layer: nn.Conv3d, pads: Pads, *, pooled: bool) -> None:
        self.shape = (shape[0], *layer.kernel_size)
        self.stride = list(layer.stride)
        self.inner = layer.weight[0].numel()
        self.columns = self.inner + 1
        self.symmetric: list[int] = []
        self.extra: list[int] = []  # as `nn.functional.pad` wants them in memory: t, w, h
        self.volume: tuple[int, ...] = ()
        for n, k, step, (before, after) in zip(
            shape[1:], layer.kernel_size, layer.stride, pads, strict=True
        ):
            places = (n + before + after - k) // step + 1
            places -= places % POOL * pooled
            seen = (places - 1) * step + k - n - before  # below 0: the last ones are not
            both = max(min(before, seen), 0)
            self.symmetric.append(both)
            self.extra = [before - both, seen - both, *self.extra]
            self.volume += (places,)

    def take(self, x: torch.Tensor) -> None:
        """Keep x (M, channels, n, h, w, t), padded where it is not the same on both sides."""
        if any(self.extra):
            x = _from_memory(nn.functional.pad(_in_memory(x), [0, 0, *self.extra]))
        self.kept = channels_last(x)

    def product(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the filters' answers (M, filters, n, h, w, t)."""
        m, _, n, *_ = self.kept.shape
        out = weight.new_empty(m, n, *self.volume, weight.shape[1])
        for kept, own, rows in zip(self.kept, weight, out, strict=True):
            arguments = [self._own_way(kept), self._kernels(own), own[:, self.inner].contiguous()]
            x, kernels, bias = self._cast(arguments, len(own) * n)
            made = nn.functional.conv3d(x, kernels, bias, self.stride, self.symmetric)
            rows.copy_(made.permute(0, 2, 3, 4, 1))
        return _from_memory(out)

    def to_weight(self, grad: torch.Tensor, who: slice) -> torch.Tensor:
        """Return (M, filters, columns) for grad (M, filters, n, h, w, t)."""
        out = grad.new_empty(*grad.shape[:2], self.columns)
        kernels = grad.new_empty(grad.shape[1], *self.shape)  # of their shape; not read
        for own, x, rows in zip(grad, self.kept[who], out, strict=True):
            arguments = [own.transpose(0, 1), x.transpose(0, 1), kernels]
            _, weight, bias = self._turned(arguments, [False, True, True])
            rows[:, : self.inner], rows[:, self.inner] = weight.flatten(1), bias
        return out

    def to_input(self, weight: torch.Tensor, grad: torch.Tensor) -> torch.Tensor:
        """Return the gradient (M, channels, n, h, w, t) of what was taken."""
        m, channels, n, *volume = self.kept.shape
        back = []
        x = grad.new_empty(n, channels, *volume)  # of its shape; not read
        for own, rows in zip(grad, weight, strict=True):
            arguments = [self._own_way(own), x, self._kernels(rows)]
            to_x = self._turned(arguments, [True, False, False])[0]
            if any(self.extra):
                to_x = nn.functional.pad(to_x, [-n for n in self.extra])
            back.append(to_x.permute(0, 2, 3, 4, 1))
        out = grad.new_empty(m, *back[0].shape)
        for rows, to_x in zip(out, back, strict=True):
            rows.copy_(to_x)
        return _from_memory(out)

    def _own_way(self, own: torch.Tensor) -> torch.Tensor:
        """Return one member's (n, c, h, w, t) for (c, n, h, w, t), as oneDNN is fastest with it.

        It multiplies single cells as they lie, and for larger kernels orders values as it likes.
        """
        rows = own.transpose(0, 1)
        return rows if self.shape[1:] == (1, 1, 1) else rows.contiguous()

    def _kernels(self, rows: torch.Tensor) -> torch.Tensor:
        """Return (filters, channels, ...) of a member's weights (filters, columns)."""
        return rows[:, : self.inner].view(len(rows), *self.shape)

    def _turned(self, arguments: list[torch.Tensor], wanted: list[bool]) -> list[torch.Tensor]:
        """Return the wanted gradients, of (gradient, input, kernels) of one member."""
        n, filters = arguments[0].shape[:2]
        shape = ([filters], self.stride, self.symmetric, ONES, False, NONE, 1)
        arguments = self._cast(arguments, n * filters)
        return list(aten.convolution_backward(*arguments, *shape, wanted))

    def _cast(self, arguments: list[torch.Tensor], many: int) -> list[torch.Tensor]:
        """Return what is multiplied, for so many filters times rows, in the numbers it wants."""
        h, w, t = self.volume
        half = halves(2 * many * self.inner * h * w * t, arguments[0].device)
        return [tensor.bfloat16() for tensor in arguments] if half else arguments


class MaxVolumes:
    """Largest of each 2 x 2 x 2; the first of equal ones learns."""

    def __init__(self) -> None:
        self.kept: list[tuple[torch.Tensor, torch.Tensor]] = []

    def learn(self, x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return (M, c, n, h // 2, w // 2, t // 2)."""
        rows = _rows(x)
        out, taken = aten.max_pool3d_with_indices(rows, [POOL] * 3, [POOL] * 3)
        self.kept.append((rows, taken))
        return _members(out, len(x))

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return (M, c, n, h // 2, w // 2, t // 2)."""
        out = aten.max_pool3d_with_indices(_rows(x), [POOL] * 3, [POOL] * 3)[0]
        return _members(out, len(x))

    def back(self, grad: torch.Tensor) -> torch.Tensor:
        """Give each gradient to the value that was taken."""
        rows, taken = self.kept.pop()
        shape = ([POOL] * 3, [POOL] * 3, NONE, ONES, False)
        to_x = aten.max_pool3d_with_indices_backward(_rows(grad), rows, *shape, taken)
        return _members(to_x, len(grad))


class AverageVolumes:
    """Mean of each 2 x 2 x 2; what is left over is not seen."""

    def __init__(self) -> None:
        self.shape: torch.Size = torch.Size()

    def learn(self, x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return (M, c, n, h // 2, w // 2, t // 2)."""
        self.shape = x.shape
        return self.predict(x)

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return (M, c, n, h // 2, w // 2, t // 2)."""
        first, *others = _cells(x)
        out = first + others[0]
        for cell in others[1:]:
            out += cell
        return out.div_(POOL**3)

    def back(self, grad: torch.Tensor) -> torch.Tensor:
        """Share each gradient among its cells."""
        m, c, n, h, w, t = self.shape
        to_x = _from_memory(grad.new_zeros(m, n, h, w, t, c))
        share = grad.div_(POOL**3)
        for cell in _cells(to_x):
            cell.copy_(share)
        return to_x


class FilterMasks:
    """Each member's filters masked by its own stream."""

    def __init__(self, layers: Sequence[FilterDropout]) -> None:
        self.layers = layers
        self.scale = 1.0 / (1.0 - layers[0].p)
        self.kept: list[torch.Tensor] = []

    def learn(self, x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return x where a mask is not 0, scaled."""
        m, c, most = x.shape[:3]
        mask = x.new_zeros(m, most, c)  # channels last, as x is
        for layer, own, n in zip(self.layers, mask, counts, strict=True):
            drawn = own.new_empty(c, n)
            layer.masks.fill(drawn, layer.p)
            torch.mul(drawn.t(), self.scale, out=own[:n])
        self.kept.append(mask.transpose(1, 2)[..., None, None, None])
        return x * self.kept[-1]

    def back(self, grad: torch.Tensor) -> torch.Tensor:
        """Mask the gradient."""
        return grad.mul_(self.kept.pop())

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return x: nothing is dropped."""
        return x


class GlobalAverage:
    """Each filter's mean over the volume."""

    def __init__(self) -> None:
        self.shape: torch.Size = torch.Size()

    def learn(self, x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return (M, c, n, 1, 1, 1)."""
        self.shape = x.shape
        return self.predict(x)

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return (M, c, n, 1, 1, 1)."""
        return x.mean(SPACE, keepdim=True)

    def back(self, grad: torch.Tensor) -> torch.Tensor:
        """Share each gradient among the volume."""
        share = grad / self.shape[3:].numel()
        return channels_last(share.expand(self.shape))


class Flattened:
    """The end of the volumes: (M, c, n, h · w · t) for the layers that are fully connected."""

    def __init__(self) -> None:
        self.volume: torch.Size = torch.Size()

    def learn(self, x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return (M, c, n, h · w · t)."""
        self.volume = x.shape[3:]
        return self.predict(x)

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return (M, c, n, h · w · t)."""
        return x.flatten(3)

    def back(self, grad: torch.Tensor) -> torch.Tensor:
        """Return the gradient as volumes."""
        return channels_last(grad.reshape(*grad.shape[:3], *self.volume))


def channels_last(x: torch.Tensor) -> torch.Tensor:
    """Return x (M, c, n, h, w, t) with its channels last in memory."""
    return _from_memory(_in_memory(x).contiguous())


def _in_memory(x: torch.Tensor) -> torch.Tensor:
    """Return (M, n, h, w, t, c) for x (M, c, n, h, w, t)."""
    return x.permute(0, 2, 3, 4, 5, 1)


def _from_memory(x: torch.Tensor) -> torch.Tensor:
    """Return (M, c, n, h, w, t) for x (M, n, h, w, t, c)."""
    return x.permute(0, 5, 1, 2, 3, 4)


def _rows(x: torch.Tensor) -> torch.Tensor:
    """Return (M · n, c, h, w, t), channels last in memory, for x (M, c, n, h, w, t)."""
    return _in_memory(x).contiguous().flatten(0, 1).permute(0, 4, 1, 2, 3)


def _members(rows: torch.Tensor, m: int) -> torch.Tensor:
    """Return (M, c, n, h, w, t) for rows (M · n, c, h, w, t)."""
    return channels_last(rows.view(m, -1, *rows.shape[1:]).transpose(1, 2))


def _cells(x: torch.Tensor) -> list[torch.Tensor]:
    """Return the eight places of all pools of x (M, c, n, h, w, t), as views."""
    ends = [n // POOL * POOL for n in x.shape[3:]]
    return [
        x[:, :, :, h : ends[0] : POOL, w : ends[1] : POOL, t : ends[2] : POOL]
        for h, w, t in product(range(POOL), repeat=3)
    ]
