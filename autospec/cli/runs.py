"""``autospec report`` and ``autospec export-table``: views of a finished run's folder."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from autospec.cli.options import RunArgument


class TableFormat(StrEnum):
    """How the best-architecture table is written."""

    md = "md"
    csv = "csv"
    tex = "tex"
    json = "json"


def report(run: RunArgument) -> None:
    """Write the report of a run again, from its run.json."""
    from autospec.report.folder import load_result, locked
    from autospec.report.html import write_report

    result = load_result(run)
    with locked(run):
        for path in write_report(result, run):
            typer.echo(path)


def export_table(
    run: RunArgument,
    fmt: Annotated[
        TableFormat, typer.Option("--format", help="Markdown, CSV, LaTeX or JSON.")
    ] = TableFormat.md,
) -> None:
    """Print a run's best-architecture table in the published columns."""
    from autospec.report.folder import load_result
    from autospec.report.tables import architecture_table

    typer.echo(architecture_table(load_result(run), fmt.value), nl=False)
