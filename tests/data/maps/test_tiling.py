"""Maps in tiles: a function of each cell comes back as it is, without seams, in little memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from autospec.data.maps.tiles import Tile
from autospec.data.maps.tiling import Reader, Tiling, map_in_tiles, usual_tiling

Floats = NDArray[np.floating]


def reader(raster: Floats) -> Reader:
    """Read tiles of a raster (t, c, h, w) with two static layers and targets made of it.

    Of float64, unlike tiles of stacks: what tiling adds is then seen to the last digit.
    """
    t = len(raster)

    def read(rows: slice, columns: slice) -> Tile:
        part = raster[..., rows, columns]
        return Tile(
            dynamic=part,  # type: ignore[arg-type]
            static=part[0, :1] * np.array([[[2.0]], [[3.0]]]),  # type: ignore[arg-type]
            present=np.ones(t, dtype=bool),
            last=part[:, :1] - 1,  # type: ignore[arg-type]
            target=part[:, :1] + 1,  # type: ignore[arg-type]
            counted=part[:, 0] > 0,
            months=np.zeros(t, dtype=np.int64),
        )

    return read


def dynamic(tile: Tile) -> Floats:
    return tile.dynamic


def mapped(raster: Floats, tiling: Tiling, network: Callable[[Tile], Floats] = dynamic) -> Floats:
    bands = list(map_in_tiles(reader(raster), network, raster.shape[-2:], tiling))  # type: ignore[arg-type]
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
    raster = np.random.default_rng(h * 100 + w).normal(size=(2, 1, h, w))
    tiling = Tiling(tile=tile, margin=int(share * tile))
    out = mapped(raster, tiling, lambda x: x.dynamic**2 + 1)
    np.testing.assert_allclose(out, raster**2 + 1, rtol=0, atol=1e-12)


def test_axes_of_the_answer_may_differ() -> None:
    raster = np.random.default_rng(0).normal(size=(3, 4, 21, 35))
    out = mapped(raster, Tiling(tile=16, margin=3), lambda x: x.dynamic.sum(axis=1))
    np.testing.assert_allclose(out, raster.sum(axis=1), atol=1e-12)


def test_every_field_of_a_tile_is_mirrored_beyond_the_edge() -> None:
    raster = np.arange(60.0).reshape(2, 1, 5, 6)
    seen: list[Tile] = []
    mapped(raster, Tiling(tile=16, margin=2), lambda x: seen.append(x) or x.dynamic)  # type: ignore[func-returns-value]
    (tile,) = seen
    padded = np.pad(raster, [(0, 0), (0, 0), (2, 2), (2, 2)], mode="reflect")
    np.testing.assert_array_equal(tile.dynamic, padded)
    np.testing.assert_array_equal(tile.static[1], 3 * padded[0, 0])
    np.testing.assert_array_equal(tile.last, padded - 1)
    np.testing.assert_array_equal(tile.target, padded + 1)
    np.testing.assert_array_equal(tile.counted, padded[:, 0] > 0)


def test_answers_of_single_precision_are_summed_in_it() -> None:
    raster = np.random.default_rng(1).normal(size=(1, 1, 40, 33))
    out = mapped(raster, Tiling(tile=16, margin=3), lambda x: x.dynamic.astype(np.float32))
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, raster, rtol=1e-6)  # a few roundings of 6e-8 each


def test_neighbours_blend_without_a_step() -> None:
    # each tile answers with a number of its own: the steps between cells stay small
    count = iter(range(1000))
    out = mapped(
        np.zeros((1, 1, 20, 90)), Tiling(tile=32, margin=7), lambda x: x.dynamic + next(count) % 2
    )
    # sin² over 8 cells rises by at most sin(π/16) from one to the next
    assert np.abs(np.diff(out, axis=3)).max() < 0.2


def test_memory_does_not_grow_with_the_height() -> None:
    def peak(h: int) -> int:
        tracemalloc.start()
        read = reader(np.broadcast_to(np.float64(0), (2, 1, h, 300)))
        for _ in map_in_tiles(read, dynamic, (h, 300), Tiling(tile=64, margin=8)):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(2400) < 1.1 * peak(300)


@pytest.mark.parametrize(("tile", "margin"), [(16, 4), (16, -1)])
def test_tiles_that_do_not_overlap_well_are_refused(tile: int, margin: int) -> None:
    with pytest.raises(ValueError, match="quarter"):
        Tiling(tile=tile, margin=margin)


@pytest.mark.parametrize("tile", [8, 9, 16, 64, 100, 366])
@pytest.mark.parametrize("side", [5, 64, 65, 400])
def test_usual_tiles_have_a_margin_where_there_are_several(tile: int, side: int) -> None:
    tiling = usual_tiling(tile, (3, side))
    assert tiling.tile == tile and bool(tiling.margin) == (side > tile)
