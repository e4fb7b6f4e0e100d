"""`write_map_report`: every file of the report of a training on maps, each whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

from autospec import __version__
from autospec.evaluate.map_frames import MapFrames
from autospec.report.jobs import MAP_TRAIN_FILE
from autospec.report.maps.picture import map_html
from autospec.report.maps.sections import (
    cards_section,
    compared_section,
    edges_section,
    header_section,
    page_title,
    seasons_section,
)
from autospec.report.maps.sections_run import (
    MAP_PAGE,
    data_section,
    honesty_section,
    learning_section,
    maps_section,
    reproduce_section,
    split_section,
)
from autospec.report.maps.tables import edges_csv, epochs_csv, scores_csv, seasons_csv
from autospec.report.page import PLOTLY_ASSET, Figures, html_page, report_body, write_files
from autospec.report.sections import MODEL_FILE
from autospec.training.map_result import MapTraining

REPORT_PAGE = "report.html"


def write_map_report(
    result: MapTraining, frames: MapFrames | None, folder: str | Path
) -> tuple[Path, ...]:
    """Write the report of `result` into `folder`; the caller holds the folder's lock.

    The order: assets that the pages need; the tables; the maps over time; the page last. A kill
    in between leaves each file old or new, and no page without its assets. map-train.json, from
    which all but the maps can be drawn again, is written before, and not here.

    Parameters
    ----------
    result : MapTraining
        What to show.
    frames : MapFrames or None
        Maps to look at; None where they were not kept.
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
    run = folder / MAP_TRAIN_FILE
    texts = {
        "scores.csv": scores_csv(result),
        "seasons.csv": seasons_csv(result),
        "edges.csv": edges_csv(result),
        "epochs.csv": epochs_csv(result),
    }
    if frames is not None:
        texts[MAP_PAGE] = map_html(frames, f"autospec map: {result.name}", back=REPORT_PAGE)
    texts[REPORT_PAGE] = map_report_html(
        result,
        frames,
        run_digest=hashlib.sha256(run.read_bytes()).hexdigest() if run.is_file() else "",
        kept=(folder / MODEL_FILE).is_file(),
    )
    return (folder / PLOTLY_ASSET, *write_files(folder, texts))


def map_report_html(
    result: MapTraining, frames: MapFrames | None, *, run_digest: str = "", kept: bool = False
) -> str:
    """Return report.html; it needs `PLOTLY_ASSET` beside it, and leads to map.html.

    Parameters
    ----------
    result : MapTraining
        What to show.
    frames : MapFrames or None
        Maps to look at.
    run_digest : str
        SHA-256 of the map-train.json beside it; empty where there is none.
    kept : bool
        Whether a model file lies beside it.
    """
    figures = Figures()
    sections = (
        cards_section(result, kept=kept),
        compared_section(result, figures),
        maps_section(result, frames, figures),
        seasons_section(result, figures),
        edges_section(result),
        learning_section(result, figures),
        split_section(result, figures),
        data_section(result),
        honesty_section(result),
        reproduce_section(result, run_digest),
    )
    body = report_body(header_section(result), sections, __version__)
    return html_page(page_title(result), body, figures)
