"""GeoTIFF to raster stacks: one file, or a folder with one file a date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospec.data.cubes.examination import summarise_cube
from autospec.data.cubes.geotiff import find_date
from autospec.data.cubes.grids import read_grid_stack
from autospec.errors import DataError
from tests.data.cubes.made_grids import TIMES, H, T, W, check, expected, layer, write_tiff


@pytest.mark.parametrize(
    ("text", "when", "rest"),
    [
        ("S2_2020-05-01", "2020-05-01", "S2"),
        ("20200501_ndvi", "2020-05-01", "ndvi"),
        ("S2_20200501T101559_B4", "2020-05-01T10:15:59", "S2__B4"),
        ("MOD13_2020.05.01", "2020-05-01", "MOD13"),
        ("tile_12345678", None, "tile_12345678"),
        ("run_20201399", None, "run_20201399"),
        ("ndvi", None, "ndvi"),
    ],
)
def test_dates_are_found_in_names(text: str, when: str | None, rest: str) -> None:
    assert find_date(text) == (None if when is None else np.datetime64(when, "s"), rest)


def test_a_folder_of_geotiffs_is_a_stack(tmp_path: Path) -> None:
    for k in (3, 0, 4, 1, 2):
        write_tiff(
            tmp_path / f"S2_{TIMES[k]}.tif", expected()[k], names=("ndvi", "rain"), nodata=-1.0
        )
    write_tiff(tmp_path / "height.tif", layer(2)[:1])
    stack = read_grid_stack(tmp_path)
    check(stack)
    assert stack.static_channels == ("height",)
    np.testing.assert_array_equal(stack.dynamic[1:3, 1, 2:5, 3:8], expected()[1:3, 1, 2:5, 3:8])


@pytest.mark.parametrize("south_up", [False, True])
def test_the_bands_of_one_geotiff_have_dates(tmp_path: Path, south_up: bool) -> None:
    layers = expected().reshape(T * 2, H, W)
    names = tuple(f"{name}_{day}" for day in TIMES for name in ("ndvi", "rain"))
    stack = read_grid_stack(write_tiff(tmp_path / "a.tif", layers, names=names, south_up=south_up))
    check(stack)
    np.testing.assert_array_equal(stack.dynamic[0, 0, 1:3], expected()[0, 0, 1:3])


@pytest.mark.parametrize("said", [True, False])
def test_made_up_data_say_so(tmp_path: Path, said: bool) -> None:
    import rasterio

    for k in range(2):
        path = write_tiff(tmp_path / f"S2_{TIMES[k]}.tif", expected()[k], names=("ndvi", "rain"))
    if said:
        with rasterio.open(path, "r+") as file:
            file.update_tags(synthetic="true")
    assert read_grid_stack(tmp_path).synthetic is said


def test_masked_and_scaled_cells_of_a_geotiff(tmp_path: Path) -> None:
    import rasterio

    counts = np.arange(H * W, dtype=np.int16).reshape(1, H, W)
    path = write_tiff(tmp_path / "20200501.tif", counts, nodata=7)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.5,), (2.0,)
    values = read_grid_stack(tmp_path).dynamic[0, 0]
    assert np.isnan(values[0, 7])
    np.testing.assert_allclose(values[1], counts[0, 1] * 0.5 + 2.0)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a_2020-01-01.tif": {"crs": None}}, ("a_2020-01-01.tif", "gdal_edit.py")),
        ({"a.tif": {}, "b.tif": {}}, ("no file name holds a date",)),
        ({"a_2020-01-01.tif": {}, "a_20200101.tif": {}}, ("there twice",)),
        ({"a_2020-01-01.tif": {}, "b_2020-02-01.tif": {}}, ("2 layers are missing", "'b' of")),
        ({"a_2020-01-01.tif": {}, "a_2020-02-01.tif": {"crs": "EPSG:3857"}}, ("EPSG:3857",)),
    ],
)
def test_geotiffs_that_do_not_fit_are_refused(
    tmp_path: Path, files: dict[str, dict[str, Any]], words: tuple[str, ...]
) -> None:
    for name, options in files.items():
        write_tiff(tmp_path / name, layer(0)[:1], **options)
    with pytest.raises(DataError) as caught:
        read_grid_stack(tmp_path)
    assert all(word in str(caught.value) for word in words), caught.value


def test_bands_without_dates_are_refused(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", layer(0), names=("ndvi_2020-01-01",))
    with pytest.raises(DataError, match="4 of 5 bands have no date"):
        read_grid_stack(path)


def test_a_raster_in_feet_is_refused(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "ndvi_2020-05-01.tif", layer(0)[:1], crs="EPSG:2263")
    with pytest.raises(DataError, match="counts in 'US survey foot'"):
        read_grid_stack(path)


def test_names_that_cannot_be_shown_are_refused(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", layer(0)[:1], names=("red\u200b_2020-05-01",))
    with pytest.raises(DataError, match="printable characters"):
        read_grid_stack(path)


def test_infinite_cells_are_counted(tmp_path: Path) -> None:
    for k in range(T):
        values = expected()[k]
        values[0, 0, :3] = np.inf if k == 1 else values[0, 0, :3]
        write_tiff(tmp_path / f"S2_{TIMES[k]}.tif", values, names=("ndvi", "rain"))
    stack = read_grid_stack(tmp_path)
    assert np.isnan(stack.dynamic[1, 0, 0, :3]).all()
    assert summarise_cube(stack).infinite == 3
