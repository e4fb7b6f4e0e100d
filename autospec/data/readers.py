"""`read_spectra` and `examine`: an untrusted file to checked `Spectra`; the checks have own rooms.

Files and caps are in `tables`, `text_tables`, `parquet_tables` and `instruments`; rows and columns
of them all in `sources`, with `headers` and `labels`; lab values beside them in `lab`; values in
`checks`, `quantities`, `targets` and `replicates`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from autospec.data.checks import check_cells, check_rows, to_quantity
from autospec.data.findings import Findings, RowNames, count
from autospec.data.replicates import (
    GroupKeys,
    average_replicates,
    check_groups,
    check_replicates,
    check_samples,
    make_groups,
)
from autospec.data.sources import Columns, read_source
from autospec.data.spectra import AxisUnit, FloatArray, Quantity, Spectra, row_name
from autospec.data.tables import RawTable
from autospec.data.targets import MIN_LABELLED, TargetRules, TargetValues, read_target_values
from autospec.data.text_tables import NO_VALUE_WORDS
from autospec.errors import DataError

Replicates = Literal["average", "keep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What the user says of a file; everything left out is found from the file and stated.

    Parameters
    ----------
    target : str, optional
        Column name, or one of the words soc, som, oc, clay, ph.
    id_column : str, optional
        Column that names the samples; repeated names are replicate scans.
    group_column : str, optional
        Column of what a fold keeps whole (a profile, a plot).
    field_column : str, optional
        Column of strata; without it every row is of the field named after the file.
    quantity : {"reflectance", "absorbance"}, optional
        Overrides the headers.
    axis_unit : {"nm", "cm-1"}, optional
        Unit of bare band numbers; chooses between two blocks of bands.
    target_unit : str, optional
        Overrides the unit in the header of the target: %, g/kg, g/dm3, mg/kg.
    allow_negative : bool, default False
        Keep negative lab values.
    need_target : bool, default True
        Refuse a file without lab values; switch off to read spectra to predict on.
    min_labelled : int, default 20
        Refuse a file with fewer rows that have a lab value.
    hints : bool, default False
        The options are meant for another file read beside this one: a column that is not here is
        looked for by its kind or done without, and what the headers say of unit and quantity wins.
    lab : Path, optional
        A table (CSV or Parquet) with an id column and the lab values of the samples; the target is
        then taken from there alone.
    replicates : {"average", "keep"}, optional
        One row a sample, or one a scan. By default scans are averaged and tables kept as they are.
    """

    target: str | None = None
    id_column: str | None = None
    group_column: str | None = None
    field_column: str | None = None
    quantity: Quantity | None = None
    axis_unit: AxisUnit | None = None
    target_unit: str | None = None
    allow_negative: bool = False
    need_target: bool = True
    min_labelled: int = MIN_LABELLED
    hints: bool = False
    lab: Path | None = None
    replicates: Replicates | None = None


DEFAULT_OPTIONS = ReadOptions()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examination:
    """What the data doctor found in one file.

    Parameters
    ----------
    path : str
        The file, as it was asked for.
    spectra : Spectra or None
        The checked table; None if there is any problem.
    recognised : tuple of str
        What was understood: columns, units, quantity.
    mended : tuple of str
        What was changed on the way in.
    problems : tuple of str
        Every problem: what, where, found, wanted, next step. Rows are counted as in a
        spreadsheet: the header is row 1, also in Parquet.
    """

    path: str
    spectra: Spectra | None
    recognised: tuple[str, ...]
    mended: tuple[str, ...]
    problems: tuple[str, ...]


def examine(path: str | Path, options: ReadOptions = DEFAULT_OPTIONS) -> Examination:
    """Look at spectra and say everything that is right, mended or wrong with them.

    Parameters
    ----------
    path : str or Path
        CSV (comma, semicolon or tab; UTF-8, UTF-16 or Windows-1252) or Parquet; or a folder of
        scans, or one scan: ASD, OPUS, JCAMP-DX, SPC.
    options : ReadOptions
        What the user says of the file.

    Returns
    -------
    Examination
        With `spectra` only if there is no problem. Bad content never raises.
    """
    findings = Findings()
    spectra = None
    try:
        spectra = _read(Path(path), options, findings)
    except DataError as error:
        findings.problems.extend(error.problems)
    name = Path(path).name or str(path)
    return Examination(
        path=str(path),
        spectra=None if findings.problems else spectra,
        recognised=tuple(findings.recognised),
        mended=tuple(findings.mended),
        problems=tuple(f"{name}: {line}" for line in findings.problems),
    )


def read_spectra(path: str | Path, options: ReadOptions = DEFAULT_OPTIONS) -> Spectra:
    """Read spectra, or refuse them with every problem at once.

    Parameters
    ----------
    path : str or Path
        CSV (comma, semicolon or tab; UTF-8, UTF-16 or Windows-1252) or Parquet; or a folder of
        scans, or one scan: ASD, OPUS, JCAMP-DX, SPC.
    options : ReadOptions
        What the user says of the file.

    Returns
    -------
    Spectra
        n rows of b bands; `provenance` holds the file name, its SHA-256 and every sentence of
        what was recognised and mended.

    Raises
    ------
    DataError
        If the file has any problem; nothing is read in part.
    """
    found = examine(path, options)
    if found.spectra is None:
        raise DataError(found.problems)
    return found.spectra


def _read(path: Path, options: ReadOptions, findings: Findings) -> Spectra | None:
    """Read one path from its first byte to checked spectra."""
    source = read_source(path, options, findings)
    if source is None:
        return None
    if len(source.raw.row_numbers) == 0:
        findings.problems.append(
            "no rows below the header; want one row a sample. Export the file again."
        )
        return None
    if options.lab is not None:
        from autospec.data.lab import join_lab

        source = join_lab(source, options, findings)
    spectra = _assemble(source.raw, source.columns, options, path.stem, findings)
    if spectra is None or findings.problems:
        return None
    usual = "keep" if source.scans is None else "average"
    if (options.replicates or usual) == "average":
        spectra = average_replicates(spectra, findings)
        if options.need_target:
            check_samples(spectra, options.min_labelled, findings)
    return replace(spectra, provenance=(source.told, *findings.recognised, *findings.mended))


def _assemble(
    raw: RawTable, columns: Columns, options: ReadOptions, stem: str, findings: Findings
) -> Spectra | None:
    """Check the rows and put the table together."""
    written = _cells(raw, columns.labels.id)
    rows = RowNames(numbers=raw.row_numbers.tolist(), ids=written or [""] * len(raw.row_numbers))
    ids = _ids(written, rows, findings)
    target = _target(raw, columns, options, rows, findings)
    if target is not None:
        check_replicates(ids, target.values, target.name, rows, findings)
    if not columns.bands.columns:
        return None
    check_cells(raw, [columns.header[c] for c in columns.bands.columns], rows, findings)
    check_rows(raw.values, rows, findings)
    declared = None if options.hints and columns.bands.quantity else options.quantity
    found = to_quantity(raw.values, columns.bands, declared, rows, findings)
    groups = make_groups(
        GroupKeys(ids=ids, groups=_cells(raw, columns.labels.group)), raw.values, rows, findings
    )
    if options.need_target:
        check_groups(groups, columns.labels.group is not None, findings)
    fields = _fields(_cells(raw, columns.labels.field), stem, len(ids), findings)
    if found is None or target is None or findings.problems:
        return None
    return Spectra(
        values=found[0],
        axis=np.asarray(columns.bands.positions, dtype=np.float64),
        axis_unit=columns.bands.axis_unit,
        quantity=found[1],
        ids=ids,
        groups=groups,
        fields=fields,
        target=target.values,
        target_name=target.name,
        target_unit=target.unit,
    )


def _cells(raw: RawTable, column: int | None) -> tuple[str, ...] | None:
    """Return a label column with words for no value emptied, or None without a column."""
    if column is None:
        return None
    return tuple("" if c.lower() in NO_VALUE_WORDS else c for c in raw.labels[column])


def _ids(written: tuple[str, ...] | None, rows: RowNames, findings: Findings) -> tuple[str, ...]:
    """Name every row, those without an id by their row number."""
    if written is None:
        return tuple(row_name(number) for number in rows.numbers)
    unnamed = written.count("")
    if unnamed:
        findings.mended.append(f"{count(unnamed, 'row')} without an id: named by row number")
    return tuple(w or row_name(n) for w, n in zip(written, rows.numbers, strict=True))


def _target(
    raw: RawTable, columns: Columns, options: ReadOptions, rows: RowNames, findings: Findings
) -> TargetValues | None:
    """Read the target column; without one, no row is labelled."""
    column = columns.labels.target
    if column is None:
        if options.need_target:
            return None
        nothing: FloatArray = np.full(len(raw.row_numbers), np.nan)
        findings.recognised.append("no target column: every row is unlabelled")
        return TargetValues(values=nothing, name=options.target or "", unit="")
    rules = TargetRules(
        unit=None if options.hints and column.unit else options.target_unit,
        allow_negative=options.allow_negative,
        needed=options.need_target,
        min_labelled=options.min_labelled,
    )
    return read_target_values(raw.labels[column.column], column, rules, rows, findings)


def _fields(
    written: Sequence[str] | None, stem: str, n: int, findings: Findings
) -> tuple[str, ...]:
    """Return the field of each row, the file's name where none is given."""
    if written is None:
        return (stem,) * n
    empty = sum(not w for w in written)
    if empty:
        findings.mended.append(f"{count(empty, 'row')} without a field: taken as {stem!r}")
    return tuple(w or stem for w in written)
