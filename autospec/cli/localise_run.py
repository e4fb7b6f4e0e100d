"""Run one farm in its folder, alone or as one of several workers; what is finished stays."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from autospec.cli.interrupt import CtrlC
from autospec.cli.local_workers import watch_parent
from autospec.cli.localise_data import Case
from autospec.cli.localise_live import LocaliseDisplay
from autospec.cli.localise_workers import localise_by_workers
from autospec.errors import EXIT_INTERRUPTED, ReportedElsewhere, StudyFailed

if TYPE_CHECKING:
    from autospec.evaluate.calibrated import CalibratedModel
    from autospec.localisation.execution import LocaliseExecution
    from autospec.localisation.result import LocalisationResult
    from autospec.localisation.settings import LocaliseSettings

STOPPING = "what is finished is scored and reported, and is kept for the next time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a job runs and writes.

    Parameters
    ----------
    folder : Path
        Of the results.
    storage : str or None
        Of a localisation that others may work at too; None: study.db in the folder, alone.
    device : {"auto", "cpu", "cuda"}
        Where networks train.
    workers : int
        Processes of this machine; above 1 each is one of its own.
    report : bool
        Whether this process makes the report if it is the one to.
    parent : int or None
        The process that started this one, with which it ends.
    """

    folder: Path
    storage: str | None
    device: Any
    workers: int = 1
    report: bool = True
    parent: int | None = None

    @property
    def shared(self) -> bool:
        """Whether other processes may work at it at the same time."""
        return self.storage is not None or self.workers > 1


def run_case(
    case: Case, settings: LocaliseSettings, place: Place, *, spent_counts: bool = False
) -> LocalisationResult:
    """Localise one farm and write the report; alone, or as one of several workers.

    Alone it holds the folder from the first draw; workers only while one writes the report.

    Parameters
    ----------
    case, settings, place
        What, how and where.
    spent_counts : bool
        Whether a result that the same budget ended before is finished.

    Raises
    ------
    ReportedElsewhere
        If another worker makes the report.
    Exit
        With 130, if it was stopped before the first draw, or another worker makes the report.
    """
    from autospec.localisation.execution import LocaliseExecution
    from autospec.localisation.inputs import inputs_digest
    from autospec.report.jobs import LOCALISATION_FILE, refuse_other
    from autospec.report.localise_folder import FilePieces, finished_localisation
    from autospec.report.localise_page import write_localisation
    from autospec.report.lock import discard_empty, locked, make_folder
    from autospec.report.model_files import write_localise_model
    from autospec.report.sections import MODEL_FILE

    folder, started = place.folder, time.monotonic()
    watch_parent(place.parent)
    refuse_other(folder, LOCALISATION_FILE)
    digest = inputs_digest(
        case.library, case.farm, country=case.country, architecture=settings.architecture
    )
    with ExitStack() as held:
        if place.shared:
            make_folder(folder)
        else:
            held.enter_context(discard_empty(folder))
            held.enter_context(locked(folder))
        done = finished_localisation(folder, settings, digest, spent_counts=spent_counts)
        if done is not None:
            if not done.final.calibration_rows or (folder / MODEL_FILE).is_file():
                typer.echo(f"{case.name} is already finished; nothing was run again.", err=True)
                return done
            typer.echo(f"{MODEL_FILE} is gone; the final model is fitted again.", err=True)
        for note in case.notes:
            typer.echo(note, err=True)
        models: list[CalibratedModel] = []
        execution = LocaliseExecution(
            pieces=None if place.shared else FilePieces(folder=folder),
            storage=place.storage or f"sqlite:///{(folder / 'study.db').absolute()}",
            shared=place.shared,
            report=place.report,
            started=started,
            device=place.device,
            on_model=models.append,
        )
        with execution.turn:
            result = _localise(case, settings, place, execution)
            if place.shared:
                held.enter_context(locked(folder))
            # before the report, whose result file ends the run: a finished run has its model
            kept = write_localise_model(result, models[-1] if models else None, folder)
            typer.echo(kept.choice, err=True)
            write_localisation(result, folder)
    return result


def _localise(
    case: Case, settings: LocaliseSettings, place: Place, execution: LocaliseExecution
) -> LocalisationResult:
    """Localise here, after the processes of this machine if there are to be several."""
    from autospec.localisation.job import localise

    assert execution.started is not None and execution.storage is not None
    ctrl_c = CtrlC(Console(stderr=True), STOPPING, on_term=place.shared)
    try:
        with ctrl_c:
            if place.workers > 1:
                ends = execution.started + settings.budget_s
                localise_by_workers(execution.storage, ends, place.folder, place.workers, ctrl_c)
            with LocaliseDisplay() as display:
                ctrl_c.console = display.console
                return localise(
                    case.library,
                    case.farm,
                    name=case.name,
                    settings=settings,
                    country=case.country,
                    execution=replace(execution, progress=display, interrupted=ctrl_c.pressed),
                )
    except (ReportedElsewhere, StudyFailed) as error:  # the latter: before the first draw
        if not ctrl_c.pressed():
            raise
        typer.echo(f"autospec: {error}", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from error
