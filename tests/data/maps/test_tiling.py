"""Maps in tiles: a function of each cell comes back as it is, without seams, in little memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from autospec.data.maps.tiling import Tiling, map_in_tiles

Floats = NDArray[np.floating]


def mapped(raster: Floats, tiling: Tiling, network=lambda tile: tile) -> Floats:  # noqa: ANN001
    bands = list(
        map_in_tiles(lambda r, c: raster[..., r, c], network, raster.shape[-2:], tiling)  # type: ignore[arg-type]
    )
    starts = [start for start, _ in bands]
    assert starts == np.cumsum([0, *(band.shape[-2] for _, band in bands[:-1])]).tolist()
    return np.concatenate([band for _, band in bands], axis=-2)


@given(
    h=st.integers(1, 70),
    w=st.integers(1, 70),
    tile=st.integers(5, 33),
    share=st.floats(0, 0.24),
)
@settings(max_examples=60, deadline=None)
def test_a_function_of_each_cell_comes_back(h: int, w: int, tile: int, share: float) -> None:
    raster = np.random.default_rng(h * 100 + w).normal(size=(2, h, w))
    out = mapped(raster, Tiling(tile=tile, margin=int(share * tile)), lambda x: x**2 + 1)
    np.testing.assert_allclose(out, raster**2 + 1, rtol=0, atol=1e-12)


def test_axes_of_the_answer_may_differ() -> None:
    raster = np.random.default_rng(0).normal(size=(3, 4, 21, 35))
    out = mapped(raster, Tiling(tile=16, margin=3), lambda x: x.sum(axis=1))
    np.testing.assert_allclose(out, raster.sum(axis=1), atol=1e-12)


def test_tiles_see_the_mirrored_raster_beyond_its_edge() -> None:
    raster = np.arange(30.0).reshape(1, 5, 6)
    seen: list[Floats] = []
    mapped(raster, Tiling(tile=16, margin=2), lambda x: seen.append(x) or x)  # type: ignore[func-returns-value]
    np.testing.assert_array_equal(seen[0][0], np.pad(raster[0], 2, mode="reflect"))


def test_neighbours_blend_without_a_step() -> None:
    # each tile answers with a number of its own: the steps between cells stay small
    count = iter(range(1000))
    out = mapped(np.zeros((1, 20, 90)), Tiling(tile=32, margin=7), lambda x: x + next(count) % 2)
    assert np.abs(np.diff(out, axis=2)).max() < 0.15


def test_memory_does_not_grow_with_the_height() -> None:
    def peak(h: int) -> int:
        tracemalloc.start()
        read = lambda r, c: np.zeros((2, r.stop - r.start, c.stop - c.start), np.float32)  # noqa: E731
        for _ in map_in_tiles(read, lambda x: x, (h, 300), Tiling(tile=64, margin=8)):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(2400) < 1.1 * peak(300)


@pytest.mark.parametrize(("tile", "margin"), [(16, 4), (16, -1)])
def test_tiles_that_do_not_overlap_well_are_refused(tile: int, margin: int) -> None:
    with pytest.raises(ValueError, match="quarter"):
        Tiling(tile=tile, margin=margin)
