"""``autospec train``: options to settings, the training of one network, its table."""

from __future__ import annotations

import json
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from autospec.cli.interrupt import CtrlC
from autospec.cli.options import DeviceName, DeviceOption, JsonOption
from autospec.cli.search import study_name
from autospec.cli.train_live import TrainDisplay
from autospec.data.writing import cannot
from autospec.errors import EXIT_INTERRUPTED, UsageError

if TYPE_CHECKING:
    from autospec.data.cubes.cubes import Cubes
    from autospec.nets.cube_architecture import CubeArchitecture
    from autospec.training.cube_training import TrainResult, TrainSettings
    from autospec.training.distributed import Processes
    from autospec.training.fit_config import FitConfig

MAX_PRESET_BYTES = 64 * 1024**2
STOPPING = "the best epoch so far is scored and reported"


class ModelName(StrEnum):
    """Kinds of network by name."""

    cnn3d = "cnn3d"


class SplitName(StrEnum):
    """What holds samples out, by name."""

    blocks = "blocks"
    forward = "forward"
    random = "random"


class LossName(StrEnum):
    """Losses by name."""

    mse = "mse"
    l1 = "l1"
    huber = "huber"


class ScheduleName(StrEnum):
    """Schedules by name."""

    plateau = "plateau"
    cosine = "cosine"
    constant = "constant"


class TransformName(StrEnum):
    """Target transforms by name."""

    none = "none"
    log1p = "log1p"
    z_score = "z-score"


def train(
    cube: Annotated[Path, typer.Option("--cube", help="Samples: .npz, or another cube file.")],
    model: Annotated[
        ModelName, typer.Option("--model", help="The kind of network.")
    ] = ModelName.cnn3d,
    preset: Annotated[
        str,
        typer.Option(
            "--preset",
            help="The network: small3d, or a JSON file (a cube-run.json, train.json too).",
        ),
    ] = "small3d",
    target: Annotated[
        str | None, typer.Option("--target", help="Refuse a file of another lab value.")
    ] = None,
    split: Annotated[
        SplitName, typer.Option("--split", help="Squares of the map, latest dates, or any.")
    ] = SplitName.blocks,
    buffer_km: Annotated[
        float, typer.Option("--buffer-km", min=0, help="Least distance to what is held out.")
    ] = 1.2,
    loss: Annotated[LossName, typer.Option("--loss", help="What is minimised.")] = LossName.mse,
    transform: Annotated[
        TransformName, typer.Option("--target-transform", help="Scale of the lab values.")
    ] = TransformName.z_score,
    rate: Annotated[float, typer.Option("--lr", help="Learning rate.")] = 1e-4,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Samples at once.")] = 32,
    accumulate_to: Annotated[
        int | None,
        typer.Option(
            "--accumulate-to",
            min=1,
            help="Samples an optimiser step.",
            show_default="2048, fewer on small sets",
        ),
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Epochs at most.")] = 200,
    patience: Annotated[
        int, typer.Option("--patience", min=1, help="Epochs at most without a better one.")
    ] = 10,
    schedule: Annotated[
        ScheduleName, typer.Option("--schedule", help="Of the learning rate.")
    ] = ScheduleName.plateau,
    lowest_rate: Annotated[
        float, typer.Option("--lr-min", min=0, help="Lowest learning rate of the cosine.")
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Fixes split and network.")] = 0,
    device: DeviceOption = DeviceName.auto,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Time for the training: 90s, 10m, 2h.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the results.", show_default="runs/NAME-train"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train one network on cubes, and score it beside ridge and the mean.

    The same command on the same folder takes up a training that was stopped. Examples:

    autospec train --cube samples.npz --accumulate-to 32 --lr 1e-3

    accelerate launch --multi_gpu -m autospec train --cube samples.npz
    """
    from autospec.data.cubes.cube_files import read_cubes
    from autospec.data.cubes.splits import CubeSplit
    from autospec.search.settings import parse_duration
    from autospec.training.cube_training import TrainSettings

    config = _config(
        loss=loss.value,
        learning_rate=rate,
        batch_size=batch,
        accumulate_to=accumulate_to,
        max_epochs=epochs,
        patience=patience,
        schedule=schedule.value,
        lowest_rate=lowest_rate,
        seed=seed,
    )
    settings = TrainSettings(
        model=model.value,
        architecture=_architecture(preset),
        target_transform=transform.value,
        split=CubeSplit(kind=split.value, buffer_km=buffer_km, seed=seed),
        config=config,
    )
    budget_s = parse_duration(budget) if budget else None
    cubes, name = read_cubes(cube), study_name(cube.stem)
    if target is not None and target != cubes.target_name:
        raise UsageError(
            f"{cube}: the lab value is {cubes.target_name!r}, and --target says {target!r}. "
            "Leave --target out, or name another file."
        )
    folder = out or Path("runs") / f"{name}-train"
    result = _run_joined(cubes, name, settings, folder, (device, budget_s))
    if result is None:
        return
    _show(result, folder, as_json)
    if result.ended == "interrupt":
        raise typer.Exit(EXIT_INTERRUPTED)


def _config(**numbers: Any) -> FitConfig:  # noqa: ANN401 (as FitConfig's fields)
    from autospec.training.fit_config import FitConfig

    if not numbers["learning_rate"] > 0:
        raise UsageError(f"--lr {numbers['learning_rate']}: want a number above 0, such as 1e-4")
    if numbers["lowest_rate"] > numbers["learning_rate"]:
        raise UsageError("--lr-min is above --lr; want at most as much")
    if numbers["accumulate_to"] is not None and numbers["batch_size"] > numbers["accumulate_to"]:
        raise UsageError(
            f"--batch {numbers['batch_size']} is above --accumulate-to {numbers['accumulate_to']}; "
            "an optimiser step takes one batch or more. Lower the one, or raise the other."
        )
    return FitConfig(**numbers)


def _architecture(preset: str) -> CubeArchitecture:
    """Return the network of a name or a JSON file: an architecture, a run.json or a train.json."""
    from autospec.nets.architecture import ArchitectureError
    from autospec.nets.cube_architecture import cube_architecture_from_json
    from autospec.nets.small3d import SMALL3D

    if preset == "small3d":
        return SMALL3D
    path = Path(preset)
    if path.suffix != ".json":
        raise UsageError(f"--preset {preset!r}: want small3d, or a file that ends with .json")
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_PRESET_BYTES + 1)
        if len(content) > MAX_PRESET_BYTES:
            raise UsageError(f"--preset {path}: too large for an architecture")
        return cube_architecture_from_json(_inner(json.loads(content)))
    except OSError as error:
        raise UsageError(cannot("read", path, error)) from error
    except (ValueError, RecursionError) as error:  # ArchitectureError is one of them
        reason = str(error) if isinstance(error, ArchitectureError) else f"no JSON: {error}"
        raise UsageError(f"--preset {path}: {reason}") from error


def _inner(data: Any) -> Any:  # noqa: ANN401 (parsed JSON)
    """Return the architecture in a run.json or a train.json; anything else as it is."""
    for part in ("winner", "settings"):
        inner = data.get(part) if isinstance(data, dict) else None
        if isinstance(inner, dict) and "architecture" in inner:
            return inner["architecture"]
    return data


def _run_joined(
    cubes: Cubes,
    name: str,
    settings: TrainSettings,
    folder: Path,
    how: tuple[DeviceName, float | None],
) -> TrainResult | None:
    """Train among the processes of this launch; None in those beside the main one."""
    from autospec.training.distributed import join, leave

    processes = join(how[0].value)
    try:
        return _run(cubes, name, settings, folder, (processes, how[1]))
    finally:
        leave(processes)


def _run(
    cubes: Cubes,
    name: str,
    settings: TrainSettings,
    folder: Path,
    how: tuple[Processes, float | None],
) -> TrainResult | None:
    """Train under the folder's lock, with Ctrl-C as a request to finish, and write the result."""
    from autospec.report.jobs import TRAIN_FILE, refuse_other
    from autospec.report.lock import discard_empty, locked
    from autospec.report.train_folder import finished_training, write_training
    from autospec.training.cube_fit import TrainRun, train_cubes
    from autospec.training.fit_state import CHECKPOINT_FILE

    processes, budget_s = how
    refuse_other(folder, TRAIN_FILE)
    done = finished_training(folder, settings, cubes.labelled().digest)
    if done is not None:
        if processes.main:
            typer.echo("This training is already finished; nothing was run again.", err=True)
        return done if processes.main else None
    quiet = not processes.main
    with ExitStack() as held:
        if processes.main:
            held.enter_context(discard_empty(folder))
            held.enter_context(locked(folder))
        display = TrainDisplay(cubes.target_unit, settings.config.max_epochs, quiet=quiet)
        held.enter_context(display)
        ctrl_c = held.enter_context(CtrlC(display.screen.console, STOPPING))
        trained = train_cubes(
            cubes,
            name=name,
            settings=settings,
            run=TrainRun(
                processes=processes,
                checkpoint=folder / CHECKPOINT_FILE,
                on_epoch=display,
                interrupted=ctrl_c.pressed,
                budget_s=budget_s,
            ),
        )
        if trained is None:
            return None
        write_training(trained[0], folder)
        return trained[0]


def _show(result: TrainResult, folder: Path, as_json: bool) -> None:
    from autospec.report.jobs import TRAIN_FILE
    from autospec.report.train_folder import dump_training
    from autospec.training.fit_state import CHECKPOINT_FILE

    if as_json:
        typer.echo(dump_training(result), nl=False)
        return
    console, split, unit = Console(), result.split, result.data.target_unit
    best = result.epochs[result.best_epoch - 1]
    console.print(
        f"{result.n_parameters:,} parameters, {result.steps} optimiser steps; best of "
        f"{len(result.epochs)} epochs: {result.best_epoch}, watched RMSE {best.watched_rmse:.3g} "
        f"{unit}. {split.n_fit} samples to learn from, {split.n_watch} watched, {split.n_test} "
        f"sealed, {split.n_dropped} left out between.",
        highlight=False,
    )
    scores = Table(
        title=f"{split.n_test} sealed test samples, {result.data.target_name} in {unit} "
        "(95 % bootstrap interval)",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    for column in ("Model", "RMSE", "", "ME", "CCC", "R2", "RPIQ"):
        scores.add_column(
            column, justify="left" if column == "Model" else "right", no_wrap=column == ""
        )
    for model in result.models:
        s = model.scores
        interval = f"{_number(s.rmse.low)}–{_number(s.rmse.high)}"
        numbers = [_number(e.value) for e in (s.me, s.ccc, s.r2, s.rpiq)]
        scores.add_row(model.name, _number(s.rmse.value), interval, *numbers)
    console.print(scores)
    console.print(result.verdict, highlight=False)
    for note in result.notes:
        console.print(f"Note: {note}", highlight=False)
    for file in (TRAIN_FILE, CHECKPOINT_FILE):
        typer.echo(folder / file)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
