"""``autospec train --stack``: the training of one network of maps, its files and its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from autospec.cli.study_names import study_name
from autospec.cli.train_options import TrainWhere
from autospec.cli.train_run import among_processes, at_work, tell_finished
from autospec.cli.train_stack_options import StackChoice, stack_aims, stack_preset, stack_split
from autospec.cli.train_stack_show import show_map_training
from autospec.errors import EXIT_INTERRUPTED, DataError

if TYPE_CHECKING:
    from autospec.data.cubes.stacks import RasterStack
    from autospec.evaluate.map_frames import MapFrames
    from autospec.training.distributed import Processes
    from autospec.training.fit_config import FitConfig
    from autospec.training.map_network import MapNetwork
    from autospec.training.map_result import MapTraining
    from autospec.training.map_settings import MapBaselines, MapSettings

UNIT = "of the targets' range"


def train_stack(
    file: Path,
    choice: StackChoice,
    config: FitConfig,
    baselines: MapBaselines,
    where: TrainWhere,
) -> None:
    """Train on the stack in `file`, and print.

    Parameters
    ----------
    file : Path
        Of a raster over time.
    choice : StackChoice
        What the command says of maps.
    config : FitConfig
        How the network learns.
    baselines : {"quick", "all"}
        What stands beside it.
    where : TrainWhere
        Device, time, folder and form of the answer.

    Raises
    ------
    UsageError, DataError, OutputError, RetryLater, TrialFailed
        As the messages say.
    """
    from autospec.data.cubes.npz import named
    from autospec.data.cubes.stack_files import read_stack
    from autospec.data.maps.resident import held
    from autospec.training.map_settings import MapSettings

    preset, split = stack_preset(choice), stack_split(choice, config.seed)
    stack, name = held(read_stack(file)), study_name(file.stem)
    settings = MapSettings(
        aims=stack_aims(choice, stack.channels),
        sizes=preset.sizes,
        terms=preset.terms,
        split=split,
        config=config,
        baselines=baselines,
        **({} if choice.tile is None else {"tile": choice.tile}),
    )
    folder = where.out or Path("runs") / f"{name}-train"
    try:
        result = among_processes(
            where.device, lambda processes: _run(stack, name, settings, folder, (processes, where))
        )
    except DataError as error:
        raise DataError(named(file, error.problems)) from error
    if result is None:
        return
    show_map_training(result, folder, as_json=where.as_json)
    if not where.as_json:
        typer.echo(f"Map with it: autospec map --model {folder} --stack {file} -o map.nc")
    if result.ended == "interrupt":
        raise typer.Exit(EXIT_INTERRUPTED)


def _run(
    stack: RasterStack,
    name: str,
    settings: MapSettings,
    folder: Path,
    how: tuple[Processes, TrainWhere],
) -> MapTraining | None:
    """Train under the folder's lock, and write the result."""
    from autospec.report.jobs import MAP_TRAIN_FILE, refuse_other
    from autospec.training.map_fit import train_map

    processes, where = how
    refuse_other(folder, MAP_TRAIN_FILE)
    done = _finished(stack, name, settings, folder)
    if done is not None:
        return tell_finished(processes, done)
    most = settings.config.max_epochs
    with at_work(folder, processes, where.budget_s, unit=UNIT, max_epochs=most) as run:
        trained = train_map(stack, name=name, settings=settings, run=run)
        if trained is not None:
            _write(trained, folder)
        return trained and trained[0]


def _finished(
    stack: RasterStack, name: str, settings: MapSettings, folder: Path
) -> MapTraining | None:
    """Return the folder's result, if it is whole, model and report too."""
    from autospec.data.maps.facts import stack_facts
    from autospec.report.map_folder import FRAMES_FILE, finished_map_training
    from autospec.report.maps.page import REPORT_PAGE
    from autospec.report.sections import MODEL_FILE

    if not all((folder / name).is_file() for name in (MODEL_FILE, FRAMES_FILE, REPORT_PAGE)):
        return None
    return finished_map_training(
        folder, name, settings, lambda: stack_facts(stack, settings.aims.targets).digest
    )


def _write(trained: tuple[MapTraining, MapNetwork, MapFrames], folder: Path) -> None:
    """Write model, frames, result and report; the report's page, which ends the run, last."""
    from autospec.evaluate.map_frames import write_frames
    from autospec.report.map_folder import FRAMES_FILE, write_map_training
    from autospec.report.map_model_file import write_map_model
    from autospec.report.maps.page import REPORT_PAGE, write_map_report

    result, network, frames = trained
    (folder / REPORT_PAGE).unlink(missing_ok=True)
    write_map_model(result, network, folder)
    write_frames(folder / FRAMES_FILE, frames)
    write_map_training(result, folder)
    write_map_report(result, frames, folder)
