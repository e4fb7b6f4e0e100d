"""`write_localisation`: every file of a localisation's report, each whole, the page last."""

from __future__ import annotations

import hashlib
from pathlib import Path

from autospec.localisation.result import LocalisationResult
from autospec.report.folder import dump_result
from autospec.report.jobs import LOCALISATION_FILE
from autospec.report.localise_details import (
    data_section,
    honesty_section,
    library_section,
    networks_section,
    reproduce_section,
)
from autospec.report.localise_sections import (
    auto_section,
    cards_section,
    compared_section,
    header_section,
    predictions_section,
    reduction_section,
)
from autospec.report.localise_tables import (
    architectures_table,
    comparison_table,
    draws_table,
    final_predictions,
    predictions_table,
    selected_rows,
)
from autospec.report.localise_trust import intervals_section
from autospec.report.page import PLOTLY_ASSET, Figures, html_page, report_body, write_files
from autospec.report.sections import MODEL_FILE

FINAL_PREDICTIONS = "final_predictions.csv"


def write_localisation(result: LocalisationResult, folder: str | Path) -> tuple[Path, ...]:
    """Write the report of `result` into `folder`; the caller holds the folder's lock.

    The order: assets that the page needs; localisation.json, from which all else can be drawn
    again; the tables; the page last. A kill in between leaves each file old or new, and no page
    without its assets.

    Parameters
    ----------
    result : LocalisationResult
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
        LOCALISATION_FILE: run,
        "comparison.csv": comparison_table(result, "csv"),
        "comparison.md": comparison_table(result, "md"),
        "comparison.tex": comparison_table(result, "tex"),
        "comparison.json": comparison_table(result, "json"),
        "draws.csv": draws_table(result),
        "predictions.csv": predictions_table(result),
        "selected_rows.csv": selected_rows(result),
        "architectures.csv": architectures_table(result, "csv"),
        "architectures.md": architectures_table(result, "md"),
    }
    texts[FINAL_PREDICTIONS] = final_predictions(result)  # without rows too: no old ones stay
    texts["report.html"] = localisation_html(
        result,
        digest=hashlib.sha256(run.encode("utf-8", "backslashreplace")).hexdigest(),
        kept=(folder / MODEL_FILE).is_file(),
    )
    return (folder / PLOTLY_ASSET, *write_files(folder, texts))


def localisation_html(result: LocalisationResult, *, digest: str, kept: bool = False) -> str:
    """Return report.html; it needs `PLOTLY_ASSET` beside it and nothing else.

    Parameters
    ----------
    result : LocalisationResult
        What to show.
    digest : str
        SHA-256 of the localisation.json beside it.
    kept : bool
        Whether a model file lies beside it.
    """
    figures = Figures()
    sections = (
        cards_section(result),
        reduction_section(result, figures),
        compared_section(result),
        predictions_section(result, figures),
        intervals_section(result, figures),
        auto_section(result, figures, kept=kept),
        library_section(result, figures),
        networks_section(result),
        data_section(result, figures),
        honesty_section(result),
        reproduce_section(result, digest),
    )
    body = report_body(header_section(result), sections, result.environment.autospec)
    return html_page(f"autospec localise: {result.name}", body, figures)
