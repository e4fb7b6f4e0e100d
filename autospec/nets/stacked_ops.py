"""What a stacked network computes: linear layers, convolutions, batch normalisation of M members.

Tensors have the members first: activations (M, n, ...), weights (M, ...). A member's numbers never
meet another's. Which of two ways computes a product was measured, see docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

ONE_BY_ONE = 2_000_000  # FLOPs of a member's product from which the call's own cost is small
_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(  # type: ignore[no-untyped-call]
    getattr(torch.ops, "mkldnn", None), "_linear_pointwise"
)
aten = torch.ops.aten


def products(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return a @ b, shapes (M, p, q) and (M, q, r): all at once, or large ones one by one.

    oneDNN, which torch has for its convolutions, multiplies large float32 matrices up to twice as
    fast as the library behind `torch.mm`, depending on the processor's make; it costs more a call.
    """
    large = 2 * a.shape[1] * a.shape[2] * b.shape[2] > ONE_BY_ONE
    if not (large and _ONEDNN and a.device.type == "cpu"):
        return torch.bmm(a, b)
    linear = torch.ops.mkldnn._linear_pointwise
    each = [linear(x, y.t(), None, "none", [], "") for x, y in zip(a, b, strict=True)]
    return each[0].unsqueeze_(0) if len(each) == 1 else torch.stack(each)


class Linear(torch.autograd.Function):
    """x (M, n, k) times weight (M, nodes, k) transposed, plus bias (M, nodes)."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
    ) -> torch.Tensor:
        """Return (M, n, nodes)."""
        ctx.save_for_backward(x, weight)
        return products(x, weight.transpose(1, 2)).add_(bias[:, None])

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients of x, weight and bias."""
        (x, weight), grad = ctx.saved_tensors, grads[0]
        to_x = products(grad, weight) if ctx.needs_input_grad[0] else None
        return to_x, products(grad.transpose(1, 2), x), grad.sum(1)


class FirstConvolution(torch.autograd.Function):
    """Convolve spectra of one channel, x (M, n, 1, b), with weight (M, filters, 1, kernel).

    One product a member: filters by kernel, times kernel by all windows of all rows. x gets no
    gradient.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        stride: int,
    ) -> torch.Tensor:
        """Return (M, n, filters, length)."""
        windows = x[:, :, 0].unfold(2, weight.shape[3], stride)
        m, n, length, kernel = windows.shape
        windows = windows.permute(0, 3, 1, 2).reshape(m, kernel, n * length)
        ctx.save_for_backward(windows)
        out = products(weight[:, :, 0], windows)
        by_filter = out.view(m, -1, n, length).transpose(1, 2)
        return torch.add(
            by_filter,
            bias[:, None, :, None],
            out=torch.empty(by_filter.shape, dtype=x.dtype, device=x.device),
        )

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients of weight and bias."""
        (windows,) = ctx.saved_tensors
        m, n, filters, length = grads[0].shape
        by_filter = grads[0].transpose(1, 2).reshape(m, filters, n * length)
        to_weight = products(windows, by_filter.transpose(1, 2))  # this way round is faster
        return None, to_weight.transpose(1, 2).contiguous()[:, :, None], by_filter.sum(2), None


class Convolution(torch.autograd.Function):
    """Convolve x (M, n, channels, length) with weight (M, filters, channels, kernel)."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        stride: int,
    ) -> torch.Tensor:
        """Return (M, n, filters, length)."""
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        each = [torch.conv1d(*one, stride=stride) for one in zip(x, weight, bias, strict=True)]
        return each[0].unsqueeze_(0) if len(each) == 1 else torch.stack(each)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients of x, weight and bias."""
        x, weight = ctx.saved_tensors
        wanted = [ctx.needs_input_grad[0], True, True]
        one = ([weight.shape[1]], [ctx.stride], [0], [1], False, [0], 1, wanted)
        each = [
            aten.convolution_backward(*three, *one)
            for three in zip(grads[0], x, weight, strict=True)
        ]
        to_x, to_weight, to_bias = (
            None if parts[0] is None else torch.stack(parts) for parts in zip(*each, strict=True)
        )
        return to_x, to_weight, to_bias, None


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """What batch normalisation of M members keeps: running means and variances (M, c), numbers."""

    mean: torch.Tensor
    variance: torch.Tensor
    momentum: float
    eps: float


class BatchNorm(torch.autograd.Function):
    """Normalise x (M, n, c, ...) by each member's own rows; rows past `counts` give 0."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        norm: Norm,
        counts: Sequence[int],
    ) -> torch.Tensor:
        """Return x normalised; the running statistics of `norm` move."""
        out, saved = _blank(x, counts), []
        for m, n in enumerate(counts):
            out[m, :n], *kept = torch.native_batch_norm(
                x[m, :n],
                weight[m],
                bias[m],
                norm.mean[m],
                norm.variance[m],
                True,
                norm.momentum,
                norm.eps,
            )
            saved += kept
        ctx.save_for_backward(x, weight, *saved)
        ctx.counts, ctx.eps = counts, norm.eps
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients of x, weight and bias."""
        x, weight, *saved = ctx.saved_tensors
        to_x = _blank(x, ctx.counts)
        to_weight, to_bias = torch.empty_like(weight), torch.empty_like(weight)
        for m, n in enumerate(ctx.counts):
            to_x[m, :n], to_weight[m], to_bias[m] = aten.native_batch_norm_backward(
                grads[0][m, :n].contiguous(),
                x[m, :n],
                weight[m],
                None,
                None,
                saved[2 * m],
                saved[2 * m + 1],
                True,
                ctx.eps,
                [True, True, True],
            )
        return to_x, to_weight, to_bias, None, None


class AveragePool(torch.autograd.Function):
    """Mean of each `size` neighbours along the last axis; what is left over is not seen.

    torch's own pooling goes value by value; here, one of the `size` places of all windows at once.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, size: int) -> torch.Tensor:  # noqa: ANN401
        """Return (..., length // size)."""
        ctx.shape, ctx.size = x.shape, size
        first, *others = _places(x, size)
        out = first + others[0]
        for place in others[1:]:
            out += place
        return out.div_(size)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        """Return the gradient of x."""
        to_x, share = _blank_windows(grads[0], ctx.shape, ctx.size), grads[0] / ctx.size
        for place in _places(to_x, ctx.size):
            place.copy_(share)
        return to_x, None


class MaxPool(torch.autograd.Function):
    """Largest of each `size` neighbours along the last axis; the first of equal ones learns."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, size: int) -> torch.Tensor:  # noqa: ANN401
        """Return (..., length // size)."""
        first, *others = _places(x, size)
        out = torch.maximum(first, others[0])
        for place in others[1:]:
            torch.maximum(out, place, out=out)
        ctx.save_for_backward(x, out)
        ctx.size = size
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        """Return the gradient of x."""
        x, largest = ctx.saved_tensors
        to_x = _blank_windows(grads[0], x.shape, ctx.size)
        left, hit = grads[0].clone(), torch.empty_like(largest)
        for place, to_place in zip(_places(x, ctx.size), _places(to_x, ctx.size), strict=True):
            torch.sub(place, largest, out=hit).sign_().add_(1.0)  # 1 where equal: eq is slower
            hit *= left
            left -= hit  # exactly 0 once it is given away
            to_place.copy_(hit)
        return to_x, None


def _places(x: torch.Tensor, size: int) -> tuple[torch.Tensor, ...]:
    """Return the first, second, ... of each window along the last axis, as views."""
    windows = x.shape[-1] // size
    return x[..., : windows * size].view(*x.shape[:-1], windows, size).unbind(-1)


def _blank_windows(grad: torch.Tensor, shape: torch.Size, size: int) -> torch.Tensor:
    """Return an empty tensor of `shape`, 0 where no window reaches."""
    blank = grad.new_empty(shape)
    blank[..., shape[-1] // size * size :] = 0.0
    return blank


def _blank(x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
    """Return an empty tensor like x (M, n, ...), 0 in the rows past `counts`."""
    return torch.empty_like(x) if min(counts) == x.shape[1] else torch.zeros_like(x)
