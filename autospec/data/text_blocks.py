"""Delimited text in blocks: a table of any length in the memory of one block of rows.

How a row is read is in `text_tables`. Nothing here says what the values mean.
"""

from __future__ import annotations

from collections.abc import Iterator

from autospec.data.tables import OpenTable, RawTable, Wanted, check_shape
from autospec.data.text_tables import GatheredRows, TextHeader, data_rows, take_row


def text_blocks(
    table: OpenTable, header: TextHeader, wanted: Wanted, block_rows: int
) -> Iterator[RawTable]:
    """Read the wanted columns block by block, in the memory of one block.

    Parameters
    ----------
    table : OpenTable
        The open file, of any number of rows.
    header : TextHeader
        From `read_text_header`.
    wanted : Wanted
        Columns to keep; b of them are bands.
    block_rows : int
        At most so many rows a block, ragged and blank rows counted.

    Yields
    ------
    RawTable
        Every row that is not kept as it should be is in `row_faults`.

    Raises
    ------
    DataError
        If a row is longer or wider than the caps, or the quoting breaks.
    """
    # Two faults a row at most: a long label, and two decimal marks.
    rows = GatheredRows(wanted=wanted, most_faults=2 * block_rows)
    for seen, (start, cells) in enumerate(data_rows(table, header), start=1):
        check_shape(0, len(cells), 0)
        take_row(rows, start, cells, len(header.names))
        if seen % block_rows == 0:
            yield rows.table()
            rows = GatheredRows(wanted=wanted, most_faults=2 * block_rows)
    if rows.row_numbers or rows.faults or rows.blank_rows:
        yield rows.table()
