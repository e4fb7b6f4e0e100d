"""The tables of a report as text: architecture, leaderboard, predictions, metrics; no HTML.

Every cell that came from data is escaped for the program that will open it: a spreadsheet, LaTeX
or a Markdown viewer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd

from autospec.data.cells import spreadsheet_cell
from autospec.evaluate.metrics import BOOTSTRAPS, LEVEL, Comparison, Estimate, Scores
from autospec.evaluate.trust import Trust
from autospec.nets.architecture import TABLE_COLUMNS
from autospec.report.views import StudyView
from autospec.report.words import preprocessing_words, training_words
from autospec.search.result import (
    SCHEMA_VERSION,
    ModelKind,
    ModelResult,
    SearchResult,
    TrialRecord,
)

TableFormat = Literal["csv", "md", "tex", "json"]
Cell = str | int | float | bool | None
STATE_ORDER = {"complete": 0, "pruned": 1, "infeasible": 2, "failed": 3}
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "∪": r"$\cup$",
    "\u202f": r"\,",
}
_SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_SUPERSCRIPT_RUN = re.compile("([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)")


def architecture_table(result: SearchResult, fmt: TableFormat) -> str:
    """Return the best-architecture table in the published columns, one row a layer.

    Parameters
    ----------
    result : SearchResult
        Whose winner is shown.
    fmt : {"csv", "md", "tex", "json"}
        CSV for a spreadsheet, Markdown, LaTeX (booktabs), or JSON with the whole design.
    """
    rows = result.winner.architecture.table_rows(site=result.name)
    if fmt == "json":
        return _architecture_json(result, rows)
    return layer_table(rows, _caption(result), fmt)


def layer_table(
    rows: Sequence[Mapping[str, str]], caption: str, fmt: Literal["csv", "md", "tex"]
) -> str:
    """Return the rows of an architecture in the published columns, as text."""
    cells = [[row[name] for name in TABLE_COLUMNS] for row in rows]
    if fmt == "csv":
        return csv_text(pd.DataFrame(cells, columns=list(TABLE_COLUMNS)))
    if fmt == "md":
        return markdown_table(caption, TABLE_COLUMNS, cells)
    return latex_table(caption, "tab:best-architecture", "lllrrlrl", TABLE_COLUMNS, cells)


def _caption(result: SearchResult) -> str:
    training = training_words(result.winner.training, result.winner_epochs, result.settings.members)
    return (
        f"Best architecture for {result.name}. Preprocessing: {preprocessing_words(result)} "
        f"Training: {training}"
    )


def markdown_table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of plain texts as Markdown, its caption in bold above it."""
    lines = [
        f"**{markdown_cell(caption)}**",
        "",
        f"| {' | '.join(markdown_cell(name) for name in head)} |",
        f"|{' --- |' * len(head)}",
    ]
    lines += [f"| {' | '.join(markdown_cell(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def markdown_cell(text: str) -> str:
    """Return `text` as one table cell of Markdown that shows it as it is."""
    for sign in ("\\", "|", "`", "*", "_", "[", "]", "<", "&"):
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def latex_cell(text: str) -> str:
    """Return `text` so that LaTeX prints it and runs nothing in it."""
    escaped = "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))
    return _SUPERSCRIPT_RUN.sub(lambda run: f"$^{{{run[1].translate(_SUPERSCRIPTS)}}}$", escaped)


def latex_table(
    caption: str, label: str, columns: str, head: Sequence[str], rows: Sequence[Sequence[str]]
) -> str:
    """Return a table of plain texts as LaTeX with booktabs; `columns` is such as "lrr"."""
    lines = [
        "% Needs \\usepackage{booktabs} and, for \\textquotedbl, \\usepackage[T1]{fontenc}.",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_cell(caption)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *(" & ".join(latex_cell(cell) for cell in row) + r" \\" for row in (head, *rows)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    lines.insert(8, r"\midrule")
    return "\n".join(lines) + "\n"


def _architecture_json(result: SearchResult, rows: list[dict[str, str]]) -> str:
    architecture, bands = result.winner.architecture, result.winner_bands
    data = {
        "schema_version": SCHEMA_VERSION,
        "site": result.name,
        "columns": list(TABLE_COLUMNS),
        "rows": rows,
        "design": asdict(result.winner),
        "epochs": result.winner_epochs,
        "bands": bands,
        "n_parameters": architecture.n_parameters(bands),
        "multiply_adds": architecture.multiply_adds(bands),
    }
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def leaderboard(result: StudyView) -> str:
    """Return every trial as CSV: complete ones by CV RMSE, then pruned, infeasible and failed.

    The random control's trials are ranked among the others and named in the column ``study``.
    """
    named = [("search", trial) for trial in result.trials]
    named += [("random control", trial) for trial in result.control_trials]
    named.sort(key=lambda pair: _order(pair[1]))
    parameters = sorted({key for _, trial in named for key in trial.params}, key=_parameter_order)
    rows = [
        _leaderboard_row(rank, study, trial, parameters)
        for rank, (study, trial) in enumerate(named, start=1)
    ]
    frame = pd.DataFrame(rows, dtype=object)
    return csv_text(frame)


def _order(trial: TrialRecord) -> tuple[int, float, int]:
    value = trial.value if trial.value is not None else float("inf")
    return STATE_ORDER[trial.state], value, trial.number


def _parameter_order(name: str) -> tuple[int, str]:
    """Sort blocks in the order of the network, all else after them by name."""
    prefixes = ("conv_blocks", "conv", "fc_blocks", "fc")
    return next((i for i, p in enumerate(prefixes) if name.startswith(p)), len(prefixes)), name


def _leaderboard_row(
    rank: int, study: str, trial: TrialRecord, parameters: list[str]
) -> Mapping[str, Cell]:
    row: dict[str, Cell] = {
        "rank": rank,
        "study": study,
        "trial": trial.number,
        "state": trial.state,
        "cv_rmse": trial.value,
        "best_epoch": trial.best_epoch,
        "n_parameters": trial.n_parameters,
        "multiply_adds": trial.multiply_adds,
        "seconds": round(trial.seconds, 3),
        "label": trial.label,
        "reused": trial.reused,
        "reason": trial.reason,
    }
    # A parameter must not overwrite a column of ours, whatever it is called.
    return row | {key: trial.params.get(key) for key in parameters if key not in row}


def predictions(result: SearchResult) -> str:
    """Return the sealed test rows as CSV: id, field, observed, domain, and each model's columns.

    A model with intervals has its bounds beside its prediction.
    """
    frame = pd.DataFrame(
        {"id": result.test_ids, "field": result.test_fields, "observed": result.observed}
    )
    if result.in_domain:
        frame["in_domain"] = result.in_domain
    for model in result.models:
        if model.predicted:
            frame[model.name] = model.predicted
        if model.trust:
            frame[f"{model.name} lower {model.trust.level:.0%}"] = model.lower
            frame[f"{model.name} upper {model.trust.level:.0%}"] = model.upper
    return csv_text(frame)


def _escaped_names(name: object) -> str:
    return str(spreadsheet_cell(name))


def csv_text(frame: pd.DataFrame) -> str:
    """Return a table as CSV in which no cell runs as a formula; floats keep every digit."""
    frame = frame.rename(columns=_escaped_names)
    return str(frame.map(spreadsheet_cell).to_csv(index=False, lineterminator="\n"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetrics:
    """One model's scores on the test rows; the metrics are None if it could not be fitted.

    Parameters
    ----------
    cv_rmse : float or None
        Tuned on the training rows, so optimistic: never an accuracy.
    versus_plsr : Comparison or None
        First: this model; second: PLSR, on the same rows.
    trust : Trust or None
        How its intervals and the applicability domain did, for a model that has them.
    """

    name: str
    kind: ModelKind
    detail: str
    rmse: Estimate | None
    me: Estimate | None
    sde: Estimate | None
    ccc: Estimate | None
    r2: Estimate | None
    rpiq: Estimate | None
    cv_rmse: float | None
    versus_plsr: Comparison | None
    trust: Trust | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsFile:
    """metrics.json.

    Parameters
    ----------
    target, unit : str
        What was predicted; RMSE, ME and SDE are in this unit.
    n : int
        Sealed test rows.
    level : float
        Of the intervals.
    bootstraps : int
        Bootstrap draws over the rows.
    """

    schema_version: int
    name: str
    target: str
    unit: str
    n: int
    level: float
    bootstraps: int
    verdict: str
    models: tuple[ModelMetrics, ...]


def metrics_json(result: SearchResult) -> str:
    """Return metrics.json: the sentence of the verdict, and all six metrics of every model."""
    data = MetricsFile(
        schema_version=SCHEMA_VERSION,
        name=result.name,
        target=result.data.target_name,
        unit=result.data.target_unit,
        n=result.n_test,
        level=LEVEL,
        bootstraps=BOOTSTRAPS,
        verdict=result.verdict,
        models=tuple(_model(model) for model in result.models),
    )
    return json.dumps(asdict(data), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _model(model: ModelResult) -> ModelMetrics:
    s: Scores | None = model.scores
    return ModelMetrics(
        name=model.name,
        kind=model.kind,
        detail=model.detail,
        rmse=s.rmse if s else None,
        me=s.me if s else None,
        sde=s.sde if s else None,
        ccc=s.ccc if s else None,
        r2=s.r2 if s else None,
        rpiq=s.rpiq if s else None,
        cv_rmse=model.cv_rmse,
        versus_plsr=model.versus_plsr,
        trust=model.trust,
    )
