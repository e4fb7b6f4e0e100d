"""Small grids with a known value in every cell, written in each format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autospec.data.cubes.cubes import TIME_TYPE
from autospec.data.cubes.stacks import RasterStack

xr = pytest.importorskip("xarray")
rasterio = pytest.importorskip("rasterio")
pytest.importorskip("rasterio.warp")
pytest.importorskip("zarr")

T, H, W = 5, 12, 15
CELL = 100.0
WEST, NORTH = 4_500_000.0, 3_100_000.0
CRS = "EPSG:3035"
TIMES = np.array([f"2020-0{k}-01" for k in range(1, T + 1)], dtype="datetime64[D]")


def known(t: object, c: object, row: object, column: object) -> NDArray[np.float32]:
    """Return the value of a cell; every cell has another."""
    at = [np.asarray(k, dtype=np.float64) for k in (t, c, row, column)]
    value = at[0] * 5000 + at[1] * 1000 + at[2] * 50 + at[3]
    return np.asarray(value, dtype=np.float32)


def layer(channel: int) -> NDArray[np.float32]:
    """Return (t, h, w) of one channel, north up."""
    t, row, column = np.indices((T, H, W))
    return known(t, channel, row, column)


def expected() -> NDArray[np.float32]:
    """Return (t, 2, h, w)."""
    return np.stack([layer(0), layer(1)], axis=1)


def grid(*, ascending_y: bool = False, crs: bool = True) -> xr.Dataset:
    """Two channels over time and a static one, as xarray users hold them."""
    y = NORTH - CELL * (np.arange(H) + 0.5)
    x = WEST + CELL * (np.arange(W) + 0.5)
    data = xr.Dataset(
        {
            "ndvi": (("time", "y", "x"), layer(0)),
            "rain": (("time", "y", "x"), layer(1)),
            "height": (("y", "x"), layer(2)[0]),
        },
        coords={"time": TIMES.astype("datetime64[ns]"), "y": y, "x": x},
    )
    if crs:
        data["spatial_ref"] = ((), 0, {"crs_wkt": rasterio.crs.CRS.from_string(CRS).to_wkt()})
        for name in ("ndvi", "rain", "height"):
            data[name].attrs["grid_mapping"] = "spatial_ref"
    return data.isel(y=slice(None, None, -1)) if ascending_y else data


def in_memory() -> RasterStack:
    """Return the same as a stack that no file holds."""
    return RasterStack(
        dynamic=expected(),
        static=layer(2)[:1],
        channels=("ndvi", "rain"),
        static_channels=("height",),
        times=TIMES.astype(TIME_TYPE),
        transform=(CELL, 0.0, WEST, 0.0, -CELL, NORTH),
        crs=CRS,
    )


def write_tiff(
    path: Path,
    layers: NDArray[np.float32],
    *,
    names: tuple[str, ...] = (),
    crs: str | None = CRS,
    nodata: float | None = None,
    south_up: bool = False,
) -> Path:
    """Write (bands, h, w) as a GeoTIFF."""
    _, h, w = layers.shape
    step, top = (-CELL, NORTH) if not south_up else (CELL, NORTH - CELL * h)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=h,
        width=w,
        count=len(layers),
        dtype=str(layers.dtype),
        crs=crs,
        transform=rasterio.Affine(CELL, 0, WEST, 0, step, top),
        nodata=nodata,
    ) as file:
        file.write(layers[:, ::-1] if south_up else layers)
        for band, name in enumerate(names, start=1):
            file.set_band_description(band, name)
    return path


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


def check(stack: RasterStack) -> None:
    """Compare everything with what was written."""
    np.testing.assert_array_equal(stack.dynamic[:], expected())
    np.testing.assert_array_equal(stack.times, TIMES.astype("datetime64[s]"))
    np.testing.assert_allclose(stack.transform, (CELL, 0, WEST, 0, -CELL, NORTH))
    assert stack.crs == CRS
    assert stack.channels == ("ndvi", "rain")
