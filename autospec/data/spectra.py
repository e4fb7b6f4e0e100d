"""`Spectra`: a checked, frozen table of spectra with its lab values; nothing here reads files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Quantity = Literal["reflectance", "absorbance"]
AxisUnit = Literal["nm", "cm-1"]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

AXIS_NAMES: dict[AxisUnit, str] = {"nm": "wavelength (nm)", "cm-1": "wavenumber (cm⁻¹)"}


def row_name(number: int) -> str:
    """Return the name of a row that has none in its file."""
    return f"row {number}"


def is_row_name(name: str) -> bool:
    """Say whether a name is a row number: then it says nothing of the sample in another table."""
    return name.startswith("row ") and name[4:].isdecimal()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spectra:
    """Spectra of n samples on b bands, with one lab value each.

    Parameters
    ----------
    values : float64, shape (n, b)
        Reflectance as a fraction (0 to 1), or absorbance log10(1/R). All finite.
    axis : float64, shape (b,)
        Band positions, strictly ascending, in `axis_unit`.
    axis_unit : {"nm", "cm-1"}
        Wavelength in nm or wavenumber in cm⁻¹.
    quantity : {"reflectance", "absorbance"}
        What `values` are.
    ids : tuple of str, length n
        Sample names. Repeated names are replicate scans of one sample.
    groups : tuple of str, length n
        What a fold keeps whole; replicates of one sample share a group.
    fields : tuple of str, length n
        The field or site of each row; splits are stratified by it.
    target : float64, shape (n,)
        Lab values in `target_unit`; NaN where the row has none.
    target_name, target_unit : str
        For example "soc" and "g/kg".
    provenance : tuple of str
        Sentences: where the rows came from, and every conversion that was made.

    Raises
    ------
    AssertionError
        If the arrays break a promise above: readers check and explain before.
    """

    values: FloatArray
    axis: FloatArray
    axis_unit: AxisUnit
    quantity: Quantity
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    fields: tuple[str, ...]
    target: FloatArray
    target_name: str
    target_unit: str
    provenance: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check shapes and freeze the arrays."""
        n, b = self.values.shape
        assert self.axis.shape == (b,), "one axis position a band"
        assert self.target.shape == (n,), "one target a row"
        assert len(self.ids) == len(self.groups) == len(self.fields) == n, "one label a row"
        assert bool(np.all(np.diff(self.axis) > 0)), "axis strictly ascending"
        assert bool(np.isfinite(self.values).all()), "finite spectra"
        for array in (self.values, self.axis, self.target):
            array.setflags(write=False)

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.values.shape[0])

    @property
    def b(self) -> int:
        """Number of bands."""
        return int(self.values.shape[1])

    @property
    def digest(self) -> str:
        """SHA-256 of everything that can change a result: values, axis, target, labels, units."""
        h = hashlib.sha256()
        for array in (self.values, self.axis, self.target):
            h.update(str(array.shape).encode())
            h.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        for words in (self.ids, self.groups, self.fields):
            h.update("\x1f".join(words).encode() + b"\x1e")
        h.update("\x1f".join((self.axis_unit, self.quantity, self.target_name)).encode())
        h.update(self.target_unit.encode())
        return h.hexdigest()

    def rows(self, index: IntArray | Sequence[int]) -> Spectra:
        """Return the rows at `index`, in that order, as a new table."""
        index = np.asarray(index, dtype=np.int64)
        return replace(
            self,
            values=self.values[index],
            target=self.target[index],
            ids=tuple(self.ids[i] for i in index),
            groups=tuple(self.groups[i] for i in index),
            fields=tuple(self.fields[i] for i in index),
        )

    def labelled(self) -> Spectra:
        """Return the rows that have a lab value."""
        return self.rows(np.flatnonzero(np.isfinite(self.target)))


def join_spectra(parts: Sequence[Spectra]) -> Spectra:
    """Stack tables that share one axis, quantity and target.

    Raises
    ------
    AssertionError
        If the parts differ in axis, quantity, target name or unit.
    """
    first = parts[0]
    for part in parts[1:]:
        assert np.array_equal(part.axis, first.axis), "one axis"
        assert part.quantity == first.quantity, "one quantity"
        assert part.target_unit == first.target_unit, "one unit"
    return replace(
        first,
        values=np.vstack([p.values for p in parts]),
        target=np.concatenate([p.target for p in parts]),
        ids=tuple(i for p in parts for i in p.ids),
        groups=tuple(g for p in parts for g in p.groups),
        fields=tuple(f for p in parts for f in p.fields),
        provenance=tuple(s for p in parts for s in p.provenance),
    )
