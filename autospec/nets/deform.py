"""Deformable convolution (DCNv2) in plain torch: kernel points that look where they learn to look.

Zhu et al. 2019, https://doi.org/10.1109/CVPR.2019.00953. Each of the k·k points of a kernel is
moved by an offset of its own and weighted by a mask of its own, both predicted from the input at
every place; values between cells are bilinear, and zero outside. Offsets begin at 0 and masks at 1,
so that the layer begins as a plain convolution.

Where torchvision can be imported its kernel does the work, in single precision, else plain torch:
the same numbers but for rounding, so that a training gives the same bits only with the same of the
two.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import nn
from torch.nn import functional

# of columns; beyond, images are taken in parts: on a CPU so small that they stay in its caches
CPU_PART_BYTES, GPU_PART_BYTES = 4 << 20, 256 << 20
Operator = Callable[..., torch.Tensor]


def deform_conv2d(
    x: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Convolve with stride 1, at moved kernel points; "same" padding, kernel odd.

    By torchvision where it can be imported, else in plain torch.

    Parameters
    ----------
    x : Tensor, shape (n, c, h, w)
        Images.
    offset : Tensor, shape (n, 2·k·k, h, w)
        (dy, dx) of each kernel point, row by row, in cells.
    mask : Tensor, shape (n, k·k, h, w)
        Weight of each kernel point.
    weight : Tensor, shape (out, c, k, k)
        As of `nn.Conv2d`.

    Returns
    -------
    Tensor, shape (n, out, h, w)
    """
    kernel = torchvision_kernel()
    if kernel is None:
        return deform_in_torch(x, offset, mask, weight)
    # float32 under mixed precision: half a cell in 16 bits is a coarse place in a large image
    exact = torch.promote_types(offset.dtype, torch.float32)
    given = (tensor.to(exact) for tensor in (x, offset, weight))
    seen = kernel(*given, padding=weight.shape[-1] // 2, mask=mask.to(exact))
    return seen.to(x.dtype)


@cache
def torchvision_kernel() -> Operator | None:
    """Return torchvision's operator; None where it is not, or was built for another torch."""
    try:
        from torchvision.ops import deform_conv2d as found
    except (ImportError, OSError, RuntimeError):
        return None
    kernel: Operator = found
    return kernel


def deform_in_torch(
    x: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Convolve as `deform_conv2d`, with torch alone."""
    n, c, h, w = x.shape
    out, _, k, _ = weight.shape
    at_once = CPU_PART_BYTES if x.device.type == "cpu" else GPU_PART_BYTES
    rows = max(1, at_once // (4 * c * k * k * h * w))
    parts = zip(*(torch.split(tensor, rows) for tensor in (x, offset, mask)), strict=True)
    flat = weight.flatten(1)
    answers = [
        torch.bmm(flat.expand(len(some), -1, -1), _columns(some, moves, shares, k))
        for some, moves, shares in parts
    ]
    return torch.cat(answers).view(n, out, h, w)


def _columns(x: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor, k: int) -> torch.Tensor:
    """Return what the kernel points of every place see, shape (n, c·k·k, h·w)."""
    n, c, h, w = x.shape
    exact = torch.promote_types(offset.dtype, torch.float32)  # as above
    moves = offset.to(exact).view(n, k * k, 2, h, w)
    reach = torch.arange(k, device=x.device, dtype=exact) - k // 2
    place_y = torch.arange(h, device=x.device, dtype=exact)[None, None, :, None]
    place_x = torch.arange(w, device=x.device, dtype=exact)[None, None, None, :]
    at_y = place_y + reach.repeat_interleave(k)[None, :, None, None] + moves[:, :, 0]
    at_x = place_x + reach.repeat(k)[None, :, None, None] + moves[:, :, 1]
    # cell centres as grid_sample counts them: -1 and 1 are the outer edges
    grid = torch.stack([(2 * at_x + 1) / w - 1, (2 * at_y + 1) / h - 1], dim=-1)
    seen = functional.grid_sample(
        x.to(exact), grid.view(n, k * k * h, w, 2), padding_mode="zeros", align_corners=False
    )
    seen = seen.view(n, c, k * k, h, w) * mask.to(exact)[:, None]
    return seen.to(x.dtype).flatten(3).flatten(1, 2)


class DeformConv2d(nn.Module):
    """A deformable convolution that predicts its own offsets and masks; size stays.

    Parameters
    ----------
    channels, filters : int
        In and out.
    kernel : int
        Odd.
    """

    def __init__(self, channels: int, filters: int, kernel: int = 3) -> None:
        super().__init__()
        self.kernel = kernel
        plain = nn.Conv2d(channels, filters, kernel)
        assert plain.bias is not None
        self.weight, self.bias = plain.weight, plain.bias
        self.where = nn.Conv2d(channels, 3 * kernel * kernel, kernel, padding=kernel // 2)
        nn.init.zeros_(self.where.weight)
        assert self.where.bias is not None
        nn.init.zeros_(self.where.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, filters, h, w) for x (n, channels, h, w)."""
        points = self.kernel**2
        # in float32 under mixed precision too: 8 bits of an offset are a coarse place
        with torch.autocast(x.device.type, enabled=False):
            where = self.where(x.to(self.where.weight.dtype))
        offset, mask = torch.split(where, [2 * points, points], dim=1)
        out = deform_conv2d(x, offset, 2.0 * torch.sigmoid(mask), self.weight.to(x.dtype))
        return out + self.bias.to(out.dtype)[:, None, None]
