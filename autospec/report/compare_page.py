"""`write_comparison`: compare.json, compare.csv and compare.html of several runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from autospec.evaluate.metrics import BOOTSTRAPS, METRICS, Estimate
from autospec.report import style
from autospec.report.compare_result import RunEntry, RunModel, RunsComparison
from autospec.report.page import (
    Figures,
    bullets,
    html_page,
    html_table,
    report_body,
    write_files,
)
from autospec.report.sections import IN_UNIT, METRIC_NAMES, estimate_cell, measured_cell
from autospec.report.tables import csv_text
from autospec.report.words import count, escape, measured, measured_interval

COMPARE_FILE, COMPARE_TABLE, COMPARE_PAGE = "compare.json", "compare.csv", "compare.html"
LEADS = ("winner", "network")
WITH_INTERVAL = ("rmse", "r2")
SHOWN = ("rmse", "ccc", "r2", "rpiq", "me")
ROW_HEIGHT = 26


def write_comparison(compared: RunsComparison, folder: Path, version: str) -> tuple[Path, ...]:
    """Write the three files and the assets into `folder`; the caller holds its lock.

    Parameters
    ----------
    compared : RunsComparison
    folder : Path
        Made if missing.
    version : str
        Of autospec, for the foot of the page.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    texts = {
        COMPARE_FILE: dump_comparison(compared),
        COMPARE_TABLE: comparison_csv(compared),
        COMPARE_PAGE: comparison_html(compared, version),
    }
    return write_files(folder, texts)


def dump_comparison(compared: RunsComparison) -> str:
    """Return compare.json."""
    return json.dumps(asdict(compared), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def comparison_csv(compared: RunsComparison) -> str:
    """Return every model of every run as CSV, one row a model; empty cells where undefined."""
    rows = []
    for run in compared.runs:
        for model in run.models:
            row: dict[str, object] = {"run": run.name, "job": run.job, "test_rows": run.rows}
            row |= {"n": run.n_test, "split": run.split, "synthetic": run.synthetic}
            row |= {"target": run.target, "unit": run.unit, "model": model.name}
            row |= {"kind": model.kind, "detail": model.detail}
            for name in METRICS:
                estimate = _estimate(model, name)
                row[name] = estimate.value if estimate else None
                if name in WITH_INTERVAL:
                    row[f"{name}_low"] = estimate.low if estimate else None
                    row[f"{name}_high"] = estimate.high if estimate else None
            rows.append(row | {"cv_rmse": model.cv_rmse})
    return csv_text(pd.DataFrame(rows, dtype=object))


def comparison_html(compared: RunsComparison, version: str) -> str:
    """Return the page: what may be said, one picture and one table a target."""
    figures = Figures()
    runs = f"{len(compared.runs)} run{'s' if len(compared.runs) != 1 else ''}"
    models = sum(len(run.models) for run in compared.runs)
    synthetic = sum(run.synthetic for run in compared.runs)
    warning = ""
    if synthetic:
        words = f"{synthetic} of {runs} on data that are made up, not measured."
        warning = f'<p class="warning synthetic"><b>SYNTHETIC</b> {words}</p>'
    header = (
        f"<header><div><h1>autospec compare</h1>{warning}"
        f'<p class="verdict">{count(models)} models of {runs}, side by side</p></div></header>'
    )
    said = bullets(compared.remarks)
    sections = [f'<section id="remarks"><h2>What may be said</h2>{said}</section>'] if said else []
    sections += [
        _section(title, members, figures, number_)
        for number_, (title, members) in enumerate(by_target(compared).items(), start=1)
    ]
    return html_page("autospec compare", report_body(header, sections, version), figures)


def by_target(compared: RunsComparison) -> dict[str, list[RunEntry]]:
    """Return the runs by what they predict and its unit: only those share an axis."""
    groups: dict[str, list[RunEntry]] = {}
    for run in compared.runs:
        title = f"{run.target} in {run.unit}" if run.unit else run.target
        groups.setdefault(title, []).append(run)
    return groups


def _section(title: str, runs: Sequence[RunEntry], figures: Figures, order: int) -> str:
    unit = escape(runs[0].unit)
    pair = ""
    rmse = f"RMSE ({unit})" if unit else "RMSE"
    for name, label in (("rmse", rmse), ("r2", "R² (1 − SSE/SST)")):
        drawn = intervals_figure(runs, name, label)
        words = "Marks with 95 % intervals; a large dot leads its run, diamonds are baselines."
        words = words if drawn else "No model has one."
        caption = (METRIC_NAMES[name], words)
        pair += figures.figure(f"compare-{order}-{name}", drawn, caption)
    head = [f'<th scope="col">{name}</th>' for name in ("Model", "Kind")]
    for name in SHOWN:
        sub = f"<small>{unit if name in IN_UNIT and unit else '&nbsp;'}</small>"
        head.append(f'<th scope="col" class="n">{METRIC_NAMES[name]}{sub}</th>')
    rows = []
    for run in runs:
        words = f"{run.job}, {run.split}{', synthetic' if run.synthetic else ''}"
        words = f"test rows {run.rows}, n = {count(run.n_test)}; {words}"
        rows.append(
            f'<tr><th scope="rowgroup" colspan="{len(SHOWN) + 2}">{escape(run.name)}'
            f"<small>{escape(words)}</small></th></tr>"
        )
        rows += [_row(model) for model in run.models]
    caption_ = (
        "All models of all runs, lowest RMSE of each run first. Rank only models under the same "
        f"letter of test rows. Small print: 95 % intervals from {count(BOOTSTRAPS)} bootstrap "
        f"draws of {_drawn(runs)}."
    )
    return (
        f"<section><h2>{escape(title)}</h2>"
        f'<div class="pair">{pair}</div>{html_table(head, rows, caption_)}</section>'
    )


def _drawn(runs: Sequence[RunEntry]) -> str:
    """Return what the bootstrap draws."""
    maps = {run.job == "training on maps" for run in runs}
    if maps == {True}:
        return "whole dates, or whole squares of the map"
    return "the rows, of maps whole dates or squares" if True in maps else "the rows"


def _row(model: RunModel) -> str:
    dot = f'<span class="dot" style="background:{_colour(model)}"></span>'
    cells = [
        f'<th scope="row">{dot}{escape(model.name)}<small>{escape(model.detail)}</small></th>',
        f"<td>{escape(model.kind)}</td>",
    ]
    if model.scores is None:
        cells.append(f'<td class="words" colspan="{len(SHOWN)}">not fitted</td>')
    else:
        s, like = model.scores, model.scores.rmse.value
        cells += [
            measured_cell(e, like) if name in IN_UNIT else estimate_cell(e)
            for name, e in ((name, getattr(s, name)) for name in SHOWN)
        ]
    css = ' class="winner"' if model.kind in LEADS else ""
    return f"<tr{css}>{''.join(cells)}</tr>"


def _estimate(model: RunModel, name: str) -> Estimate | None:
    found: Estimate | None = getattr(model.scores, name) if model.scores else None
    return found


def _colour(model: RunModel) -> str:
    return style.WINNER if model.kind in LEADS else style.model_colour(model)


def intervals_figure(runs: Sequence[RunEntry], name: str, label: str) -> go.Figure | None:
    """Draw one metric of every model as a dot with its interval, run by run.

    Parameters
    ----------
    runs : sequence of RunEntry
        All with the same target and unit.
    name : {"rmse", "r2"}
    label : str
        Of the axis, escaped.
    """
    figure = style.new_figure(label, "")
    ticks: list[str] = []
    for run in runs:
        letter = f" <span style='color:{style.MUTED}'>rows {escape(run.rows)}</span>"
        if ticks:
            line = {"color": style.GRID, "width": 1}
            figure.add_hline(y=len(ticks) - 0.5, line=line, layer="below")
        ticks.append(f"<b>{escape(run.name)}</b>{letter}")
        for model in run.models:
            estimate = _estimate(model, name)
            if estimate is not None and estimate.value is not None:
                _add_dot(figure, len(ticks), run, model, estimate)
            ticks.append(escape(model.name))
    if not figure.data:
        return None
    if name == "r2":
        line = {"color": style.MUTED, "width": 1, "dash": "dot"}
        figure.add_vline(x=0, line=line, layer="below")
    figure.update_layout(height=90 + ROW_HEIGHT * len(ticks))
    figure.update_yaxes(
        tickvals=list(range(len(ticks))),
        ticktext=ticks,
        range=[len(ticks) - 0.4, -0.6],
        showgrid=False,
        ticks="",
        tickfont={"size": 12, "color": style.INK},
    )
    return figure


def _add_dot(
    figure: go.Figure, place: int, run: RunEntry, model: RunModel, estimate: Estimate
) -> None:
    assert estimate.value is not None
    colour = _colour(model)
    error: dict[str, object] | None = None
    if estimate.low is not None and estimate.high is not None:
        error = {"type": "data", "symmetric": False, "thickness": 2, "width": 4, "color": colour}
        error |= {"array": [estimate.high - estimate.value]}
        error |= {"arrayminus": [estimate.value - estimate.low]}
    text = (
        f"{escape(run.name)}<br>{escape(model.name)}: {measured(estimate.value)} "
        f"({measured_interval(estimate) or 'no interval'})"
    )
    symbol = "diamond" if model.kind == "baseline" else "circle"
    figure.add_trace(
        style.scatter(
            x=[estimate.value],
            y=[place],
            mode="markers",
            marker={"size": 12 if model.kind in LEADS else 9, "color": colour, "symbol": symbol},
            error_x=error,
            customdata=[text],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
