"""A map of roles as text: every cell of a small map, every few of a large one."""

from __future__ import annotations

import numpy as np
import pytest

from autospec.data.maps.role_rows import MOST_CELLS, role_rows
from autospec.data.maps.splits import FIT, LEFT_OUT, SEALED, WATCH


def test_a_small_map_is_whole_north_first() -> None:
    cells = np.array([[FIT, FIT, WATCH], [LEFT_OUT, SEALED, SEALED]], dtype=np.uint8)
    assert role_rows(cells) == ("112", "033")


@pytest.mark.parametrize("shape", [(96, 97), (300, 20), (1, 4096)])
def test_a_large_map_is_thinned_evenly(shape: tuple[int, int]) -> None:
    cells = np.random.default_rng(0).integers(0, 4, shape).astype(np.uint8)
    rows = role_rows(cells)
    assert 1 <= len(rows) <= MOST_CELLS and 1 <= len(rows[0]) <= MOST_CELLS
    step = -(-max(shape) // MOST_CELLS)
    assert [[int(d) for d in row] for row in rows] == cells[::step, ::step].tolist()
