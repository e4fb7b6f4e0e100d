"""``autospec train --cube``: the training of one network on cubes, and its model file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from autospec.cli.cube_search import read_labelled, warn_of_leaks
from autospec.cli.live import clock
from autospec.cli.predict import show_next
from autospec.cli.study_names import study_name
from autospec.cli.train_options import TrainWhere
from autospec.cli.train_run import among_processes, at_work, tell_finished
from autospec.cli.train_show import show_training
from autospec.errors import EXIT_INTERRUPTED, TrialFailed, UsageError

if TYPE_CHECKING:
    from autospec.data.cubes.cubes import Cubes
    from autospec.training.cube_ensemble import CubeEnsemble
    from autospec.training.cube_training import TrainResult, TrainSettings
    from autospec.training.distributed import Processes
    from autospec.training.train_run import TrainRun

ONE_PROCESS = (
    "--keep-model: with one process only. Train without it; the same command with it and without "
    "the launcher then trains the folds' networks alone."
)


def train_cube(
    file: Path, target: str | None, settings: TrainSettings, where: TrainWhere, *, keep: bool
) -> None:
    """Train on the samples of `file`, and print.

    Parameters
    ----------
    file : Path
        Of samples.
    target : str, optional
        Refuse a file of another lab value.
    settings : TrainSettings
        What is trained, and how.
    where : TrainWhere
        Device, time, folder and form of the answer.
    keep : bool
        Write a model file.

    Raises
    ------
    UsageError, DataError, OutputError, RetryLater, TrialFailed
        As the messages say.
    """
    cubes, name = read_labelled(file, target), study_name(file.stem)
    folder = where.out or Path("runs") / f"{name}-train"

    def job(processes: Processes) -> TrainResult | None:
        if processes.main:
            warn_of_leaks(settings.split)
        return _run(cubes, name, settings, folder, (processes, where.budget_s, keep))

    result = among_processes(where.device, job)
    if result is None:
        return
    show_training(result, folder, as_json=where.as_json)
    if not where.as_json:
        show_next(folder, "samples", "samples.npz")
    if result.ended == "interrupt":
        raise typer.Exit(EXIT_INTERRUPTED)


def _run(
    cubes: Cubes,
    name: str,
    settings: TrainSettings,
    folder: Path,
    how: tuple[Processes, float | None, bool],
) -> TrainResult | None:
    """Train under the folder's lock, and write the result."""
    from autospec.report.jobs import TRAIN_FILE, refuse_other
    from autospec.training.cube_fit import train_cubes

    processes, budget_s, keep = how
    if keep and processes.count > 1:
        raise UsageError(ONE_PROCESS)
    refuse_other(folder, TRAIN_FILE)
    done = _finished(cubes, settings, folder, keep=keep)
    if done is not None:
        return tell_finished(processes, done)
    unit, most = cubes.target_unit, settings.config.max_epochs
    with at_work(folder, processes, budget_s, unit=unit, max_epochs=most) as run:
        trained = train_cubes(cubes, name=name, settings=settings, run=run)
        if trained is not None:
            _write(cubes, trained, folder, run, keep=keep)
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
    run: TrainRun,
    *,
    keep: bool,
) -> None:
    """Write the model file, if it is to be kept, and then train.json, which ends the run."""
    from autospec.report.model_files import remove_others
    from autospec.report.train_folder import write_training
    from autospec.report.train_model_file import write_train_model
    from autospec.training.cube_twins import calibrate_training

    remove_others(folder, ())
    result, model = trained
    if keep:
        folds, epochs = result.settings.split.folds, result.epochs[: result.best_epoch]
        cost = clock(folds * sum(epoch.seconds for epoch in epochs))
        run.say(f"{folds} networks more, one a fold, of {len(epochs)} epochs each: about {cost}")
        try:
            calibrated = calibrate_training(
                cubes,
                result,
                model,
                on_fold=lambda number: run.say(f"fold {number} of {folds}"),
                interrupted=run.interrupted,
            )
            write_train_model(result, calibrated, folder)
        except TrialFailed as error:
            run.say(f"No model file is written: {error}.")
    write_training(result, folder)
