"""`write_report`: every file of a report, each whole, in an order that a kill cannot spoil."""

from __future__ import annotations

import hashlib
from pathlib import Path

from plotly.offline import get_plotlyjs

from autospec.data.spectra import Spectra
from autospec.data.writing import write_text
from autospec.errors import DataError
from autospec.report.folder import dump_result
from autospec.report.page import PLOTLY_ASSET, Figures, bullets, html_page, report_body, write_files
from autospec.report.sections import (
    MODEL_FILE,
    architecture_section,
    cards_section,
    compared_section,
    header_section,
    predictions_section,
    trust_section,
)
from autospec.report.sections_search import (
    data_figures,
    data_section,
    honesty_section,
    reproduce_section,
    search_section,
)
from autospec.report.tables import architecture_table, leaderboard, metrics_json, predictions
from autospec.report.words import count, escape, target_label
from autospec.search.result import SearchResult


def write_report(result: SearchResult, folder: str | Path) -> tuple[Path, ...]:
    """Write the report of `result` into `folder`; the caller holds the folder's lock.

    The order: assets that the page needs; run.json, from which all else can be drawn again; the
    tables; the page last. A kill in between leaves each file old or new, and no page without its
    assets.

    Parameters
    ----------
    result : SearchResult
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
        "run.json": run,
        "best_architecture.csv": architecture_table(result, "csv"),
        "best_architecture.md": architecture_table(result, "md"),
        "best_architecture.tex": architecture_table(result, "tex"),
        "best_architecture.json": architecture_table(result, "json"),
        "leaderboard.csv": leaderboard(result),
        "predictions.csv": predictions(result),
        "metrics.json": metrics_json(result),
        "report.html": report_html(
            result,
            run_digest=hashlib.sha256(run.encode()).hexdigest(),
            kept=(folder / MODEL_FILE).is_file(),
        ),
    }
    return (folder / PLOTLY_ASSET, *write_files(folder, texts))


def report_html(result: SearchResult, *, run_digest: str, kept: bool = False) -> str:
    """Return report.html; it needs `PLOTLY_ASSET` beside it and nothing else.

    Parameters
    ----------
    result : SearchResult
        What to show.
    run_digest : str
        SHA-256 of the run.json beside it.
    kept : bool
        Whether a model file lies beside it.
    """
    figures = Figures()
    sections = (
        cards_section(result, kept=kept),
        compared_section(result, figures),
        predictions_section(result, figures),
        trust_section(result, figures),
        architecture_section(result),
        search_section(result, figures),
        data_section(result, figures),
        honesty_section(result),
        reproduce_section(result, run_digest),
    )
    body = report_body(header_section(result), sections, result.environment.autospec)
    return html_page(f"autospec report: {result.name}", body, figures)


def write_spectra_plot(spectra: Spectra, path: Path) -> Path:
    """Draw spectra and lab values into one HTML file that needs nothing beside it.

    Parameters
    ----------
    spectra : Spectra
        At least one row with a lab value; only those rows are drawn.
    path : Path
        The file; one that exists is replaced.

    Raises
    ------
    DataError
        If no row has a lab value.
    OutputError
        If the file cannot be written.
    """
    from autospec.search.summary import summarise_spectra  # needs torch, which a report does not

    labelled = spectra.labelled()
    if not labelled.n:
        raise DataError(
            f"no row has a lab value of {spectra.target_name}; there is nothing to draw"
        )
    data = summarise_spectra(spectra, labelled)
    figures = Figures()
    title = f"{count(data.n)} spectra, {target_label(data)}"
    body = (
        f"<header><div><h1>{escape(title)}</h1></div></header><main>{bullets(data.provenance)}"
        f"{data_figures(data, figures, rows='rows that have one')}</main><footer></footer>"
    )
    write_text(path, html_page(title, body, figures, plotly_js=get_plotlyjs()))
    return path
