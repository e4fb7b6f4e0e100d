"""`held`: a stack in memory where it fits, as it is where not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autospec.data.cubes.cubes import Float32Array
from autospec.data.cubes.layer_index import infinite_line, infinite_met
from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps.boxes import boxes

HELD_BYTES = 2 * 1024**3


def held(stack: RasterStack, max_bytes: int = HELD_BYTES) -> RasterStack:
    """Read a stack into memory if it fits; values stay the same to the bit.

    Parameters
    ----------
    stack : RasterStack
    max_bytes : int
        What its layers may take as float32.

    Returns
    -------
    RasterStack
        The very same where it is in memory already, or would not fit. Else `provenance` says how
        many cells were infinite, if any were.

    Raises
    ------
    DataError
        If the file breaks while it is read.
    """
    layers = stack.dynamic
    size = 4
    for length in layers.shape:
        size *= int(length)
    if isinstance(layers, np.ndarray) or size > max_bytes:
        return stack
    values: Float32Array = np.empty(layers.shape, dtype=np.float32)
    before = infinite_met(layers)
    for box in boxes(layers):
        for channel in range(values.shape[1]):
            where = (box.dates, channel, box.rows, box.columns)
            values[where] = layers[where]
    found = infinite_met(layers) - before
    said = (infinite_line(found),) if found else ()
    return replace(stack, dynamic=values, provenance=(*stack.provenance, *said))
