"""Boxes: they part a raster, stay small, and follow what its file reads at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.data.maps.boxes import boxes
from tests.data.maps.map_stacks import Watched


@given(
    shape=st.tuples(st.integers(1, 9), st.just(2), st.integers(1, 20), st.integers(1, 20)),
    blocks=st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12)),
    cells=st.integers(1, 500),
    fewer=st.integers(0, 9),
)
@settings(max_examples=100, deadline=None)
def test_boxes_part_the_raster_and_stay_small(
    shape: tuple[int, ...], blocks: tuple[int, int, int], cells: int, fewer: int
) -> None:
    t, _, h, w = shape
    n_dates = min(fewer, t)
    seen = np.zeros((t, h, w), dtype=int)
    for box in boxes(Watched(np.zeros(shape, np.float32), blocks), n_dates, 4 * cells):
        part = seen[box.dates, box.rows, box.columns]
        part += 1
        assert part.size <= cells
    assert (seen[:n_dates] == 1).all() and not seen[n_dates:].any()


def test_boxes_hold_whole_blocks_where_they_fit() -> None:
    layers = Watched(np.zeros((24, 1, 64, 64), np.float32), (4, 16, 16))
    found = list(boxes(layers, read_bytes=4 * 4 * 16 * 32))
    assert [box.columns for box in found[:7:6]] == [slice(0, 32), slice(32, 64)]
    assert {box.rows.start % 16 + box.dates.start % 4 for box in found} == {0}


@pytest.mark.parametrize("cells", [100, 1000, 10**6])
def test_rows_stay_long_in_a_file_without_blocks(cells: int) -> None:
    first = next(boxes(np.zeros((10, 1, 10, 100), np.float32), read_bytes=4 * cells))
    assert first.columns == slice(0, 100)
    assert first.rows == slice(0, min(10, cells // 100))
