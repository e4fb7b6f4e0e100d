"""`products`: matrix products of M members, by whichever library is faster for their size."""

from __future__ import annotations

import torch

ONE_BY_ONE = 2_000_000  # FLOPs of a member's product from which the call's own cost is small
_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(  # type: ignore[no-untyped-call]
    getattr(torch.ops, "mkldnn", None), "_linear_pointwise"
)


def products(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return a @ b, shapes (M, p, q) and (M, q, r): all at once, or large ones one by one.

    oneDNN, which torch has for its convolutions, multiplies large float32 matrices up to twice as
    fast as the library behind `torch.mm`, depending on the processor's make; it costs more a call,
    and is slower by a factor of hundreds where rows of a matrix do not follow each other.
    """
    large = 2 * a.shape[1] * a.shape[2] * b.shape[2] > ONE_BY_ONE
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
