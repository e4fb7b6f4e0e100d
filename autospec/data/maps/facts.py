"""`stack_facts`: what a stack holds, by one look at every value; a part of it in memory at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from autospec.data.cubes.stacks import RasterStack

BLOCK_BYTES = 32 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFacts:
    """What a stack holds.

    Parameters
    ----------
    digest : str
        SHA-256 of all values, axes and names; not of where they came from.
    missing_percent : float
        Share of the targets' cells and dates without a value.
    """

    digest: str
    missing_percent: float


def stack_facts(stack: RasterStack, targets: Sequence[str]) -> StackFacts:
    """Look at every value of a stack once.

    Parameters
    ----------
    stack : RasterStack
        Read in blocks of some dates and rows; what a value that is missing looks like in bits
        does not matter.
    targets : sequence of str
        Channels whose missing values are counted.
    """
    wanted = [stack.channels.index(name) for name in targets]
    digest, missing, seen = hashlib.sha256(_said(stack).encode()), 0, 0
    for dates, rows in _blocks(stack):
        block = np.ascontiguousarray(stack.dynamic[dates, :, rows, :], dtype=np.float32)
        gone = np.isnan(block)
        missing += int(gone[:, wanted].sum())
        seen += gone[:, wanted].size
        digest.update(_bits(block, gone))
    digest.update(_bits(stack.static, np.isnan(stack.static)))
    return StackFacts(digest=digest.hexdigest(), missing_percent=100.0 * missing / seen)


def _said(stack: RasterStack) -> str:
    """Return shapes, axes and names as text; they fix the blocks, and so their order, too."""
    shape, transform = map(int, stack.dynamic.shape), map(float, stack.transform)
    axes = (*shape, *transform, stack.crs, stack.synthetic)
    return repr((axes, stack.channels, stack.static_channels, stack.times.tolist()))


def _blocks(stack: RasterStack) -> Iterator[tuple[slice, slice]]:
    """Yield (dates, rows): as many whole dates as fit, or a part of the rows of one."""
    t, c, h, w = stack.dynamic.shape
    rows = min(h, max(1, BLOCK_BYTES // (4 * c * w)))
    dates = max(1, BLOCK_BYTES // (4 * c * h * w))
    for first in range(0, t, dates):
        for top in range(0, h, rows):
            yield slice(first, min(first + dates, t)), slice(top, min(top + rows, h))


def _bits(block: np.ndarray, gone: np.ndarray) -> bytes:
    return np.where(gone, np.float32("nan"), block).astype("<f4").tobytes()
