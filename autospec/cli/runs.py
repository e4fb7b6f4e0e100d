"""``autospec report`` and ``autospec export-table``: views of a finished run's folder."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from autospec.cli.options import RunArgument
from autospec.errors import UsageError


class TableFormat(StrEnum):
    """How the best-architecture table is written."""

    md = "md"
    csv = "csv"
    tex = "tex"
    json = "json"


def report(run: RunArgument) -> None:
    """Write the report of a run again, from what its folder holds: run.json, map-train.json, ..."""
    from autospec.report.cubes import load_cube_result, write_cube_report
    from autospec.report.folder import load_result
    from autospec.report.html import write_report
    from autospec.report.jobs import (
        CUBE_FILE,
        LOCALISATION_FILE,
        MAP_FILE,
        MAP_TRAIN_FILE,
        TRAIN_FILE,
    )
    from autospec.report.localise_folder import load_localisation
    from autospec.report.localise_page import write_localisation
    from autospec.report.lock import locked
    from autospec.report.map_search.again import write_search_again
    from autospec.report.maps.folder import write_report_again

    if (run / TRAIN_FILE).exists():
        raise UsageError(
            f"{run} is the folder of a training, which has no report. Next: autospec compare {run}"
        )
    if (run / LOCALISATION_FILE).exists():
        localisation = load_localisation(run)
        with locked(run):
            paths = write_localisation(localisation, run)
    elif (run / CUBE_FILE).exists():
        on_cubes = load_cube_result(run)
        with locked(run):
            paths = write_cube_report(on_cubes, run)
    elif (run / MAP_TRAIN_FILE).exists():
        with locked(run):
            paths = write_report_again(run)
    elif (run / MAP_FILE).exists():
        with locked(run):
            paths = write_search_again(run)
    else:
        result = load_result(run)
        with locked(run):
            paths = write_report(result, run)
    for path in paths:
        typer.echo(path)


def export_table(
    run: RunArgument,
    fmt: Annotated[
        TableFormat, typer.Option("--format", help="Markdown, CSV, LaTeX or JSON.")
    ] = TableFormat.md,
) -> None:
    """Print a run's best-architecture table in the published columns."""
    from autospec.report.cubes import load_cube_result
    from autospec.report.cubes.tables import cube_architecture_table
    from autospec.report.folder import load_result
    from autospec.report.jobs import CUBE_FILE, MAP_FILE, MAP_TRAIN_FILE
    from autospec.report.map_search import load_map_search
    from autospec.report.map_search.tables import map_architecture_table
    from autospec.report.tables import architecture_table

    if (run / MAP_TRAIN_FILE).exists():
        raise UsageError(
            f"{run} is the folder of a training on maps, which searched no architecture. Its "
            f"scores are in {run / 'scores.csv'}."
        )
    if (run / MAP_FILE).exists():
        typer.echo(map_architecture_table(load_map_search(run), fmt.value), nl=False)
    elif (run / CUBE_FILE).exists():
        typer.echo(cube_architecture_table(load_cube_result(run), fmt.value), nl=False)
    else:
        typer.echo(architecture_table(load_result(run), fmt.value), nl=False)
