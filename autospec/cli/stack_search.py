"""``autospec search --stack``: options to settings, the search, its report, the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from autospec.cli.options import Where
from autospec.cli.origins import origin_of_stack
from autospec.cli.running import Job, is_whole, run_job
from autospec.cli.search_show import show_files
from autospec.cli.study_names import study_name
from autospec.cli.train_stack_options import StackChoice, stack_aims, stack_split
from autospec.cli.train_stack_show import scores_table
from autospec.errors import EXIT_INTERRUPTED, DataError

if TYPE_CHECKING:
    from autospec.data.cubes.stacks import RasterStack
    from autospec.search.execution import Execution
    from autospec.search.maps.result import MapSearchResult
    from autospec.search.maps.settings import MapSearchSettings
    from autospec.search.origin import Origin

FILES = (
    "report.html",
    "map.html",
    "best_architecture.csv",
    "leaderboard.csv",
    "scores.csv",
    "model.safetensors",
    "MODEL.md",
    "study.db",
)

StackOption = Annotated[
    Path | None,
    typer.Option("--stack", help="Maps over time: search a CNN-Transformer; .npz, NetCDF or Zarr."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSearch:
    """What the command says of maps; None: autospec's default."""

    targets: Sequence[str] | None
    horizon: int | None
    length: int | None
    tile: int | None
    split: str | None
    buffer: int | None
    block: int | None


def search_stack(
    file: Path,
    asked: StackSearch,
    changes: dict[str, Any],
    called: str | None,
    out: Path | None,
    where: Where,
) -> None:
    """Search on the stack in `file`, report, and print.

    Parameters
    ----------
    file : Path
        Of a raster over time.
    asked : StackSearch
        What is to be predicted, and what is held out.
    changes : dict
        Other settings by name; None is autospec's default.
    called : str, optional
        Name of the study; by default the file's.
    out : Path, optional
        Folder of the results; by default runs/NAME.
    where : Where
        Storage, device, processes, and whether JSON is printed.

    Raises
    ------
    UsageError, DataError, OutputError, RetryLater
        As the messages say.
    """
    from autospec.data.cubes.npz import named
    from autospec.data.cubes.stack_files import read_stack
    from autospec.report.map_search.tables import UNIT

    stack, name = read_stack(file), called or study_name(file.stem)
    settings = stack_settings(asked, stack.channels, changes)
    folder = out or Path("runs") / name
    origin = origin_of_stack(file, UNIT)
    try:
        result = run_stack_search(stack, name, settings, folder, where, origin)
    except DataError as error:
        raise DataError(named(file, error.problems)) from error
    show_stack_search(result, folder, file, as_json=where.as_json)


def stack_settings(
    asked: StackSearch, channels: Sequence[str], changes: dict[str, Any]
) -> MapSearchSettings:
    """Lay what the command says over the defaults; the seed fixes the split too.

    Raises
    ------
    UsageError
        If no target is named and there is a choice, or the split has no meaning for maps.
    """
    from autospec.search.maps.settings import MapSearchSettings

    known = {key: value for key, value in changes.items() if value is not None}
    choice = StackChoice(
        targets=asked.targets,
        preset=None,
        horizon=asked.horizon,
        length=asked.length,
        tile=asked.tile,
        split=asked.split,
        buffer=asked.buffer,
        block=asked.block,
        gaps=None,
        terms=None,
    )
    if asked.tile is not None:
        known["tile"] = asked.tile
    return MapSearchSettings(
        aims=stack_aims(choice, channels),
        split=stack_split(choice, known.get("seed", 0)),
        **known,
    )


def run_stack_search(
    stack: RasterStack,
    name: str,
    settings: MapSearchSettings,
    folder: Path,
    where: Where,
    origin: Origin,
) -> MapSearchResult:
    """Search on a stack, and write the report into `folder`.

    Raises
    ------
    AutospecError
        As `run_job` and the search.
    """
    from autospec.data.maps.asking import pose
    from autospec.data.maps.splits import make_map_split
    from autospec.report.jobs import MAP_FILE, refuse_other
    from autospec.search.maps.job import found_map_search, search_maps

    # refuses what cannot be before anything is written
    make_map_split(pose(stack, settings.aims), settings.split)
    refuse_other(folder, MAP_FILE)
    models: dict[str, Any] = {}

    def found(execution: Execution) -> None:
        found_map_search(stack, name=name, settings=settings, execution=execution)

    def run(execution: Execution) -> MapSearchResult:
        kept = replace(execution, on_model=models.__setitem__)
        return search_maps(stack, name=name, settings=settings, execution=kept)

    job = Job(
        name=name,
        budget_s=settings.budget_s,
        origin=origin,
        finished=lambda: _finished(stack, name, settings, folder),
        found=found,
        search=run,
        write=lambda result: _write(result, models, folder),
        scored="watched",
    )
    return run_job(job, folder, where)


def _finished(
    stack: RasterStack, name: str, settings: MapSearchSettings, folder: Path
) -> MapSearchResult | None:
    """Return the folder's result, if it is whole, the model file too."""
    from autospec.data.maps.facts import stack_facts
    from autospec.report.map_search.folder import finished_map_search
    from autospec.report.sections import MODEL_FILE

    done = finished_map_search(
        folder, name, settings, lambda: stack_facts(stack, settings.aims.targets).digest
    )
    return done if done and is_whole(True, folder / MODEL_FILE) else None


def _write(result: MapSearchResult, models: dict[str, Any], folder: Path) -> None:
    """Write model and frames, and then the report, whose map-run.json ends the run."""
    from autospec.evaluate.map_frames import write_frames
    from autospec.report.map_folder import FRAMES_FILE
    from autospec.report.map_search import write_map_search
    from autospec.report.map_search.model_file import write_map_search_model

    write_map_search_model(result, models["winner"].network, folder)
    write_frames(folder / FRAMES_FILE, models["frames"])
    write_map_search(result, models["frames"], folder)


def show_stack_search(result: MapSearchResult, folder: Path, file: Path, *, as_json: bool) -> None:
    """Print a search's tables, or map-run.json; a search that was stopped exits with 130."""
    _show(result, folder, file, as_json=as_json)
    if result.stopped == "interrupt":
        raise typer.Exit(EXIT_INTERRUPTED)


def _show(result: MapSearchResult, folder: Path, file: Path, *, as_json: bool) -> None:
    """Print the tables and the verdict, or map-run.json; names are from a file, so no markup."""
    from autospec.report.map_search.folder import dump_map_search
    from autospec.report.map_search.tables import training_sentence, with_others
    from autospec.report.maps.sections_run import network_words

    if as_json:
        typer.echo(dump_map_search(result), nl=False)
        return
    console, models = Console(), with_others(result)
    if models.data.synthetic:
        console.print("SYNTHETIC data: made up by a program, not measured.", highlight=False)
    for line in (
        f"Best network for {result.name}: {network_words(result.final.settings)}; "
        f"{result.final.n_parameters:,} parameters.",
        f"Training: {training_sentence(result)}",
    ):
        console.print(line, highlight=False, markup=False)
    for k, target in enumerate(models.data.targets):
        console.print(scores_table(models, k, target))
    notes = (*result.notes, *result.final.notes)
    for line in (result.final.verdict, *(f"Note: {note}" for note in notes)):
        console.print(line, highlight=False, markup=False)
    show_files(folder, FILES)
    typer.echo(f"Map with it: autospec map --model {folder} --stack {file} -o map.nc")
