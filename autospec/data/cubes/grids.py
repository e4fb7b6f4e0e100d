"""`read_grid_stack` and `read_grid_cubes`: NetCDF, Zarr and GeoTIFF to raster stacks and samples.

Everything here wants the extra ``cubes``. GeoTIFF is read in `geotiff`, samples are built in
`grid_samples`. Only what is sliced of a stack is read.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from autospec.data.cubes.cube_checks import Needs, check_channels
from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.extra import BROKEN, need
from autospec.data.cubes.grid_axes import (
    GridDims,
    find_dims,
    is_degrees,
    is_synthetic,
    place_of,
    read_times,
)
from autospec.data.cubes.grid_layers import GridLayers, choose_layers, static_layers
from autospec.data.cubes.npz import named
from autospec.data.cubes.places import unit_problem
from autospec.data.cubes.raw_cubes import RawCubes, settle_cubes
from autospec.data.cubes.references import WGS84, crs_of_attributes
from autospec.data.cubes.stacks import RasterStack
from autospec.data.cubes.zarr_store import METADATA, check_store
from autospec.data.findings import Findings, some
from autospec.data.tables import MAX_DECODED_BYTES
from autospec.errors import DataError, near

if TYPE_CHECKING:
    import xarray as xr

GridForm = Literal["netcdf4", "netcdf3", "zarr", "geotiff", "geotiffs"]
NEEDED: dict[GridForm, tuple[str, ...]] = {
    "netcdf4": ("xarray", "h5netcdf", "h5py", "rasterio"),
    "netcdf3": ("xarray", "rasterio"),
    "zarr": ("xarray", "zarr", "rasterio"),
    "geotiff": ("rasterio",),
    "geotiffs": ("rasterio",),
}
MAX_AXIS = 10_000_000  # coordinates are read whole
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def read_grid_stack(path: str | Path, *, categorical: Sequence[str] = ()) -> RasterStack:
    """Read a raster stack; its layers over time are read only where they are sliced.

    Parameters
    ----------
    path : str or Path
        NetCDF (4 or classic), a Zarr store (2 or 3), a GeoTIFF whose bands have dates, or a
        folder of GeoTIFFs with a date in each name.
    categorical : sequence of str
        Variables without dates whose values are codes: one channel a class. Those that the file
        marks with ``flag_values`` are found.

    Returns
    -------
    RasterStack
        North up; `provenance` says what was recognised and changed.

    Raises
    ------
    DataError
        If the file cannot be used.
    UsageError
        If the extra is not installed.
    """
    path = Path(path)
    form = grid_form(path)
    need(NEEDED[form], f"reading {path.name}")
    with naming(path):
        if form in ("geotiff", "geotiffs"):
            from autospec.data.cubes.geotiff import read_geotiffs

            return read_geotiffs(path, categorical)
        findings = Findings()
        return _stack(open_grid(path, form, findings), path, categorical, findings)


def read_grid_cubes(path: str | Path, needs: Needs = Needs()) -> Cubes:  # noqa: B008 (frozen)
    """Read samples from NetCDF or Zarr; see `grid_samples` for what the file must hold.

    Raises
    ------
    DataError
        If the file cannot be used.
    UsageError
        If the extra is not installed.
    """
    findings = Findings()
    cubes = settle_cubes(read_raw_cubes(Path(path), findings), needs, findings)
    if cubes is None:
        raise DataError(named(Path(path), findings.problems))
    return cubes


def read_raw_cubes(path: Path, findings: Findings) -> RawCubes:
    """Read samples as the file has them, neither cleaned nor checked.

    Raises
    ------
    DataError
        If the file holds no samples, or cannot be read.
    UsageError
        If the extra is not installed.
    """
    raw = find_raw_cubes(path, findings)
    if raw is None:
        raise DataError(
            f"{path.name}: no variable of samples; want one with dimensions sample, channel, y, x, "
            "time. A raster holds none: cut samples from it by autospec cube extract."
        )
    return raw


def find_raw_cubes(path: Path, findings: Findings) -> RawCubes | None:
    """Read samples as `read_raw_cubes` does; None where the file holds something else."""
    from autospec.data.cubes.grid_samples import raw_cubes_of

    form = grid_form(path)
    need(NEEDED[form], f"reading {path.name}")
    if form in ("geotiff", "geotiffs"):
        return None
    with naming(path):
        data = open_grid(path, form, findings)
        try:
            return raw_cubes_of(data, path.name, findings)
        finally:
            data.close()


def grid_form(path: Path) -> GridForm:
    """Say which format a path holds, by its first bytes or its files.

    Raises
    ------
    DataError
        If it is none that is known, or there is nothing.
    """
    if path.is_dir():
        names = sorted(p.name for p in path.iterdir())
        if path.suffix.lower() == ".zarr" or any(name in names for name in METADATA):
            return "zarr"
        if any(name.lower().endswith((".tif", ".tiff")) for name in names):
            return "geotiffs"
        raise DataError(
            f"{path.name}: the folder holds neither a Zarr store nor GeoTIFFs (found: "
            f"{some(names) or 'nothing'}); want one of them. Check the path."
        )
    if not path.is_file():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(
            f"{path}: no such file or folder; want NetCDF, Zarr, GeoTIFF or npz."
            f"{near(path.name, beside)} Check the path."
        )
    with path.open("rb") as stream:
        head = stream.read(8)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "netcdf4"
    if head[:3] == b"CDF" and head[3:4] in (b"\x01", b"\x02"):
        return "netcdf3"
    if head[:4] in _TIFF:
        return "geotiff"
    raise DataError(
        f"{path.name}: not a raster that autospec reads (first bytes {head!r}); want NetCDF, Zarr, "
        "GeoTIFF or npz. Check the file, and export it again."
    )


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before every problem, and turn what the readers raise into one."""
    try:
        yield
    except DataError as error:
        raise DataError(named(path, error.problems)) from error
    except BROKEN as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(
            f"{path.name}: the content is broken or half-written ({reason}); want a complete "
            "file. Write it again."
        ) from error


def open_grid(path: Path, form: GridForm, findings: Findings) -> xr.Dataset:
    """Open a data set by the CF conventions; nothing but coordinates is read.

    Raises
    ------
    DataError
        If the store is half-written, unfolds above a cap, or would read other files.
    """
    import xarray as xr

    if form == "zarr":
        check_store(path, findings)
    elif form == "netcdf4":
        import h5netcdf

        from autospec.data.cubes.hdf5_probe import check_survivable

        check_survivable(path)
        with h5netcdf.File(path, "r") as file:
            _check_axes({name: len(dim) for name, dim in file.dimensions.items()})
    engine = {"netcdf4": "h5netcdf", "netcdf3": "scipy", "zarr": "zarr"}[form]
    with _decoding(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is missing is refused by the checks, in our words
        data = xr.open_dataset(
            path,
            engine=engine,
            decode_coords="all",
            decode_timedelta=False,
            cache=False,
            chunks=None,
            backend_kwargs={"consolidated": False} if form == "zarr" else None,
        )
    if form == "zarr":  # a store lists its arrays in any order
        data = data[sorted(map(str, data.data_vars))]
    _check_axes({str(dim): size for dim, size in data.sizes.items()})
    _check_blocks(data)
    return data


@contextmanager
def _decoding() -> Iterator[None]:
    """Say it when dates are those of a model's calendar."""
    try:
        yield
    except (ValueError, ImportError) as error:  # cftime, which other calendars want, is no need
        if "decode time" not in str(error) and "cftime" not in str(error):
            raise
        raise DataError(
            f"dates cannot be decoded ({str(error).split('.')[0][:160]}); want the standard "
            "calendar, and units such as 'days since 2000-01-01'. Convert the time axis first."
        ) from error


def _check_axes(sizes: dict[str, int]) -> None:
    """Refuse an axis whose coordinates alone would fill the memory."""
    for dim, size in sizes.items():
        if size > MAX_AXIS:
            raise DataError(
                f"dimension {dim!r} has {size:,} places; want at most {MAX_AXIS:,}. Cut the "
                "raster to the region."
            )


def _check_blocks(data: xr.Dataset) -> None:
    """Refuse chunks that unfold above the memory cap: one is the least that can be read."""
    for name, variable in data.variables.items():
        chunks = variable.encoding.get("preferred_chunks") or {}
        size = variable.dtype.itemsize
        for length in chunks.values():
            size *= int(length)
        if chunks and size > MAX_DECODED_BYTES:
            raise DataError(
                f"variable {str(name)!r}: one chunk unfolds to {size:,} bytes; want at most "
                f"{MAX_DECODED_BYTES:,}. Write it with smaller chunks."
            )


def _stack(
    data: xr.Dataset, path: Path, categorical: Sequence[str], findings: Findings
) -> RasterStack:
    """Put the stack together."""
    if "sample" in data.dims:
        raise DataError(
            "the file holds samples (dimension 'sample'), not a raster; pass it as samples."
        )
    dims = find_dims(data)
    assert dims.time is not None
    if none := [dim for dim in (dims.time, dims.y, dims.x) if not data.sizes[dim]]:
        raise DataError(
            f"dimension {none[0]!r} has no place at all; want at least one date and cell."
        )
    times = read_times(data, dims.time)
    place = place_of(data, dims)
    chosen = choose_layers(data, dims, categorical, findings)
    crs = _crs(data, dims, findings)
    if (wrong := unit_problem(crs)) is not None:
        raise DataError(wrong)
    h, w = data.sizes[dims.y], data.sizes[dims.x]
    static_names, static = static_layers(chosen.static, dims, place, (h, w))
    names = tuple(layer.name for layer in chosen.dynamic)
    check_channels((*names, *static_names))
    if place.y_turned:
        findings.mended.append("rows ran from south to north: turned")
    if place.x_turned:
        findings.mended.append("columns ran from east to west: turned")
    dynamic = GridLayers(
        data=data, variables=tuple(x.variable for x in chosen.dynamic), dims=dims, place=place
    )
    return RasterStack(
        dynamic=dynamic,
        static=static,
        channels=names,
        static_channels=static_names,
        times=times,
        transform=place.transform,
        crs=crs,
        synthetic=is_synthetic(data.attrs),
        provenance=(f"raster: {path.name}", *findings.recognised, *findings.mended),
    )


def _crs(data: xr.Dataset, dims: GridDims, findings: Findings) -> str:
    """Return the reference system: of the grid mapping, of the file, or of plain degrees."""
    mappings = [
        str(v.encoding.get("grid_mapping") or v.attrs.get("grid_mapping") or "").split(":")[0]
        for v in data.data_vars.values()
        if dims.y in v.dims
    ]
    scalars = [str(name) for name, v in data.variables.items() if v.ndim == 0]
    for name in dict.fromkeys((*mappings, *scalars)):
        if name in data.variables and (crs := crs_of_attributes(data[name].attrs)):
            return crs
    if crs := crs_of_attributes(data.attrs):
        return crs
    if is_degrees(data, dims):
        findings.recognised.append(
            f"no reference system in the file; {dims.y} and {dims.x} are degrees: {WGS84} taken"
        )
        return WGS84
    raise DataError(
        "no coordinate reference system; want a grid mapping with crs_wkt or epsg_code, or a "
        "global attribute crs such as 'EPSG:31287'. Add one, for example with "
        'rioxarray: data.rio.write_crs("EPSG:31287").'
    )
