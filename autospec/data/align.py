"""`align`: a library and a farm on the same bands, in the same quantity and unit; no files here.

What is done, in this order, and every step told in `Aligned.notes`:

1. A library on the other axis is turned by WN = 1e7 / WL (cm⁻¹, nm). Its lab values take the
   farm's unit where autospec knows the factor; other targets are refused.
2. A library that covers less than half of the farm's range (`MIN_SHARE`) is left out. Of the
   ranges that cost the farm at most a quarter of its own (`MAX_COST`) beyond what the widest
   library costs it, the one with the most rows × range is kept, and the libraries that do not
   cover it are left out: one narrow library does not spoil all, a large one may narrow the rest.
3. The common bands are the farm's own if all have them, else even steps of the coarsest spacing
   (see `bands`). Spectra are brought to the farm's quantity first, then averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix

from autospec.data.bands import band_weights, common_grid, wide_gaps
from autospec.data.findings import count, some
from autospec.data.headers import MIN_BANDS
from autospec.data.onto_axis import as_quantity, name_bands, tell_bands, turned
from autospec.data.spectra import FloatArray, Quantity, Spectra
from autospec.data.targets import unit_factor
from autospec.errors import DataError

MIN_SHARE = 0.5
MAX_COST = 0.25
BLOCK_ROWS = 4096  # rows resampled at a time: what is in memory beside a table and its copy


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Aligned:
    """A library and a farm that can be compared.

    Parameters
    ----------
    library, farm : Spectra
        On one axis, in one quantity, target and unit. Rows in the order given, those of libraries
        that were left out excepted.
    notes : tuple of str
        What was converted, resampled, dropped and left out.
    """

    library: Spectra
    farm: Spectra
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Range:
    """The range that the kept libraries and the farm share, in the farm's unit."""

    low: float
    high: float
    kept: tuple[int, ...]


def align(library: Spectra, farm: Spectra) -> Aligned:
    """Bring one library onto a farm's bands, quantity and unit.

    Parameters
    ----------
    library, farm : Spectra
        n rows of b bands, and m of b'.

    Returns
    -------
    Aligned

    Raises
    ------
    DataError
        If the two share no lab value or too small a range.
    """
    return align_many((library,), farm)


def align_many(libraries: Sequence[Spectra], farm: Spectra) -> Aligned:
    """Bring several libraries onto a farm's bands, quantity and unit, as one library.

    Parameters
    ----------
    libraries : sequence of Spectra
        Of any axes. Names may repeat, also the farm's: `purge_library` looks at them afterwards.
    farm : Spectra
        The local table. Rows without a lab value stay.

    Returns
    -------
    Aligned
        Beside its input this holds one table of the common bands; no third is made.

    Raises
    ------
    DataError
        With every library whose lab value is not the farm's; or if no library covers
        half of the farm's range, or the farm's lab value never changes.
    """
    _check(libraries, farm)
    notes: list[str] = []
    parts = [_with_unit(_on_axis_unit(p, farm, notes), farm, notes) for p in libraries]
    chosen = _choose_range(parts, farm, notes)
    kept = [parts[i] for i in chosen.kept]
    grid = common_grid([farm.axis, *(p.axis for p in kept)], chosen.low, chosen.high)
    if len(grid) < MIN_BANDS:
        raise DataError(
            f"the library ({some(_names(kept))}) and the farm ({_bands(farm)}) share "
            f"{count(len(grid), 'band')}; want at least {MIN_BANDS}. Pass another library."
        )
    notes.extend(_fates(kept, farm, grid))
    return Aligned(
        library=_joined(kept, grid, farm.quantity),
        farm=_joined([farm], grid, farm.quantity),
        notes=tuple(notes),
    )


def _check(libraries: Sequence[Spectra], farm: Spectra) -> None:
    """Refuse what no conversion mends."""
    if not libraries:
        raise DataError("no library was given; want at least one. Pass a table or a site.")
    known = farm.target[np.isfinite(farm.target)]
    if known.size > 1 and known.min() == known.max():
        raise DataError(
            f"the farm: {farm.target_name} = {known[0]:g} {farm.target_unit} in all {known.size} "
            "labelled rows; want values that vary. Pass --target with another column."
        )
    problems = []
    for part in libraries:
        who = f"the library {_called(part)}"
        if part.target_name.lower() != farm.target_name.lower():
            problems.append(
                f"{who}: target {part.target_name!r}; want the farm's, {farm.target_name!r}. "
                "Read both with the same --target."
            )
        elif unit_factor(farm.target_name.lower(), part.target_unit, farm.target_unit) is None:
            problems.append(
                f"{who}: {part.target_name} in {part.target_unit!r}; want the farm's unit, "
                f"{farm.target_unit!r}. Convert the values, or pass --target-unit if it is wrong."
            )
    if problems:
        raise DataError(problems)


def _on_axis_unit(part: Spectra, farm: Spectra, notes: list[str]) -> Spectra:
    """Turn wavelengths into wavenumbers or back; the values are a mirrored view, not a copy."""
    if part.axis_unit == farm.axis_unit:
        return part
    notes.append(f"{_called(part)}: {part.axis_unit} turned into {farm.axis_unit} by WN = 1e7 / WL")
    return replace(
        part, axis=turned(part.axis), values=part.values[:, ::-1], axis_unit=farm.axis_unit
    )


def _with_unit(part: Spectra, farm: Spectra, notes: list[str]) -> Spectra:
    """Bring the lab values to the farm's unit."""
    factor = unit_factor(farm.target_name.lower(), part.target_unit, farm.target_unit)
    assert factor is not None, "checked before"
    if factor != 1:
        notes.append(
            f"{_called(part)}: {part.target_name} in {part.target_unit} × {factor:g} = "
            f"{farm.target_unit}"
        )
    target = part.target if factor == 1 else part.target * factor
    return replace(part, target=target, target_name=farm.target_name, target_unit=farm.target_unit)


def _choose_range(parts: Sequence[Spectra], farm: Spectra, notes: list[str]) -> _Range:
    """Choose the range and the libraries by the rule in the module's docstring."""
    width = float(farm.axis[-1] - farm.axis[0])
    spans = [
        (max(float(p.axis[0]), float(farm.axis[0])), min(float(p.axis[-1]), float(farm.axis[-1])))
        for p in parts
    ]
    shares = [max(high - low, 0.0) / width for low, high in spans]
    able = [i for i, share in enumerate(shares) if share >= MIN_SHARE]
    if not able:
        raise DataError([_too_narrow(p, farm, s) for p, s in zip(parts, shares, strict=True)])
    floor = max(max(shares) - MAX_COST, MIN_SHARE)
    ranges = [
        _Range(low=low, high=high, kept=_covering(able, spans, low, high))
        for low in sorted({spans[i][0] for i in able})
        for high in sorted({spans[i][1] for i in able})
        if (high - low) / width >= floor - 1e-12
    ]
    best = max(
        (r for r in ranges if r.kept),
        key=lambda r: (sum(parts[i].n for i in r.kept) * (r.high - r.low), r.high - r.low, -r.low),
    )
    share = (best.high - best.low) / width
    for i, part in enumerate(parts):
        if i not in able:
            notes.append(f"left out: {_too_narrow(part, farm, shares[i])}")
        elif i not in best.kept:
            both = min(spans[i][1], best.high) - max(spans[i][0], best.low)
            notes.append(
                f"left out: {_called(part)} ({count(part.n, 'row')}, {_bands(part)}): with it the "
                f"farm would keep {max(both, 0) / width:.0%} of its range instead of {share:.0%}"
            )
    return best


def _covering(
    able: Sequence[int], spans: Sequence[tuple[float, float]], low: float, high: float
) -> tuple[int, ...]:
    return tuple(i for i in able if spans[i][0] <= low and spans[i][1] >= high)


def _joined(parts: Sequence[Spectra], grid: FloatArray, quantity: Quantity) -> Spectra:
    """Resample tables onto `grid`, block by block into one table."""
    first = parts[0]
    if len(parts) == 1 and first.quantity == quantity and np.array_equal(first.axis, grid):
        return first
    values = np.empty((sum(p.n for p in parts), len(grid)))
    start = 0
    for part in parts:
        _fill(values[start : start + part.n], part, band_weights(part.axis, grid), quantity)
        start += part.n
    return replace(
        first,
        values=values,
        axis=grid,
        quantity=quantity,
        target=np.concatenate([p.target for p in parts]),
        ids=tuple(i for p in parts for i in p.ids),
        groups=tuple(g for p in parts for g in p.groups),
        fields=tuple(f for p in parts for f in p.fields),
        provenance=tuple(s for p in parts for s in p.provenance),
    )


def _fill(out: FloatArray, part: Spectra, weights: csr_matrix, quantity: Quantity) -> None:
    """Write the rows of one table, converted and averaged, into `out` (n, b')."""
    for start in range(0, part.n, BLOCK_ROWS):
        block = part.values[start : start + BLOCK_ROWS]
        out[start : start + len(block)] = as_quantity(block, part.quantity, quantity) @ weights


def _fates(kept: Sequence[Spectra], farm: Spectra, grid: FloatArray) -> list[str]:
    """Say what became of every table; tables of one fate share a sentence."""
    lines = [f"the farm: {told}" for told in _told(farm, grid)]
    fates: dict[str, list[Spectra]] = {}
    for part in kept:
        converted = f"{part.quantity} turned into {farm.quantity}"
        for told in _told(part, grid) + [converted] * (part.quantity != farm.quantity):
            fates.setdefault(told, []).append(part)
    return lines + [f"{some(_names(same), 3)}: {told}" for told, same in fates.items()]


def _told(part: Spectra, grid: FloatArray) -> list[str]:
    """Say what became of one table's bands; nothing if all stay as they are."""
    holes = wide_gaps(part.axis, grid)
    return tell_bands(part.axis, grid, part.axis_unit, holes, "common band")


def _too_narrow(part: Spectra, farm: Spectra, share: float) -> str:
    return (
        f"{_called(part)} ({_bands(part)}) covers {share:.0%} of the farm's range "
        f"({_bands(farm)}); want at least {MIN_SHARE:.0%}. Pass a library of the farm's kind of "
        "instrument."
    )


def _bands(part: Spectra) -> str:
    return name_bands(part.axis, part.axis_unit)


def _called(part: Spectra) -> str:
    return some(dict.fromkeys(part.fields), 3)


def _names(parts: Sequence[Spectra]) -> list[str]:
    return list(dict.fromkeys(field for part in parts for field in part.fields))
