"""Maps as NetCDF with CF attributes, and as GeoTIFF; wants the extra ``cubes``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import autospec
from autospec.data.cubes.places import is_geographic
from autospec.data.cubes.references import unit_of
from autospec.data.maps.times import say_time
from autospec.data.writing import replacing_file
from autospec.evaluate.mapping import Band
from autospec.predict.map_planning import MapPlan

HEADER_BYTES = 1_000_000  # axes and what the file says of itself take less
MAPPING = "spatial_ref"
TAKEN = ("time", "y", "x", MAPPING)


def write_netcdf(path: Path, plan: MapPlan, bands: Iterable[Band]) -> None:
    """Write a map as NetCDF 4, one variable (time, y, x) a target, by the CF conventions.

    Parameters
    ----------
    path : Path
    plan : MapPlan
    bands : iterable of Band

    Raises
    ------
    OutputError
        If it cannot be written; what was there before is still there.
    """
    import h5netcdf

    names = _variables(plan.bundle.aims.targets)
    with _room(path, plan) as temporary, h5netcdf.File(temporary, "w") as file:
        _write_axes(file, plan)
        file.attrs.update(_about(plan))
        variables = []
        for name, target in zip(names, plan.bundle.aims.targets, strict=True):
            made = file.create_variable(
                name, ("time", "y", "x"), dtype="<f4", fillvalue=np.float32(np.nan)
            )
            made.attrs.update({"long_name": target, "grid_mapping": MAPPING})
            variables.append(made)
        for band in bands:
            rows = slice(band.row, band.row + band.values.shape[2])
            for date, values in zip(plan.dates_of(band.slots).tolist(), band.values, strict=True):
                for variable, layer in zip(variables, values, strict=True):
                    variable[date, rows, :] = layer


def write_tiff(path: Path, plan: MapPlan, bands: Iterable[Band]) -> None:
    """Write a map of one target as GeoTIFF, one band a date; descriptions hold the dates.

    Raises
    ------
    OutputError
        If it cannot be written; what was there before is still there.
    """
    import rasterio
    from rasterio.windows import Window

    d, _, h, w = plan.shape
    (target,) = plan.bundle.aims.targets
    profile = {
        "driver": "GTiff",
        "count": d,
        "height": h,
        "width": w,
        "dtype": "float32",
        "nodata": float("nan"),
        "crs": _wkt(plan.problem.stack.crs),
        "transform": rasterio.Affine(*plan.problem.stack.transform),
        "interleave": "band",
        "BIGTIFF": "IF_SAFER",
    }
    with _room(path, plan) as temporary, rasterio.open(temporary, "w", **profile) as file:
        file.update_tags(**_about(plan))
        for i, time in enumerate(plan.times, start=1):
            file.set_band_description(i, f"{target}_{say_time(time)}")
        for band in bands:
            window = Window(0, band.row, w, band.values.shape[2])
            for date, values in zip(plan.dates_of(band.slots).tolist(), band.values, strict=True):
                file.write(values[0], date + 1, window=window)


@contextmanager
def _room(path: Path, plan: MapPlan) -> Iterator[Path]:
    """Yield the name of a file that becomes `path`, once there was room for the map.

    HDF5 breaks down where the disk is full, and ends the process; so it is asked before.

    Raises
    ------
    OutputError
        If there is no room, or no such folder.
    """
    with replacing_file(path) as temporary:
        with temporary.open("xb") as asked:
            if hasattr(os, "posix_fallocate"):  # not everywhere
                os.posix_fallocate(asked.fileno(), 0, plan.bytes + HEADER_BYTES)
        temporary.unlink()
        yield temporary


def _write_axes(file: Any, plan: MapPlan) -> None:  # noqa: ANN401
    """Write time, y and x of the cells' centres, and the reference system."""
    d, _, h, w = plan.shape
    stack = plan.problem.stack
    a, _, c, _, e, f = stack.transform
    file.dimensions = {"time": d, "y": h, "x": w}
    time = file.create_variable("time", ("time",), data=plan.times.astype(np.int64))
    time.attrs.update(
        {
            "standard_name": "time",
            "axis": "T",
            "units": "seconds since 1970-01-01 00:00:00",
            "calendar": "proleptic_gregorian",
        }
    )
    centres = {"y": f + e * (np.arange(h) + 0.5), "x": c + a * (np.arange(w) + 0.5)}
    for name, values in centres.items():
        axis = file.create_variable(name, (name,), data=values)
        axis.attrs.update(dict(_axis(name, stack.crs)))
    mapping = file.create_variable(MAPPING, (), data=np.int32(0))
    wkt = _wkt(stack.crs)
    mapping.attrs.update({"crs_wkt": wkt, "spatial_ref": wkt})
    if is_geographic(stack.crs):
        mapping.attrs["grid_mapping_name"] = "latitude_longitude"
    mapping.attrs["GeoTransform"] = " ".join(repr(float(n)) for n in (c, a, 0.0, f, 0.0, e))


def _axis(name: str, crs: str) -> Iterator[tuple[str, str]]:
    """Yield the CF attributes of y or x."""
    yield "axis", name.upper()
    if is_geographic(crs):
        yield "standard_name", "latitude" if name == "y" else "longitude"
        yield "units", "degrees_north" if name == "y" else "degrees_east"
        return
    yield "standard_name", f"projection_{name}_coordinate"
    unit = unit_of(crs)
    yield "units", "m" if unit is None or unit[1] == 1.0 else unit[0]


def _about(plan: MapPlan) -> dict[str, str]:
    """Return what a file says of itself."""
    bundle, now = plan.bundle, datetime.now(UTC).isoformat(timespec="seconds")
    synthetic = plan.problem.stack.synthetic or bundle.synthetic
    about = {
        "Conventions": "CF-1.11",
        "title": f"{', '.join(bundle.aims.targets)}, mapped by {bundle.name}",
        "source": bundle.model_kind,
        "history": f"{now} autospec map, autospec {autospec.__version__}",
        "provenance": "\n".join(plan.provenance),
    }
    return about | ({"synthetic": "true"} if synthetic else {})


def _variables(targets: Sequence[str]) -> list[str]:
    """Return targets' names as NetCDF can hold them; `long_name` has each as it is."""
    names: list[str] = []
    for target in targets:
        name = "".join("_" if c == "/" or not c.isprintable() else c for c in target).strip()
        while not name or name in (*TAKEN, *names):
            name += "_map" if name else "map"
        names.append(name)
    return names


def _wkt(crs: str) -> str:
    """Return a reference system as WKT, or as it is where nobody knows it."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        return str(CRS.from_user_input(crs).to_wkt()) or crs
    except CRSError:
        return crs
