"""Checks of the spectra themselves: cells, rows and scale; targets and groups have own rooms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from autospec.data.findings import Findings, RowNames, count
from autospec.data.headers import MIN_BANDS, BandChoice
from autospec.data.quantities import Reading, decide_quantity, shape_says
from autospec.data.spectra import FloatArray, Quantity
from autospec.data.tables import RawTable

NO_VALUE_NUMBERS = (-9999.0, -999.0)
VALUE_RANGE: dict[Quantity, tuple[float, float]] = {
    "reflectance": (-0.1, 2.0),
    "absorbance": (-1.0, 8.0),
}
OTHER_SCALE = 30.0


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
    findings.refuse(_not_numbers(raw, bands, rows))
    if raw.bad_cells_more:
        findings.problems.append(f"... and {raw.bad_cells_more:,} more cells that are not numbers")
    reported = {(cell.row, cell.band) for cell in raw.bad_cells}
    missing, infinite = [], []
    for row in np.flatnonzero(~_plain(raw.values).all(axis=1)).tolist():
        cells = raw.values[row]
        empty = [
            k
            for k in np.flatnonzero(~_plain(cells) & ~np.isinf(cells)).tolist()
            if (row, k) not in reported
        ]
        if empty:
            first = cells[empty[0]]
            shown = "empty" if np.isnan(first) else f"{first:g}, a code for no value"
            missing.append(
                f"{rows[row]}: {count(len(empty), 'band')} of {len(cells)} without a value, first "
                f"{bands[empty[0]]!r} ({shown}); want a number in every band. "
                "Fill the cells or remove the row."
            )
        for k in np.flatnonzero(np.isinf(cells)).tolist()[:1]:
            infinite.append(
                f"{rows[row]}: band {bands[k]!r} = {cells[k]}; want a finite number. "
                "Correct the cell or remove the row."
            )
    if not raw.bad_cells_more:
        findings.refuse(missing)
    findings.refuse(infinite)


def check_rows(values: FloatArray, rows: RowNames, findings: Findings) -> None:
    """Refuse rows whose spectrum is flat: the same value in every band."""
    if values.shape[1] < 2:
        return
    flat = np.flatnonzero(values.max(axis=1) == values.min(axis=1)).tolist()
    findings.refuse(
        f"{rows[i]}: flat spectrum, {values[i, 0]:g} in all {values.shape[1]} bands; want a "
        "spectrum that varies. Scan the sample again or remove the row."
        for i in flat
    )


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
    usable = np.where(_plain(values), values, np.nan)
    filled = ~np.isnan(usable).all(axis=1)
    if not filled.any():
        return None
    tops = np.full(len(usable), np.nan)
    tops[filled] = np.nanmax(usable[filled], axis=1)
    declared = (option, "--quantity") if option else None
    if declared is None and choice.quantity:
        declared = (choice.quantity, "the headers")
    shape = shape_says(usable[filled], np.asarray(choice.positions), choice.axis_unit)
    reading = decide_quantity(shape, tops[filled], float(np.nanmedian(usable)), declared, findings)
    if reading is None:
        return None
    findings.refuse(_out_of_scale(usable, tops, reading, choice, rows))
    return values / reading.divisor, reading.quantity


def _plain(values: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Say which cells hold a finite number that is no code for a missing one."""
    coded = np.zeros(values.shape, dtype=np.bool_)
    for code in NO_VALUE_NUMBERS:
        coded |= values == code
    return np.isfinite(values) & ~coded


def _not_numbers(raw: RawTable, bands: Sequence[str], rows: RowNames) -> list[str]:
    """Word the cells that are not numbers, one line a row."""
    by_row = defaultdict(list)
    for cell in raw.bad_cells:
        by_row[cell.row].append(cell)
    return [
        f"{rows[row]}: band {bands[cells[0].band]!r} = {cells[0].text!r}"
        + (f" and {count(len(cells) - 1, 'more band')}" if len(cells) > 1 else "")
        + "; want a number such as 0.351. Correct the cell or remove the row."
        for row, cells in by_row.items()
    ]


def _out_of_scale(
    usable: FloatArray, tops: FloatArray, reading: Reading, choice: BandChoice, rows: RowNames
) -> list[str]:
    """Word the rows that no soil shows, or that are in another scale than the rest."""
    low, high = (limit * reading.divisor for limit in VALUE_RANGE[reading.quantity])
    typical = float(np.nanmedian(tops))
    lines = []
    for i in np.flatnonzero(((usable < low) | (usable > high)).any(axis=1)).tolist():
        k = int(np.flatnonzero((usable[i] < low) | (usable[i] > high))[0])
        lines.append(
            f"{rows[i]}: band {choice.positions[k]:g} {choice.axis_unit} = {usable[i, k]:g}; want "
            f"{low:g} to {high:g} for {reading.quantity} in this file's scale. "
            "Correct the row, or bring all rows to one scale."
        )
    if reading.quantity == "reflectance":
        small = np.flatnonzero((tops > 0) & (tops < typical / OTHER_SCALE)).tolist()
        lines += [
            f"{rows[i]}: the largest value is {tops[i]:g} where rows of this file reach "
            f"{typical:.4g}; want one scale. Bring all rows to one scale or remove the row."
            for i in small
        ]
    return lines
