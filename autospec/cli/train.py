"""``autospec train``: options to settings, and the training of one network."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autospec.cli.cube_search import (
    BlockOption,
    BufferOption,
    SplitOption,
    cube_split,
    read_labelled,
    warn_of_leaks,
)
from autospec.cli.interrupt import CtrlC
from autospec.cli.live import clock
from autospec.cli.options import DeviceName, DeviceOption, JsonOption
from autospec.cli.predict import show_next
from autospec.cli.search import study_name
from autospec.cli.train_live import TrainDisplay
from autospec.cli.train_options import (
    AccumulateOption,
    BaselinesName,
    BaselinesOption,
    BatchOption,
    BudgetOption,
    DecayOption,
    DeltaOption,
    EpochsOption,
    FoldsOption,
    KeepOption,
    LossName,
    LossOption,
    LowestOption,
    MaskOption,
    ModelName,
    ModelOption,
    OptimiserName,
    OptimiserOption,
    OutOption,
    PatienceOption,
    PrecisionName,
    PrecisionOption,
    PresetOption,
    RateOption,
    RestartsOption,
    ScheduleName,
    ScheduleOption,
    SeedOption,
    SmearingOption,
    TargetOption,
    TransformName,
    TransformOption,
    architecture,
    fit_config,
)
from autospec.cli.train_show import show_training
from autospec.errors import EXIT_INTERRUPTED, TrialFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from autospec.data.cubes.cubes import Cubes
    from autospec.training.cube_ensemble import CubeEnsemble
    from autospec.training.cube_training import TrainResult, TrainSettings
    from autospec.training.distributed import Processes

ONE_PROCESS = (
    "--keep-model: with one process only. Train without it; the same command with it and without "
    "the launcher then trains the folds' networks alone."
)
STOPPING = "the best epoch so far is scored and reported"


def train(
    cube: Annotated[Path, typer.Option("--cube", help="Samples: .npz, or another cube file.")],
    model: ModelOption = ModelName.cnn3d,
    preset: PresetOption = "small3d",
    target: TargetOption = None,
    split: SplitOption = None,
    buffer_km: BufferOption = None,
    block_km: BlockOption = None,
    folds: FoldsOption = None,
    loss: LossOption = LossName.mse,
    transform: TransformOption = TransformName.z_score,
    smearing: SmearingOption = False,
    mask_channel: MaskOption = False,
    optimiser: OptimiserOption = OptimiserName.adam,
    rate: RateOption = 1e-4,
    weight_decay: DecayOption = 0.0,
    batch: BatchOption = 32,
    accumulate_to: AccumulateOption = None,
    epochs: EpochsOption = 200,
    patience: PatienceOption = 10,
    min_delta: DeltaOption = 0.0,
    schedule: ScheduleOption = ScheduleName.plateau,
    lowest_rate: LowestOption = 0.0,
    restarts: RestartsOption = 1,
    precision: PrecisionOption = PrecisionName.auto,
    baselines: BaselinesOption = BaselinesName.quick,
    keep_model: KeepOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = DeviceName.auto,
    budget: BudgetOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train one network on cubes, and score it beside ridge and the mean.

    The same command on the same folder takes up a training that was stopped. Examples:

    autospec train --cube samples.npz --accumulate-to 32 --lr 1e-3

    accelerate launch --multi_gpu -m autospec train --cube samples.npz
    """
    from autospec.data.cubes.scaling import CubePreprocessing
    from autospec.search.settings import parse_duration
    from autospec.training.cube_training import TrainSettings

    config = fit_config(
        loss=loss.value,
        optimiser=optimiser.value,
        learning_rate=rate,
        weight_decay=weight_decay,
        batch_size=batch,
        accumulate_to=accumulate_to,
        max_epochs=epochs,
        patience=patience,
        min_delta=min_delta,
        schedule=schedule.value,
        lowest_rate=lowest_rate,
        restarts=restarts,
        precision=precision.value,
        seed=seed,
    )
    if smearing and transform is not TransformName.log1p:
        raise UsageError(
            f"--smearing is for --target-transform log1p, not for {transform.value}. Leave it out."
        )
    if smearing and keep_model:
        raise UsageError("--keep-model: a model file has no room for --smearing. Leave one out.")
    settings = TrainSettings(
        model=model.value,
        architecture=architecture(preset),
        preprocessing=CubePreprocessing(mask_channel=mask_channel),
        target_transform=transform.value,
        split=cube_split(
            split and split.value, buffer_km=buffer_km, block_km=block_km, folds=folds, seed=seed
        ),
        config=config,
        smearing=smearing,
        baselines=baselines.value,
    )
    budget_s = parse_duration(budget) if budget else None
    cubes, name = read_labelled(cube, target), study_name(cube.stem)
    folder = out or Path("runs") / f"{name}-train"
    result = _run_joined(cubes, name, settings, folder, (device, budget_s, keep_model))
    if result is None:
        return
    show_training(result, folder, as_json=as_json)
    if not as_json:
        show_next(folder, "samples", "samples.npz")
    if result.ended == "interrupt":
        raise typer.Exit(EXIT_INTERRUPTED)


def _run_joined(
    cubes: Cubes,
    name: str,
    settings: TrainSettings,
    folder: Path,
    how: tuple[DeviceName, float | None, bool],
) -> TrainResult | None:
    """Train among the processes of this launch; None in those beside the main one."""
    from autospec.training.distributed import join, leave

    processes = join(how[0].value)
    try:
        if processes.main:
            warn_of_leaks(settings.split)
        result = _run(cubes, name, settings, folder, (processes, *how[1:]))
        processes.wait()
        return result
    finally:
        leave(processes)


def _run(
    cubes: Cubes,
    name: str,
    settings: TrainSettings,
    folder: Path,
    how: tuple[Processes, float | None, bool],
) -> TrainResult | None:
    """Train under the folder's lock, with Ctrl-C as a request to finish, and write the result."""
    from autospec.report.jobs import TRAIN_FILE, refuse_other
    from autospec.report.lock import discard_empty, locked
    from autospec.training.cube_fit import TrainRun, train_cubes
    from autospec.training.fit_state import CHECKPOINT_FILE

    processes, budget_s, keep = how
    if keep and processes.count > 1:
        raise UsageError(ONE_PROCESS)
    refuse_other(folder, TRAIN_FILE)
    done = _finished(cubes, settings, folder, keep=keep)
    if done is not None:
        if processes.main:
            typer.echo("This training is already finished; nothing was run again.", err=True)
        return done if processes.main else None
    with ExitStack() as held:
        if processes.main:
            held.enter_context(discard_empty(folder))
            held.enter_context(locked(folder))
        max_epochs, quiet = settings.config.max_epochs, not processes.main
        display = held.enter_context(TrainDisplay(cubes.target_unit, max_epochs, quiet=quiet))
        ctrl_c = held.enter_context(CtrlC(display.screen.console, STOPPING))
        run = TrainRun(
            processes=processes,
            checkpoint=folder / CHECKPOINT_FILE,
            on_epoch=display,
            interrupted=ctrl_c.pressed,
            budget_s=budget_s,
        )
        trained = train_cubes(cubes, name=name, settings=settings, run=run)
        if trained is not None:
            _write(cubes, trained, folder, ctrl_c.pressed if keep else None, display.screen.say)
        return trained and trained[0]


def _finished(
    cubes: Cubes, settings: TrainSettings, folder: Path, *, keep: bool
) -> TrainResult | None:
    """Return the folder's result, if it is whole, the model file that is to be kept too."""
    from autospec.report.sections import MODEL_FILE
    from autospec.report.train_folder import finished_training

    if keep and not (folder / MODEL_FILE).is_file():
        return None
    return finished_training(folder, settings, cubes.labelled().digest)


def _write(
    cubes: Cubes,
    trained: tuple[TrainResult, CubeEnsemble],
    folder: Path,
    keep: Callable[[], bool] | None,
    say: Callable[[str], None],
) -> None:
    """Write the model file, if it is to be kept, and then train.json, which ends the run.

    `keep` says whether it was interrupted.
    """
    from autospec.report.model_files import remove_others
    from autospec.report.train_folder import write_training
    from autospec.report.train_model_file import write_train_model
    from autospec.training.cube_twins import calibrate_training

    remove_others(folder, ())
    result, model = trained
    if keep is not None:
        folds, epochs = result.settings.split.folds, result.epochs[: result.best_epoch]
        cost = clock(folds * sum(epoch.seconds for epoch in epochs))
        say(f"{folds} networks more, one a fold, of {len(epochs)} epochs each: about {cost}")
        try:
            calibrated = calibrate_training(
                cubes,
                result,
                model,
                on_fold=lambda number: say(f"fold {number} of {folds}"),
                interrupted=keep,
            )
            write_train_model(result, calibrated, folder)
        except TrialFailed as error:
            say(f"No model file is written: {error}.")
    write_training(result, folder)
