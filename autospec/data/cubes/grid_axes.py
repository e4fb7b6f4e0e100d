"""Which dimensions of a data set are time, y, x and band, and where its cells lie.

By the CF conventions first (axis, standard_name, units), then by name. A grid must be regular:
coordinates that stand apart by more than a thousandth of a cell are refused, with room for what
float32 cannot hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from autospec.data.cubes.cubes import TIME_TYPE, TimeArray
from autospec.data.cubes.stacks import Affine
from autospec.data.findings import some
from autospec.data.spectra import FloatArray
from autospec.errors import DataError

if TYPE_CHECKING:
    import xarray as xr

Role = Literal["time", "y", "x", "band"]
SPACING_TOLERANCE = 1e-3  # of a cell
_NAMES: dict[str, Role] = {
    **dict.fromkeys(("time", "t", "date", "datetime", "valid_time"), "time"),
    **dict.fromkeys(("y", "lat", "latitude", "northing", "north", "row"), "y"),
    **dict.fromkeys(("x", "lon", "long", "longitude", "easting", "east", "column", "col"), "x"),
    **dict.fromkeys(("band", "bands", "channel", "channels", "variable", "feature"), "band"),
}
_AXES: dict[str, Role] = {"T": "time", "Y": "y", "X": "x"}
_STANDARD: dict[str, Role] = {
    "time": "time",
    "latitude": "y",
    "grid_latitude": "y",
    "projection_y_coordinate": "y",
    "longitude": "x",
    "grid_longitude": "x",
    "projection_x_coordinate": "x",
}
_GEOGRAPHIC = {"y": ("lat", "degrees_north"), "x": ("lon", "degrees_east")}


@dataclass(frozen=True, slots=True, kw_only=True)
class GridDims:
    """The dimensions of the one grid of a data set; `time` is None where nothing has dates."""

    time: str | None
    y: str
    x: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPlace:
    """Where the cells lie, and which axes the file holds the other way round."""

    transform: Affine
    y_turned: bool
    x_turned: bool


def role_of(data: xr.Dataset, dim: str) -> Role | None:
    """Return what a dimension is, or None."""
    if dim in data.variables and data[dim].ndim == 1:
        attributes = data[dim].attrs
        for key, known in (("axis", _AXES), ("standard_name", _STANDARD)):
            if (role := known.get(str(attributes.get(key, "")))) is not None:
                return role
        if data[dim].dtype.kind == "M":
            return "time"
    return _NAMES.get(str(dim).lower())


def find_dims(data: xr.Dataset) -> GridDims:
    """Return the dimensions of the data set's one grid.

    Raises
    ------
    DataError
        If there is no grid, more than one, a curvilinear one, or one without dates.
    """
    roles = {str(dim): role_of(data, str(dim)) for dim in data.dims}
    _refuse_curvilinear(data, roles)
    grids: dict[tuple[str, str], list[str]] = {}
    times: dict[str, None] = {}
    for name, variable in data.data_vars.items():
        by_role = {role: str(dim) for dim in variable.dims if (role := roles[str(dim)])}
        if "y" in by_role and "x" in by_role:
            grids.setdefault((by_role["y"], by_role["x"]), []).append(str(name))
            if "time" in by_role:
                times[by_role["time"]] = None
    if not grids:
        raise DataError(
            f"no variable lies on a grid (dimensions: {some(map(str, data.dims))}); want variables "
            "with dimensions such as time, y, x or time, lat, lon. Rename the dimensions."
        )
    if len(grids) > 1 or len(times) > 1:
        found = "; ".join(
            f"{y} by {x} ({some(names, 3)})" for (y, x), names in sorted(grids.items())
        )
        what = f"{len(grids)} grids: {found}" if len(grids) > 1 else f"{len(times)} time axes"
        raise DataError(
            f"the file holds {what}; want one grid and one time axis. Bring the variables onto "
            "one, or write each grid into a file of its own."
        )
    if not times:
        raise DataError(
            f"no variable has a time dimension (dimensions: {some(map(str, data.dims))}); want "
            "layers over time. Name the dimension time and give it dates."
        )
    y, x = next(iter(grids))
    return GridDims(time=next(iter(times)), y=y, x=x)


def _refuse_curvilinear(data: xr.Dataset, roles: dict[str, Role | None]) -> None:
    """Refuse latitudes and longitudes that lie in tables, where no axis says the same."""
    flat = {role for dim, role in roles.items() if role in ("y", "x") and dim in data.variables}
    if flat == {"y", "x"}:
        return
    tables = [
        str(name)
        for name, variable in data.variables.items()
        if variable.ndim == 2
        and (
            str(variable.attrs.get("standard_name")) in _STANDARD
            or _NAMES.get(str(name).lower()) in ("y", "x")
        )
    ]
    if tables:
        raise DataError(
            f"coordinates {some(tables)} are 2-D: a curvilinear grid; want rows and columns of "
            "one spacing each. Bring it onto a regular grid first, for example with gdalwarp."
        )


def read_times(data: xr.Dataset, dim: str) -> TimeArray:
    """Return the dates of the layers.

    Raises
    ------
    DataError
        If they are missing, not dates, or not in ascending order.
    """
    if dim not in data.variables:
        raise DataError(
            f"dimension {dim!r} has no coordinate; want a date for each layer. Add a coordinate "
            f"{dim!r} with CF units such as 'days since 2000-01-01'."
        )
    times = data[dim].values
    if times.dtype.kind != "M":
        raise DataError(
            f"coordinate {dim!r} holds {times.dtype}; want dates of the standard calendar. Give "
            "it CF units such as 'days since 2000-01-01'."
        )
    return check_times(times.astype(TIME_TYPE), f"coordinate {dim!r}")


def check_times(times: TimeArray, where: str) -> TimeArray:
    """Return dates that are all there and strictly ascending, or refuse them.

    Raises
    ------
    DataError
        Naming the first that is not.
    """
    if np.isnat(times).any():
        raise DataError(
            f"{where}: layer {int(np.flatnonzero(np.isnat(times))[0]) + 1} has no date; want one "
            "for each layer. The file may be half-written."
        )
    steps = np.diff(times)
    wrong = np.flatnonzero(steps <= np.timedelta64(0))
    if wrong.size:
        i = int(wrong[0])
        what = "is repeated" if steps[i] == np.timedelta64(0) else f"stands after {times[i]}"
        raise DataError(
            f"{where}: {times[i + 1]} (layer {i + 2}) {what}, and so on {wrong.size} times; want "
            "every date once, the oldest first. Sort the layers by time."
        )
    return times


def place_of(data: xr.Dataset, dims: GridDims) -> GridPlace:
    """Return where the cells lie, north up.

    Raises
    ------
    DataError
        If coordinates are missing or not of one spacing.
    """
    x0, dx = _axis(data, dims.x)
    y0, dy = _axis(data, dims.y)
    w, h = data.sizes[dims.x], data.sizes[dims.y]
    west = min(x0, x0 + dx * (w - 1)) - abs(dx) / 2
    north = max(y0, y0 + dy * (h - 1)) + abs(dy) / 2
    return GridPlace(
        transform=(abs(dx), 0.0, west, 0.0, -abs(dy), north), y_turned=dy > 0, x_turned=dx < 0
    )


def _axis(data: xr.Dataset, dim: str) -> tuple[float, float]:
    """Return the first coordinate and the step of an axis of one spacing."""
    if dim not in data.variables:
        raise DataError(
            f"dimension {dim!r} has no coordinate; want the centres of the cells. Add a "
            f"coordinate {dim!r}."
        )
    written = data[dim].values
    if written.size < 2 or written.dtype.kind not in "iuf":
        raise DataError(
            f"coordinate {dim!r} holds {written.size} of {written.dtype}; want at least two "
            "numbers, the centres of the cells."
        )
    return _spacing(written.astype(np.float64), _room(written), dim)


def _room(written: Any) -> float:  # noqa: ANN401
    """Return how far coordinates may be off because their type holds no more digits."""
    if written.dtype.kind != "f":
        return 0.0
    return 2 * float(np.finfo(written.dtype).eps) * float(np.nanmax(np.abs(written), initial=0.0))


def _spacing(at: FloatArray, room: float, dim: str) -> tuple[float, float]:
    """Return first and step of coordinates, or say where they leave the spacing."""
    step = float(at[-1] - at[0]) / (at.size - 1)
    off = np.abs(at - (at[0] + step * np.arange(at.size)))
    allowed = max(SPACING_TOLERANCE * abs(step), room)
    if not np.isfinite(at).all() or step == 0 or off.max() > allowed:
        i = int(np.argmax(np.where(np.isfinite(off), off, np.inf)))
        raise DataError(
            f"coordinate {dim!r}: {at[i]:.10g} at place {i + 1} stands {off[i]:.3g} from where "
            f"{at.size} cells of {abs(step):.6g} would lie; want one spacing. Bring the grid onto "
            "a regular one first, for example with gdalwarp."
        )
    return float(at[0]), step


def is_degrees(data: xr.Dataset, dims: GridDims) -> bool:
    """Say whether the axes are plain latitude and longitude."""
    return all(
        str(dim).lower().startswith(_GEOGRAPHIC[role][0])
        or str(data[dim].attrs.get("units", "")).lower() == _GEOGRAPHIC[role][1]
        for role, dim in (("y", dims.y), ("x", dims.x))
    )


def is_synthetic(attrs: Mapping[Any, Any]) -> bool:
    """Say whether the file says of itself that it is made up."""
    return str(attrs.get("synthetic", "")).lower() in ("1", "true", "yes")
