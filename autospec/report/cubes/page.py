"""`write_cube_report`: every file of the report of a search on cubes, each whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

from autospec.report.cubes.sections import (
    architecture_section,
    cards_section,
    compared_section,
    header_section,
    predictions_section,
    trust_section,
)
from autospec.report.cubes.sections_search import (
    data_section,
    honesty_section,
    reproduce_section,
    search_section,
)
from autospec.report.cubes.sections_split import leakage_section, maps_section, split_section
from autospec.report.cubes.tables import (
    cube_architecture_table,
    cube_metrics_json,
    cube_predictions,
    folds_table,
)
from autospec.report.folder import dump_result
from autospec.report.jobs import CUBE_FILE
from autospec.report.page import PLOTLY_ASSET, Figures, html_page, report_body, write_files
from autospec.report.sections import MODEL_FILE
from autospec.report.tables import leaderboard
from autospec.search.cubes.result import CubeResult


def write_cube_report(result: CubeResult, folder: str | Path) -> tuple[Path, ...]:
    """Write the report of `result` into `folder`; the caller holds the folder's lock.

    The order: assets that the page needs; cube-run.json, from which all else can be drawn again;
    the tables; the page last. A kill in between leaves each file old or new, and no page without
    its assets.

    Parameters
    ----------
    result : CubeResult
        What to show.
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
    run = dump_result(result)
    texts = {
        CUBE_FILE: run,
        "best_architecture.csv": cube_architecture_table(result, "csv"),
        "best_architecture.json": cube_architecture_table(result, "json"),
        "leaderboard.csv": leaderboard(result),
        "predictions.csv": cube_predictions(result),
        "folds.csv": folds_table(result),
        "metrics.json": cube_metrics_json(result),
        "report.html": cube_report_html(
            result,
            run_digest=hashlib.sha256(run.encode()).hexdigest(),
            kept=(folder / MODEL_FILE).is_file(),
        ),
    }
    return (folder / PLOTLY_ASSET, *write_files(folder, texts))


def cube_report_html(result: CubeResult, *, run_digest: str, kept: bool = False) -> str:
    """Return report.html; it needs `PLOTLY_ASSET` beside it and nothing else.

    Parameters
    ----------
    result : CubeResult
        What to show.
    run_digest : str
        SHA-256 of the cube-run.json beside it.
    kept : bool
        Whether a model file lies beside it.
    """
    figures = Figures()
    sections = (
        cards_section(result, kept=kept),
        compared_section(result, figures),
        predictions_section(result, figures),
        maps_section(result, figures),
        split_section(result),
        leakage_section(result, figures),
        trust_section(result, figures),
        architecture_section(result),
        search_section(result, figures),
        data_section(result, figures),
        honesty_section(result),
        reproduce_section(result, run_digest),
    )
    body = report_body(header_section(result), sections, result.environment.autospec)
    synthetic = " (synthetic)" if result.data.synthetic else ""
    return html_page(f"autospec report: {result.name}{synthetic}", body, figures)
