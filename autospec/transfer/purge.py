"""Purging: library rows that are the farm's own leave before anything else looks at them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec.data.spectra import AXIS_NAMES, FloatArray, IntArray, Spectra, is_row_name
from autospec.errors import DataError

ROUNDING = 2e-4  # of the range of the farm's spectra: files are rounded, and resampling rounds too
LAB_ROUNDING = 1e-2  # of a lab value
BLOCK_ROWS = 4096

MaskArray = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Purged:
    """What is left of a library beside a farm.

    Parameters
    ----------
    kept : int64, shape (n',)
        Library rows that are not the farm's, ascending.
    by_id, by_spectrum, by_replicate : int
        Rows that left because the farm has a sample of that name; because the farm has the same
        spectrum; because they are replicates of a row that left for its spectrum. A row counts
        once, under the first that holds.
    """

    kept: IntArray
    by_id: int
    by_spectrum: int
    by_replicate: int

    @property
    def count(self) -> int:
        """Rows that left."""
        return self.by_id + self.by_spectrum + self.by_replicate

    @property
    def note(self) -> str:
        """The count in a sentence."""
        return (
            f"{self.count} library rows are the farm's own and were left out ({self.by_id} by "
            f"name, {self.by_spectrum} by spectrum, {self.by_replicate} as their replicates)"
        )


def purge_library(library: Spectra, farm: Spectra) -> Purged:
    """Leave out the library rows that are the farm's own.

    Pass the whole farm, test rows included: a selected test row would be a leak too.

    Parameters
    ----------
    library, farm : Spectra
        On one axis, in one quantity and unit.

    Returns
    -------
    Purged
        Two spectra are the same if every band agrees to 2e-4 of the range of the farm's spectra,
        which forgives a file its last digits. Names are compared as they stand, but for those that
        stand for a row number because the file has none: these are no names of a sample. Where
        samples are called by plain numbers, which tables share by chance, the lab values must
        agree as well.

    Raises
    ------
    DataError
        If the two cannot be compared.
    """
    check_comparable(library, farm)
    ids = np.asarray(library.ids)
    named = np.array([not is_row_name(name) for name in library.ids], dtype=bool)
    by_id = named & _same_names(library, farm)
    by_spectrum = _same_spectra(library.values, farm.values) & ~by_id
    by_replicate = np.isin(ids, ids[by_spectrum]) & named & ~by_spectrum & ~by_id
    return Purged(
        kept=np.flatnonzero(~(by_id | by_spectrum | by_replicate)),
        by_id=int(by_id.sum()),
        by_spectrum=int(by_spectrum.sum()),
        by_replicate=int(by_replicate.sum()),
    )


def check_comparable(library: Spectra, farm: Spectra) -> None:
    """Refuse a library and a farm that differ in axis, quantity, target or unit.

    Raises
    ------
    DataError
        With every difference.
    """
    problems = []
    if library.axis_unit != farm.axis_unit or not np.array_equal(library.axis, farm.axis):
        problems.append(
            f"the library has {_axis(library)}, the local table {_axis(farm)}; want the same "
            "bands. Resample both to one axis first."
        )
    for what, ours, theirs in (
        ("quantity", library.quantity, farm.quantity),
        ("target", library.target_name, farm.target_name),
        ("target unit", library.target_unit, farm.target_unit),
    ):
        if ours != theirs:
            problems.append(
                f"{what}: {ours!r} in the library, {theirs!r} in the local table; want the same. "
                "Read both with the same options."
            )
    if problems:
        raise DataError(problems)


def _axis(spectra: Spectra) -> str:
    name = AXIS_NAMES[spectra.axis_unit]
    return f"{spectra.b} bands, {name} {spectra.axis[0]:g} to {spectra.axis[-1]:g}"


def _same_names(library: Spectra, farm: Spectra) -> MaskArray:
    """Say which library rows, shape (n,), have the name of a farm's sample.

    A plain number is a name that two tables can share by chance: then the lab values must agree
    too, unless one is missing.
    """
    known: dict[str, list[float]] = {}
    for name, value in zip(farm.ids, farm.target, strict=True):
        known.setdefault(name, []).append(float(value))
    same = [
        name in known and (not name.isdecimal() or _agrees(float(value), known[name]))
        for name, value in zip(library.ids, library.target, strict=True)
    ]
    return np.array(same, dtype=bool)


def _agrees(value: float, others: list[float]) -> bool:
    return any(
        not np.isfinite([value, other]).all() or np.isclose(value, other, rtol=LAB_ROUNDING)
        for other in others
    )


def _same_spectra(library: FloatArray, farm: FloatArray) -> MaskArray:
    """Say which rows of spectra (n, b) are a row of spectra (m, b), but for rounding.

    Two are the same if no band differs by more than 2e-4 of what the farm's spectra span. Near
    rows are found by their distances, in blocks, and then compared band by band.
    """
    tolerance = ROUNDING * float(np.ptp(farm))
    centre = farm.mean(axis=0)  # small numbers: distances are differences of large squares
    other = farm - centre
    squares = np.square(other).sum(axis=1)
    reach = farm.shape[1] * tolerance**2
    same = np.zeros(len(library), dtype=bool)
    for first in range(0, len(library), BLOCK_ROWS):
        block = library[first : first + BLOCK_ROWS] - centre
        apart = np.square(block).sum(axis=1)[:, None] + squares - 2.0 * (block @ other.T)
        slack = 1e-12 * (squares.max() + 1e-300)
        for row, near in np.argwhere(apart <= reach + slack):
            same[first + row] |= np.abs(block[row] - other[near]).max() <= tolerance
    return same
