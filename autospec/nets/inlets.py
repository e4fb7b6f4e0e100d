"""How values reach the weights of a stacked block: by windows of a spectrum, or all at once.

Values of M members lie channels first, (M, channels, n, length), so that what one filter makes of
all rows lies together. Each inlet lays what arrives beside ones, so that the bias is the last
column of the weights in use and every product of a block, there and back, is one of matrices
(`autospec.nets.products`).
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import nn

from autospec.nets.products import products

ALIGNED = 16  # values: rows of weights that begin at a cache line multiply up to twice as fast


class Inlet(Protocol):
    """What a block needs of its inlet; `weight` is (M, outputs, columns)."""

    columns: int

    def take(self, x: torch.Tensor) -> None:
        """Lay in x (M, channels, n, length)."""

    def product(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the outputs (M, outputs, n, length out) of what was laid in."""

    def to_weight(self, grad: torch.Tensor, who: slice) -> torch.Tensor:
        """Return the gradient of the weights that gave some members' outputs of gradient `grad`."""

    def to_input(self, weight: torch.Tensor, grad: torch.Tensor) -> torch.Tensor:
        """Return the gradient (M, channels, n, length) of what was laid in."""


class Windows:
    """The inlet of a convolution: every window of every row is a column.

    Parameters
    ----------
    channels, length : int
        Of what arrives, before padding.
    layer : nn.Conv1d
        Its kernel and stride.
    pads : tuple of int
        Zeros left and right.
    """

    def __init__(self, channels: int, length: int, layer: nn.Conv1d, pads: tuple[int, int]) -> None:
        self.channels, self.length, self.pads = channels, length, pads
        (self.kernel,), (self.stride,) = layer.kernel_size, layer.stride
        self.padded = length + sum(pads)
        self.windows = (self.padded - self.kernel) // self.stride + 1
        self.volume = (self.windows,)
        self.inner = channels * self.kernel
        self.columns = self.inner + 1

    def take(self, x: torch.Tensor) -> None:
        """Lay the windows of x (M, channels, n, length) in."""
        if any(self.pads):
            x = nn.functional.pad(x, self.pads)
        m, _, self.n, _ = x.shape
        windows = x.unfold(3, self.kernel, self.stride).permute(0, 1, 4, 2, 3)
        self.laid = x.new_empty(m, self.columns, self.n * self.windows)
        self.laid[:, self.inner] = 1.0
        self.laid[:, : self.inner].view(windows.shape).copy_(windows)

    def product(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the filters' answers (M, filters, n, windows)."""
        out = products(weight, self.laid)
        return out.view(*out.shape[:2], self.n, self.windows)

    def to_weight(self, grad: torch.Tensor, who: slice) -> torch.Tensor:
        """Return (M, filters, columns) for grad (M, filters, n, windows)."""
        return products(grad.flatten(2), self.laid[who].transpose(1, 2))

    def to_input(self, weight: torch.Tensor, grad: torch.Tensor) -> torch.Tensor:
        """Return what comes back: each window's share added where it was taken from."""
        m = len(weight)
        shares = products(weight[:, :, : self.inner].transpose(1, 2), grad.flatten(2))
        shares = shares.view(m, self.channels, self.kernel, self.n, self.windows)
        back = grad.new_zeros(m, self.channels, self.n, self.padded)
        last = (self.windows - 1) * self.stride + 1
        for place in range(self.kernel):
            back[..., place : place + last : self.stride] += shares[:, :, place]
        left, _ = self.pads
        return back[..., left : left + self.length]


class Whole:
    """The inlet of a fully connected layer: all that a row has is one column of outputs' weights.

    Parameters
    ----------
    channels, length : int
        Of what arrives.
    """

    def __init__(self, channels: int, length: int) -> None:
        self.channels, self.length = channels, length
        self.inner = channels * length
        self.columns = -(-(self.inner + 1) // ALIGNED) * ALIGNED

    def take(self, x: torch.Tensor) -> None:
        """Lay x (M, channels, n, length) in."""
        m, channels, n, length = x.shape
        self.laid = x.new_empty(m, n, self.columns)
        self.laid[:, :, self.inner] = 1.0
        self.laid[:, :, self.inner + 1 :] = 0.0
        self.laid[:, :, : self.inner].view(m, n, channels, length).copy_(x.transpose(1, 2))

    def product(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the nodes' values (M, nodes, n, 1)."""
        return products(weight, self.laid.transpose(1, 2)).unsqueeze(3)

    def to_weight(self, grad: torch.Tensor, who: slice) -> torch.Tensor:
        """Return (M, nodes, columns) for grad (M, nodes, n, 1)."""
        return products(grad.flatten(2), self.laid[who])

    def to_input(self, weight: torch.Tensor, grad: torch.Tensor) -> torch.Tensor:
        """Return what comes back; zeros where nothing was laid in are left out."""
        back = products(grad.flatten(2).transpose(1, 2), weight)[:, :, : self.inner]
        shape = (*back.shape[:2], self.channels, self.length)
        return back.view(shape).transpose(1, 2).contiguous()
