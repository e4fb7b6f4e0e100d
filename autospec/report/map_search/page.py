"""`write_map_search`: every file of the report of a search on a stack, each whole."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from autospec.evaluate.map_frames import MapFrames
from autospec.report.jobs import MAP_FILE
from autospec.report.map_search.folder import dump_map_search
from autospec.report.map_search.sections import (
    architecture_section,
    header_section,
    reproduce_section,
    search_notes,
    search_section,
)
from autospec.report.map_search.tables import map_architecture_table, map_study, with_others
from autospec.report.maps.page import REPORT_PAGE
from autospec.report.maps.picture import map_html
from autospec.report.maps.sections import (
    cards_section,
    compared_section,
    edges_section,
    page_title,
    seasons_section,
)
from autospec.report.maps.sections_run import (
    MAP_PAGE,
    data_section,
    honesty_section,
    learning_section,
    maps_section,
    split_section,
)
from autospec.report.maps.tables import edges_csv, epochs_csv, scores_csv, seasons_csv
from autospec.report.page import PLOTLY_ASSET, Figures, html_page, report_body, write_files
from autospec.report.sections import MODEL_FILE
from autospec.report.tables import leaderboard
from autospec.search.maps.result import MapSearchResult


def write_map_search(
    result: MapSearchResult, frames: MapFrames | None, folder: str | Path
) -> tuple[Path, ...]:
    """Write the report of `result` into `folder`; the caller holds the folder's lock.

    The order: assets that the pages need; the tables; the maps over time; the page; map-run.json
    last, which ends the run. A kill in between leaves each file old or new, and no page without
    its assets.

    Parameters
    ----------
    result : MapSearchResult
        What to show.
    frames : MapFrames or None
        The winner's sealed maps, thinned; None where they were not kept.
    folder : str or Path
        Made if missing.

    Returns
    -------
    tuple of Path
        The files written, in order.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    folder = Path(folder)
    run, models = dump_map_search(result), with_others(result)
    texts = {
        "best_architecture.csv": map_architecture_table(result, "csv"),
        "best_architecture.json": map_architecture_table(result, "json"),
        "leaderboard.csv": leaderboard(map_study(result)),
        "scores.csv": scores_csv(models),
        "seasons.csv": seasons_csv(models),
        "edges.csv": edges_csv(models),
        "epochs.csv": epochs_csv(models),
    }
    if frames is not None:
        texts[MAP_PAGE] = map_html(frames, f"autospec map: {result.name}", back=REPORT_PAGE)
    texts[REPORT_PAGE] = map_search_html(
        result,
        frames,
        run_digest=hashlib.sha256(run.encode()).hexdigest(),
        kept=(folder / MODEL_FILE).is_file(),
    )
    texts[MAP_FILE] = run
    return (folder / PLOTLY_ASSET, *write_files(folder, texts))


def map_search_html(
    result: MapSearchResult, frames: MapFrames | None, *, run_digest: str, kept: bool = False
) -> str:
    """Return report.html; it needs `PLOTLY_ASSET` beside it, and leads to map.html.

    Parameters
    ----------
    result : MapSearchResult
        What to show.
    frames : MapFrames or None
        Maps to look at.
    run_digest : str
        SHA-256 of the map-run.json beside it.
    kept : bool
        Whether a model file lies beside it.
    """
    figures, models = Figures(), with_others(result)
    sections = (
        cards_section(models, kept=kept),
        compared_section(models, figures),
        architecture_section(result),
        search_section(result, figures),
        maps_section(models, frames, figures),
        seasons_section(models, figures),
        edges_section(models),
        learning_section(models, figures),
        split_section(models, figures),
        data_section(models),
        honesty_section(replace(models, notes=(*search_notes(result), *models.notes))),
        reproduce_section(result, run_digest),
    )
    body = report_body(header_section(result), sections, result.environment.autospec)
    return html_page(page_title(models), body, figures)
