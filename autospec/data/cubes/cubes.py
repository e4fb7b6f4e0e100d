"""`Cubes`: a checked, frozen set of space-time windows with a lab value each; reads no files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autospec.data.spectra import FloatArray, IntArray

Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
TimeArray = NDArray[np.datetime64]
TIME_TYPE = "datetime64[s]"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cubes:
    """Windows of n samples, c channels by h by w cells by t dates, with one lab value each.

    Parameters
    ----------
    values : float32, shape (n, c, h, w, t)
        North to south, west to east, oldest date first. All finite; 0 where not valid.
    valid : bool, shape (n, c, h, w, t)
        Where there is a value.
    channels : tuple of str, length c
        Their names.
    times : datetime64[s], shape (n, t)
        Ascending along t; each sample has dates of its own.
    x, y : float64, shape (n,)
        Where the samples were taken: longitude and latitude in degrees for a geographic `crs`,
        metres east and north for a projected one.
    crs : str
        Coordinate reference system, such as "EPSG:4326".
    ids : tuple of str, length n
        Sample names.
    target : float64, shape (n,)
        Lab values in `target_unit`; NaN where the sample has none.
    target_name, target_unit : str
        For example "soc" and "g/kg".
    cell_size : float
        Side of a cell in the unit of `crs`; 0 where it is not known.
    synthetic : bool
        Made up, not measured: every report says so.
    provenance : tuple of str
        Sentences: where the samples came from, and every conversion that was made.

    Raises
    ------
    AssertionError
        If the arrays break a promise above: readers check and explain before.
    """

    values: Float32Array
    valid: BoolArray
    channels: tuple[str, ...]
    times: TimeArray
    x: FloatArray
    y: FloatArray
    crs: str
    ids: tuple[str, ...]
    target: FloatArray
    target_name: str
    target_unit: str
    cell_size: float = 0.0
    synthetic: bool = False
    provenance: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check shapes and freeze the arrays."""
        n, c, _, _, t = self.values.shape
        assert self.values.dtype == np.float32, "float32 values"
        assert self.valid.shape == self.values.shape and self.valid.dtype == bool, "one mark a cell"
        assert len(self.channels) == c, "one name a channel"
        assert self.times.shape == (n, t) and self.times.dtype == TIME_TYPE, "one date a step"
        assert bool((np.diff(self.times, axis=1) > np.timedelta64(0)).all()), "oldest date first"
        assert self.x.shape == self.y.shape == self.target.shape == (n,), "one place a sample"
        assert len(self.ids) == n, "one name a sample"
        assert self.cell_size >= 0, "a length"
        # the sum of finite float32 cannot overflow float64, and needs no memory of its own
        assert bool(np.isfinite(self.values.sum(dtype=np.float64))), "finite values"
        for array in (self.values, self.valid, self.times, self.x, self.y, self.target):
            array.setflags(write=False)

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.values.shape[0])

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(c, h, w, t) of one sample."""
        c, h, w, t = self.values.shape[1:]
        return c, h, w, t

    @property
    def digest(self) -> str:
        """SHA-256 of everything that can change a result."""
        h = hashlib.sha256()
        seconds = self.times.astype(np.int64)
        numbers = (self.values, self.valid, seconds, self.x, self.y, self.target)
        for array in numbers:
            little = array.dtype.newbyteorder("<")
            h.update(str(array.shape).encode())
            h.update(np.ascontiguousarray(array, dtype=little).data)
        for words in (self.channels, self.ids):
            h.update("\x1f".join(words).encode() + b"\x1e")
        h.update("\x1f".join((self.crs, self.target_name, self.target_unit)).encode())
        return h.hexdigest()

    def rows(self, index: IntArray | Sequence[int]) -> Cubes:
        """Return the samples at `index`, in that order, as a new set."""
        index = np.asarray(index, dtype=np.int64)
        return replace(
            self,
            values=self.values[index],
            valid=self.valid[index],
            times=self.times[index],
            x=self.x[index],
            y=self.y[index],
            ids=tuple(self.ids[i] for i in index),
            target=self.target[index],
        )

    def labelled(self) -> Cubes:
        """Return the samples that have a lab value."""
        return self.rows(np.flatnonzero(np.isfinite(self.target)))
