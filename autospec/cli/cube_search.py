"""``autospec search --cube``: options to settings, the search on cubes, its report, the tables."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from autospec.cli.options import Where
from autospec.cli.origins import origin_of_cubes
from autospec.cli.predict import show_next
from autospec.cli.running import Job, is_whole, run_job
from autospec.cli.search_show import show_architecture, show_files, show_scores
from autospec.cli.study_names import study_name
from autospec.errors import EXIT_INTERRUPTED, UsageError

if TYPE_CHECKING:
    from autospec.data.cubes.cubes import Cubes
    from autospec.data.cubes.splits import CubeSplit
    from autospec.evaluate.cube_trust import CalibratedCubes
    from autospec.search.cubes.result import CubeResult
    from autospec.search.cubes.settings import CubeSettings
    from autospec.search.execution import Execution
    from autospec.search.origin import Origin

FILES = (
    "report.html",
    "best_architecture.csv",
    "leaderboard.csv",
    "predictions.csv",
    "folds.csv",
    "model.safetensors",
    "MODEL.md",
    "study.db",
)


class CubeSplitName(StrEnum):
    """What holds samples out, by name."""

    blocks = "blocks"
    forward = "forward"
    random = "random"


CubeOption = Annotated[
    Path | None,
    typer.Option("--cube", help="Samples of cubes: search a 3D-CNN; .npz, NetCDF or Zarr."),
]
SplitOption = Annotated[
    CubeSplitName | None,
    typer.Option(
        "--split",
        help="Cubes, stacks: hold out squares, the latest dates, or (cubes) any samples (leaks).",
        show_default="blocks; stacks: forward",
    ),
]
BufferOption = Annotated[
    float | None,
    typer.Option(
        "--buffer-km",
        min=0,
        help="Cubes: least distance between what is learned from and what is held out.",
        show_default="1.2",
    ),
]
BlockOption = Annotated[
    float | None,
    typer.Option("--block-km", help="Cubes: side of a square.", show_default="by the samples"),
]
LeakageOption = Annotated[
    bool,
    typer.Option("--show-leakage", help="Cubes: also score under random folds, side by side."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeChoice:
    """What the command says of the split of cubes; None: autospec's default."""

    target: str | None
    split: str | None
    buffer_km: float | None
    block_km: float | None
    show_leakage: bool


def search_cube(
    file: Path,
    choice: CubeChoice,
    changes: dict[str, Any],
    called: str | None,
    out: Path | None,
    where: Where,
) -> None:
    """Search on the samples of `file`, report, and print.

    Parameters
    ----------
    file : Path
        Of samples.
    choice : CubeChoice
        The split.
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
    settings = cube_settings(choice, changes)
    warn_of_leaks(settings.split)
    cubes, name = read_labelled(file, choice.target), called or study_name(file.stem)
    origin = origin_of_cubes(file, choice.target, cubes.target_unit)
    folder = out or Path("runs") / name
    result = run_cube_search(cubes, name, settings, folder, where, origin)
    show_cube_search(result, folder, as_json=where.as_json)


def cube_settings(choice: CubeChoice, changes: dict[str, Any]) -> CubeSettings:
    """Lay what the command says over the defaults; the seed fixes the split too.

    Raises
    ------
    UsageError
        If a distance has no meaning for the split.
    """
    from autospec.search.cubes.settings import CubeSettings

    known = {key: value for key, value in changes.items() if value is not None}
    split = cube_split(
        choice.split,
        buffer_km=choice.buffer_km,
        block_km=choice.block_km,
        folds=known.pop("folds", None),
        seed=known.get("seed"),
    )
    return CubeSettings(split=split, show_leakage=choice.show_leakage, **known)


def cube_split(
    kind: str | None,
    *,
    buffer_km: float | None,
    block_km: float | None,
    folds: int | None,
    seed: int | None,
) -> CubeSplit:
    """Lay what a command says of the split over the defaults; the same for a search and a training.

    Raises
    ------
    UsageError
        If a distance has no meaning for the split.
    """
    from autospec.data.cubes.splits import CubeSplit

    kind = kind or "blocks"
    if kind != "blocks" and (buffer_km is not None or block_km is not None):
        raise UsageError(
            f"--buffer-km and --block-km are for --split blocks, not for {kind}. Leave them out."
        )
    if block_km is not None and not 0 < block_km < math.inf:
        raise UsageError(f"--block-km {block_km:g}: want the side of a square, above 0")
    if buffer_km is not None and not 0 <= buffer_km < math.inf:
        raise UsageError(f"--buffer-km {buffer_km:g}: want a distance, at least 0")
    said: dict[str, Any] = {"kind": kind, "buffer_km": buffer_km, "block_km": block_km}
    said |= {"folds": folds, "seed": seed}
    return CubeSplit(**{key: value for key, value in said.items() if value is not None})


def warn_of_leaks(split: CubeSplit) -> None:
    """Say at the start, on stderr, that a random split leaks."""
    from autospec.data.cubes.splits import LEAKAGE_WARNING

    if split.kind == "random":
        typer.echo(f"Warning: {LEAKAGE_WARNING}. Want an honest score? --split blocks", err=True)


def read_labelled(file: Path, target: str | None) -> Cubes:
    """Read samples to learn from; `target`, if named, has to be their lab value.

    Raises
    ------
    UsageError, DataError
        If it is another; if the file has any problem, or too few lab values or constant ones.
    """
    from autospec.data.cubes.cube_files import TRAINING, read_cubes

    cubes = read_cubes(file, TRAINING)
    if target is not None and target != cubes.target_name:
        raise UsageError(
            f"{file}: the lab value is {cubes.target_name!r}, and --target says {target!r}. "
            "Leave --target out, or name another file."
        )
    return cubes


def run_cube_search(
    cubes: Cubes,
    name: str,
    settings: CubeSettings,
    folder: Path,
    where: Where,
    origin: Origin,
) -> CubeResult:
    """Search on cubes, and write the report into `folder`.

    Raises
    ------
    AutospecError
        As `run_job` and the search.
    """
    from autospec.data.cubes.splits import make_cube_split
    from autospec.report.cube_model_files import write_cube_models
    from autospec.report.cubes import write_cube_report
    from autospec.report.cubes.folder import finished_cube_result
    from autospec.report.jobs import CUBE_FILE, refuse_other
    from autospec.report.sections import MODEL_FILE
    from autospec.search.cubes.job import found_cube_search, search_cubes

    make_cube_split(cubes.labelled(), settings.split)  # refuses too few before anything is written
    refuse_other(folder, CUBE_FILE)
    models: dict[str, CalibratedCubes] = {}

    def finished() -> CubeResult | None:
        done = finished_cube_result(folder, name, settings, cubes.digest)
        if done is None:
            return None
        kept = any(model.trust is not None for model in done.models)
        return done if is_whole(kept, folder / MODEL_FILE) else None

    def found(execution: Execution) -> None:
        found_cube_search(cubes, name=name, settings=settings, execution=execution)

    def run(execution: Execution) -> CubeResult:
        kept = replace(execution, on_model=models.__setitem__)
        return search_cubes(cubes, name=name, settings=settings, execution=kept)

    def write(result: CubeResult) -> None:
        # before the report, whose cube-run.json ends the run: a finished run has its model
        typer.echo(write_cube_models(result, models.get("winner"), folder).choice, err=True)
        write_cube_report(result, folder)

    job = Job(
        name=name,
        budget_s=settings.budget_s,
        origin=origin,
        finished=finished,
        found=found,
        search=run,
        write=write,
    )
    return run_job(job, folder, where)


def show_cube_search(result: CubeResult, folder: Path, *, as_json: bool) -> None:
    """Print a search's tables, or its numbers as JSON; a search that was stopped exits with 130."""
    _show(result, folder, as_json=as_json)
    if result.stopped == "interrupt":
        raise typer.Exit(EXIT_INTERRUPTED)


def _show(result: CubeResult, folder: Path, *, as_json: bool) -> None:
    from autospec.report.cubes.tables import cube_metrics_json

    if as_json:
        typer.echo(cube_metrics_json(result), nl=False)
        return
    from autospec.report.cubes.sections import SYNTHETIC
    from autospec.report.cubes.sections_split import leakage_sentence
    from autospec.report.trust_section import trust_line
    from autospec.report.words import by_rmse, winner_model

    console = Console()
    if result.data.synthetic:
        console.print(f"SYNTHETIC {SYNTHETIC}", highlight=False, markup=False)
    show_architecture(console, result.name, result.winner.architecture.table_rows(result.name))
    recipe = result.winner.preprocessing.describe()
    console.print(f"Preprocessing: {recipe}", highlight=False, markup=False)
    unit = result.data.target_unit
    title = (
        f"{result.split.n_test} sealed test samples, {result.data.target_name} in {unit} "
        "(95 % bootstrap interval)"
    )
    show_scores(console, title, by_rmse(result))
    lines = [result.verdict]
    if result.leakage:
        lines.append(leakage_sentence(result))
    winner = winner_model(result)
    if winner.trust is not None:
        lines.append(f"{trust_line(winner.trust, unit, 'sealed test samples')} See report.html.")
    lines += [f"Note: {note}" for note in result.notes]
    for line in lines:
        console.print(line, highlight=False, markup=False)
    show_files(folder, FILES)
    show_next(folder, "samples", "samples.npz")
