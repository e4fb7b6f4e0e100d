"""``autospec worker``: one more worker at a study that is there; the study says what it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from autospec.cli.cube_search import run_cube_search, show_cube_search
from autospec.cli.options import DeviceName, DeviceOption, JsonOption, OutOption, Where
from autospec.cli.origins import cubes_of, spectra_of, stack_of
from autospec.cli.running import refuse_workers
from autospec.cli.search_run import run_search, show_search
from autospec.cli.stack_search import run_stack_search, show_stack_search
from autospec.cli.study_names import check_name
from autospec.errors import UsageError


def worker(
    study: Annotated[str, typer.Argument(help="The study's name.")],
    storage: Annotated[str, typer.Option("--storage", help="Database of the study.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Where its file lies here.", show_default="the same path"),
    ] = None,
    lab: Annotated[
        Path | None,
        typer.Option("--lab", help="Where its lab values lie here.", show_default="the same path"),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", help="This worker's time.", show_default="the study's"),
    ] = None,
    wait: Annotated[
        str | None,
        typer.Option("--wait", help="Wait so long for a study that is not there yet: 10m."),
    ] = None,
    device: DeviceOption = DeviceName.auto,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads", min=1, help="Networks trained at once on a CPU.", show_default="one a core"
        ),
    ] = None,
    report: Annotated[
        bool,
        typer.Option("--report/--no-report", help="Make the report, if the study ends here."),
    ] = True,
    out: OutOption = None,
    parent: Annotated[int | None, typer.Option("--parent", hidden=True)] = None,
    as_json: JsonOption = False,
) -> None:
    """Work at a study that autospec search --storage has begun, beside others, on any host.

    Settings and data are those of the study. The last worker makes the report. Example:

    autospec worker sweden --storage postgresql+psycopg://user@host/studies
    """
    from autospec.search.cubes.settings import CubeSettings
    from autospec.search.maps.settings import MapSearchSettings
    from autospec.search.origin import read_founded
    from autospec.search.settings import parse_duration

    name, folder = check_name(study), out or Path("runs") / study
    where = Where(
        storage=storage,
        device=device.value,
        as_json=as_json,
        report=report,
        threads=threads,
        parent=parent,
    )
    refuse_workers(where)
    founded = read_founded(storage, name, parse_duration(wait) if wait else 0.0, _say)
    settings, origin = founded.settings, founded.origin
    if budget:
        settings = replace(settings, budget_s=parse_duration(budget))
    if lab and origin.kind != "spectra":
        raise UsageError(f"--lab: the study is on {origin.kind}, which hold what is learned")
    if isinstance(settings, CubeSettings):
        cubes = cubes_of(origin, data)
        on_cubes = run_cube_search(cubes, name, settings, folder, where, origin)
        show_cube_search(on_cubes, folder, as_json=as_json)
        return
    if isinstance(settings, MapSearchSettings):
        stack, file = stack_of(origin, data)
        on_maps = run_stack_search(stack, name, settings, folder, where, origin)
        show_stack_search(on_maps, folder, file, as_json=as_json)
        return
    result = run_search(spectra_of(origin, data, lab), name, settings, folder, where, origin)
    show_search(result, folder, as_json)


def _say(text: str) -> None:
    typer.echo(text, err=True)
