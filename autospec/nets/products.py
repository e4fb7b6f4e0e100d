"""`products`: matrix products of M members, by whichever library is faster for their size.

On a CUDA device large ones are of bfloat16 numbers, summed in float32: weights, optimiser and
everything between products stay float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

ONE_BY_ONE = 2_000_000  # FLOPs of a member's product from which the call's own cost is small
_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(  # type: ignore[no-untyped-call]
    getattr(torch.ops, "mkldnn", None), "_linear_pointwise"
)
_forced: list[bool] = []


def halves(flops: int, device: torch.device) -> bool:
    """Say whether a product of so many FLOPs a member takes bfloat16 numbers on this device."""
    if _forced:
        return _forced[-1] and flops > ONE_BY_ONE
    return device.type == "cuda" and flops > ONE_BY_ONE and torch.cuda.is_bf16_supported()


@contextmanager
def bfloat16(on: bool) -> Iterator[None]:
    """Take bfloat16 numbers in the block, or do not, whatever the device; for all threads."""
    _forced.append(on)
    try:
        yield
    finally:
        _forced.pop()


def products(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return a @ b, shapes (M, p, q) and (M, q, r): all at once, or large ones one by one.

    oneDNN, which torch has for its convolutions, multiplies large float32 matrices up to twice as
    fast as the library behind `torch.mm`, depending on the processor's make; it costs more a call,
    and is slower by a factor of hundreds where rows of a matrix do not follow each other.
    """
    flops = 2 * a.shape[1] * a.shape[2] * b.shape[2]
    if halves(flops, a.device):
        return torch.bmm(a.bfloat16(), b.bfloat16()).float()
    large = flops > ONE_BY_ONE
    if not (large and _ONEDNN and a.device.type == "cpu" and _dense(a) and _dense(b)):
        return torch.bmm(a, b)
    linear = torch.ops.mkldnn._linear_pointwise
    each = [linear(x, y.t(), None, "none", [], "") for x, y in zip(a, b, strict=True)]
    return each[0].unsqueeze_(0) if len(each) == 1 else torch.stack(each)


def _dense(matrices: torch.Tensor) -> bool:
    """Say whether rows, or columns, of each matrix follow each other in memory."""
    _, p, q = matrices.shape
    _, row, column = matrices.stride()
    return (row == q and column == 1) or (row == 1 and column == p)
