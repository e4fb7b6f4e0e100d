"""`open_batches`: a table of spectra to predict on, in blocks; a bad row does not cost the others.

The checks and their words are those of `read_spectra`. Two things differ: rows that
cannot be used are listed with each block instead of refusing the file, and what the values are
is decided from the first rows (`DECIDING_ROWS`) and then holds for the whole file. Lab values
are not read. The columns are chosen in `batch_tables`; how blocks come out of a file is in
`text_blocks` and `parquet_blocks`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autospec.data.batch_tables import BatchTable, understand_table
from autospec.data.checks import (
    Scale,
    cell_faults,
    flat_faults,
    read_scale,
    scale_faults,
)
from autospec.data.findings import Findings, RowNames, count
from autospec.data.readers import DEFAULT_OPTIONS, ReadOptions
from autospec.data.spectra import (
    AxisUnit,
    FloatArray,
    IntArray,
    Quantity,
    is_row_name,
    row_name,
)
from autospec.data.tables import (
    MAX_STREAMED_BYTES,
    RawTable,
    open_checked,
    reading_errors,
)
from autospec.data.text_tables import NO_VALUE_WORDS, mended_rows, parse_number
from autospec.errors import SHOWN_PROBLEMS, DataError, UsageError

DECIDING_ROWS = 8192
_BLOCK_BYTES = 32 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that cannot be predicted: its number, its name, and what was found and wanted."""

    row_number: int
    id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """One block of rows.

    Parameters
    ----------
    ids : tuple of str, length m
        Sample names of all rows; rows without one, and ragged rows, are named by row number.
        Names may repeat.
    row_numbers : int64, shape (m,)
        As in a spreadsheet: the header is row 1.
    values : float64, shape (n, b)
        Spectra of the n good rows, in order, as a fraction or absorbance.
    good : bool, shape (m,)
        Which rows those are.
    bad : tuple of BadRow, length m - n
        The other rows, in order, each with the first thing that is wrong with it.
    places : float64, shape (2, m), or None
        x and y of all rows where they were asked for; NaN where there is no number.
    """

    ids: tuple[str, ...]
    row_numbers: IntArray
    values: FloatArray
    good: NDArray[np.bool_]
    bad: tuple[BadRow, ...]
    places: FloatArray | None = None


@dataclass(slots=True)
class _Tally:
    """What the current reading has met, and which reading that is."""

    reading: int = 0
    comma_rows: int = 0
    blank_rows: int = 0
    unnamed_rows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batches:
    """A table of spectra that is read block by block, as often as wanted, one reading at a time.

    Parameters
    ----------
    axis : float64, shape (b,)
        Band positions, strictly ascending, in `axis_unit`.
    axis_unit : {"nm", "cm-1"}
        Wavelength in nm or wavenumber in cm⁻¹.
    quantity : {"reflectance", "absorbance"}
        What the values of every batch are.
    divisor : float
        What the values of the file were divided by: 1, 100 or 10,000.
    n_rows : int or None
        Rows of a Parquet file; None for text, which does not say.
    id_header : str or None
        Column of the sample names; None when rows are named by their number.
    recognised : tuple of str
        What was understood: columns, units, quantity.

    Raises
    ------
    DataError
        While it is read: where the file breaks off, a quotation mark is not closed, or a row is
        longer than the cap.
    """

    axis: FloatArray
    axis_unit: AxisUnit
    quantity: Quantity
    divisor: float
    n_rows: int | None
    id_header: str | None
    recognised: tuple[str, ...]
    _mended: tuple[str, ...]
    _table: BatchTable
    _scale: Scale
    _block_rows: int
    _tally: _Tally = field(default_factory=_Tally)

    @property
    def placed(self) -> bool:
        """Whether the rows' x and y were asked for."""
        return self._table.places is not None

    @property
    def mended(self) -> tuple[str, ...]:
        """What was changed on the way in; the counts of rows grow while the file is read."""
        tally = self._tally
        unnamed = f"{count(tally.unnamed_rows, 'row')} without an id: named by row number"
        return (
            *self._mended,
            *mended_rows(tally.comma_rows, tally.blank_rows),
            *([unnamed] if tally.unnamed_rows else []),
        )

    def __iter__(self) -> Iterator[Batch]:
        """Read the file from its first row; at most `block_rows` rows a batch."""
        if self._table.table.handle.closed:
            raise UsageError("the table is closed; read its batches inside `with open_batches`.")
        tally = self._tally
        tally.reading += 1
        mine = tally.reading
        tally.comma_rows = tally.blank_rows = tally.unnamed_rows = 0
        with _naming(self._table.path), reading_errors():
            for raw in self._table.blocks(self._block_rows):
                if mine != tally.reading:
                    raise UsageError("a second reading began before this one ended; want one.")
                tally.comma_rows += raw.comma_rows
                tally.blank_rows += raw.blank_rows
                if len(raw.row_numbers) or raw.row_faults:
                    batch, unnamed = _batch(raw, self._table, self._scale)
                    tally.unnamed_rows += unnamed
                    yield batch


@contextmanager
def open_batches(
    path: str | Path,
    options: ReadOptions = DEFAULT_OPTIONS,
    *,
    block_rows: int = 8192,
    places: tuple[str, str] | None = None,
) -> Iterator[Batches]:
    """Open a table of spectra to predict on.

    Parameters
    ----------
    path : str or Path
        CSV (comma, semicolon or tab; UTF-8, UTF-16 or Windows-1252) or Parquet, of any length.
    options : ReadOptions
        What the user says of the file; what it says of target, group and field is not used.
    block_rows : int, default 8192
        At most so many rows a batch; fewer where spectra are wide (32 MiB a block).
    places : (str, str), optional
        Names of the columns of x and y; a row without them is as good as any other.

    Yields
    ------
    Batches
        To be read before the context ends.

    Raises
    ------
    DataError
        If the header has a fault, or no row has a usable spectrum, or the first rows fit no scale.
    UsageError
        If `block_rows` is below 1.
    """
    if block_rows < 1:
        raise UsageError(f"block_rows = {block_rows}; want at least 1, such as 8192.")
    path = Path(path)
    findings = Findings()
    with _naming(path), reading_errors():
        table = open_checked(path, findings, MAX_STREAMED_BYTES)
    # Outside of the two contexts above: an error of the caller is not an error of this file.
    with table.handle:
        with _naming(path), reading_errors():
            found = understand_table(table, path, options, findings, places)
            batches = _understand(found, options, block_rows, findings)
        yield batches


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the file's name before every problem."""
    try:
        yield
    except DataError as error:
        name = path.name or str(path)
        raise DataError([f"{name}: {line}" for line in error.problems]) from error


def _understand(
    found: BatchTable, options: ReadOptions, block_rows: int, findings: Findings
) -> Batches:
    """Read the first rows of a table whose header is understood."""
    said = found.bands.quantity
    declared = None if options.hints and said else options.quantity
    most = max(1, _BLOCK_BYTES // (8 * len(found.bands.columns)))
    first = _first_rows(found, min(DECIDING_ROWS, most))
    scale = read_scale(first, found.bands, declared, findings)
    if scale is None:
        raise DataError(findings.problems)
    return Batches(
        axis=np.asarray(found.bands.positions, dtype=np.float64),
        axis_unit=found.bands.axis_unit,
        quantity=scale.reading.quantity,
        divisor=scale.reading.divisor,
        n_rows=found.n_rows,
        id_header=None if found.id_column is None else found.header[found.id_column],
        recognised=tuple(findings.recognised),
        _mended=tuple(findings.mended),
        _table=found,
        _scale=scale,
        _block_rows=min(block_rows, most),
    )


def _first_rows(table: BatchTable, rows: int) -> FloatArray:
    """Return the usable spectra (n, b) of the first rows; more rows are read until there is one.

    The number of rows does not hang on the blocks: one file gives one result.
    """
    kept: list[FloatArray] = []
    problems: list[str] = []
    seen = 0
    for raw in table.blocks(rows):
        batch, _ = _batch(raw, table, None)
        seen += len(batch.row_numbers)
        kept.append(batch.values)
        if len(problems) <= SHOWN_PROBLEMS:
            problems += _problem_lines(batch)
        if seen >= rows and any(map(len, kept)):
            break
    if seen == 0:
        raise DataError("no rows below the header; want one row a sample. Export the file again.")
    if not any(map(len, kept)):
        raise DataError([f"none of {count(seen, 'row')} has a usable spectrum:", *problems])
    return np.concatenate(kept)


def _problem_lines(batch: Batch) -> list[str]:
    """Word the bad rows of a block as `read_spectra` does."""
    ids = ["" if is_row_name(row.id) else row.id for row in batch.bad]
    rows = RowNames(numbers=[row.row_number for row in batch.bad], ids=ids)
    return [f"{rows[i]}: {row.reason}" for i, row in enumerate(batch.bad)]


def _batch(raw: RawTable, table: BatchTable, scale: Scale | None) -> tuple[Batch, int]:
    """Check a block of rows, their scale when it is known; also count the rows without an id."""
    reasons = _reasons(raw, table, scale)
    kept = raw.row_numbers
    bad_numbers = np.asarray(sorted(reasons), dtype=np.int64)
    row_numbers = np.union1d(kept, bad_numbers)
    written = () if table.id_column is None else raw.labels[table.id_column]
    names = {
        number: name
        for number, name in zip(kept.tolist(), written, strict=False)
        if name.lower() not in NO_VALUE_WORDS
    }
    values = raw.values[~np.isin(kept, bad_numbers)]
    batch = Batch(
        ids=tuple(names.get(k) or row_name(k) for k in row_numbers.tolist()),
        row_numbers=row_numbers,
        values=values if scale is None else values / scale.reading.divisor,
        good=~np.isin(row_numbers, bad_numbers),
        bad=tuple(
            BadRow(row_number=k, id=names.get(k) or row_name(k), reason=reasons[k])
            for k in bad_numbers.tolist()
        ),
        places=None if table.places is None else _places(raw, table.places, row_numbers),
    )
    return batch, len(written) and len(kept) - len(names)


def _places(raw: RawTable, columns: tuple[int, int], row_numbers: IntArray) -> FloatArray:
    """Return x and y (2, m) of all rows; NaN for a cell that is no number, and for ragged rows."""
    found = np.full((2, len(row_numbers)), np.nan)
    at = np.searchsorted(row_numbers, raw.row_numbers)
    for axis, column in zip(found, columns, strict=True):
        axis[at] = [_coordinate(cell) for cell in raw.labels[column]]
    return found


def _coordinate(cell: str) -> float:
    try:
        value = parse_number(cell)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _reasons(raw: RawTable, table: BatchTable, scale: Scale | None) -> dict[int, str]:
    """Return the first fault of every row that has one, by row number."""
    cells = cell_faults(raw, table.band_names)
    found = [*cells.texts, *cells.missing, *cells.infinite, *flat_faults(raw.values)]
    if scale is not None:
        found += scale_faults(raw.values, scale, table.bands)
    reasons: dict[int, str] = {}
    for fault in raw.row_faults:
        reasons.setdefault(fault.row_number, fault.reason)
    for row, reason in found:
        reasons.setdefault(int(raw.row_numbers[row]), reason)
    return reasons
