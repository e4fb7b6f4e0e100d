"""``autospec localise``: options to a farm, a library and settings; the rest is in other files."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from autospec.cli.localise_all import run_all
from autospec.cli.localise_data import NEXT, Case, file_case, site_case
from autospec.cli.localise_run import Place, run_case
from autospec.cli.localise_show import show_all, show_result
from autospec.cli.options import (
    AxisUnitOption,
    DeviceName,
    DeviceOption,
    GroupOption,
    IdOption,
    JsonOption,
    LabChoice,
    LabOption,
    NegativeOption,
    QuantityOption,
    ReplicatesOption,
    SharedOption,
    TargetOption,
    TargetUnitOption,
    lab_choice,
    refuse_lab,
)
from autospec.cli.running import refuse_many
from autospec.errors import EXIT_INTERRUPTED, UsageError

if TYPE_CHECKING:
    from autospec.data.sites import Target
    from autospec.localisation.settings import LocaliseSettings
    from autospec.localisation.study import LocaliseStudy
    from autospec.search.settings import DataSource

ALL = "all"
MAX_ARCHITECTURE_BYTES = 1_000_000


class MethodName(StrEnum):
    """How training samples are drawn."""

    random = "random"
    kennard_stone = "kennard-stone"
    clhs = "clhs"
    kmeans = "kmeans"


def localise(
    site: Annotated[
        str | None,
        typer.Option("--site", help="A named site, its library all other fields; or: all."),
    ] = None,
    library: Annotated[
        list[Path] | None,
        typer.Option("--global", help="A library's table: CSV or Parquet; may be repeated."),
    ] = None,
    local: Annotated[
        Path | None,
        typer.Option(
            "--local", help="The farm: a table or scans; what has no lab value is predicted."
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            "--study", help="A study file, or the name of a bundled one: benchmark-sites, ..."
        ),
    ] = None,
    country: Annotated[
        str | None, typer.Option("--country", help="The farm's country, as the library has it.")
    ] = None,
    country_column: Annotated[
        str | None,
        typer.Option("--country-column", help="The library's column of fields or countries."),
    ] = None,
    target: TargetOption = None,
    target_unit: TargetUnitOption = None,
    id_column: IdOption = None,
    group: GroupOption = None,
    quantity: QuantityOption = None,
    axis_unit: AxisUnitOption = None,
    allow_negative: NegativeOption = False,
    lab: LabOption = None,
    replicates: ReplicatesOption = None,
    n: Annotated[
        int | None,
        typer.Option("--n", min=10, help="Training samples in a draw.", show_default="30"),
    ] = None,
    draws: Annotated[
        int | None, typer.Option("--draws", min=1, help="Draws of them.", show_default="10")
    ] = None,
    first_draw: Annotated[
        int | None,
        typer.Option(
            "--first-draw", min=0, help="Leave out the draws before it.", show_default="0"
        ),
    ] = None,
    network_draws: Annotated[
        int | None,
        typer.Option("--network-draws", min=0, help="Draws with networks.", show_default="3"),
    ] = None,
    trust_draws: Annotated[
        int | None,
        typer.Option(
            "--trust-draws",
            min=0,
            help="Draws on which auto's intervals are measured.",
            show_default="3 with --quick, else all",
        ),
    ] = None,
    method: Annotated[
        MethodName | None,
        typer.Option("--method", help="How training samples are drawn.", show_default="random"),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option(
            "--k", min=13, help="Library rows to select.", show_default="a tenth, 50 to 300"
        ),
    ] = None,
    b: Annotated[
        int | None, typer.Option("--b", min=1, help="RS-Local: tests a row.", show_default="40")
    ] = None,
    r: Annotated[
        float | None,
        typer.Option(
            "--r", min=0.001, max=0.9, help="RS-Local: share dropped.", show_default="0.1"
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option("--trials", min=1, help="Designs a search trains.", show_default="12"),
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option("--architecture", help="china, sweden, usa or a FILE: nothing is searched."),
    ] = None,
    quick: Annotated[
        bool | None,
        typer.Option("--quick/--no-quick", help="Leave the networks out.", show_default="no-quick"),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", help="Time for a farm: 90s, 10m, 2h.", show_default="9m"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Fixes draws, folds, networks.", show_default="0"),
    ] = None,
    device: DeviceOption = DeviceName.auto,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of results.", show_default="runs/NAME-localised"),
    ] = None,
    storage: SharedOption = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Processes of this machine that work at it.")
    ] = 1,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Make the report, if it ends here.")
    ] = True,
    parent: Annotated[int | None, typer.Option("--parent", hidden=True)] = None,
    as_json: JsonOption = False,
) -> None:
    """Predict a farm from a library and few samples of its own, and say whether the library helps.

    The same command on the same folder takes up what was stopped; with --storage the same command
    on any hosts works at it together. Examples:

    autospec localise --site sweden-skane --quick

    autospec localise --global library.csv --local farm.csv --target soc

    autospec localise --study benchmark-sites --site all -o runs/benchmark
    """
    from autospec.search.settings import DataSource, parse_duration

    data = DataSource(
        target=target,
        target_unit=target_unit,
        id=id_column,
        group=group,
        field=country_column,
        quantity=quantity.value if quantity else None,
        axis_unit=axis_unit.value if axis_unit else None,
        allow_negative=allow_negative,
    )
    asked = _asked(
        study,
        target,
        {
            "n": n,
            "draws": draws,
            "first_draw": first_draw,
            "network_draws": network_draws,
            "trust_draws": trust_draws,
            "method": method and method.value,
            "quick": quick,
            "k": k,
            "b": b,
            "r": r,
            "trials": trials,
            "budget_s": parse_duration(budget) if budget else None,
            "seed": seed,
            "architecture": architecture,
        },
    )
    _check_architecture(asked.settings.architecture)
    refuse_many(storage, workers)
    _check_source(site, library or [], local, (country, country_column))
    choice = lab_choice(lab, replicates)
    if site is not None:
        refuse_lab(choice)

    def place(name: str) -> Place:
        folder = out or Path("runs") / f"{name}-localised"
        return Place(
            folder=folder,
            storage=storage,
            device=device.value,
            workers=workers,
            report=report,
            parent=parent,
        )

    if site == ALL:
        where = place(ALL)
        every, benchmark = run_all(data, asked, where)
        stopped = every.stopped
        show_all(every, benchmark, where.folder, as_json)
    else:
        settings, data = _one_farm(asked, data)
        case = _case(site, library or [], local, data, (country, choice))
        where = place(case.name)
        result = run_case(case, settings, where)
        show_result(result, where.folder, as_json)
        stopped = result.stopped == "interrupt"
    if stopped:
        raise typer.Exit(EXIT_INTERRUPTED)


def _asked(study: str | None, target: str | None, changes: dict[str, Any]) -> LocaliseStudy:
    """Lay the command's options over the study file's; there is at least one size then."""
    from autospec.localisation.study import Grid, LocaliseStudy, read_localise_study

    base = read_localise_study(study) if study else LocaliseStudy()
    given = {key: value for key, value in changes.items() if value is not None}
    settings = replace(base.settings, **given)
    # a file's target may be any column; whether a site has it is found out when it is loaded
    targets = (cast("Target", target),) if target else base.grid.targets
    sizes = () if "n" in given else base.grid.sizes
    grid = Grid(targets=targets, sizes=sizes or (settings.n,))
    return LocaliseStudy(settings=replace(settings, n=grid.sizes[0]), grid=grid)


def _one_farm(asked: LocaliseStudy, data: DataSource) -> tuple[LocaliseSettings, DataSource]:
    """Return what to do on one farm; refuse a study of several targets or sizes."""
    targets, sizes = asked.grid.targets, asked.grid.sizes
    if len(targets) > 1 or len(sizes) > 1:
        raise UsageError(
            f"the study has {max(len(targets), 1)} targets and {len(sizes)} sizes: that is for "
            "--site all. For one farm name one of each with --target and --n."
        )
    return asked.settings, replace(data, target=targets[0]) if targets else data


def _case(
    site: str | None,
    library: list[Path],
    local: Path | None,
    data: DataSource,
    more: tuple[str | None, LabChoice],
) -> Case:
    country, choice = more
    if site is not None:
        return site_case(site, data, country)
    assert local is not None
    return file_case(library, local, data, country, choice)


def _check_source(
    site: str | None,
    library: list[Path],
    local: Path | None,
    country: tuple[str | None, str | None],
) -> None:
    """Refuse what names no farm, or two."""
    files = bool(library) and local is not None
    if (site is not None) == files or (site is not None and (library or local)):
        raise UsageError(f"want either --site NAME, or both --global FILE and --local FILE. {NEXT}")
    if site == ALL and country[0] is not None:
        raise UsageError("--country is for one farm; with --site all each site has its own")


def _check_architecture(architecture: str) -> None:
    """Refuse an architecture that is neither a published one nor a good file, before all else."""
    import json

    from autospec.errors import near
    from autospec.nets.architecture import PUBLISHED, ArchitectureError, architecture_from_json

    if architecture == "searched" or architecture in PUBLISHED:
        return
    path = Path(architecture)
    if not path.is_file():
        names = ", ".join(PUBLISHED)
        raise UsageError(
            f"there is no architecture {architecture!r}.{near(architecture, PUBLISHED)} Want "
            f"{names}, or the JSON file of one, such as an architecture in a run.json."
        )
    if path.stat().st_size > MAX_ARCHITECTURE_BYTES:
        raise UsageError(f"{path}: larger than 1 MB; is this an architecture file?")
    try:
        architecture_from_json(json.loads(path.read_bytes()))
    except (ArchitectureError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}") from error
