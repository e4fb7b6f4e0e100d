"""`RasterStack`: gridded layers over time with their place on earth; reads no files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from autospec.data.cubes.cubes import TIME_TYPE, Float32Array, TimeArray
from autospec.data.spectra import FloatArray

Affine = tuple[float, float, float, float, float, float]


class Layers(Protocol):
    """An array (t, c, h, w) that need not be in memory: what is sliced is read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(t, c, h, w)."""

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401
        """Return a part as float32, NaN where there is no value; index by ints and slices."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RasterStack:
    """Layers of h by w cells: c channels at t dates, and s that do not change.

    Parameters
    ----------
    dynamic : Layers, shape (t, c, h, w)
        Float32, NaN where there is no value; rows from north to south, columns from west to east.
    static : float32, shape (s, h, w)
        Alike; s may be 0.
    channels, static_channels : tuple of str, lengths c and s
        Their names, all different.
    times : datetime64[s], shape (t,)
        Strictly ascending.
    transform : tuple of 6 floats (a, b, c, d, e, f)
        x = a·column + b·row + c and y = d·column + e·row + f of a cell's north-western corner,
        in units of the crs; b = d = 0, a > 0, e < 0.
    crs : str
        Coordinate reference system, such as "EPSG:4326".
    synthetic : bool
        Made up, not measured: every report says so.
    provenance : tuple of str
        Sentences: where it came from, and every conversion that was made.

    Raises
    ------
    AssertionError
        If a promise above is broken: readers check and explain before.
    """

    dynamic: Layers
    static: Float32Array
    channels: tuple[str, ...]
    static_channels: tuple[str, ...]
    times: TimeArray
    transform: Affine
    crs: str
    synthetic: bool = False
    provenance: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check shapes."""
        t, c, h, w = self.dynamic.shape
        s = len(self.static_channels)
        assert len(self.channels) == c and self.static.shape == (s, h, w), "one name a layer"
        assert len({*self.channels, *self.static_channels}) == c + s, "names differ"
        assert self.times.shape == (t,) and self.times.dtype == TIME_TYPE, "one date a layer"
        assert bool((np.diff(self.times) > np.timedelta64(0)).all()), "oldest date first"
        a, b, _, d, e, _ = self.transform
        assert a > 0 > e and b == d == 0, "north up"

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w)."""
        return int(self.dynamic.shape[2]), int(self.dynamic.shape[3])

    def cell_of(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return (row, column) of points as fractions: whole numbers are north-western corners."""
        a, _, c, _, e, f = self.transform
        return (np.asarray(y) - f) / e, (np.asarray(x) - c) / a
