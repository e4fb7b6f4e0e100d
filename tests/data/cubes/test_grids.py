"""NetCDF, Zarr and GeoTIFF to raster stacks: values, lazy reading, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from autospec.cli import app
from autospec.data.cubes.examination import summarise_cube
from autospec.data.cubes.grids import naming, read_grid_stack
from autospec.data.maps.facts import stack_facts
from autospec.data.maps.resident import held
from autospec.errors import DataError, UsageError
from tests.data.cubes.made_grids import (
    CRS,
    H,
    T,
    W,
    check,
    expected,
    grid,
    layer,
    rasterio,
    write,
    xr,
)

NO_H5 = importlib.util.find_spec("h5py") is None
needs_h5 = pytest.mark.skipif(NO_H5, reason="h5py is not installed")


FORMS = ("v3.zarr", "v2.zarr", "a.nc3", pytest.param("a.nc", marks=needs_h5))


@pytest.mark.parametrize("ascending_y", [False, True])
@pytest.mark.parametrize("name", FORMS)
def test_a_stack_comes_back_north_up(tmp_path: Path, name: str, ascending_y: bool) -> None:
    stack = read_grid_stack(write(grid(ascending_y=ascending_y), tmp_path / name))
    check(stack)
    np.testing.assert_array_equal(stack.static, layer(2)[:1])
    assert any("turned" in line for line in stack.provenance) == ascending_y


@pytest.mark.parametrize(
    "index",
    [
        (2,),
        (slice(1, 3), 1),
        (slice(None), slice(None), slice(3, 5), slice(7, 9)),
        (-1, 0, 4, 5),
        (slice(None, None, 2), slice(1, 2), slice(None, None, -1), ...),
        (..., slice(2, 2)),
        (slice(4, 1, -2), ..., 3),
    ],
)
@pytest.mark.parametrize("ascending_y", [False, True])
def test_layers_are_sliced_as_arrays_are(
    tmp_path: Path, index: tuple[Any, ...], ascending_y: bool
) -> None:
    stack = read_grid_stack(write(grid(ascending_y=ascending_y), tmp_path / "v3.zarr"))
    part = stack.dynamic[index]
    assert part.dtype == np.float32
    np.testing.assert_array_equal(part, expected()[index])


def test_a_window_reads_only_its_chunks(tmp_path: Path) -> None:
    path = tmp_path / "v3.zarr"
    chunks = {name: {"chunks": (1, 4, 5)} for name in ("ndvi", "rain")}
    grid().to_zarr(path, zarr_format=3, consolidated=False, encoding=chunks)
    stack = read_grid_stack(path)
    whole = expected()
    for chunk in (path / "ndvi" / "c").rglob("*"):  # leave the chunks of one corner at one date
        if chunk.is_file() and chunk.relative_to(path / "ndvi" / "c").parts != ("3", "0", "0"):
            chunk.write_bytes(b"these bytes are no chunk")
    part = stack.dynamic[3, 0, 0:4, 0:5]
    np.testing.assert_array_equal(part, whole[3, 0, 0:4, 0:5])
    with pytest.raises(DataError, match=r"layers 4 to 4, rows 1 to 5.*half-written"):
        stack.dynamic[3, 0, 0:5, 0:5]
    assert stack.dynamic.blocks == (1, 4, 5)


def test_axes_in_another_order_and_bands_become_channels(tmp_path: Path) -> None:
    data = grid()
    joint = xr.concat([data["ndvi"], data["rain"]], dim="band").transpose("x", "band", "y", "time")
    made = joint.assign_coords(band=np.array(["ndvi", "rain"], dtype=object)).to_dataset(name="all")
    made["spatial_ref"] = data["spatial_ref"]
    made.attrs["crs"] = CRS
    check(read_grid_stack(write(made, tmp_path / "v2.zarr")))


def test_no_values_scales_and_infinities_are_decoded(tmp_path: Path) -> None:
    data = grid()
    counts = np.arange(T * H * W, dtype=np.int16).reshape(T, H, W)
    counts[0, 0, 0] = -99
    data["ndvi"] = data["ndvi"].copy(data=counts)
    data["ndvi"].attrs |= {"_FillValue": np.int16(-99), "scale_factor": 0.1, "add_offset": 5.0}
    data["rain"][0, 0, 0] = np.inf
    data["rain"] = data["rain"].astype(np.float64)
    data["rain"][0, 0, 1:3] = [-np.finfo(np.float64).max, -np.finfo(np.float32).max]
    stack = read_grid_stack(write(data, tmp_path / "a.nc3"))
    assert np.isnan(stack.dynamic[0, :, 0, 0]).all()
    assert np.isnan(stack.dynamic[0, 1, 0, :3]).all()
    assert np.isfinite(stack.dynamic[0, 1, 0, 3:]).all()
    np.testing.assert_allclose(
        stack.dynamic[1, 0], counts[1] * 0.1 + 5.0, rtol=1e-6
    )  # float32 holds seven digits


@pytest.mark.parametrize("name", FORMS)
def test_infinite_cells_are_counted_once_a_look_and_said(tmp_path: Path, name: str) -> None:
    data = grid()
    data["rain"][:3, 0, 0] = [np.inf, -np.inf, np.nan]
    path = write(data, tmp_path / name)
    stack = read_grid_stack(path)
    summary = summarise_cube(stack)
    assert (summary.infinite, summarise_cube(stack).infinite) == (2, 2)
    in_file, in_memory = (stack_facts(s, ("rain",)) for s in (stack, held(stack)))
    assert in_file.infinite == in_memory.infinite == "2 infinite cells count as no value"
    assert in_file.missing_percent == in_memory.missing_percent == 100 * 3 / (T * H * W)
    without = held(read_grid_stack(write(grid(), tmp_path / "none.zarr")))
    assert stack_facts(without, ("rain",)).infinite == ""


def test_infinite_cells_are_said_by_the_check(tmp_path: Path) -> None:
    data = grid()
    data["rain"][2, 0, 0] = np.inf
    shown = CliRunner().invoke(app, ["cube", "check", str(write(data, tmp_path / "a.zarr"))])
    assert "\n1 infinite cell counts as no value.\n" in shown.output


def test_flags_become_one_static_channel_a_class(tmp_path: Path) -> None:
    data = grid()
    cover = np.tile(np.array([1, 2, 7], dtype=np.int16), (H, W // 3))
    data["cover"] = (
        ("y", "x"),
        cover,
        {"flag_values": np.array([1, 2], dtype=np.int16), "flag_meanings": "forest field"},
    )
    data["texture"] = (("y", "x"), cover)
    stack = read_grid_stack(write(data, tmp_path / "a.nc3"), categorical=("texture",))
    assert stack.static_channels == (
        "height",
        "cover=forest",
        "cover=field",
        "texture=1",
        "texture=2",
        "texture=7",
    )
    np.testing.assert_array_equal(stack.static[1], np.where(cover == 7, np.nan, cover == 1))
    np.testing.assert_array_equal(stack.static[5], cover == 7)


def test_degrees_without_a_reference_system_are_taken_as_such(tmp_path: Path) -> None:
    data = grid(crs=False).rename(y="lat", x="lon")
    data = data.assign_coords(
        lat=(60 - 0.1 * np.arange(H)).astype(np.float32),
        lon=(15 + 0.1 * np.arange(W)).astype(np.float32),
    )
    stack = read_grid_stack(write(data, tmp_path / "a.nc3"))
    assert stack.crs == "EPSG:4326"
    assert any("EPSG:4326 taken" in line for line in stack.provenance)
    np.testing.assert_allclose(stack.transform[0], 0.1, atol=1e-5)  # coordinates are float32


def _unordered(data: Any) -> Any:
    return data.isel(time=[0, 2, 1, 3, 4])


def _repeated(data: Any) -> Any:
    return data.isel(time=[0, 1, 1, 3, 4])


def _curvilinear(data: Any) -> Any:
    data = data.drop_vars(("y", "x")).rename(y="nj", x="ni")
    table = np.zeros((H, W))
    return data.assign_coords(lat=(("nj", "ni"), table), lon=(("nj", "ni"), table))


def _two_grids(data: Any) -> Any:
    data["coarse"] = (("time", "lat", "lon"), np.zeros((T, 3, 3)))
    return data.assign_coords(lat=[3.0, 2.0, 1.0], lon=[1.0, 2.0, 3.0])


def _irregular(data: Any) -> Any:
    x = data["x"].values.copy()
    x[4] += 30
    return data.assign_coords(x=x)


def _calendar(data: Any) -> Any:
    attributes = {"units": "days since 2000-01-01", "calendar": "360_day"}
    return data.assign_coords(time=("time", 30 * np.arange(T), attributes))


def _depths(data: Any) -> Any:
    data["moisture"] = (("time", "depth", "y", "x"), np.zeros((T, 3, H, W)))
    return data


FAULTS = {
    "crs": (lambda data: data.drop_vars("spatial_ref"), ("no coordinate reference", "write_crs")),
    "wrong crs": (lambda data: data.assign_attrs(crs="EPSG:1"), ("EPSG:1", "not known")),
    "no time": (lambda data: data.isel(time=0, drop=True), ("no variable has a time", "time")),
    "undated": (lambda data: data.drop_vars("time"), ("'time' has no coordinate", "CF units")),
    "numbers": (lambda data: data.assign_coords(time=range(T)), ("dates of the standard", "time")),
    "unordered": (_unordered, ("2020-02-01", "layer 3", "oldest first")),
    "repeated": (_repeated, ("is repeated", "layer 3")),
    "curvilinear": (_curvilinear, ("2-D", "lat", "gdalwarp")),
    "two grids": (_two_grids, ("2 grids", "coarse", "one grid")),
    "irregular": (_irregular, ("'x'", "place 5", "one spacing")),
    "calendar": (_calendar, ("360_day", "standard calendar")),
    "depths": (_depths, ("'moisture'", "'depth'", "length 3")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_stack_that_cannot_be_used_is_refused(tmp_path: Path, fault: str) -> None:
    change, words = FAULTS[fault]
    data = grid()
    if fault == "wrong crs":
        data = data.drop_vars("spatial_ref")
    path = write(change(data), tmp_path / "a.nc3")
    with pytest.raises(DataError) as caught:
        read_grid_stack(path)
    assert all(word in str(caught.value) for word in ("a.nc3", *words)), caught.value


def test_codes_that_are_not_there_are_refused(tmp_path: Path) -> None:
    path = write(grid(), tmp_path / "a.nc3")
    with pytest.raises(DataError, match="Did you mean 'height'"):
        read_grid_stack(path, categorical=("hight",))
    with pytest.raises(DataError, match="changes over time"):
        read_grid_stack(path, categorical=("ndvi",))


def _drop(*parts: str) -> Any:
    def remove(store: Path) -> None:
        shutil.rmtree(store.joinpath(*parts))

    return remove


def _cut_metadata(store: Path) -> None:
    (store / "ndvi" / "zarr.json").write_text("{")


def _no_metadata(store: Path) -> None:
    for found in store.rglob("zarr.json"):
        found.unlink()


def _pickled(store: Path) -> None:
    path = store / "ndvi" / "zarr.json"
    told = json.loads(path.read_text())
    told["attributes"]["codec"] = "numcodecs.pickle"
    path.write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        (_drop("ndvi", "c"), "'ndvi': none of its"),
        (_drop("time", "c"), "'time'"),
        (_cut_metadata, "metadata are missing or broken"),
        (_no_metadata, "metadata are missing or broken"),
        (_pickled, "never opened"),
    ],
)
def test_a_half_written_zarr_store_is_refused(tmp_path: Path, harm: Any, word: str) -> None:
    path = write(grid(), tmp_path / "v3.zarr")
    harm(path)
    with pytest.raises(DataError, match=word):
        read_grid_stack(path)


def test_missing_chunks_are_counted_and_said(tmp_path: Path) -> None:
    path = tmp_path / "v3.zarr"
    chunks = {"ndvi": {"chunks": (1, H, W)}}
    grid().to_zarr(path, zarr_format=3, consolidated=False, encoding=chunks)
    shutil.rmtree(path / "ndvi" / "c" / "2")
    stack = read_grid_stack(path)
    assert any("'ndvi': 1 of 5 chunks" in line for line in stack.provenance)
    assert np.isnan(stack.dynamic[2, 0]).all()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"not a raster", "not a raster"),
        (b"CDF\x01\x00", "broken or half-written"),
        (b"II*\x00\x08\x00\x00\x00", "broken or half-written"),
        pytest.param(b"\x89HDF\r\n\x1a\n", "broken or half-written", marks=needs_h5),
        (b"", "not a raster"),
    ],
)
def test_files_that_are_no_grid_are_refused(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "a.nc"
    path.write_bytes(content)
    with pytest.raises(DataError, match=word):
        read_grid_stack(path)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    write(grid(), tmp_path / "layers.nc3")
    with pytest.raises(DataError, match=r"Did you mean 'layers\.nc3'"):
        read_grid_stack(tmp_path / "layer.nc3")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="neither a Zarr store nor GeoTIFFs"):
        read_grid_stack(tmp_path / "empty")


def test_without_the_extra_the_command_to_install_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(grid(), tmp_path / "a.nc3")
    needed = {"netcdf3": ("xarray", "no_such_package")}
    monkeypatch.setattr("autospec.data.cubes.grids.NEEDED", needed)
    with pytest.raises(UsageError, match=r'no_such_package.*pip install "autospec-soil\[cubes\]"'):
        read_grid_stack(path)


def test_a_grid_in_feet_is_refused(tmp_path: Path) -> None:
    data = grid()
    data["spatial_ref"].attrs["crs_wkt"] = rasterio.crs.CRS.from_epsg(2263).to_wkt()
    path = write(data, tmp_path / "v3.zarr")
    with pytest.raises(DataError, match="counts in 'US survey foot'"):
        read_grid_stack(path)


def test_many_codes_are_refused_before_the_whole_layer_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autospec.data.cubes.grid_layers.READ_CELLS", 5 * W)
    data = grid()
    data["codes"] = (("y", "x"), np.arange(H * W, dtype="f8").reshape(H, W))
    data["codes"].attrs["grid_mapping"] = "spatial_ref"
    path = write(data, tmp_path / "a.nc3")
    read: list[tuple[int, ...]] = []
    values = xr.DataArray.values.fget

    def watched(array: Any) -> Any:
        if array.name == "codes":
            read.append(array.shape)
        return values(array)

    monkeypatch.setattr(xr.DataArray, "values", property(watched))
    with pytest.raises(DataError, match="more than 64 classes"):
        read_grid_stack(path, categorical=("codes",))
    assert read == [(5, W)]


@pytest.mark.parametrize("ascending_y", [False, True])
def test_layers_without_dates_are_the_same_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ascending_y: bool
) -> None:
    data = grid()
    cover = np.random.default_rng(0).integers(1, 4, (H, W)).astype("f8")
    cover[3, 3] = np.nan
    data["cover"] = (("y", "x"), cover, {"grid_mapping": "spatial_ref"})
    data = data.isel(y=slice(None, None, -1)) if ascending_y else data
    path = write(data, tmp_path / "a.nc3")
    at_once = read_grid_stack(path, categorical=("cover",))
    monkeypatch.setattr("autospec.data.cubes.grid_layers.READ_CELLS", 1)
    in_parts = read_grid_stack(path, categorical=("cover",))
    assert in_parts.static_channels == at_once.static_channels
    np.testing.assert_array_equal(in_parts.static, at_once.static)
    np.testing.assert_array_equal(in_parts.static[1], np.where(np.isnan(cover), np.nan, cover == 1))


def test_names_that_cannot_be_shown_are_refused(tmp_path: Path) -> None:
    path = write(grid().rename(ndvi="\x1b[31mred"), tmp_path / "a.nc3")
    with pytest.raises(DataError, match="printable characters"):
        read_grid_stack(path)


@pytest.mark.parametrize("line", ["no dates", "a.tif: no dates"])
def test_the_file_is_named_once(line: str) -> None:
    with pytest.raises(DataError) as refused, naming(Path("folder/a.tif")):
        raise DataError(line)
    assert refused.value.problems == ("a.tif: no dates",)
