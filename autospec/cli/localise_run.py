"""Run one farm, or every named site in turn, in its folder; what is finished is not run again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from autospec.cli.interrupt import CtrlC
from autospec.cli.localise_data import Case, farm_sites, refuse_file_options, site_case
from autospec.cli.localise_live import LocaliseDisplay
from autospec.errors import AutospecError, OutputError, UsageError

if TYPE_CHECKING:
    from autospec.evaluate.calibrated import CalibratedModel
    from autospec.localisation.result import LocalisationResult
    from autospec.localisation.settings import LocaliseSettings
    from autospec.report.localise_summary import SiteRow, SummaryFile
    from autospec.search.settings import DataSource

STOPPING = "what is finished is scored and reported, and is kept for the next time"
NOT_RUN = "not run yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a job runs and writes.

    Parameters
    ----------
    folder : Path
        Of the results.
    storage : str or None
        Optuna storage URL of the searches; by default study.db in the folder.
    device : {"auto", "cpu", "cuda"}
        Where networks train.
    """

    folder: Path
    storage: str | None
    device: Any


def run_case(
    case: Case, settings: LocaliseSettings, place: Place, *, spent_counts: bool = False
) -> LocalisationResult:
    """Localise one farm under its folder's lock, and write the report.

    Parameters
    ----------
    case, settings, place
        What, how and where.
    spent_counts : bool
        Whether a result that the same budget ended before is finished.
    """
    from autospec.localisation.execution import LocaliseExecution
    from autospec.localisation.inputs import inputs_digest
    from autospec.localisation.job import localise
    from autospec.report.jobs import LOCALISATION_FILE, refuse_other
    from autospec.report.localise_folder import FilePieces, finished_localisation
    from autospec.report.localise_page import write_localisation
    from autospec.report.lock import discard_empty, locked
    from autospec.report.model_files import write_localise_model
    from autospec.report.sections import MODEL_FILE

    folder = place.folder
    refuse_other(folder, LOCALISATION_FILE)
    digest = inputs_digest(
        case.library, case.farm, country=case.country, architecture=settings.architecture
    )
    with discard_empty(folder), locked(folder):
        done = finished_localisation(folder, settings, digest, spent_counts=spent_counts)
        if done is not None:
            if not done.final.calibration_rows or (folder / MODEL_FILE).is_file():
                typer.echo(f"{case.name} is already finished; nothing was run again.", err=True)
                return done
            typer.echo(f"{MODEL_FILE} is gone; the final model is fitted again.", err=True)
        for note in case.notes:
            typer.echo(note, err=True)
        models: list[CalibratedModel] = []
        with LocaliseDisplay() as display, CtrlC(display.console, STOPPING) as ctrl_c:
            result = localise(
                case.library,
                case.farm,
                name=case.name,
                settings=settings,
                country=case.country,
                execution=LocaliseExecution(
                    pieces=FilePieces(folder=folder),
                    storage=place.storage or f"sqlite:///{(folder / 'study.db').absolute()}",
                    device=place.device,
                    progress=display,
                    interrupted=ctrl_c.pressed,
                    on_model=models.append,
                ),
            )
        # before the report, whose result file ends the run: a finished run has its model
        kept = write_localise_model(result, models[-1] if models else None, folder)
        typer.echo(kept.choice, err=True)
        write_localisation(result, folder)
    return result


def run_all(data: DataSource, settings: LocaliseSettings, place: Place) -> tuple[SummaryFile, bool]:
    """Localise every site that is a farm; the summary is written anew after each.

    Returns
    -------
    SummaryFile, bool
        The summary, and whether Ctrl-C ended it early.

    Raises
    ------
    AutospecError
        The first site's, if no site has a result; at once if results cannot be written.
    """
    from autospec.report.localise_summary import SiteRow, summarise, write_summary
    from autospec.report.lock import locked

    if place.storage is not None:
        raise UsageError("--storage is for one farm; with --site all each has its own study.db")
    refuse_file_options(data)
    sites = farm_sites()
    _announce(len(sites), settings)
    rows = {site: SiteRow(name=site, reason=NOT_RUN) for site in sites}
    target, errors, stopped = data.target or "soc", [], False
    with locked(place.folder):
        for i, site in enumerate(sites, start=1):
            typer.echo(f"Site {i} of {len(sites)}: {site}", err=True)
            try:
                rows[site] = _run_site(site, data, settings, place)
            except OutputError:
                raise
            except AutospecError as error:
                errors.append(error)
                rows[site] = SiteRow(name=site, reason=" ".join(str(error).split()))
                typer.echo(f"{site}: {error}", err=True)
            summary = summarise(tuple(rows.values()), settings, target)
            write_summary(summary, place.folder)
            stopped = rows[site].stopped == "interrupt"
            if stopped:
                break
    if len(errors) == len(sites):
        raise errors[0]
    return summary, stopped


def _run_site(site: str, data: DataSource, settings: LocaliseSettings, place: Place) -> SiteRow:
    from autospec.report.localise_summary import site_row

    folder = place.folder / site
    own = Place(folder=folder, storage=None, device=place.device)
    return site_row(run_case(site_case(site, data), settings, own, spent_counts=True))


def _announce(sites: int, settings: LocaliseSettings) -> None:
    """Say beforehand what all of it can cost."""
    from autospec.report.words import duration

    typer.echo(
        f"{sites} sites, each with a budget of {duration(settings.budget_s)}: at most about "
        f"{duration(sites * settings.budget_s)} in all. Sites that are finished are not run again.",
        err=True,
    )
