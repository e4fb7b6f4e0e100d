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
from autospec.data.cubes.references import WGS84, crs_of_attributes
from autospec.data.findings import Findings, some
from autospec.data.spectra import FloatArray, row_name
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


def cubes_of(data: xr.Dataset, name: str, findings: Findings) -> Cubes:
    """Return the samples that an open data set holds.

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
    Cubes

    Raises
    ------
    DataError
        If a dimension or a coordinate is missing, or the samples are above the memory cap.
    """
    variable, dims = _values(data)
    size = int(np.prod(variable.shape)) * 5
    if size > MAX_DECODED_BYTES:
        raise DataError(
            f"{variable.shape} values take {size:,} bytes of memory; want at most "
            f"{MAX_DECODED_BYTES:,}. Split the samples into parts."
        )
    values = variable.transpose(*dims).values.astype(np.float32)
    valid = np.isfinite(values)
    if not valid.any():
        raise DataError("no sample has a value; the file may be half-written. Write it again.")
    x, y, crs = _places(data, dims[0], findings)
    n, c = values.shape[:2]
    target, target_name, unit = _target(data, dims[0], n)
    return Cubes(
        values=np.where(valid, values, np.float32(0)),
        valid=valid,
        channels=_texts(data, dims[1], [f"channel {i + 1}" for i in range(c)]),
        times=_times(data, dims, n),
        x=x,
        y=y,
        crs=crs,
        ids=_texts(data, "id", [row_name(i + 1) for i in range(n)]),
        target=target,
        target_name=target_name,
        target_unit=unit,
        synthetic=str(data.attrs.get("synthetic", "")).lower() in ("1", "true", "yes"),
        provenance=(*_provenance(data), f"samples: {name}", *findings.recognised),
    )


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
            "synthetic": int(cubes.synthetic),
            "provenance": json.dumps(cubes.provenance, ensure_ascii=False),
        },
    )
    with TemporaryDirectory() as folder:
        whole = Path(folder) / "samples.nc"
        data.to_netcdf(whole, engine="h5netcdf")
        write_bytes(Path(path), whole.read_bytes())


def _values(data: xr.Dataset) -> tuple[xr.DataArray, tuple[str, ...]]:
    """Return the variable of the samples, and its dimensions in the house's order."""
    for variable in data.data_vars.values():
        if variable.ndim != len(_DIMS):
            continue
        names = {str(dim).lower(): str(dim) for dim in variable.dims}
        found = [next((names[word] for word in words if word in names), None) for _, words in _DIMS]
        if all(found) and variable.dtype.kind in "iuf":
            return variable, tuple(str(dim) for dim in found)
    raise DataError(
        f"no variable of samples (dimensions: {some(map(str, data.dims))}); want one with "
        "dimensions sample, channel, y, x, time. Cut samples from a raster: autospec cube extract."
    )


def _times(data: xr.Dataset, dims: tuple[str, ...], n: int) -> TimeArray:
    """Return each sample's dates, ascending."""
    for name in dict.fromkeys((dims[4], "times", "time")):
        if name not in data.variables or data[name].dtype.kind != "M":
            continue
        found = data[name]
        if set(found.dims) == {dims[0], dims[4]}:
            times = found.transpose(dims[0], dims[4]).values.astype(TIME_TYPE)
        elif found.dims == (dims[4],):
            times = np.tile(found.values.astype(TIME_TYPE), (n, 1))
        else:
            continue
        wrong = np.isnat(times).any(axis=1)
        wrong |= (np.diff(times, axis=1) <= np.timedelta64(0)).any(axis=1)
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            raise DataError(
                f"{name}: the dates of {int(wrong.sum())} of {n} samples are not in ascending "
                f"order (sample {i + 1} first: {some(map(str, times[i]), 3)}); want the oldest "
                "first. Sort each sample by time."
            )
        return times
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
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise DataError("samples without coordinates; want both for each. Leave the others out.")
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


def _target(data: xr.Dataset, sample: str, n: int) -> tuple[FloatArray, str, str]:
    """Return lab values, their name and unit; NaN without any."""
    name = str(data.attrs.get("target_name", "target"))
    for key in ("target", name):
        if key in data.variables and data[key].dims == (sample,):
            unit = str(data[key].attrs.get("units", data.attrs.get("target_unit", "")))
            return data[key].values.astype(np.float64), name, unit
    return np.full(n, np.nan), "", ""


def _texts(data: xr.Dataset, key: str, otherwise: list[str]) -> tuple[str, ...]:
    """Return a coordinate of names, or others where there is none."""
    if key in data.variables and data[key].shape == (len(otherwise),):
        return tuple(str(text) for text in data[key].values)
    return tuple(otherwise)


def _provenance(data: xr.Dataset) -> tuple[str, ...]:
    """Return the sentences that the file carries."""
    try:
        told = json.loads(str(data.attrs.get("provenance", "[]")))
    except ValueError:
        return ()
    return tuple(str(line) for line in told) if isinstance(told, list) else ()
