"""Lab values in a table of their own: read beside the spectra and joined to them by sample id.

How ids are compared is in `id_matching`. A column ``file`` names the scans of a sample and goes
before what file names say (see `instruments.names`). Columns of groups and fields may stand in
either table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autospec.data.findings import Findings, count, some
from autospec.data.id_matching import match_ids
from autospec.data.instruments.names import candidates, sample_ids
from autospec.data.labels import (
    LabelColumns,
    TargetColumn,
    choose_id,
    choose_label,
    choose_target,
    columns_named,
    repeated_headers,
)
from autospec.data.parquet_tables import read_parquet_header, read_parquet_rows
from autospec.data.sources import Source
from autospec.data.tables import Wanted, check_shape, open_table
from autospec.data.text_tables import (
    NO_VALUE_WORDS,
    parse_number,
    read_text_header,
    read_text_rows,
)
from autospec.errors import SHOWN_PROBLEMS, DataError

if TYPE_CHECKING:
    from autospec.data.readers import ReadOptions

FILE_COLUMN = "file"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Lab:
    """The lab's table, one entry a sample.

    Parameters
    ----------
    columns : LabelColumns
        What was chosen; `id` is None when the ids come from the column of files.
    cells : dict of str to dict of int to str
        By sample id, the cells of the chosen columns.
    files : dict of str to str
        By file name in small letters, with and without its suffix, the sample id.
    told : str
        The file and its digest.
    """

    columns: LabelColumns
    cells: dict[str, dict[int, str]]
    files: dict[str, str]
    told: str


def join_lab(source: Source, options: ReadOptions, findings: Findings) -> Source:
    """Give the rows of a table or of scans the lab values of their samples.

    Parameters
    ----------
    source : Source
        Spectra, from `read_source` with the same options.
    options : ReadOptions
        Its `lab` is read; target, id, group and field are looked for there.
    findings : Findings
        Receives what was joined and what was left over on either side.

    Returns
    -------
    Source
        With the label columns of the lab's table behind its own.

    Raises
    ------
    DataError
        If the lab's table cannot be read, or no id is in both.
    """
    assert options.lab is not None
    labels = source.columns.labels
    if labels.id is None:
        raise DataError(
            "no column names the samples, so lab values cannot be joined; want one in either "
            "table. Pass --id with its name."
        )
    known = Findings()
    try:
        lab = _read_lab(options.lab, options, source, known)
    except DataError as error:
        raise DataError([f"{options.lab.name}: {line}" for line in error.problems]) from error
    for mine, theirs in (
        (findings.recognised, known.recognised),
        (findings.mended, known.mended),
        (findings.problems, known.problems),
    ):
        mine.extend(f"{options.lab.name}: {line}" for line in theirs)
    written = source.raw.labels[labels.id]
    choices: list[tuple[str, ...]]
    if source.scans is None:
        choices = [(name,) if name.lower() not in NO_VALUE_WORDS else () for name in written]
    else:
        choices = [_of_scan(name, lab.files) for name in source.scans]
    matched = match_ids(choices, lab.cells, findings)
    unjoined = [w for w, c, m in zip(written, choices, matched, strict=True) if c and m is None]
    _tell(unjoined, matched, lab, options.lab.name, findings)
    ids = tuple(
        m if m is not None and source.scans is not None else w
        for m, w in zip(matched, written, strict=True)
    )
    return _with_columns(source, ids, matched, lab)


def _read_lab(path: Path, options: ReadOptions, spectra: Source, findings: Findings) -> _Lab:
    """Read the lab's table and choose its columns."""
    with open_table(path, findings) as table:
        text = read_text_header(table, Findings()) if table.form == "text" else None
        header = text.names if text else read_parquet_header(table)
        check_shape(0, len(header), 0)
        findings.refuse(repeated_headers(header, ()))
        columns, file = _choose(header, options, spectra, findings)
        if findings.problems:
            raise DataError(findings.problems)
        named = _label_columns(columns)
        wanted = Wanted(
            bands=(),
            labels=tuple(dict.fromkeys(c for c in (columns.id, file, *named) if c is not None)),
        )
        raw = (
            read_text_rows(table, text, wanted, findings)
            if text is not None
            else read_parquet_rows(table, wanted, findings)
        )
    files = [_base(cell) for cell in raw.labels[file]] if file is not None else []
    if columns.id is not None:
        ids = [("" if c.lower() in NO_VALUE_WORDS else c) for c in raw.labels[columns.id]]
    else:
        ids = [""] * len(raw.row_numbers)
    if files:
        ids = [
            i or (said if f else "")
            for i, f, said in zip(ids, files, sample_ids(files), strict=True)
        ]
    by_id = _by_id(ids, {c: raw.labels[c] for c in named}, raw.row_numbers.tolist(), findings)
    return _Lab(
        columns=columns,
        cells=by_id,
        files=_by_file(files, ids, raw.row_numbers.tolist(), findings),
        told=f"lab values from {path.name} (sha256 {table.sha256})",
    )


def _choose(
    header: tuple[str, ...], options: ReadOptions, spectra: Source, findings: Findings
) -> tuple[LabelColumns, int | None]:
    """Choose the lab's columns; a group or field that the spectra's table has is not looked for."""
    labels = spectra.columns.labels
    files = columns_named(header, FILE_COLUMN)
    file = files[0] if len(files) == 1 else None
    if file is not None:
        findings.recognised.append(f"{header[file]!r} names the scans of each sample")
    wanted = options.id_column
    if wanted is not None and not columns_named(header, wanted):
        if spectra.scans is not None or not columns_named(spectra.columns.header, wanted):
            choose_label(header, wanted, "id", findings)
        wanted = None
    own = choose_id(header, wanted, Findings())
    if own is None and file is None:
        findings.problems.append(
            f"header: no column names the samples (columns: {some(header)}); want one such as id "
            "or sample_id. Rename it, or pass --id with its name."
        )
    elif own is not None:
        findings.recognised.append(f"id: column {header[own]!r}")
    return LabelColumns(
        target=choose_target(header, options.target, options.need_target, findings),
        id=own,
        group=(
            choose_label(header, options.group_column, "group", findings)
            if labels.group is None
            else None
        ),
        field=(
            choose_label(header, options.field_column, "field", findings)
            if labels.field is None
            else None
        ),
    ), file


def _label_columns(columns: LabelColumns) -> list[int]:
    """Return the columns of target, group and field, those there are."""
    target = columns.target.column if columns.target else None
    return [c for c in (target, columns.group, columns.field) if c is not None]


def _by_id(
    ids: Sequence[str],
    labels: dict[int, tuple[str, ...]],
    numbers: Sequence[int],
    findings: Findings,
) -> dict[str, dict[int, str]]:
    """Merge rows of one id; the first cell that holds something counts, another is a problem."""
    merged: dict[str, dict[int, str]] = {}
    first: dict[tuple[str, int], int] = {}
    lines = []
    for i, name in enumerate(ids):
        if not name:
            continue
        cells = merged.setdefault(name, dict.fromkeys(labels, ""))
        for column, written in labels.items():
            cell = written[i]
            if cell.lower() in NO_VALUE_WORDS:
                continue
            if not cells[column]:
                cells[column] = cell
                first[name, column] = numbers[i]
            elif not _same(cells[column], cell):
                lines.append(
                    f"row {numbers[i]} (id {name[:40]}): {cell[:40]!r} but {cells[column][:40]!r} "
                    f"in row {first[name, column]} of the same id; want one value a sample. "
                    "Correct the cell, or average them."
                )
    unnamed = sum(not name for name in ids)
    if unnamed:
        findings.mended.append(f"{count(unnamed, 'row')} without an id: skipped")
    findings.refuse(lines)
    return merged


def _by_file(
    files: Sequence[str], ids: Sequence[str], numbers: Sequence[int], findings: Findings
) -> dict[str, str]:
    """Return the sample of each file by its name, and by its name without the suffix."""
    full: dict[str, str] = {}
    lines = []
    for file, name, number in zip(files, ids, numbers, strict=False):
        if not file or not name:
            continue
        if full.setdefault(file.lower(), name) != name:
            lines.append(
                f"row {number} (id {name[:40]}): file {file[:60]!r} is of {full[file.lower()]!r} "
                "in a row above; want one sample a scan. Correct the cell."
            )
    findings.refuse(lines)
    return {candidates(file)[0]: name for file, name in full.items()} | full


def _same(a: str, b: str) -> bool:
    """Say whether two cells hold the same text or number."""
    try:
        return a == b or parse_number(a) == parse_number(b)
    except ValueError:
        return False


def _base(cell: str) -> str:
    """Return the file name in a cell that may hold a path of any system."""
    return re.split(r"[\\/]", cell.strip())[-1]


def _of_scan(name: str, files: dict[str, str]) -> tuple[str, ...]:
    """Return the ids a scan may have: what the lab says of its file, else by its name."""
    names = candidates(name)
    said = files.get(name.lower()) or files.get(names[0].lower())
    return (said,) if said else names


def _tell(
    unjoined: Sequence[str],
    matched: Sequence[str | None],
    lab: _Lab,
    name: str,
    findings: Findings,
) -> None:
    """Say what was joined and what is left on either side; refuse when nothing was joined."""
    joined = {m for m in matched if m is not None}
    alone = dict.fromkeys(unjoined)
    unused = [i for i in lab.cells if i not in joined]
    if not joined:
        raise DataError(
            f"no id of the spectra (such as {some(alone, 3)}) is in {name} (such as "
            f"{some(unused, 3)}); want the same ids in both. Pass --id with the right column, or "
            f"add a column {FILE_COLUMN!r} that names the scans."
        )
    findings.recognised.append(f"lab values of {count(len(joined), 'sample')} joined from {name}")
    if alone:
        findings.recognised.append(
            f"{count(len(alone), 'sample')} without a row in {name}: {some(alone, SHOWN_PROBLEMS)}"
        )
    if unused:
        findings.recognised.append(
            f"{count(len(unused), 'sample')} of {name} without a spectrum: "
            f"{some(unused, SHOWN_PROBLEMS)}"
        )


def _with_columns(
    source: Source, ids: tuple[str, ...], matched: Sequence[str | None], lab: _Lab
) -> Source:
    """Put the lab's label columns behind the source's own."""
    own, theirs = source.columns.labels, lab.columns
    assert own.id is not None
    start = len(source.columns.header)
    named = _label_columns(theirs)
    place = {column: start + k for k, column in enumerate(named)}
    cells = {place[c]: tuple("" if m is None else lab.cells[m][c] for m in matched) for c in named}
    target: TargetColumn | None = None
    if theirs.target is not None:
        target = replace(theirs.target, column=place[theirs.target.column])
    group = own.group if theirs.group is None else place[theirs.group]
    field = own.field if theirs.field is None else place[theirs.field]
    columns = replace(
        source.columns,
        header=(*source.columns.header, *(f"lab column {c + 1}" for c in named)),
        labels=LabelColumns(target=target, id=own.id, group=group, field=field),
    )
    raw = replace(source.raw, labels={**source.raw.labels, own.id: ids, **cells})
    return replace(source, raw=raw, columns=columns, told=f"{source.told}; {lab.told}")
