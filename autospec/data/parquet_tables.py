"""Parquet: footer, caps and rows by batches of the wanted columns; no meaning of values.

The footer alone says how many rows and columns there are and how wide they become, so a small
file that would unfold to gigabytes is refused before a page is decompressed. Text columns are
read as dictionaries: one long string repeated a million times stays one string.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from autospec.data.findings import Findings
from autospec.data.parquet_footer import check_footer, group_bytes, unpacked_bytes
from autospec.data.spectra import FloatArray
from autospec.data.tables import (
    MAX_BAD_CELLS,
    MAX_DECODED_BYTES,
    MAX_LABEL_CHARS,
    BadCell,
    OpenTable,
    RawTable,
    Wanted,
    check_shape,
)
from autospec.data.text_tables import parse_number
from autospec.errors import DataError, shorten

LONG_LABEL = (
    f"a cell of more than {MAX_LABEL_CHARS:,} characters; want short labels. Shorten the cells."
)
_BATCH_BYTES = 32 * 1024**2


def read_parquet_header(table: OpenTable, *, any_length: bool = False) -> tuple[str, ...]:
    """Read the column names from the footer.

    Parameters
    ----------
    table : OpenTable
        The open file.
    any_length : bool, default False
        Its rows will be read in blocks, so their number does not matter.

    Raises
    ------
    DataError
        If the footer is broken, or the table is above a cap on rows or columns.
    """
    with arrow_errors():
        file = open_parquet(table)
        rows = 0 if any_length else file.metadata.num_rows
        check_shape(rows, file.metadata.num_columns, 0)
        return tuple(file.schema_arrow.names)


def read_parquet_rows(table: OpenTable, wanted: Wanted, findings: Findings) -> RawTable:
    """Read the wanted columns of every row.

    Parameters
    ----------
    table : OpenTable
        The open file.
    wanted : Wanted
        Columns to keep; b of them are bands.
    findings : Findings
        Receives over-long labels as problems.

    Returns
    -------
    RawTable
        n rows, counted from 2 as if the header were row 1, so that both forms name a row alike.

    Raises
    ------
    DataError
        If the decoded size is above the cap, a column holds neither numbers nor text, or the
        file is broken.
    """
    with arrow_errors():
        schema = open_parquet(table).schema_arrow
        check_types(schema, wanted)
        names = [schema.field(c).name for c in (*wanted.bands, *wanted.labels)]
        texts = [n for n in names if is_text(schema.field(n).type)]
        file = open_parquet(table, read_dictionary=texts)
        _check_decoded(table, file, names, len(wanted.bands))
        return _read(file, wanted, names, findings)


def open_parquet(table: OpenTable, **how: Any) -> pq.ParquetFile:  # noqa: ANN401 (pyarrow's own)
    """Read the footer of an open file, which is not above the cap.

    Raises
    ------
    DataError
        If the file ends before its footer, or the footer is too large.
    """
    check_footer(table.handle)
    table.handle.seek(0)
    return pq.ParquetFile(table.handle, **how)


@contextmanager
def arrow_errors() -> Iterator[None]:
    """Turn what pyarrow raises on a broken file into a problem line."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(
            f"the Parquet content is broken or not supported ({reason}); want a "
            "plain Parquet table. Export the file again."
        ) from error


def is_text(kind: pa.DataType) -> bool:
    """Say whether a column holds text, as it is or as a dictionary."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_number(kind: pa.DataType) -> bool:
    """Say whether a column holds numbers."""
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def check_types(schema: pa.Schema, wanted: Wanted) -> None:
    """Refuse wanted columns of a type that holds neither numbers nor text, all at once."""
    problems = []
    for column in (*wanted.bands, *wanted.labels):
        kind, name = schema.field(column).type, schema.field(column).name
        if _is_number(kind) or is_text(kind):
            continue
        is_band = column in wanted.bands
        if is_band or pa.types.is_nested(kind) or _is_bytes(kind):
            problems.append(
                f"column {name!r} holds {str(kind)[:60]}; want "
                f"{'numbers' if is_band else 'text or numbers'}. Export the column again as such."
            )
    if problems:
        raise DataError(shorten(problems))


def _is_bytes(kind: pa.DataType) -> bool:
    """Say whether a column holds raw bytes or an unknown type."""
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or isinstance(kind, pa.BaseExtensionType)
    )


def _check_decoded(table: OpenTable, file: pq.ParquetFile, names: list[str], bands: int) -> None:
    """Refuse a table whose wanted columns unfold above the cap, from the footer alone."""
    check_shape(file.metadata.num_rows, file.metadata.num_columns, bands)
    unpacked = sum(group_bytes(file))
    if unpacked > MAX_DECODED_BYTES:  # of all columns; perhaps they are not wanted
        wanted = set(names)
        groups = unpacked_bytes(table.handle)
        unpacked = sum(size for group in groups for name, size in group.items() if name in wanted)
    if unpacked > MAX_DECODED_BYTES:
        raise DataError(
            f"the columns unpack to {unpacked:,} bytes; want at most {MAX_DECODED_BYTES:,}. "
            "Split the file into parts or keep fewer bands."
        )


def _read(file: pq.ParquetFile, columns: Wanted, names: list[str], findings: Findings) -> RawTable:
    """Fill the arrays batch by batch."""
    n, b = file.metadata.num_rows, len(columns.bands)
    values = np.empty((n, b), dtype=np.float64)
    labels: dict[int, list[str]] = {column: [] for column in columns.labels}
    bad: list[BadCell] = []
    more = start = 0
    size = max(1, min(8192, _BATCH_BYTES // (8 * max(len(names), 1))))
    for batch in file.iter_batches(batch_size=size, columns=names) if names else ():
        stop = start + batch.num_rows
        if stop > n:
            raise DataError(f"the Parquet footer says {n:,} rows but there are more. Export again.")
        for band in range(b):
            cells, faults = numbers_of(batch.column(names[band]))
            values[start:stop, band] = cells
            for row, text in faults:
                if len(bad) < MAX_BAD_CELLS:
                    bad.append(BadCell(row=start + row, band=band, text=text[:40]))
                else:
                    more += 1
        for place, column in enumerate(columns.labels, start=b):
            texts, long = texts_of(batch.column(names[place]))
            labels[column] += texts
            if long:
                findings.problems.append(f"column {names[place]!r} holds {LONG_LABEL}")
        start = stop
    if names and start != n:
        raise DataError(
            f"the Parquet footer says {n:,} rows but there are {start:,}. Export again."
        )
    return RawTable(
        row_numbers=np.arange(2, n + 2, dtype=np.int64),
        values=values,
        labels={column: tuple(kept) for column, kept in labels.items()},
        bad_cells=tuple(bad),
        bad_cells_more=more,
    )


def numbers_of(cells: pa.Array) -> tuple[FloatArray, list[tuple[int, str]]]:
    """Return a column as float64 with NaN for null, and the cells that are not numbers."""
    if not is_text(cells.type):
        if pa.types.is_decimal(cells.type):
            cells = pc.cast(cells, pa.float64())
        return np.asarray(cells.to_numpy(zero_copy_only=False), dtype=np.float64), []
    words, index = _dictionary(cells)
    numbers = np.full(len(words) + 1, np.nan)
    faulty: dict[int, str] = {}
    for k, word in enumerate(words):
        try:
            numbers[k] = parse_number(word)
        except ValueError:
            faulty[k] = word
    faults = [(row, faulty[k]) for row, k in enumerate(index.tolist()) if k in faulty]
    return numbers[index], faults


def texts_of(cells: pa.Array) -> tuple[list[str], list[int]]:
    """Return a column as text, and the rows whose text is too long to keep.

    Null and too long are an empty string; whole numbers are without a point.
    """
    if not is_text(cells.type):
        return ["" if v is None else _as_text(v) for v in cells.to_pylist()], []
    words, index = _dictionary(cells)
    long = {k for k, word in enumerate(words) if len(word) > MAX_LABEL_CHARS}
    words = ["" if k in long else word.strip() for k, word in enumerate(words)] + [""]
    texts = [words[k] for k in index.tolist()]
    return texts, [row for row, k in enumerate(index.tolist()) if k in long] if long else []


def _dictionary(cells: pa.Array) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct texts of a batch and where each row points; null points past them."""
    if not pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_encode()
    size = len(cells.dictionary)
    raw = np.asarray(cells.indices.fill_null(size).to_numpy(zero_copy_only=False), dtype=np.int64)
    used, index = np.unique(raw, return_inverse=True)
    words = cells.dictionary.take(pa.array(used[used < size])).to_pylist()
    return ["" if word is None else str(word) for word in words], index


def _as_text(value: object) -> str:
    """Write a number as a person would: 17 rather than 17.0."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
