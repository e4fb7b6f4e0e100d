"""A table of spectra to predict on, its header understood: which columns, and how blocks come.

The columns are chosen as `read_spectra` chooses them. No values are judged here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autospec.data.checks import choose_spectrum
from autospec.data.findings import Findings, some
from autospec.data.headers import BandChoice
from autospec.data.labels import choose_id, read_target
from autospec.data.parquet_blocks import parquet_blocks, parquet_rows
from autospec.data.parquet_tables import read_parquet_header
from autospec.data.readers import ReadOptions
from autospec.data.tables import OpenTable, RawTable, Wanted
from autospec.data.text_blocks import text_blocks
from autospec.data.text_tables import TextHeader, read_text_header
from autospec.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchTable:
    """An open file whose header is understood.

    Parameters
    ----------
    path : Path
        The file.
    table : OpenTable
        Its handle; closed by whoever opened it.
    header : tuple of str
        Every column name.
    bands : BandChoice
        The b columns of the spectrum.
    id_column : int or None
        Column of the sample names, counted from 0.
    text : TextHeader or None
        How a text table is cut; None for Parquet.
    """

    path: Path
    table: OpenTable
    header: tuple[str, ...]
    bands: BandChoice
    id_column: int | None
    text: TextHeader | None

    @property
    def band_names(self) -> list[str]:
        """Headers of the bands."""
        return [self.header[c] for c in self.bands.columns]

    @property
    def n_rows(self) -> int | None:
        """Rows of a Parquet file; text does not say."""
        return None if self.text else parquet_rows(self.table)

    def blocks(self, rows: int) -> Iterator[RawTable]:
        """Read the file from its first row, at most `rows` rows at a time."""
        labels = () if self.id_column is None else (self.id_column,)
        wanted = Wanted(bands=self.bands.columns, labels=labels)
        if self.text is None:
            return parquet_blocks(self.table, wanted, rows)
        return text_blocks(self.table, self.text, wanted, rows)


def understand_table(
    table: OpenTable, path: Path, options: ReadOptions, findings: Findings
) -> BatchTable:
    """Choose the columns of a file.

    Parameters
    ----------
    table : OpenTable
        The open file.
    path : Path
        Where it is.
    options : ReadOptions
        What the user says of it.
    findings : Findings
        Receives the sentences.

    Raises
    ------
    DataError
        With everything that is wrong with the header.
    """
    text = read_text_header(table, findings) if table.form == "text" else None
    header = text.names if text else read_parquet_header(table, any_length=True)
    bands = choose_spectrum(header, options.axis_unit, findings)
    asked = options.id_column
    if options.hints and asked not in header:
        asked = None
    id_column = choose_id(header, asked, findings)
    lab = [h for c, h in enumerate(header) if c != id_column and read_target(h)[0] != "other"]
    if lab:
        findings.recognised.append(f"not read: {some(lab)} (lab values)")
    if text is None and id_column is not None and header.count(header[id_column]) > 1:
        findings.problems.append(
            f"header: {header.count(header[id_column])} columns are called "
            f"{header[id_column]!r}; want one. Pass --id with another column."
        )
    if findings.problems:
        raise DataError(findings.problems)
    return BatchTable(
        path=path, table=table, header=header, bands=bands, id_column=id_column, text=text
    )
