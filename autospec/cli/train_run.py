"""What trainings of all kinds do alike on the command line: processes, lock, display, Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from autospec.cli.interrupt import CtrlC
from autospec.cli.train_live import TrainDisplay

if TYPE_CHECKING:
    from autospec.training.distributed import Processes
    from autospec.training.train_run import TrainRun
    from autospec.training.trainer import Device

STOPPING = "the best epoch so far is scored and reported"
R = TypeVar("R")


def among_processes(device: Device, job: Callable[[Processes], R | None]) -> R | None:
    """Run a job among the processes of this launch; None in those beside the main one."""
    from autospec.training.distributed import join, leave

    processes = join(device)
    try:
        result = job(processes)
        processes.part()
        return result
    finally:
        leave(processes)


def tell_finished(processes: Processes, done: R) -> R | None:
    """Say that nothing is run again; return what was done, in the main process."""
    if not processes.main:
        return None
    typer.echo("This training is already finished; nothing was run again.", err=True)
    return done


@contextmanager
def at_work(
    folder: Path,
    processes: Processes,
    budget_s: float | None,
    *,
    unit: str,
    max_epochs: int,
) -> Iterator[TrainRun]:
    """Hold the folder, show progress, and take Ctrl-C as a request to finish, while a block runs.

    Parameters
    ----------
    folder : Path
        Of the results; held by the main process.
    processes : Processes
    budget_s : float or None
    unit : str
        Of the watched RMSE.
    max_epochs : int
    """
    from autospec.report.lock import discard_empty, locked
    from autospec.training.fit_state import CHECKPOINT_FILE
    from autospec.training.train_run import TrainRun

    with ExitStack() as held:
        if processes.main:
            held.enter_context(discard_empty(folder))
            held.enter_context(locked(folder))
        display = held.enter_context(TrainDisplay(unit, max_epochs, quiet=not processes.main))
        if processes.main and (folder / CHECKPOINT_FILE).is_file():
            display.screen.say("the training in this folder is taken up after its last whole epoch")
        ctrl_c = held.enter_context(CtrlC(display.screen.console, STOPPING))
        yield TrainRun(
            processes=processes,
            checkpoint=folder / CHECKPOINT_FILE,
            on_epoch=display,
            say=display.screen.say if processes.main else lambda line: None,
            interrupted=ctrl_c.pressed,
            budget_s=budget_s,
        )
