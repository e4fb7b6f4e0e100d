"""How a search command runs its job: alone in its folder, as one worker of many, or with several.

A study run alone holds its folder from its first trial to the report. Workers of a shared one hold
theirs only while one of them writes the report: they may all name the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import typer
from rich.console import Console

from autospec.cli.interrupt import CtrlC
from autospec.cli.live import SearchDisplay
from autospec.cli.local_workers import train_by_workers, watch_parent
from autospec.cli.options import Where
from autospec.errors import EXIT_INTERRUPTED, ReportedElsewhere, UsageError

if TYPE_CHECKING:
    from autospec.search.execution import Execution
    from autospec.search.origin import Origin

STOPPING = "the best design so far is refitted and reported; finished trials are kept"
STOPPING_WORKER = "this worker's trial is given back; finished trials are kept"
MOST_ON_SQLITE = 4
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[R]):
    """One search: what differs between spectra, cubes and maps.

    Parameters
    ----------
    name : str
        Of the study.
    budget_s : float
    origin : Origin
        Where the rows are from.
    finished : callable () -> result or None
        Returns the folder's result if nothing is left to do.
    found : callable (Execution) -> None
        Creates the study for its workers.
    search : callable (Execution) -> result
    write : callable (result) -> None
        Writes the report.
    scored : str
        What the scores of trials are, in a word.
    """

    name: str
    budget_s: float
    origin: Origin
    finished: Callable[[], R | None]
    found: Callable[[Execution], None]
    search: Callable[[Execution], R]
    write: Callable[[R], None]
    scored: str = "CV"


def refuse_workers(where: Where) -> None:
    """Refuse what cannot be shared before anything is read, and more processes than can share it.

    Raises
    ------
    UsageError
        If the options do not go together, or the storage's address holds a password.
    """
    if where.storage is not None:
        from autospec.search.storage import refuse_unsharable

        refuse_unsharable(where.storage)
    if where.shared and where.trials_at_once > 1:
        raise UsageError(
            "--trials-per-device is for a study that one process runs alone. With --storage or "
            f"--workers pass --workers {where.trials_at_once} instead."
        )
    refuse_many(where.storage, where.workers)


def refuse_many(storage: str | None, workers: int) -> None:
    """Refuse more processes than SQLite serves.

    Raises
    ------
    UsageError
        If it is SQLite.
    """
    on_sqlite = storage is None or storage.startswith("sqlite")
    if on_sqlite and workers > MOST_ON_SQLITE:
        raise UsageError(
            f"--workers {workers}: SQLite serves up to {MOST_ON_SQLITE}. For more use "
            "PostgreSQL: --storage postgresql+psycopg://user@host/studies"
        )


def is_whole(kept: bool, model: Path) -> bool:
    """Say, and tell, whether a finished run needs nothing more; `kept`: it had a model file."""
    if kept and not model.is_file():
        typer.echo(f"{model.name} is gone; the winner is refitted.", err=True)
        return False
    typer.echo("This search is already finished; nothing was run again.", err=True)
    return True


def run_job(job: Job[R], folder: Path, where: Where) -> R:
    """Run a search to its report, with Ctrl-C as a request to finish.

    Raises
    ------
    ReportedElsewhere
        If another worker makes the report.
    Exit
        With 130, if this worker was stopped and another one makes the report.
    """
    from autospec.report.lock import discard_empty, locked, make_folder
    from autospec.search.execution import Execution
    from autospec.search.storage import storage_errors

    started = time.monotonic()
    watch_parent(where.parent)
    alone = where.storage is None
    with ExitStack() as held:
        held.enter_context(discard_empty(folder))
        make_folder(folder)
        if alone:
            held.enter_context(locked(folder))
        done = job.finished()
        if done is not None:
            return done
        execution = Execution(
            storage=where.storage or f"sqlite:///{(folder / 'study.db').absolute()}",
            device=where.device,
            trials_at_once=where.trials_at_once,
            shared=where.shared,
            report=where.report,
            threads=where.threads,
            started=started,
            origin=job.origin if where.shared else None,
        )
        with storage_errors(None), execution.turn:
            result = _search(job, execution, folder, where)
            with nullcontext() if alone else locked(folder):
                job.write(result)
    return result


def _search(job: Job[R], execution: Execution, folder: Path, where: Where) -> R:
    """Run the trials, here or by workers, and what follows them."""
    from dataclasses import replace

    finish = STOPPING if where.report else STOPPING_WORKER
    ctrl_c = CtrlC(Console(stderr=True), finish, on_term=where.shared)
    try:
        with ctrl_c:
            if where.workers > 1:
                job.found(execution)
                train_by_workers(job.name, execution, job.budget_s, folder, where, ctrl_c)
            with _shown(job.origin.unit, job.scored, ctrl_c) as display:
                if where.storage is not None and where.report:
                    display.screen.say(_how_to_join(job.name, where.storage))
                return job.search(replace(execution, progress=display, interrupted=ctrl_c.pressed))
    except ReportedElsewhere as error:
        if not ctrl_c.pressed():
            raise
        typer.echo(f"autospec: {error}", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from error


def _shown(unit: str, scored: str, ctrl_c: CtrlC) -> AbstractContextManager[SearchDisplay]:
    display = SearchDisplay(unit, scored)
    ctrl_c.console = display.console
    return display


def _how_to_join(name: str, storage: str) -> str:
    return f"Study {name!r}. More workers, on any host: autospec worker {name} --storage {storage}"
