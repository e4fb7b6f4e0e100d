"""`in_pieces`: many cubes as some at a time, so that what is computed of them fits in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

from autospec.data.cubes.cubes import Cubes

CELLS_AT_ONCE = 4_000_000  # of the cubes whose standardised values are in memory together


def in_pieces(cubes: Cubes) -> Iterator[Cubes]:
    """Yield consecutive samples, some at a time.

    Parameters
    ----------
    cubes : Cubes
        n samples; of none, one piece of none is yielded.
    """
    rows = max(CELLS_AT_ONCE // math.prod(cubes.shape), 1)
    for start in range(0, max(cubes.n, 1), rows):
        yield cubes.rows(range(start, min(start + rows, cubes.n)))
