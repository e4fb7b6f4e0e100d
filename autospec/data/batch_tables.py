"""A table of spectra to predict on, its header understood: which columns, and how blocks come.

The columns are chosen as `read_spectra` chooses them. No values are judged here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autospec.data.checks import choose_spectrum
from autospec.data.findings import Findings, some
from autospec.data.headers import BandChoice
from autospec.data.labels import choose_id, choose_label, read_target
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
    places : (int, int) or None
        Columns of x and y, where they were asked for.
    """

    path: Path
    table: OpenTable
    header: tuple[str, ...]
    bands: BandChoice
    id_column: int | None
    text: TextHeader | None
    places: tuple[int, int] | None = None

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
        labels = tuple(dict.fromkeys((*labels, *(self.places or ()))))
        wanted = Wanted(bands=self.bands.columns, labels=labels)
        if self.text is None:
            return parquet_blocks(self.table, wanted, rows)
        return text_blocks(self.table, self.text, wanted, rows)


def understand_table(
    table: OpenTable,
    path: Path,
    options: ReadOptions,
    findings: Findings,
    places: tuple[str, str] | None = None,
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
    places : (str, str), optional
        Names of the columns of x and y.

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
    placed = None if places is None else _choose_places(header, places, bands, findings)
    not_lab = {id_column, *(placed or ())}
    lab = [h for c, h in enumerate(header) if c not in not_lab and read_target(h)[0] != "other"]
    if lab:
        findings.recognised.append(f"not read: {some(lab)} (lab values)")
    if text is None and id_column is not None:
        findings.problems.extend(_many(header, id_column, "id"))
    if text is None and placed is not None:
        for flag, column in zip("xy", placed, strict=True):
            findings.problems.extend(_many(header, column, flag))
    if findings.problems:
        raise DataError(findings.problems)
    return BatchTable(
        path=path,
        table=table,
        header=header,
        bands=bands,
        id_column=id_column,
        text=text,
        places=placed,
    )


def _choose_places(
    header: Sequence[str], names: tuple[str, str], bands: BandChoice, findings: Findings
) -> tuple[int, int] | None:
    """Find the columns of x and y, or add what stands in the way."""
    x, y = (
        choose_label(header, name, flag, findings) for flag, name in zip("xy", names, strict=True)
    )
    if x is None or y is None:
        return None
    if x == y:
        findings.problems.append(
            f"header: --x and --y are both column {header[x]!r}; want one column each. "
            "Pass --y with another column."
        )
    findings.problems.extend(
        f"header: --{flag} {header[column]!r} is a band of the spectrum; want a column of "
        f"coordinates. Pass --{flag} with another column."
        for flag, column in zip("xy", (x, y), strict=True)
        if column in bands.columns
    )
    return x, y


def _many(header: Sequence[str], column: int, flag: str) -> list[str]:
    """Return the problem of a column of Parquet whose name is not its own, if it has one."""
    same = header.count(header[column])
    if same == 1:
        return []
    return [
        f"header: {same} columns are called {header[column]!r}; want one. "
        f"Pass --{flag} with another column."
    ]
