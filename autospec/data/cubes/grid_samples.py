"""Samples in NetCDF and Zarr: one variable with a dimension of samples, and what is known of each.

A file holds `values` (sample, channel, y, x, time), NaN where there is no value, and by sample its
dates (or one set for all), coordinates, and at will `id` and `target`.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from autospec.data.cubes.cubes import TIME_TYPE, Cubes, TimeArray
from autospec.data.cubes.extra import need
from autospec.data.cubes.grid_axes import SPACING_TOLERANCE, is_synthetic
from autospec.data.cubes.npz_fields import MAX_NAMES, as_lines, one_line
from autospec.data.cubes.raw_cubes import RawCubes
from autospec.data.cubes.references import WGS84, crs_of_attributes
from autospec.data.findings import Findings, count, some
from autospec.data.spectra import FloatArray
from autospec.data.tables import MAX_DECODED_BYTES
from autospec.errors import DataError

if TYPE_CHECKING:
    import xarray as xr

_DIMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("sample", ("sample", "samples", "n")),
    ("channel", ("channel", "channels", "band", "variable", "c")),
    ("y", ("y", "row", "h")),
    ("x", ("x", "column", "w")),
    ("time", ("time", "step", "t")),
)
_DEGREES = (("lon", "lat"), ("longitude", "latitude"))
_PLACES = (("sample_x", "sample_y"), ("easting", "northing"), ("x", "y"), *_DEGREES)


def raw_cubes_of(data: xr.Dataset, name: str, findings: Findings) -> RawCubes | None:
    """Return the samples that an open data set holds, as it has them.

    Parameters
    ----------
    data : xarray.Dataset
        Open, decoded by the CF conventions.
    name : str
        Of the file.
    findings : Findings
        Receives what was recognised.

    Returns
    -------
    RawCubes or None
        None without a variable of samples.

    Raises
    ------
    DataError
        If a coordinate is missing, or the samples are above a cap.
    """
    found = _values(data)
    if found is None:
        return None
    variable, dims = found
    _check_caps(variable, dims)
    if variable.dtype != np.float32:
        findings.mended.append(f"values: {variable.dtype} read as float32")
    with np.errstate(over="ignore"):  # what becomes infinite is refused as such
        values = variable.transpose(*dims).values.astype(np.float32)
    x, y, crs = _places(data, dims[0], findings)
    n, c = values.shape[:2]
    target, target_name, unit = _target(data, dims[0], findings)
    return RawCubes(
        values=values,
        valid=~np.isnan(values),
        channels=_texts(data, dims[1], c),
        times=_times(data, dims, findings),
        x=x,
        y=y,
        crs=crs,
        ids=_texts(data, "id", n),
        target=target,
        target_name=one_line(target_name),
        target_unit=one_line(unit),
        cell_size=_cell_size(data, dims),
        synthetic=is_synthetic(data.attrs),
        provenance=(*_provenance(data), f"samples: {name}"),
    )


def _check_caps(variable: xr.DataArray, dims: tuple[str, ...]) -> None:
    """Refuse an axis of length 0, too many samples, and what would not fit the memory."""
    size, n = int(np.prod(variable.shape)) * 5, variable.sizes[dims[0]]
    if size == 0:
        raise DataError(
            f"{str(variable.name)!r} has shape {variable.shape}; want at least one of everything. "
            "Save it again."
        )
    if size > MAX_DECODED_BYTES or n > MAX_NAMES:
        raise DataError(
            f"{variable.shape} values take {size:,} bytes of memory; want at most "
            f"{MAX_DECODED_BYTES:,}, and {MAX_NAMES:,} samples. Split the samples into parts."
        )


def _cell_size(data: xr.Dataset, dims: tuple[str, ...]) -> float:
    """Return the side of a cell that the file says, or its axes show; 0 where neither does."""
    said = data.attrs.get("cell_size")
    if isinstance(said, int | float | np.number):
        return float(said)
    sides = []
    for dim in dims[2:4]:
        if dim not in data.variables or data[dim].dtype.kind not in "iuf" or data[dim].size < 2:
            return 0.0
        at = data[dim].values.astype(np.float64)
        if at[0] == 0 and (np.diff(at) == 1).all():
            return 0.0  # rows that are counted, not placed
        sides.append(np.abs(np.diff(at)))
    side = float(np.mean(sides[1]))
    even = all(np.allclose(found, side, rtol=SPACING_TOLERANCE, atol=0) for found in sides)
    return side if even and side > 0 else 0.0


def write_grid_cubes(path: str | Path, cubes: Cubes) -> None:
    """Write samples as NetCDF, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The file; one that exists is replaced.
    cubes : Cubes

    Raises
    ------
    OutputError
        If the file cannot be written.
    UsageError
        If the extra is not installed.
    """
    need(("xarray", "h5netcdf", "h5py"), f"writing {Path(path).name}")
    import xarray as xr

    from autospec.data.writing import write_bytes

    sample = ("sample",)
    values = np.where(cubes.valid, cubes.values, np.float32(np.nan))
    data = xr.Dataset(
        {
            "values": (("sample", "channel", "row", "column", "step"), values),
            "target": (sample, cubes.target, {"units": cubes.target_unit}),
        },
        coords={
            "channel": ("channel", np.array(cubes.channels, dtype=object)),
            "id": (sample, np.array(cubes.ids, dtype=object)),
            "sample_x": (sample, cubes.x),
            "sample_y": (sample, cubes.y),
            "times": (("sample", "step"), cubes.times.astype("datetime64[ns]")),
        },
        attrs={
            "crs": cubes.crs,
            "target_name": cubes.target_name,
            "cell_size": cubes.cell_size,
            "synthetic": int(cubes.synthetic),
            "provenance": json.dumps(cubes.provenance, ensure_ascii=False),
        },
    )
    with TemporaryDirectory() as folder:
        whole = Path(folder) / "samples.nc"
        data.to_netcdf(whole, engine="h5netcdf")
        write_bytes(Path(path), whole.read_bytes())


def _values(data: xr.Dataset) -> tuple[xr.DataArray, tuple[str, ...]] | None:
    """Return the variable of the samples, and its dimensions in the house's order; or None."""
    for variable in data.data_vars.values():
        if variable.ndim != len(_DIMS):
            continue
        names = {str(dim).lower(): str(dim) for dim in variable.dims}
        found = [next((names[word] for word in words if word in names), None) for _, words in _DIMS]
        if all(found) and variable.dtype.kind in "iuf":
            return variable, tuple(str(dim) for dim in found)
    return None


def _times(data: xr.Dataset, dims: tuple[str, ...], findings: Findings) -> TimeArray:
    """Return the dates: a row for each sample, or one for all."""
    for name in dict.fromkeys((dims[4], "times", "time")):
        if name not in data.variables or data[name].dtype.kind != "M":
            continue
        found = data[name]
        if set(found.dims) == {dims[0], dims[4]}:
            written = found.transpose(dims[0], dims[4]).values
        elif found.dims == (dims[4],):
            written = found.values[None]
        else:
            continue
        if np.isnat(written).any():
            raise DataError(
                f"{name}: {count(int(np.isnat(written).sum()), 'date')} not there (NaT); want a "
                "date in every place. Fill them and save again."
            )
        times = written.astype(TIME_TYPE)
        if (times.astype(written.dtype) != written).any():
            findings.mended.append(f"{name}: parts of seconds cut off")
        return np.asarray(times)
    raise DataError(
        f"no dates; want a coordinate times ({dims[0]}, {dims[4]}) or {dims[4]} with CF units."
    )


def _places(
    data: xr.Dataset, sample: str, findings: Findings
) -> tuple[FloatArray, FloatArray, str]:
    """Return coordinates and their reference system."""
    for pair in _PLACES:
        if all(k in data.variables and data[k].dims == (sample,) for k in pair):
            x, y = (data[k].values.astype(np.float64) for k in pair)
            break
    else:
        raise DataError(
            f"no coordinates by sample (variables: {some(map(str, data.variables))}); want lon and "
            "lat, or sample_x and sample_y, along the samples."
        )
    crs = crs_of_attributes(data.attrs)
    for name, variable in data.variables.items():
        if crs is None and variable.ndim == 0:
            crs = crs_of_attributes(data[name].attrs)
    if crs is None and pair in _DEGREES:
        findings.recognised.append(f"no reference system in the file; degrees: {WGS84} taken")
        crs = WGS84
    if crs is None:
        raise DataError(
            "no coordinate reference system; want a global attribute crs such as 'EPSG:31287'."
        )
    return x, y, crs


def _target(
    data: xr.Dataset, sample: str, findings: Findings
) -> tuple[FloatArray | None, str, str]:
    """Return lab values, their name and unit; None without any."""
    name = str(data.attrs.get("target_name", "target"))
    for key in ("target", name):
        if key in data.variables and data[key].dims == (sample,):
            unit = str(data[key].attrs.get("units", data.attrs.get("target_unit", "")))
            return data[key].values.astype(np.float64), name, unit
    findings.recognised.append("no variable 'target': every sample is unlabelled")
    return None, "", ""


def _texts(data: xr.Dataset, key: str, length: int) -> tuple[str, ...] | None:
    """Return a coordinate of names, or None where there is none."""
    if key in data.variables and data[key].shape == (length,):
        return tuple(str(text) for text in data[key].values)
    return None


def _provenance(data: xr.Dataset) -> tuple[str, ...]:
    """Return the sentences that the file carries."""
    try:
        told = json.loads(str(data.attrs.get("provenance", "[]")))
    except ValueError:
        return ()
    return as_lines([str(line) for line in told]) if isinstance(told, list) else ()
