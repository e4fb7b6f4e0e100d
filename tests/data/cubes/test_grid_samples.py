"""Samples in NetCDF and Zarr: axes in any order, and what is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospec.data.cubes.grids import read_grid_cubes, read_grid_stack
from autospec.errors import DataError
from tests.data.cubes.made_grids import TIMES, layer, write, write_tiff, xr

needs_h5 = pytest.mark.skipif(
    importlib.util.find_spec("h5py") is None, reason="h5py is not installed"
)


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
        (lambda d: d.where(False), "without a single value"),
    ],
)
def test_samples_that_cannot_be_used_are_refused(tmp_path: Path, change: Any, word: str) -> None:
    path = write(change(samples()), tmp_path / "a.nc3")
    with pytest.raises(DataError, match=word):
        read_grid_cubes(path)


@pytest.mark.parametrize(
    ("change", "side"),
    [
        (lambda d: d, 0.0),
        (lambda d: d.assign_coords(y=np.arange(4), x=np.arange(4)), 0.0),
        (lambda d: d.assign_coords(y=-10.0 * np.arange(4), x=10.0 * np.arange(4)), 10.0),
        (lambda d: d.assign_coords(y=-10.0 * np.arange(4), x=20.0 * np.arange(4)), 0.0),
        (lambda d: d.assign_attrs(cell_size=30.0), 30.0),
    ],
)
def test_the_side_of_a_cell_is_that_of_the_file(tmp_path: Path, change: Any, side: float) -> None:
    assert read_grid_cubes(write(change(samples()), tmp_path / "a.nc3")).cell_size == side


@needs_h5
def test_samples_come_back_from_netcdf(tmp_path: Path) -> None:
    from autospec.data.cubes.grid_samples import write_grid_cubes

    cubes = read_grid_cubes(write(samples().assign_attrs(cell_size=30), tmp_path / "a.nc"))
    write_grid_cubes(tmp_path / "b.nc", cubes)
    again = read_grid_cubes(tmp_path / "b.nc")
    assert (again.digest, again.cell_size) == (cubes.digest, 30.0)
    with pytest.raises(DataError, match="holds samples"):
        read_grid_stack(tmp_path / "b.nc")


def test_a_geotiff_holds_no_samples(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", layer(0)[:1])
    with pytest.raises(DataError, match="no variable of samples"):
        read_grid_cubes(path)
