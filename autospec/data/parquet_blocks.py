"""Parquet in blocks: a table of any length in the memory of a few columns and one block of rows.

A row group is the unit of a Parquet file, and one may hold a million rows. Reading all its
columns side by side takes their pages and dictionaries at once: 2 MB a column, 4 GB for the 2151
bands of a field spectrometer. So its number columns are decoded one after the other into a
temporary store, in memory while it is small and else on disk, and blocks of rows are read from
there. Text columns run along batch by batch. Nothing here says what the values mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from shutil import disk_usage
from tempfile import SpooledTemporaryFile, gettempdir

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from autospec.data.parquet_footer import group_bytes, unpacked_bytes
from autospec.data.parquet_tables import (
    LONG_LABEL,
    arrow_errors,
    check_types,
    is_text,
    numbers_of,
    open_parquet,
    texts_of,
)
from autospec.data.spectra import FloatArray
from autospec.data.tables import (
    MAX_BAD_CELLS,
    BadCell,
    OpenTable,
    RawTable,
    RowFault,
    Wanted,
)
from autospec.errors import DataError

MAX_CHUNK_BYTES = 256 * 1024**2  # one column of one row group, and so any of its pages
MAX_GROUP_ROWS = 16_000_000
STORE_BYTES = 64 * 1024**2  # kept in memory; more goes to disk
MAX_STORE_BYTES = 32 * 1024**3
_DECODE_BYTES = 16 * 1024**2  # columns decoded in one call: many calls are slow on wide tables
_BUFFER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """How the wanted columns travel.

    Parameters
    ----------
    names : tuple of str
        Bands in order, then labels.
    b : int
        How many of them are bands.
    labels : tuple of int
        Column numbers of the labels.
    stored : tuple of int
        Places among `names` that go through the store: bands of numbers.
    along : tuple of int
        Places that are read batch by batch: labels, and bands of text.
    single : bool
        Every stored column is float32 or narrower, and is stored so.
    """

    names: tuple[str, ...]
    b: int
    labels: tuple[int, ...]
    stored: tuple[int, ...]
    along: tuple[int, ...]
    single: bool

    @property
    def cell(self) -> np.dtype[np.floating]:
        """Type of a stored cell."""
        return np.dtype(np.float32 if self.single else np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """A row group: its number, its rows, and which stored columns are decoded together."""

    number: int
    rows: int
    portions: tuple[tuple[str, ...], ...]


def parquet_rows(table: OpenTable) -> int:
    """Return the number of rows that the footer promises."""
    with arrow_errors():
        return int(open_parquet(table).metadata.num_rows)


def parquet_blocks(table: OpenTable, wanted: Wanted, block_rows: int) -> Iterator[RawTable]:
    """Read the wanted columns block by block.

    Parameters
    ----------
    table : OpenTable
        The open file, of any number of rows.
    wanted : Wanted
        Columns to keep; b of them are bands. Their names are theirs alone.
    block_rows : int
        At most so many rows a block; the last of a row group may have fewer.

    Yields
    ------
    RawTable
        Rows are counted from 2 as if the header were row 1.

    Raises
    ------
    DataError
        If a row group is above a cap, a column holds neither numbers nor text, the temporary
        folder is full, or the file is broken.
    """
    with arrow_errors():
        schema = open_parquet(table).schema_arrow
        check_types(schema, wanted)
        columns = _plan(schema, wanted)
        texts = [n for n in columns.names if is_text(schema.field(n).type)]
        # Without the buffer, every wanted column of a row group is read before the first row.
        file = open_parquet(
            table, read_dictionary=texts, pre_buffer=False, buffer_size=_BUFFER_BYTES
        )
        first = 2
        for group in _groups(table, file, columns):
            yield from _group_blocks(file, group, columns, block_rows, first)
            first += group.rows


def _plan(schema: pa.Schema, wanted: Wanted) -> _Columns:
    """Settle how each column travels, by its type."""
    fields = [schema.field(c) for c in (*wanted.bands, *wanted.labels)]
    b = len(wanted.bands)
    stored = tuple(k for k in range(b) if not is_text(fields[k].type))
    narrow = (pa.float16(), pa.float32())
    return _Columns(
        names=tuple(f.name for f in fields),
        b=b,
        labels=wanted.labels,
        stored=stored,
        along=tuple(k for k in range(len(fields)) if k not in set(stored)),
        single=all(fields[k].type in narrow for k in stored),
    )


def _groups(table: OpenTable, file: pq.ParquetFile, columns: _Columns) -> list[_Group]:
    """Settle how each row group is read, or refuse what no block can bound."""
    rows = [int(file.metadata.row_group(g).num_rows) for g in range(file.metadata.num_row_groups)]
    unpacked: Iterator[Mapping[str, int]] = repeat({}, len(rows))
    # A row group that is no larger than one column may be needs no look at its columns.
    if max(group_bytes(file), default=0) > MAX_CHUNK_BYTES:
        unpacked = unpacked_bytes(table.handle)
    return [
        _Group(number=number, rows=n, portions=_portions(number, n, columns, sizes))
        for number, (n, sizes) in enumerate(zip(rows, unpacked, strict=True))
    ]


def _portions(
    number: int, rows: int, columns: _Columns, sizes: Mapping[str, int]
) -> tuple[tuple[str, ...], ...]:
    """Cut the stored columns of a row group into portions that are decoded together."""
    largest = max(columns.names, key=lambda name: sizes.get(name, 0))
    if rows > MAX_GROUP_ROWS or sizes.get(largest, 0) > MAX_CHUNK_BYTES:
        raise DataError(
            f"row group {number + 1}: {rows:,} rows, and column {largest[:40]!r} unpacks "
            f"to {sizes.get(largest, 0):,} bytes; want at most {MAX_GROUP_ROWS:,} and "
            f"{MAX_CHUNK_BYTES:,}. Write the file again in row groups of 100,000 rows."
        )
    portions: list[tuple[str, ...]] = []
    start = taken = 0
    names = tuple(columns.names[place] for place in columns.stored)
    for k, name in enumerate(names):
        size = max(8 * rows, sizes.get(name, 0))
        if k > start and taken + size > _DECODE_BYTES:
            portions.append(names[start:k])
            start, taken = k, 0
        taken += size
    return (*portions, names[start:]) if names else ()


def _group_blocks(
    file: pq.ParquetFile, group: _Group, columns: _Columns, block_rows: int, first: int
) -> Iterator[RawTable]:
    """Read one row group, whose first row has the number `first`."""
    n = group.rows
    with SpooledTemporaryFile(max_size=STORE_BYTES) as store:
        _fill(store, file, group, columns)
        start = 0
        for rows, batch in _along(file, group, columns, block_rows):
            stop = start + rows
            if stop > n:
                break
            values = np.empty((rows, columns.b))
            for k, place in enumerate(columns.stored):
                store.seek((k * n + start) * columns.cell.itemsize)
                cells = store.read(rows * columns.cell.itemsize)
                values[:, place] = np.frombuffer(cells, dtype=columns.cell)
            yield _with_texts(values, first + start, batch, columns)
            start = stop
    if start != n:
        raise _wrong_footer(group)


def _fill(
    store: SpooledTemporaryFile[bytes], file: pq.ParquetFile, group: _Group, columns: _Columns
) -> None:
    """Write the number columns of a row group into the store, one behind the other."""
    needed = group.rows * len(columns.stored) * columns.cell.itemsize
    if needed > STORE_BYTES:
        _check_room(group.number, needed)
    for names in group.portions:
        table = file.read_row_group(group.number, columns=list(names), use_threads=False)
        if table.num_rows != group.rows:
            raise _wrong_footer(group)
        for name in names:
            cells = numbers_of(table.column(name))[0].astype(columns.cell, copy=False)
            try:
                store.write(cells.tobytes())
            except OSError as error:
                raise _no_room(group.number, needed, str(error.strerror)) from error


def _along(
    file: pq.ParquetFile, group: _Group, columns: _Columns, block_rows: int
) -> Iterator[tuple[int, pa.RecordBatch | None]]:
    """Yield the rows of each block, and the columns that are read batch by batch."""
    if columns.along:
        names = [columns.names[place] for place in columns.along]
        for batch in file.iter_batches(
            block_rows, [group.number], columns=names, use_threads=False
        ):
            yield batch.num_rows, batch
        return
    for start in range(0, group.rows, block_rows):
        yield min(block_rows, group.rows - start), None


def _with_texts(
    values: FloatArray, first: int, batch: pa.RecordBatch | None, columns: _Columns
) -> RawTable:
    """Add what was read along: bands of text, and labels."""
    labels: dict[int, tuple[str, ...]] = {}
    bad: list[BadCell] = []
    more = 0
    row_faults: list[RowFault] = []
    for place in columns.along:
        assert batch is not None, "columns that are read along come in a batch"
        name = columns.names[place]
        if place >= columns.b:
            texts, long = texts_of(batch.column(name))
            labels[columns.labels[place - columns.b]] = tuple(texts)
            reason = f"column {name!r} holds {LONG_LABEL}"
            row_faults += [RowFault(row_number=first + row, reason=reason) for row in long]
            continue
        values[:, place], faults = numbers_of(batch.column(name))
        for row, text in faults:
            if len(bad) < MAX_BAD_CELLS:
                bad.append(BadCell(row=row, band=place, text=text[:40]))
            else:
                more += 1
    return RawTable(
        row_numbers=np.arange(first, first + len(values), dtype=np.int64),
        values=values,
        labels=labels,
        bad_cells=tuple(bad),
        bad_cells_more=more,
        row_faults=tuple(row_faults),
    )


def _check_room(group: int, needed: int) -> None:
    """Refuse before the disk is full: equal cells pack to nothing and unfold to gigabytes."""
    free = disk_usage(gettempdir()).free
    most = min(MAX_STORE_BYTES, free)
    if needed > most:
        why = f"{free:,} are free" if most == free else f"at most {most:,} are used"
        raise _no_room(group, needed, why)


def _no_room(group: int, needed: int, why: str) -> DataError:
    return DataError(
        f"row group {group + 1}: no room for {needed:,} bytes in {gettempdir()!r} ({why}); want "
        "that much for a while. Write the file again in row groups of 50,000 rows, or set TMPDIR "
        "to a folder with room."
    )


def _wrong_footer(group: _Group) -> DataError:
    return DataError(
        f"the Parquet footer says {group.rows:,} rows in row group {group.number + 1} but "
        "there are more or fewer. Export again."
    )
