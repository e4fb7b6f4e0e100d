"""Purging: library rows that are the farm's own leave before anything else looks at them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from autospec.data.spectra import AXIS_NAMES, FloatArray, IntArray, Spectra, is_row_name
from autospec.errors import DataError


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
        Two spectra are the same if every band agrees in float32, which forgives a file its last
        digits. Names are compared as they stand, but for those that stand for a row number because
        the file has none: these are no names of a sample. Where samples are called by plain
        numbers, rows may leave that only share one, which costs a row and leaks nothing.

    Raises
    ------
    DataError
        If the two cannot be compared.
    """
    check_comparable(library, farm)
    ids = np.asarray(library.ids)
    named = np.array([not is_row_name(name) for name in library.ids], dtype=bool)
    by_id = np.isin(ids, np.asarray(farm.ids)) & named
    known = set(_digests(farm.values))
    by_spectrum = np.array([digest in known for digest in _digests(library.values)], dtype=bool)
    by_spectrum &= ~by_id
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


def _digests(values: FloatArray) -> list[bytes]:
    """Digest each row of spectra (n, b), row by row so that no second table is made."""
    return [
        hashlib.blake2b((row.astype("<f4") + 0.0).tobytes(), digest_size=16).digest()
        for row in values  # + 0.0 turns −0 into 0
    ]
