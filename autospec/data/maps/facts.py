"""`stack_facts`: what a stack holds, by one look at every value, a part of it at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autospec.data.cubes.cubes import Float32Array
from autospec.data.cubes.layer_index import INFINITE_ARE, infinite_line, infinite_met
from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps.boxes import boxes


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFacts:
    """What a stack holds.

    Parameters
    ----------
    digest : str
        SHA-256 of all values, axes and names, in the order in which a stack of its kind is read:
        one held in memory and one left in its file have different ones.
    missing_percent : float
        Share of the targets' cells and dates without a value.
    infinite : str
        How many cells of the file are infinite, which count as no value; empty for none.
    """

    digest: str
    missing_percent: float
    infinite: str = ""


def stack_facts(stack: RasterStack, targets: Sequence[str]) -> StackFacts:
    """Look at every value of a stack once.

    Parameters
    ----------
    stack : RasterStack
        As `autospec.data.maps.resident.held` returns it. What a missing value looks like in bits
        does not matter.
    targets : sequence of str
        Channels whose missing values are counted.
    """
    digest, missing, seen = hashlib.sha256(_said(stack).encode()), 0, 0
    before = infinite_met(stack.dynamic)
    for box in boxes(stack.dynamic):
        for number, channel in enumerate(stack.channels):
            values = stack.dynamic[box.dates, number, box.rows, box.columns]
            digest.update(_bits(values))
            if channel in targets:
                missing += int(np.isnan(values).sum())
                seen += values.size
    digest.update(_bits(stack.static))
    found = infinite_met(stack.dynamic) - before
    # of a stack that was read into memory it is said by who read it
    said = [line for line in stack.provenance if line.endswith(INFINITE_ARE)]
    return StackFacts(
        digest=digest.hexdigest(),
        missing_percent=100.0 * missing / seen,
        infinite=infinite_line(found) if found else "; ".join(said),
    )


def _said(stack: RasterStack) -> str:
    """Return shapes, axes and names as text."""
    shape, transform = map(int, stack.dynamic.shape), map(float, stack.transform)
    axes = (*shape, *transform, stack.crs, stack.synthetic)
    return repr((axes, stack.channels, stack.static_channels, stack.times.tolist()))


def _bits(values: Float32Array) -> bytes:
    return np.where(np.isnan(values), np.float32("nan"), values).astype("<f4").tobytes()
