"""NetCDF, Zarr and GeoTIFF to raster stacks: values, lazy reading, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospec.data.cubes import extra
from autospec.data.cubes.grids import read_grid_cubes, read_grid_stack
from autospec.data.cubes.stacks import RasterStack
from autospec.errors import DataError, UsageError
from tests.data.cubes.made_grids import (
    CELL,
    CRS,
    NORTH,
    TIMES,
    WEST,
    H,
    T,
    W,
    expected,
    grid,
    layer,
    write_tiff,
    xr,
)

NO_H5 = importlib.util.find_spec("h5py") is None
needs_h5 = pytest.mark.skipif(NO_H5, reason="h5py is not installed")


@pytest.fixture(autouse=True)
def _without_h5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where h5py is missing, read everything that can be read without it."""
    if NO_H5:
        packages = tuple(name for name in extra.PACKAGES if name != "h5py")
        monkeypatch.setattr("autospec.data.cubes.grids.PACKAGES", packages)


def write(data: Any, path: Path) -> Path:
    """Write a data set by the end of its name."""
    if path.suffix == ".zarr":
        version = 2 if "v2" in path.stem else 3
        data.to_zarr(path, zarr_format=version, consolidated=version == 2)
    elif path.suffix == ".nc3":
        data.to_netcdf(path, engine="scipy", format="NETCDF3_64BIT")
    else:
        data.to_netcdf(path, engine="h5netcdf")
    return path


FORMS = ("v3.zarr", "v2.zarr", "a.nc3", pytest.param("a.nc", marks=needs_h5))


def check(stack: RasterStack) -> None:
    """Compare everything with what was written."""
    np.testing.assert_array_equal(stack.dynamic[:], expected())
    np.testing.assert_array_equal(stack.times, TIMES.astype("datetime64[s]"))
    np.testing.assert_allclose(stack.transform, (CELL, 0, WEST, 0, -CELL, NORTH))
    assert stack.crs == CRS
    assert stack.channels == ("ndvi", "rain")


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
    stack = read_grid_stack(write(data, tmp_path / "a.nc3"))
    assert np.isnan(stack.dynamic[0, :, 0, 0]).all()
    np.testing.assert_allclose(
        stack.dynamic[1, 0], counts[1] * 0.1 + 5.0, rtol=1e-6
    )  # float32 holds seven digits


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
    monkeypatch.setattr("autospec.data.cubes.grids.PACKAGES", ("xarray", "no_such_package"))
    with pytest.raises(UsageError, match=r'no_such_package.*pip install "autospec-soil\[cubes\]"'):
        read_grid_stack(path)


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


def samples(n: int = 3) -> Any:
    """Samples as xarray users hold them."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(n, 2, 4, 4, 3)).astype(np.float32)
    values[0, 0, 0, 0, 0] = np.nan
    return xr.Dataset(
        {"values": (("sample", "channel", "y", "x", "time"), values)},
        coords={
            "channel": np.array(["ndvi", "rain"], dtype=object),
            "time": TIMES[:3].astype("datetime64[ns]"),
            "lon": ("sample", np.arange(n) * 1.0),
            "lat": ("sample", np.arange(n) * 2.0),
            "soc": ("sample", np.arange(n) * 3.0, {"units": "g/kg"}),
        },
        attrs={"target_name": "soc"},
    )


def test_samples_are_read_in_any_order_of_their_axes(tmp_path: Path) -> None:
    made = samples()
    path = write(made.transpose("time", "x", "y", "sample", "channel"), tmp_path / "v2.zarr")
    cubes = read_grid_cubes(path)
    assert cubes.shape == (2, 4, 4, 3)
    assert (cubes.crs, cubes.channels) == ("EPSG:4326", ("ndvi", "rain"))
    assert (cubes.target_name, cubes.target_unit) == ("soc", "g/kg")
    values = made["values"].values
    np.testing.assert_array_equal(cubes.valid, np.isfinite(values))
    np.testing.assert_array_equal(cubes.values, np.nan_to_num(values))
    np.testing.assert_array_equal(cubes.y, [0.0, 2.0, 4.0])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda d: d.isel(time=[1, 0, 2]), "oldest first"),
        (lambda d: d.drop_vars("lon"), "no coordinates by sample"),
        (lambda d: d.drop_vars("time"), "no dates"),
        (lambda d: d.rename(sample="plot"), "no variable of samples"),
        (lambda d: d.rename(lon="sample_x", lat="sample_y"), "no coordinate reference system"),
        (lambda d: d.where(False), "no sample has a value"),
    ],
)
def test_samples_that_cannot_be_used_are_refused(tmp_path: Path, change: Any, word: str) -> None:
    path = write(change(samples()), tmp_path / "a.nc3")
    with pytest.raises(DataError, match=word):
        read_grid_cubes(path)


@needs_h5
def test_samples_come_back_from_netcdf(tmp_path: Path) -> None:
    from autospec.data.cubes.grid_samples import write_grid_cubes

    cubes = read_grid_cubes(write(samples(), tmp_path / "a.nc"))
    write_grid_cubes(tmp_path / "b.nc", cubes)
    again = read_grid_cubes(tmp_path / "b.nc")
    assert again.digest == cubes.digest
    with pytest.raises(DataError, match="holds samples"):
        read_grid_stack(tmp_path / "b.nc")
