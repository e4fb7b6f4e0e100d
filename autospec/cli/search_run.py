"""A search on spectra as the command line runs it: resumed or begun, written, shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from autospec.cli.predict import show_next
from autospec.cli.running import Job, is_whole, run_job
from autospec.cli.search_show import show_architecture, show_files, show_scores
from autospec.errors import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from autospec.cli.options import Where
    from autospec.data.spectra import Spectra
    from autospec.evaluate.calibrated import CalibratedModel
    from autospec.search.execution import Execution
    from autospec.search.origin import Origin
    from autospec.search.result import SearchResult
    from autospec.search.settings import SearchSettings

FILES = (
    "report.html",
    "best_architecture.csv",
    "leaderboard.csv",
    "model.safetensors",
    "MODEL.md",
    "study.db",
)


def run_search(
    spectra: Spectra,
    name: str,
    settings: SearchSettings,
    folder: Path,
    where: Where,
    origin: Origin,
) -> SearchResult:
    """Search on spectra, and write the report into `folder`.

    Raises
    ------
    AutospecError
        As `run_job` and the search.
    """
    from autospec.report.folder import finished_result
    from autospec.report.html import write_report
    from autospec.report.jobs import SEARCH_FILE, refuse_other
    from autospec.report.model_files import write_search_models
    from autospec.report.sections import MODEL_FILE
    from autospec.search.job import found_search, plan_split, search

    labelled = spectra.labelled()
    plan_split(labelled, settings)  # refuses too few rows before anything is written
    refuse_other(folder, SEARCH_FILE)
    models: dict[str, CalibratedModel] = {}

    def finished() -> SearchResult | None:
        done = finished_result(folder, name, settings, labelled.digest)
        if done is None:
            return None
        kept = any(model.trust is not None for model in done.models)
        return done if is_whole(kept, folder / MODEL_FILE) else None

    def found(execution: Execution) -> None:
        found_search(spectra, name=name, settings=settings, execution=execution)

    def run(execution: Execution) -> SearchResult:
        kept = replace(execution, on_model=models.__setitem__)
        return search(spectra, name=name, settings=settings, execution=kept)

    def write(result: SearchResult) -> None:
        # before the report, whose run.json ends the run: a finished run has its models
        typer.echo(write_search_models(result, models, folder).choice, err=True)
        write_report(result, folder)

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


def show_search(result: SearchResult, folder: Path, as_json: bool) -> None:
    """Print a search's tables, or its numbers as JSON; a search that was stopped exits with 130."""
    _show(result, folder, as_json)
    if result.stopped == "interrupt":
        raise typer.Exit(EXIT_INTERRUPTED)


def _show(result: SearchResult, folder: Path, as_json: bool) -> None:
    from autospec.report.tables import metrics_json

    if as_json:
        typer.echo(metrics_json(result))
        return
    from autospec.report.trust_section import trust_line
    from autospec.report.words import by_rmse, winner_model

    console = Console()
    show_architecture(console, result.name, result.winner.architecture.table_rows(result.name))
    console.print(f"Preprocessing: {result.winner.preprocessing.describe()}", highlight=False)
    unit = result.data.target_unit
    title = (
        f"{result.n_test} sealed test rows, {result.data.target_name} in {unit} "
        "(95 % bootstrap interval)"
    )
    show_scores(console, title, by_rmse(result))
    console.print(result.verdict, highlight=False)
    winner = winner_model(result)
    if winner.trust is not None:
        line = trust_line(winner.trust, unit, "sealed test rows")
        console.print(f"{line} See report.html.", highlight=False)
    for note in result.notes:
        console.print(f"Note: {note}", highlight=False)
    show_files(folder, FILES)
    show_next(folder)
