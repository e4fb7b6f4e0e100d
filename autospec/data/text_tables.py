"""CSV and other delimited text: header and rows, with every cell checked; no meaning of values.

Rows are streamed through the standard library's `csv`, so that a row number is the line a user
sees, a duplicate header stays a duplicate, and memory grows only with the wanted columns.
"""

from __future__ import annotations

import csv
import io
import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from autospec.data.findings import Findings, count
from autospec.data.headers import parse_header
from autospec.data.tables import (
    MAX_BAD_CELLS,
    MAX_LABEL_CHARS,
    MAX_ROW_CHARS,
    BadCell,
    OpenTable,
    RawTable,
    RowFault,
    Wanted,
    check_shape,
)
from autospec.errors import DataError

NO_VALUE_WORDS = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "-", "."})
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_BLANK = '",; \t\r\n'
_INFINITE = frozenset({"inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"})


@dataclass(frozen=True, slots=True)
class TextHeader:
    """The header line of a text table and the delimiter it was cut with."""

    names: tuple[str, ...]
    delimiter: str


@dataclass(slots=True, kw_only=True)
class GatheredRows:
    """Rows read so far; memory grows only with the wanted columns, however bad the rest is."""

    wanted: Wanted
    most_faults: int = MAX_BAD_CELLS
    cells: array[float] = field(default_factory=lambda: array("d"))
    row_numbers: list[int] = field(default_factory=list)
    labels: dict[int, list[str]] = field(init=False)
    bad_cells: list[BadCell] = field(default_factory=list)
    bad_cells_more: int = 0
    comma_rows: int = 0
    blank_rows: int = 0
    faults: list[RowFault] = field(default_factory=list)
    faults_more: int = 0

    def __post_init__(self) -> None:
        """Begin an empty list for every label column."""
        self.labels = {column: [] for column in self.wanted.labels}

    def refuse(self, row_number: int, reason: str) -> None:
        """Keep a fault, or only count it when there are very many."""
        if len(self.faults) < self.most_faults:
            self.faults.append(RowFault(row_number=row_number, reason=reason))
        else:
            self.faults_more += 1

    def table(self) -> RawTable:
        """Turn the gathered rows into arrays."""
        n, b = len(self.row_numbers), len(self.wanted.bands)
        values = np.frombuffer(self.cells, dtype=np.float64) if n and b else np.empty(0)
        return RawTable(
            row_numbers=np.asarray(self.row_numbers, dtype=np.int64),
            values=values.reshape(n, b),
            labels={column: tuple(kept) for column, kept in self.labels.items()},
            bad_cells=tuple(self.bad_cells),
            bad_cells_more=self.bad_cells_more,
            row_faults=tuple(self.faults),
            row_faults_more=self.faults_more,
            comma_rows=self.comma_rows,
            blank_rows=self.blank_rows,
        )


def parse_number(cell: str) -> float:
    """Read one cell as a number, with a decimal point or a decimal comma.

    Parameters
    ----------
    cell : str
        The cell as written.

    Returns
    -------
    float
        NaN for an empty cell or a word for no value (NA, nan, null, #N/A, ``-`` ...).

    Raises
    ------
    ValueError
        If the cell is anything else, thousands separators and ``<0.5`` included.
    """
    text = cell.strip()
    if text.lower() in NO_VALUE_WORDS:
        return float("nan")
    if _NUMBER.fullmatch(text) or text.lower() in _INFINITE:
        return float(text.replace(",", "."))
    raise ValueError(text)


def read_text_header(table: OpenTable, findings: Findings) -> TextHeader:
    """Read the header line and find the delimiter that gives the most bands.

    Raises
    ------
    DataError
        If there is no header, or it is longer or wider than the caps.
    """
    with _text(table) as stream:
        line = next((text for text in _Lines(stream) if text.strip(_BLANK)), "")
    if not line:
        raise DataError("the file holds no text; want a header line and one row a sample.")
    cuts = []
    broken = False
    for delimiter in ("\t", ";", ","):
        try:
            names = next(csv.reader([line], delimiter=delimiter, strict=True))
        except csv.Error:
            broken = True
            continue
        check_shape(0, len(names), 0)
        bands = sum(parse_header(name) is not None for name in names)
        cuts.append((bands, len(names), TextHeader(tuple(names), delimiter)))
    if not cuts or (broken and max(cut[1] for cut in cuts) == 1):
        raise DataError(
            "header: a quotation mark is not closed; want one header line. Export the file again."
        )
    best = max(cuts, key=lambda cut: cut[:2])[2]
    shown = {"\t": "a tab", ";": "';'", ",": "','"}[best.delimiter]
    findings.recognised.append(f"text table, columns cut at {shown}")
    return best


def read_text_rows(
    table: OpenTable, header: TextHeader, wanted: Wanted, findings: Findings
) -> RawTable:
    """Read the wanted columns of every row.

    Parameters
    ----------
    table : OpenTable
        The open file.
    header : TextHeader
        From `read_text_header`.
    wanted : Wanted
        Columns to keep; b of them are bands.
    findings : Findings
        Receives ragged rows and cells that cannot be kept as problems, and decimal commas and
        blank rows as mended.

    Returns
    -------
    RawTable
        n rows; ragged rows are left out and reported.

    Raises
    ------
    DataError
        If a cap is met or the quoting breaks.
    """
    rows = GatheredRows(wanted=wanted)
    for seen, (start, cells) in enumerate(data_rows(table, header), start=1):
        check_shape(seen, len(cells), len(wanted.bands))
        take_row(rows, start, cells, len(header.names))
    raw = rows.table()
    findings.refuse(f"row {fault.row_number}: {fault.reason}" for fault in raw.row_faults)
    if raw.row_faults_more:
        findings.problems.append(f"... and {raw.row_faults_more:,} more rows with such faults")
    findings.mended.extend(mended_rows(raw.comma_rows, raw.blank_rows))
    return raw


def mended_rows(comma_rows: int, blank_rows: int) -> list[str]:
    """Say how many rows had decimal commas, and how many were blank."""
    lines = []
    if comma_rows:
        lines.append(f"decimal commas in {count(comma_rows, 'row')} were read as decimal points")
    if blank_rows:
        lines.append(f"{count(blank_rows, 'blank row')} skipped")
    return lines


def data_rows(table: OpenTable, header: TextHeader) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of every row below the header, with the line on which it begins."""
    with _text(table) as stream:
        lines = _Lines(stream)
        reader = csv.reader(lines, delimiter=header.delimiter, strict=True)
        below = False
        try:
            for cells in reader:
                start = lines.start_row()
                if below:
                    yield start, cells
                else:
                    below = any(map(str.strip, cells))
        except csv.Error as error:
            raise DataError(
                f"row {lines.started}: the quoting breaks here ({error}); want every quotation "
                "mark closed on its own row. Correct the row, or export the file again."
            ) from error


class _Lines:
    """Lines of a text with their numbers; refuses a row that goes on for too long."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream
        self._number = 0
        self._chars = 0
        self.started = 1

    def __iter__(self) -> Iterator[str]:
        """Yield each line."""
        while line := self._stream.readline(MAX_ROW_CHARS + 1):
            self._number += 1
            self._chars += len(line)
            if self._chars > MAX_ROW_CHARS:
                raise DataError(
                    f"row {self.started}: longer than {MAX_ROW_CHARS:,} characters; want one "
                    "row a sample. Check that the file is a table and every quote is closed."
                )
            yield line

    def start_row(self) -> int:
        """Return the line on which the row just read began, and begin the next."""
        begun = self.started
        self.started = self._number + 1
        self._chars = 0
        return begun


@contextmanager
def _text(table: OpenTable) -> Iterator[io.TextIOWrapper]:
    """View the table's bytes as text from the start, and leave the file open afterwards."""
    table.handle.seek(0)
    stream = io.TextIOWrapper(table.handle, encoding=table.encoding, newline="")
    try:
        yield stream
    finally:
        if not table.handle.closed:  # a reader that was left half-way outlives the file
            stream.detach()


def _ragged(found: int, wanted: int) -> str:
    """Word a row that has more or fewer cells than the header."""
    hint = (
        " If it came from R's write.table, export with row.names = FALSE."
        if found == wanted + 1
        else " Correct the row; a stray delimiter or a cut-off line is the usual cause."
    )
    return f"{count(found, 'cell')}; want {wanted}, as in the header.{hint}"


def take_row(rows: GatheredRows, start: int, cells: Sequence[str], width: int) -> None:
    """Add one row of `width` cells: its bands as numbers, its labels as text."""
    if not any(map(str.strip, cells)):
        rows.blank_rows += 1
        return
    if len(cells) != width:
        rows.refuse(start, _ragged(len(cells), width))
        return
    index = len(rows.row_numbers)
    rows.row_numbers.append(start)
    bands = [cells[c] for c in rows.wanted.bands]
    joined = "".join(bands)
    commas = "," in joined
    try:
        if "_" in joined or (commas and "." in joined):
            raise ValueError  # float() would take 1_000; two decimal marks need a look
        plain = (cell.replace(",", ".") for cell in bands) if commas else bands
        rows.cells.extend(map(float, plain))
        rows.comma_rows += commas
    except ValueError:
        del rows.cells[index * len(bands) :]
        rows.cells.extend(_slowly(rows, index, bands))
    for column, kept in rows.labels.items():
        text = cells[column].strip()
        if len(text) > MAX_LABEL_CHARS:
            rows.refuse(
                start,
                f"column {column + 1} holds {len(text):,} characters; "
                f"want at most {MAX_LABEL_CHARS:,}. Shorten the cell.",
            )
            text = ""
        kept.append(text)


def _slowly(rows: GatheredRows, index: int, bands: Sequence[str]) -> Iterator[float]:
    """Read the bands of one row cell by cell, noting those that are not numbers."""
    marks: set[str] = set()
    for band, cell in enumerate(bands):
        try:
            value = parse_number(cell)
            if value == value:
                marks.update(mark for mark in ".," if mark in cell)
            yield value
        except ValueError:
            if len(rows.bad_cells) < MAX_BAD_CELLS:
                rows.bad_cells.append(BadCell(row=index, band=band, text=cell.strip()[:40]))
            else:
                rows.bad_cells_more += 1
            yield float("nan")
    if marks == {".", ","}:
        rows.refuse(
            rows.row_numbers[index],
            "decimal commas and decimal points in one row; "
            "want one of them. Export the file again with one decimal mark.",
        )
    rows.comma_rows += marks == {","}
