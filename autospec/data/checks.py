"""Checks of the spectra themselves: cells, rows and scale; targets and groups have own rooms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autospec.data.findings import Findings, RowNames, count
from autospec.data.headers import MIN_BANDS, BandChoice, choose_bands
from autospec.data.labels import repeated_headers
from autospec.data.quantities import Reading, decide_quantity, shape_says
from autospec.data.spectra import AxisUnit, FloatArray, Quantity
from autospec.data.tables import RawTable

NO_VALUE_NUMBERS = (-9999.0, -999.0)
VALUE_RANGE: dict[Quantity, tuple[float, float]] = {
    "reflectance": (-0.1, 2.0),
    "absorbance": (-1.0, 8.0),
}
OTHER_SCALE = 30.0

Fault = tuple[int, str]  # a row counted from 0, and what was found, wanted and to do


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What the values of a file are, and the size that its rows usually have.

    Parameters
    ----------
    reading : Reading
        Quantity and divisor.
    typical : float
        Median of the rows' largest values, as written in the file.
    """

    reading: Reading
    typical: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFaults:
    """Rows with cells that are no finite number, by kind: text, no value, infinite."""

    texts: tuple[Fault, ...]
    missing: tuple[Fault, ...]
    infinite: tuple[Fault, ...]


def check_cells(raw: RawTable, bands: Sequence[str], rows: RowNames, findings: Findings) -> None:
    """Refuse band cells without a finite number, one line a row and kind.

    Parameters
    ----------
    raw : RawTable
        n rows of b bands, as read.
    bands : sequence of str, length b
        Headers of the bands.
    rows : RowNames
        How rows are named.
    findings : Findings
        Receives the problems.
    """
    faults = cell_faults(raw, bands)
    findings.refuse(_lines(faults.texts, rows))
    if raw.bad_cells_more:
        findings.problems.append(f"... and {raw.bad_cells_more:,} more cells that are not numbers")
    else:
        findings.refuse(_lines(faults.missing, rows))
    findings.refuse(_lines(faults.infinite, rows))


def cell_faults(raw: RawTable, bands: Sequence[str]) -> CellFaults:
    """Return the rows with band cells that are no finite number, and what stands there.

    Where there were too many cells of text to keep (`RawTable.bad_cells_more`), such rows are
    among the missing.
    """
    reported = {(cell.row, cell.band) for cell in raw.bad_cells}
    missing, infinite = [], []
    for row in np.flatnonzero(~plain(raw.values).all(axis=1)).tolist():
        cells = raw.values[row]
        empty = [
            k
            for k in np.flatnonzero(~plain(cells) & ~np.isinf(cells)).tolist()
            if (row, k) not in reported
        ]
        if empty:
            first = cells[empty[0]]
            code = f"{first:g}, a code for no value"
            shown = code if first == first else "text or empty" if raw.bad_cells_more else "empty"
            missing.append(
                (
                    row,
                    f"{count(len(empty), 'band')} of {len(cells)} without a value, first "
                    f"{bands[empty[0]]!r} ({shown}); want a number in every band. "
                    "Fill the cells or remove the row.",
                )
            )
        for k in np.flatnonzero(np.isinf(cells)).tolist()[:1]:
            infinite.append(
                (
                    row,
                    f"band {bands[k]!r} = {cells[k]}; want a finite number. "
                    "Correct the cell or remove the row.",
                )
            )
    return CellFaults(
        texts=_not_numbers(raw, bands), missing=tuple(missing), infinite=tuple(infinite)
    )


def check_rows(values: FloatArray, rows: RowNames, findings: Findings) -> None:
    """Refuse rows whose spectrum is flat: the same value in every band."""
    findings.refuse(_lines(flat_faults(values), rows))


def flat_faults(values: FloatArray) -> tuple[Fault, ...]:
    """Return the rows of `values` (n, b) that have the same value in every band."""
    if values.shape[1] < 2:
        return ()
    return tuple(
        (
            i,
            f"flat spectrum, {values[i, 0]:g} in all {values.shape[1]} bands; want a "
            "spectrum that varies. Scan the sample again or remove the row.",
        )
        for i in np.flatnonzero(values.max(axis=1) == values.min(axis=1)).tolist()
    )


def choose_spectrum(
    header: Sequence[str], axis_unit: AxisUnit | None, findings: Findings
) -> BandChoice:
    """Choose the band columns, and check them and the names of the others.

    Parameters
    ----------
    header : sequence of str
        The raw headers.
    axis_unit : {"nm", "cm-1"}, optional
        What ``--axis-unit`` says.
    findings : Findings
        Receives sentences and problems.
    """
    bands = choose_bands(header, axis_unit)
    findings.recognised.extend(bands.recognised)
    findings.mended.extend(bands.mended)
    findings.refuse(bands.problems)
    check_bands(bands, findings)
    findings.refuse(repeated_headers(header, bands.columns))
    return bands


def check_bands(choice: BandChoice, findings: Findings) -> None:
    """Refuse a spectrum of fewer than 20 bands."""
    b = len(choice.columns)
    if 0 < b < MIN_BANDS:
        findings.problems.append(
            f"header: {count(b, 'band')}; want at least {MIN_BANDS}. "
            "Check that every band column has a header such as 350 or wl_350."
        )


def to_quantity(
    values: FloatArray,
    choice: BandChoice,
    option: Quantity | None,
    rows: RowNames,
    findings: Findings,
) -> tuple[FloatArray, Quantity] | None:
    """Decide what the values are and bring them to a fraction or absorbance.

    Parameters
    ----------
    values : float64, shape (n, b)
        Band cells as written; cells without a number may be there.
    choice : BandChoice
        Positions of the b bands, and what their headers say.
    option : {"reflectance", "absorbance"}, optional
        What ``--quantity`` says.
    rows : RowNames
        How rows are named.
    findings : Findings
        Receives sentences and problems.

    Returns
    -------
    tuple of (float64 array of shape (n, b), quantity), or None
        None when the quantity cannot be told.
    """
    scale = read_scale(values, choice, option, findings)
    if scale is None:
        return None
    findings.refuse(_lines(scale_faults(values, scale, choice), rows))
    return values / scale.reading.divisor, scale.reading.quantity


def read_scale(
    values: FloatArray, choice: BandChoice, option: Quantity | None, findings: Findings
) -> Scale | None:
    """Decide what the values (n, b) are, or add the problem; None also without any number."""
    usable, tops = _usable(values)
    filled = np.isfinite(tops)
    if not filled.any():
        return None
    declared = (option, "--quantity") if option else None
    if declared is None and choice.quantity:
        declared = (choice.quantity, "the headers")
    shape = shape_says(usable[filled], np.asarray(choice.positions), choice.axis_unit)
    reading = decide_quantity(shape, tops[filled], float(np.nanmedian(usable)), declared, findings)
    if reading is None:
        return None
    return Scale(reading=reading, typical=float(np.median(tops[filled])))


def scale_faults(values: FloatArray, scale: Scale, choice: BandChoice) -> tuple[Fault, ...]:
    """Return the rows that no soil shows, or that are in another scale than the rest.

    Parameters
    ----------
    values : float64, shape (n, b)
        Band cells as written; cells without a number may be there.
    scale : Scale
        From `read_scale`, of these rows or of others of the file.
    choice : BandChoice
        Positions of the b bands.

    Returns
    -------
    tuple of (row counted from 0, what was found and wanted)
    """
    usable, tops = _usable(values)
    quantity, divisor = scale.reading.quantity, scale.reading.divisor
    low, high = (limit * divisor for limit in VALUE_RANGE[quantity])
    faults = []
    outside = (usable < low) | (usable > high)
    for i in np.flatnonzero(outside.any(axis=1)).tolist():
        k = int(np.flatnonzero(outside[i])[0])
        faults.append(
            (
                i,
                f"band {choice.positions[k]:g} {choice.axis_unit} = {usable[i, k]:g}; want "
                f"{low:g} to {high:g} for {quantity} in this file's scale. "
                "Correct the row, or bring all rows to one scale.",
            )
        )
    if quantity == "reflectance":
        small = np.flatnonzero((tops > 0) & (tops < scale.typical / OTHER_SCALE)).tolist()
        faults += [
            (
                i,
                f"the largest value is {tops[i]:g} where rows of this file reach "
                f"{scale.typical:.4g}; want one scale. Bring all rows to one scale or remove "
                "the row.",
            )
            for i in small
        ]
    return tuple(faults)


def plain(values: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Say which cells hold a finite number that is no code for a missing one."""
    coded = np.zeros(values.shape, dtype=np.bool_)
    for code in NO_VALUE_NUMBERS:
        coded |= values == code
    return np.isfinite(values) & ~coded


def _usable(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the values with NaN for what is no number, and the largest of each row."""
    usable = np.where(plain(values), values, np.nan)
    tops = np.full(len(usable), np.nan)
    filled = ~np.isnan(usable).all(axis=1)
    tops[filled] = np.nanmax(usable[filled], axis=1)
    return usable, tops


def _lines(faults: Sequence[Fault], rows: RowNames) -> list[str]:
    """Name the rows of faults."""
    return [f"{rows[row]}: {reason}" for row, reason in faults]


def _not_numbers(raw: RawTable, bands: Sequence[str]) -> tuple[Fault, ...]:
    """Word the cells that are not numbers, one line a row."""
    by_row = defaultdict(list)
    for cell in raw.bad_cells:
        by_row[cell.row].append(cell)
    return tuple(
        (
            row,
            f"band {bands[cells[0].band]!r} = {cells[0].text!r}"
            + (f" and {count(len(cells) - 1, 'more band')}" if len(cells) > 1 else "")
            + "; want a number such as 0.351. Correct the cell or remove the row.",
        )
        for row, cells in by_row.items()
    )
