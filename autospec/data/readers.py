"""`read_spectra` and `examine`: an untrusted file to checked `Spectra`; the checks have own rooms.

Files and caps are in `tables`, `text_tables` and `parquet_tables`; columns in `headers` and
`labels`; values in `checks`, `quantities`, `targets` and `replicates`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from autospec.data.checks import check_cells, check_rows, choose_spectrum, to_quantity
from autospec.data.findings import Findings, RowNames, count
from autospec.data.headers import BandChoice
from autospec.data.labels import (
    LabelColumns,
    choose_id,
    choose_label,
    choose_target,
    read_target,
)
from autospec.data.parquet_tables import read_parquet_header, read_parquet_rows
from autospec.data.replicates import GroupKeys, check_groups, check_replicates, make_groups
from autospec.data.spectra import AxisUnit, FloatArray, Quantity, Spectra, row_name
from autospec.data.tables import OpenTable, RawTable, Wanted, check_shape, open_table
from autospec.data.targets import MIN_LABELLED, TargetRules, TargetValues, read_target_values
from autospec.data.text_tables import (
    NO_VALUE_WORDS,
    TextHeader,
    read_text_header,
    read_text_rows,
)
from autospec.errors import DataError


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """The columns of one file that are read."""

    header: tuple[str, ...]
    bands: BandChoice
    labels: LabelColumns


def examine(path: str | Path, options: ReadOptions = DEFAULT_OPTIONS) -> Examination:
    """Look at a table of spectra and say everything that is right, mended or wrong with it.

    Parameters
    ----------
    path : str or Path
        CSV (comma, semicolon or tab; UTF-8, UTF-16 or Windows-1252) or Parquet.
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
    """Read a table of spectra, or refuse it with every problem at once.

    Parameters
    ----------
    path : str or Path
        CSV (comma, semicolon or tab; UTF-8, UTF-16 or Windows-1252) or Parquet.
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
    """Read one file from its first byte to checked spectra."""
    with open_table(path, findings) as table:
        text = read_text_header(table, findings) if table.form == "text" else None
        header = text.names if text else read_parquet_header(table)
        check_shape(0, len(header), 0)
        columns = _columns(header, options, findings)
        raw = _rows(table, text, columns, findings)
    if raw is None:
        return None
    if len(raw.row_numbers) == 0:
        findings.problems.append(
            "no rows below the header; want one row a sample. Export the file again."
        )
        return None
    spectra = _assemble(raw, columns, options, path.stem, findings)
    if spectra is None or findings.problems:
        return None
    source = f"read from {path.name} (sha256 {table.sha256})"
    return replace(spectra, provenance=(source, *findings.recognised, *findings.mended))


def _columns(header: tuple[str, ...], options: ReadOptions, findings: Findings) -> _Columns:
    """Choose the band and label columns, and check the header."""
    if options.hints:
        options = _as_hints(options, header)
    bands = choose_spectrum(header, options.axis_unit, findings)
    labels = LabelColumns(
        target=choose_target(header, options.target, options.need_target, findings),
        id=choose_id(header, options.id_column, findings),
        group=choose_label(header, options.group_column, "group", findings),
        field=choose_label(header, options.field_column, "field", findings),
    )
    if labels.target is not None and labels.target.column in bands.columns:
        findings.problems.append(
            f"header: column {labels.target.header!r} is both the target and a band; want a lab "
            "value. Pass --target with another column."
        )
    return _Columns(header=header, bands=bands, labels=labels)


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


def _rows(
    table: OpenTable, text: TextHeader | None, columns: _Columns, findings: Findings
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


def _assemble(
    raw: RawTable, columns: _Columns, options: ReadOptions, stem: str, findings: Findings
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
    raw: RawTable, columns: _Columns, options: ReadOptions, rows: RowNames, findings: Findings
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
