"""``autospec search``: options and study file to settings, and to what is searched."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autospec.cli.cube_search import (
    BlockOption,
    BufferOption,
    CubeChoice,
    CubeOption,
    LeakageOption,
    SplitOption,
    search_cube,
)
from autospec.cli.options import (
    AxisUnitOption,
    DeviceName,
    DeviceOption,
    FieldOption,
    GroupOption,
    IdOption,
    JsonOption,
    LabChoice,
    LabOption,
    NegativeOption,
    OutOption,
    QuantityOption,
    ReplicatesOption,
    SharedOption,
    TargetUnitOption,
    Where,
    lab_choice,
    read_options,
    refuse_lab,
)
from autospec.cli.origins import origin_of_spectra
from autospec.cli.running import refuse_workers
from autospec.cli.search_kinds import TargetsOption, kind_of, one_target, refuse_mixed
from autospec.cli.search_run import run_search, show_search
from autospec.cli.stack_search import StackOption, StackSearch, search_stack
from autospec.cli.study_names import check_name, study_name
from autospec.cli.train_stack_options import (
    BlockOption as MapBlockOption,
)
from autospec.cli.train_stack_options import (
    BufferOption as MapBufferOption,
)
from autospec.cli.train_stack_options import HorizonOption, LengthOption, TileOption
from autospec.errors import UsageError

if TYPE_CHECKING:
    from autospec.data.spectra import Spectra
    from autospec.search.settings import DataSource, SearchSettings, StudyFile


class SamplerName(StrEnum):
    """Samplers by name."""

    tpe = "tpe"
    gp = "gp"
    random = "random"


class ControlName(StrEnum):
    """Controls by name."""

    none = "none"
    random = "random"


def search(
    ctx: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(help="Spectra and lab values: CSV, Parquet, or scans with --lab."),
    ] = None,
    site: Annotated[
        str | None, typer.Option("--site", help="A named site; see: autospec sites.")
    ] = None,
    study: Annotated[
        str | None,
        typer.Option("--study", help="A study file, or the name of a bundled one (paper, ...)."),
    ] = None,
    target: TargetsOption = None,
    target_unit: TargetUnitOption = None,
    id_column: IdOption = None,
    group: GroupOption = None,
    field: FieldOption = None,
    quantity: QuantityOption = None,
    axis_unit: AxisUnitOption = None,
    allow_negative: NegativeOption = False,
    lab: LabOption = None,
    replicates: ReplicatesOption = None,
    trials: Annotated[
        int | None,
        typer.Option("--trials", min=1, help="Designs to train.", show_default="24; stacks: 12"),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget", help="Time for the whole job: 90s, 10m, 2h.", show_default="5m; stacks: 10m"
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Fixes split, networks, proposals.", show_default="0"),
    ] = None,
    sampler: Annotated[
        SamplerName | None,
        typer.Option("--sampler", help="Who proposes designs.", show_default="tpe"),
    ] = None,
    control: Annotated[
        ControlName | None,
        typer.Option("--control", help="Also run random search with as many trials."),
    ] = None,
    folds: Annotated[
        int | None, typer.Option("--folds", min=2, max=20, help="Inner folds.", show_default="5")
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option("--repeats", min=1, max=20, help="Repeats of them.", show_default="1"),
    ] = None,
    device: DeviceOption = DeviceName.auto,
    trials_per_device: Annotated[
        int,
        typer.Option(
            "--trials-per-device",
            min=1,
            help="Trials trained at once, each in a process; above 1 a seed no longer fixes what "
            "is proposed.",
        ),
    ] = 1,
    workers: Annotated[
        int,
        typer.Option("--workers", min=1, help="Processes of this machine that work at the study."),
    ] = 1,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Of the study.", show_default="the site's or the file's"),
    ] = None,
    out: OutOption = None,
    storage: SharedOption = None,
    cube: CubeOption = None,
    split: SplitOption = None,
    buffer_km: BufferOption = None,
    block_km: BlockOption = None,
    show_leakage: LeakageOption = False,
    stack: StackOption = None,
    horizon: HorizonOption = None,
    length: LengthOption = None,
    tile: TileOption = None,
    buffer: MapBufferOption = None,
    block: MapBlockOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search the best network for a site, a file, cubes or maps, and report it beside others.

    The same command on the same folder resumes a search that was stopped. Examples:

    autospec search --site sweden

    autospec search farm.csv --target soc --budget 20m

    autospec search --cube samples.npz --split blocks --buffer-km 1.2

    autospec search --stack stack.npz --target ndvi --horizon 1

    autospec search farm.csv --storage postgresql+psycopg://user@host/studies
    """
    from autospec.search.settings import DataSource, parse_duration, read_study

    refuse_mixed(ctx, kind_of(cubes=cube is not None, stacks=stack is not None))
    where = Where(
        storage=storage,
        device=device.value,
        trials_at_once=trials_per_device,
        workers=workers,
        as_json=as_json,
    )
    refuse_workers(where)
    called = None if name is None else check_name(name)
    changes = {
        "trials": trials,
        "budget_s": parse_duration(budget) if budget else None,
        "seed": seed,
        "sampler": sampler and sampler.value,
        "control": control and control.value,
        "folds": folds,
    }
    if cube is not None:
        on_cubes = CubeChoice(
            target=one_target(target),
            split=split and split.value,
            buffer_km=buffer_km,
            block_km=block_km,
            show_leakage=show_leakage,
        )
        search_cube(cube, on_cubes, changes, called, out, where)
        return
    if stack is not None:
        asked = StackSearch(
            targets=target,
            horizon=horizon,
            length=length,
            tile=tile,
            split=split and split.value,
            buffer=buffer,
            block=block,
        )
        search_stack(stack, asked, changes, called, out, where)
        return
    given = read_study(study) if study else None
    data = DataSource(
        site=site,
        file=str(file) if file else None,
        target=one_target(target),
        target_unit=target_unit,
        id=id_column,
        group=group,
        field=field,
        quantity=quantity.value if quantity else None,
        axis_unit=axis_unit.value if axis_unit else None,
        allow_negative=allow_negative,
    )
    settings = _settings(given, changes | {"repeats": repeats})
    merged, choice = _merge_data(given, data), lab_choice(lab, replicates)
    spectra, own_name = load_spectra(merged, choice)
    name = called or own_name
    origin = origin_of_spectra(merged, choice, spectra.target_unit)
    folder = out or Path("runs") / name
    result = run_search(spectra, name, settings, folder, where, origin)
    show_search(result, folder, as_json)


def _settings(given: StudyFile | None, changes: dict[str, Any]) -> SearchSettings:
    from autospec.search.settings import SearchSettings

    base = given.search if given else SearchSettings()
    return replace(base, **{key: value for key, value in changes.items() if value is not None})


def _merge_data(given: StudyFile | None, data: DataSource) -> DataSource:
    """Lay the command's data options over the study file's."""
    if given is None:
        return data
    if data.site or data.file:  # the command names other data: the study's columns do not apply
        return data
    from dataclasses import fields

    changed = {
        f.name: getattr(data, f.name)
        for f in fields(data)
        if getattr(data, f.name) not in (None, False)
    }
    return replace(given.data, **changed)


def load_spectra(data: DataSource, choice: LabChoice) -> tuple[Spectra, str]:
    """Return the spectra and the study's name.

    Raises
    ------
    UsageError, DataError
        If there is no such site, or the file cannot be read.
    """
    if bool(data.site) == bool(data.file):
        raise UsageError(
            "want either --site NAME or a FILE (or a study file that names one). "
            "Next: autospec search --site sweden"
        )
    if data.site:
        refuse_lab(choice)
        from autospec.data.sites import find_site, load_site

        return load_site(data.site, data.target or "soc"), study_name(find_site(data.site).name)
    assert data.file is not None
    from autospec.data.readers import read_spectra

    spectra = read_spectra(data.file, read_options(data, choice))
    return spectra, study_name(Path(data.file).stem)
