"""Tiles of stacks that are no arrays: the same values, and no more memory than a tile's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autospec.data.cubes.stack_files import read_stack
from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps.splits import FIT, MapSplit, make_map_split
from autospec.data.maps.tiles import Tile, fit_places, read_tile, watch_places
from tests.data.maps.map_stacks import GAPPY, Watched, made_stack, posed


def test_a_stack_larger_than_memory_is_learned_from_within_a_cap() -> None:
    cap = 2 * 1024**2
    stack = made_stack(24, 128, 128)
    layers = Watched(np.asarray(stack.dynamic), blocks=(1, 64, 64))
    assert layers.values.nbytes > 2 * cap
    lazy = replace(stack, dynamic=layers)
    problem = posed(lazy)
    plan = make_map_split(problem, MapSplit())
    layers.read.clear()
    most = 0
    for place in (*fit_places(problem, plan, 64)[:9], *watch_places(problem, plan, 64)):
        before = len(layers.read)
        tile = read_tile(problem, plan, place, FIT)
        held = tile.dynamic.nbytes + tile.last.nbytes + tile.target.nbytes + tile.counted.nbytes
        most = max(most, held + sum(layers.bytes_read[before:]))
    assert 0 < most < cap


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[RasterStack, Path]:
    """A stack in memory, and the same one in a Zarr store."""
    xr = pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    pytest.importorskip("rasterio")
    names = ("et", "heat", "rain")  # as a store lists them
    stack = made_stack(len(GAPPY), 19, 23, slots=GAPPY, missing=0.2, channels=names)
    a, _, west, _, e, north = stack.transform
    values, folder = np.asarray(stack.dynamic), tmp_path_factory.mktemp("store")
    data = xr.Dataset(
        {name: (("time", "y", "x"), values[:, i]) for i, name in enumerate(stack.channels)}
        | {"static0": (("y", "x"), stack.static[0])},
        coords={
            "time": stack.times.astype("datetime64[ns]"),
            "y": north + e * (np.arange(19) + 0.5),
            "x": west + a * (np.arange(23) + 0.5),
        },
        attrs={"crs": stack.crs},
    )
    chunks = {"chunks": (3, 8, 8)}
    data.to_zarr(
        folder / "cube.zarr",
        encoding=dict.fromkeys(stack.channels, chunks),
        zarr_format=3,
        consolidated=False,
    )
    return stack, folder / "cube.zarr"


@pytest.mark.parametrize("name", Tile.__dataclass_fields__)
@pytest.mark.parametrize("horizon", [0, 2])
def test_tiles_of_a_zarr_store_are_those_of_memory(
    stored: tuple[RasterStack, Path], horizon: int, name: str
) -> None:
    stack, path = stored
    problem, known = posed(read_stack(path), horizon), posed(stack, horizon)
    plans = [make_map_split(p, MapSplit(kind="blocks")) for p in (problem, known)]
    assert plans[0].digest == plans[1].digest
    assert not isinstance(problem.stack.dynamic, np.ndarray)
    places = fit_places(known, plans[1], 8)[::37]
    one, other = (
        np.stack([getattr(read_tile(p, plan, place, FIT), name) for place in places])
        for p, plan in zip((problem, known), plans, strict=True)
    )
    np.testing.assert_array_equal(one, other)
