"""What a path holds, as rows and columns before any check of values: a table, or scans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autospec.data.checks import choose_spectrum
from autospec.data.findings import Findings
from autospec.data.headers import BandChoice
from autospec.data.labels import (
    LabelColumns,
    choose_id,
    choose_label,
    choose_target,
    columns_named,
    read_target,
)
from autospec.data.parquet_tables import read_parquet_header, read_parquet_rows
from autospec.data.tables import OpenTable, RawTable, Wanted, check_shape, open_table
from autospec.data.text_tables import TextHeader, read_text_header, read_text_rows

if TYPE_CHECKING:
    from autospec.data.readers import ReadOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns that are read."""

    header: tuple[str, ...]
    bands: BandChoice
    labels: LabelColumns


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """Rows and columns of one path.

    Parameters
    ----------
    raw : RawTable
        n rows of b bands, and label cells.
    columns : Columns
        What they are.
    told : str
        Where they came from, with the digest: the first line of the provenance.
    scans : tuple of str or None
        File names of the n rows; None for a table.
    """

    raw: RawTable
    columns: Columns
    told: str
    scans: tuple[str, ...] | None = None


def read_source(path: Path, options: ReadOptions, findings: Findings) -> Source | None:
    """Read a table of spectra, a folder of scans or one scan.

    Parameters
    ----------
    path : Path
        What the user named.
    options : ReadOptions
        What the user says of it. Lab values, groups and fields may stand in ``options.lab``.
    findings : Findings
        Receives what was recognised, mended and wrong.

    Returns
    -------
    Source or None
        None when a problem was added that leaves no rows to check.

    Raises
    ------
    DataError
        If the path cannot be read at all.
    """
    from autospec.data.instruments.folder import holds_scans

    if holds_scans(path):
        return _scans(path, options, findings)
    with open_table(path, findings) as table:
        text = read_text_header(table, findings) if table.form == "text" else None
        header = text.names if text else read_parquet_header(table)
        check_shape(0, len(header), 0)
        columns = _columns(header, options, findings)
        raw = _rows(table, text, columns, findings)
    if raw is None:
        return None
    return Source(raw=raw, columns=columns, told=f"read from {path.name} (sha256 {table.sha256})")


def _scans(path: Path, options: ReadOptions, findings: Findings) -> Source:
    """Read scans as if they were a table whose first column is the id."""
    from autospec.data.instruments.folder import read_scans
    from autospec.data.instruments.names import sample_ids

    table = read_scans(path, findings)
    n, b = table.values.shape
    bands = BandChoice(
        columns=tuple(range(1, b + 1)),
        positions=tuple(table.axis.tolist()),
        axis_unit=table.axis_unit,
        quantity=table.quantity,
    )
    low, high = table.axis[0], table.axis[-1]
    findings.recognised.append(f"{b} bands, {low:g} to {high:g} {table.axis_unit}")
    if options.lab is None:
        findings.recognised.append("id: from the file names")
        findings.problems.extend(_without_lab(options))
    return Source(
        raw=RawTable(
            row_numbers=np.arange(1, n + 1, dtype=np.int64),
            values=table.values,
            labels={0: sample_ids(table.names)},
        ),
        columns=Columns(
            header=("id", *(f"{x:g}" for x in table.axis)),
            bands=bands,
            labels=LabelColumns(target=None, id=0, group=None, field=None),
        ),
        told=f"read from {path.name}, {n} scans (sha256 {table.sha256})",
        scans=table.names,
    )


def _without_lab(options: ReadOptions) -> Iterator[str]:
    """Word what scans alone cannot give."""
    if options.need_target:
        yield (
            "scans hold no lab values; want a table of them with a column of sample ids. "
            "Pass it with --lab."
        )
    for flag, name in (("--group", options.group_column), ("--field", options.field_column)):
        if name and not options.hints:
            yield (
                f"{flag} {name!r}: scans have no columns; want one of the lab values' table. "
                "Pass it with --lab."
            )


def _columns(header: tuple[str, ...], options: ReadOptions, findings: Findings) -> Columns:
    """Choose the band and label columns, and check the header."""
    if options.hints:
        options = _as_hints(options, header)
    if options.lab is not None:
        options = _what_is_here(options, header)
    bands = choose_spectrum(header, options.axis_unit, findings)
    labels = LabelColumns(
        target=(
            choose_target(header, options.target, options.need_target, findings)
            if options.lab is None
            else None
        ),
        id=choose_id(header, options.id_column, findings),
        group=choose_label(header, options.group_column, "group", findings),
        field=choose_label(header, options.field_column, "field", findings),
    )
    if labels.target is not None and labels.target.column in bands.columns:
        findings.problems.append(
            f"header: column {labels.target.header!r} is both the target and a band; want a lab "
            "value. Pass --target with another column."
        )
    return Columns(header=header, bands=bands, labels=labels)


def _as_hints(options: ReadOptions, header: tuple[str, ...]) -> ReadOptions:
    """Return options without the names of columns that this file lacks."""
    target = options.target
    if target is not None and target not in header:
        kinds = {read_target(name)[0] for name in header}
        kind = read_target(target)[0]
        if kind in ("soc", "som"):  # both become SOC
            kind = "soc" if "soc" in kinds else "som"
        target = target if kind == "other" else kind
    return replace(
        options,
        target=target,
        id_column=options.id_column if options.id_column in header else None,
        group_column=options.group_column if options.group_column in header else None,
    )


def _what_is_here(options: ReadOptions, header: tuple[str, ...]) -> ReadOptions:
    """Return options without the columns that this table lacks: the lab's may have them."""

    def here(name: str | None) -> str | None:
        return name if name is not None and columns_named(header, name) else None

    return replace(
        options,
        id_column=here(options.id_column),
        group_column=here(options.group_column),
        field_column=here(options.field_column),
    )


def _rows(
    table: OpenTable, text: TextHeader | None, columns: Columns, findings: Findings
) -> RawTable | None:
    """Read the chosen columns; None if Parquet columns cannot be told apart by name."""
    labels = columns.labels
    named = (labels.target.column if labels.target else None, labels.id, labels.group, labels.field)
    wanted = Wanted(
        bands=columns.bands.columns,
        labels=tuple(dict.fromkeys(c for c in named if c is not None)),
    )
    if text is not None:
        return read_text_rows(table, text, wanted, findings)
    names = [columns.header[c] for c in (*wanted.bands, *wanted.labels)]
    doubtful = set(names) & {n for n in names if columns.header.count(n) > 1}
    if doubtful:
        return None  # already a problem: repeated headers, or one band twice
    return read_parquet_rows(table, wanted, findings)
