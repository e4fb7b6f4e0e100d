"""Variables of an open data set as layers: read when they are sliced, one-hot where they are codes.

Which files there are, and how they are opened, is in `grids`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from autospec.data.cubes.cubes import Float32Array
from autospec.data.cubes.grid_axes import GridDims, GridPlace, role_of
from autospec.data.cubes.layer_index import Infinite, Span, as_float32, part_of, turned_span
from autospec.data.findings import Findings, some
from autospec.data.tables import MAX_DECODED_BYTES
from autospec.errors import DataError, near

if TYPE_CHECKING:
    import xarray as xr

MAX_CLASSES = 64
READ_CELLS = 2**22  # of a layer without dates, at once


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One channel: a variable, or one band of it; `classes` are those of codes."""

    name: str
    variable: xr.DataArray
    classes: tuple[float, ...] = ()
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChosenLayers:
    """The layers of a data set: c that change over time, and others that do not."""

    dynamic: tuple[Layer, ...]
    static: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GridLayers:
    """Layers (t, c, h, w) of an open data set: what is sliced is read.

    Parameters
    ----------
    data : xarray.Dataset
        Kept, so that its file stays open.
    variables : tuple of xarray.DataArray, length c
        One a channel, with the dimensions of `dims` and no other.
    dims : GridDims
    place : GridPlace
        Which axes the file holds the other way round.
    infinite : Infinite
        Met in reading.
    """

    data: xr.Dataset
    variables: tuple[xr.DataArray, ...]
    dims: GridDims
    place: GridPlace
    infinite: Infinite = field(default_factory=Infinite)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(t, c, h, w)."""
        size = self.data.sizes
        assert self.dims.time is not None
        return (
            size[self.dims.time],
            len(self.variables),
            size[self.dims.y],
            size[self.dims.x],
        )

    @property
    def blocks(self) -> tuple[int, int, int]:
        """(t, h, w) of what the file reads at once."""
        chunks = self.variables[0].encoding.get("preferred_chunks") or {}
        assert self.dims.time is not None
        t, h, w = (int(chunks.get(d, 1)) for d in (self.dims.time, self.dims.y, self.dims.x))
        return t, h, w

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401
        """Return a part as float32, NaN where there is no value; index by ints and slices."""
        return part_of(self.shape, index, self._read)

    def _read(self, t: Span, channels: Sequence[int], rows: Span, columns: Span) -> Float32Array:
        """Read one block of every channel that is asked for."""
        _, _, h, w = self.shape
        size = (t[1] - t[0], len(channels), rows[1] - rows[0], columns[1] - columns[0])
        out: Float32Array = np.empty(size, dtype=np.float32)
        within = {
            self.dims.time: slice(*t),
            self.dims.y: slice(*turned_span(rows, h, self.place.y_turned)),
            self.dims.x: slice(*turned_span(columns, w, self.place.x_turned)),
        }
        for k, channel in enumerate(channels):
            variable = self.variables[channel].isel(within)
            block = variable.transpose(self.dims.time, self.dims.y, self.dims.x).values
            out[:, k] = as_float32(north_up(block, self.place), self.infinite)
        return out


def north_up(block: Any, place: GridPlace) -> Any:  # noqa: ANN401
    """Return a block (..., h, w) from north to south and west to east."""
    if place.y_turned:
        block = block[..., ::-1, :]
    return block[..., ::-1] if place.x_turned else block


def choose_layers(
    data: xr.Dataset, dims: GridDims, categorical: Sequence[str], findings: Findings
) -> ChosenLayers:
    """Return the layers of a data set, in its order.

    Parameters
    ----------
    data : xarray.Dataset
        Open, decoded by the CF conventions.
    dims : GridDims
        Of its one grid.
    categorical : sequence of str
        Variables whose values are codes, besides those that the file marks with flag_values.
    findings : Findings
        Receives what was taken and what was not.

    Returns
    -------
    ChosenLayers
        Codes are among the static ones.

    Raises
    ------
    DataError
        If a variable has a dimension that is not known, or `categorical` names none.
    """
    unknown = [name for name in categorical if name not in data.data_vars]
    if unknown:
        known = [str(name) for name in data.data_vars]
        raise DataError(
            f"--categorical {unknown[0]!r} is not a variable of this file; want one of "
            f"{some(known)}.{near(unknown[0], known)}"
        )
    dynamic: list[Layer] = []
    static: list[Layer] = []
    left: list[str] = []
    for key, variable in data.data_vars.items():
        name = str(key)
        if (
            not {dims.y, dims.x} <= set(map(str, variable.dims))
            or variable.dtype.kind not in "iufb"
        ):
            left.append(name)
            continue
        codes = name in categorical or "flag_values" in variable.attrs
        moving = dims.time in variable.dims
        if (codes and moving) or "flag_masks" in variable.attrs:
            if name in categorical:
                raise DataError(
                    f"--categorical {name!r} changes over time; want codes that stay, such as "
                    "land cover. Leave it out, or write one layer of it."
                )
            left.append(name)
            continue
        layers = _bands(data, name, variable, dims)
        if codes:
            static += [_with_classes(layer, findings) for layer in layers]
        else:
            (dynamic if moving else static).extend(layers)
    if left:
        findings.recognised.append(
            f"not taken for channels: {some(left)} (not on the grid, no numbers, or flags that "
            "change over time)"
        )
    if not dynamic:
        raise DataError(
            "no variable of numbers changes over time; want at least one channel with dates."
        )
    return ChosenLayers(dynamic=tuple(dynamic), static=tuple(static))


def _bands(data: xr.Dataset, name: str, variable: xr.DataArray, dims: GridDims) -> list[Layer]:
    """Return the bands of a variable, each with time, y and x at most."""
    extra = [str(d) for d in variable.dims if d not in (dims.time, dims.y, dims.x)]
    single = {d: 0 for d in extra if data.sizes[d] == 1}
    variable = variable.isel(single, drop=True)
    extra = [d for d in extra if d not in single]
    if not extra:
        return [Layer(name=name, variable=variable)]
    if len(extra) > 1 or role_of(data, extra[0]) != "band":
        odd = next((d for d in extra if role_of(data, d) != "band"), extra[-1])
        raise DataError(
            f"variable {name!r}: dimension {odd!r} of length {data.sizes[odd]} is not known; want "
            "time, y, x and band. Select one layer of it, or rename it to band."
        )
    band = extra[0]
    written = data[band].values if band in data.variables else np.arange(1, data.sizes[band] + 1)
    texts = [str(label) for label in written]
    alone = written.dtype.kind in "UOST" and len(data.data_vars) == 1
    return [
        Layer(
            name=text if alone else f"{name}_{text}", variable=variable.isel({band: i}, drop=True)
        )
        for i, text in enumerate(texts)
    ]


def _with_classes(layer: Layer, findings: Findings) -> Layer:
    """Find the classes of a layer of codes."""
    flags = layer.variable.attrs.get("flag_values")
    words = str(layer.variable.attrs.get("flag_meanings", "")).split()
    classes = _codes(layer) if flags is None else [float(v) for v in np.atleast_1d(flags)]
    if not 1 <= len(classes) <= MAX_CLASSES:
        found = f"more than {MAX_CLASSES} classes" if classes else "no class"
        raise DataError(
            f"variable {layer.name!r} has {found}; want 1 to {MAX_CLASSES}. Join rare classes, or "
            "leave the variable out of the file."
        )
    names = words if len(words) == len(classes) else [f"{c:g}" for c in classes]
    findings.mended.append(
        f"{layer.name!r} holds codes: one static channel for each of {some(names)}"
    )
    return Layer(
        name=layer.name,
        variable=layer.variable,
        classes=tuple(classes),
        class_names=tuple(f"{layer.name}={word}" for word in names),
    )


def _codes(layer: Layer) -> list[float]:
    """Find the different values of a layer, rows by rows; not many more than may be."""
    found: set[float] = set()
    for rows in _parts(layer.variable):
        values = layer.variable[rows].values.astype(np.float64)
        found.update(np.unique(values[np.isfinite(values)]).tolist())
        fraction = next((value for value in sorted(found) if not value.is_integer()), None)
        if fraction is not None:
            raise DataError(
                f"--categorical {layer.name!r} holds {fraction:g}, a fraction; want whole numbers "
                "as codes. Leave --categorical out for a quantity."
            )
        if len(found) > MAX_CLASSES:
            break  # refused by the caller
    return sorted(found)


def _parts(variable: xr.DataArray) -> Iterator[slice]:
    """Yield spans of the first axis that hold few enough cells to be read at once."""
    length = variable.shape[0]
    high = max(1, READ_CELLS // max(1, int(np.prod(variable.shape[1:]))))
    chunk = int((variable.encoding.get("preferred_chunks") or {}).get(variable.dims[0], 1))
    high = -(-high // chunk) * chunk  # a chunk is unpacked once
    for start in range(0, length, high):
        yield slice(start, min(start + high, length))


def static_layers(
    layers: Sequence[Layer], dims: GridDims, place: GridPlace, shape: tuple[int, int]
) -> tuple[tuple[str, ...], Float32Array]:
    """Read layers without dates: their names, and float32 (s, h, w), codes one-hot.

    Raises
    ------
    DataError
        If they would take more memory than the cap.
    """
    names = [n for layer in layers for n in (layer.class_names or (layer.name,))]
    size = len(names) * shape[0] * shape[1] * 4
    if size > MAX_DECODED_BYTES:
        raise DataError(
            f"{len(names)} layers without dates of {shape[0]} by {shape[1]} cells take {size:,} "
            f"bytes of memory; want at most {MAX_DECODED_BYTES:,}. Cut the raster to the region."
        )
    out: Float32Array = np.full((len(names), *shape), np.nan, dtype=np.float32)
    at = 0
    for layer in layers:
        variable = layer.variable.transpose(dims.y, dims.x)
        into = north_up(out[at : at + max(1, len(layer.classes))], place)  # a view
        for rows in _parts(variable):
            block = variable[rows].values
            if not layer.classes:
                into[0, rows] = as_float32(block)
                continue
            known = np.isin(block, layer.classes)
            for k, value in enumerate(layer.classes):
                into[k, rows][known] = block[known] == value
        at += len(into)
    return tuple(names), out
