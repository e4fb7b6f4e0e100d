"""Many localised farms in one table: how far auto is below PLSR on each, and over all of them.

A row comes from each farm's own `LocalisationResult`, or says why there is none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from autospec.evaluate.metrics import Winner
from autospec.localisation.result import (
    AUTO,
    MEAN,
    PLSR_LOCAL,
    SCHEMA_VERSION,
    LocalisationResult,
    Stopped,
)
from autospec.localisation.settings import LocaliseSettings
from autospec.report import style
from autospec.report.localise_details import settings_words
from autospec.report.localise_sections import STOPPED_WORDS, best_strategy, find_model
from autospec.report.localise_tables import VERDICTS
from autospec.report.page import Figures, html_page, html_table, write_files
from autospec.report.sections import card
from autospec.report.tables import csv_text, markdown_table
from autospec.report.trust_section import percent
from autospec.report.words import MISSING, count, escape, number

_HEAD = (
    "Site",
    "n",
    "RMSE auto",
    PLSR_LOCAL,
    "mean",
    "Best strategy",
    "Ratio",
    "95 %",
    "Held",
    "Width",
    "Verdict",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRow:
    """One farm.

    Parameters
    ----------
    name : str
        The site; its report is in the folder of that name.
    n : int or None
        Rows with a lab value; None where nothing was found out.
    unit : str
        Of the RMSEs, which are means over draws.
    auto, plsr_local, mean : float or None
        RMSE of these models.
    best_strategy, best_strategy_rmse : str, float or None
        The network strategy that cuts the RMSE of PLSR local most; empty and None without any.
    ratio, ratio_low, ratio_high : float or None
        RMSE of auto over that of PLSR local on common draws, with its 95 % interval: below 1 is
        better.
    better : {"first", "second", "cannot tell"} or None
        "first" is auto.
    level : float or None
        What auto's intervals are made to hold; None where they were not measured.
    covered, covered_low, covered_high : float or None
        Share of test rows that they hold, with its 95 % interval.
    mean_width : float or None
        Of the intervals, in `unit`.
    stopped : {"complete", "budget", "interrupt"} or None
        How the job ended.
    reason : str
        Why there is no result; else empty.
    """

    name: str
    n: int | None = None
    unit: str = ""
    auto: float | None = None
    plsr_local: float | None = None
    mean: float | None = None
    best_strategy: str = ""
    best_strategy_rmse: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    better: Winner | None = None
    level: float | None = None
    covered: float | None = None
    covered_low: float | None = None
    covered_high: float | None = None
    mean_width: float | None = None
    stopped: Stopped | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryFile:
    """summary.json.

    Parameters
    ----------
    target : str
        What was predicted.
    settings : LocaliseSettings
        The same for every farm.
    rows : tuple of SiteRow
        In the order they were run.
    geometric_mean : float or None
        Of the ratios; None without any.
    worst, worst_name : float or None, str
        The largest ratio, and whose it is.
    """

    schema_version: int = SCHEMA_VERSION
    target: str
    settings: LocaliseSettings
    rows: tuple[SiteRow, ...]
    geometric_mean: float | None
    worst: float | None
    worst_name: str


def site_row(result: LocalisationResult) -> SiteRow:
    """Return a farm's row."""
    auto, best = find_model(result, AUTO), best_strategy(result)
    versus = auto.versus_plsr if auto else None
    trust = result.trust

    def rmse(name: str) -> float | None:
        model = find_model(result, name)
        return model.rmse.value if model else None

    return SiteRow(
        name=result.name,
        n=len(result.farm_ids),
        unit=result.farm.target_unit,
        auto=rmse(AUTO),
        plsr_local=rmse(PLSR_LOCAL),
        mean=rmse(MEAN),
        best_strategy=best.name if best else "",
        best_strategy_rmse=best.rmse.value if best else None,
        ratio=1 - versus.reduction_percent / 100 if versus else None,
        ratio_low=1 - versus.high / 100 if versus else None,
        ratio_high=1 - versus.low / 100 if versus else None,
        better=versus.better if versus else None,
        level=trust.level if trust else None,
        covered=trust.covered if trust else None,
        covered_low=trust.covered_low if trust else None,
        covered_high=trust.covered_high if trust else None,
        mean_width=trust.mean_width if trust else None,
        stopped=result.stopped,
    )


def summarise(rows: Sequence[SiteRow], settings: LocaliseSettings, target: str) -> SummaryFile:
    """Return the rows with the geometric mean of their ratios and the worst of them."""
    ratios = [(row.ratio, row.name) for row in rows if row.ratio is not None and row.ratio > 0]
    worst = max(ratios, default=(None, ""))
    mean = math.exp(sum(math.log(r) for r, _ in ratios) / len(ratios)) if ratios else None
    return SummaryFile(
        target=target,
        settings=settings,
        rows=tuple(rows),
        geometric_mean=mean,
        worst=worst[0],
        worst_name=worst[1],
    )


def summary_sentence(summary: SummaryFile) -> str:
    """Say in one sentence how auto stands beside PLSR over all farms."""
    ratios = [row for row in summary.rows if row.ratio is not None]
    if summary.geometric_mean is None:
        return "No farm has a result of both auto and PLSR local, so there is nothing to compare."
    share = 100 * (1 - summary.geometric_mean)
    side = "lower" if share >= 0 else "higher"
    tally = {verdict: sum(row.better == verdict for row in ratios) for verdict in VERDICTS}
    return (
        f"Over {len(ratios)} farms the RMSE of auto is {abs(share):.1f} % {side} than that of PLSR "
        f"on the farm's own rows (geometric mean of the ratios {summary.geometric_mean:.3f}, worst "
        f"{summary.worst:.3f} at {summary.worst_name}): better on {tally['first']}, worse on "
        f"{tally['second']}, cannot tell on {tally['cannot tell']}."
    )


def coverage_sentence(summary: SummaryFile) -> str:
    """Say how often auto's intervals hold, over all farms of one level; empty without any."""
    levels = [row.level for row in summary.rows if row.level is not None]
    if not levels:
        return ""
    level = max(set(levels), key=levels.count)
    held = [row.covered for row in summary.rows if row.level == level and row.covered is not None]
    return (
        f"The {percent(level)} intervals hold {percent(sum(held) / len(held))} of the test rows on "
        f"the mean of {len(held)} farms ({percent(min(held))} to {percent(max(held))})."
    )


def write_summary(summary: SummaryFile, folder: Path) -> tuple[Path, ...]:
    """Write summary.json, .csv, .md and .html into `folder`, each whole, the page last.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    texts = {
        "summary.json": summary_json(summary),
        "summary.csv": csv_text(pd.DataFrame([asdict(row) for row in summary.rows], dtype=object)),
        "summary.md": markdown_table(
            f"{summary_sentence(summary)} {coverage_sentence(summary)}".rstrip(),
            _HEAD,
            [summary_cells(row) for row in summary.rows],
        ),
        "summary.html": summary_html(summary),
    }
    return write_files(folder, texts)


def summary_json(summary: SummaryFile) -> str:
    """Return summary.json."""
    return json.dumps(asdict(summary), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def summary_cells(row: SiteRow) -> list[str]:
    """Return a farm's row in words, in the columns Site to Verdict."""
    best = f"{row.best_strategy} {number(row.best_strategy_rmse)}" if row.best_strategy else MISSING
    spread = MISSING
    if row.ratio_low is not None and row.ratio_high is not None:
        spread = f"{row.ratio_low:.2f} to {row.ratio_high:.2f}"
    verdict = VERDICTS[row.better] if row.better else row.reason or MISSING
    if row.stopped not in (None, "complete"):
        verdict += f" ({STOPPED_WORDS[row.stopped]})"
    return [
        row.name,
        count(row.n),
        number(row.auto),
        number(row.plsr_local),
        number(row.mean),
        best,
        MISSING if row.ratio is None else f"{row.ratio:.3f}",
        spread,
        MISSING if row.covered is None else percent(row.covered),
        number(row.mean_width),
        verdict,
    ]


def ratio_figure(summary: SummaryFile) -> go.Figure | None:
    """Draw each farm's ratio with its interval, smallest on top; the line at 1 is PLSR local."""
    rows = [row for row in summary.rows if row.ratio is not None]
    if not rows:
        return None
    rows.sort(key=lambda row: row.ratio or 0.0)
    figure = style.new_figure("ratio (left is better)", "")
    figure.update_layout(height=110 + 32 * len(rows))
    figure.add_vline(x=1, line={"color": style.INK, "width": 1.5})
    if summary.geometric_mean is not None:
        line = {"color": style.WINNER, "width": 1.5, "dash": "dot"}
        figure.add_vline(x=summary.geometric_mean, line=line)
    ratios = [row.ratio or 0.0 for row in rows]
    figure.add_trace(
        style.scatter(
            x=ratios,
            y=[escape(row.name) for row in rows],
            mode="markers",
            marker={"size": 12, "color": style.WINNER},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [(r.ratio_high or x) - x for r, x in zip(rows, ratios, strict=True)],
                "arrayminus": [x - (r.ratio_low or x) for r, x in zip(rows, ratios, strict=True)],
                "color": style.WINNER,
                "thickness": 2,
                "width": 5,
            },
            customdata=[f"{escape(r.name)}: {x:.3f}" for r, x in zip(rows, ratios, strict=True)],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=True, ticks="", type="category")
    return figure


def summary_html(summary: SummaryFile) -> str:
    """Return summary.html; it needs `PLOTLY_ASSET` beside it, and links each farm's report."""
    figures, rows = Figures(), []
    for row in summary.rows:
        cells = [escape(cell) for cell in summary_cells(row)]
        name = cells[0]
        if not row.reason:
            name = f'<a href="{name}/report.html">{name}</a>'
        numbers = "".join(f'<td class="n">{cell}</td>' for cell in cells[1:-1])
        rows.append(
            f'<tr><th scope="row">{name}</th>{numbers}<td class="words">{cells[-1]}</td></tr>'
        )
    head = [
        f'<th scope="col"{"" if i in (0, len(_HEAD) - 1) else " class=n"}>{name}</th>'
        for i, name in enumerate(_HEAD)
    ]
    caption = (
        f"RMSE: means over draws, in the unit of the lab values. Ratio: auto over {PLSR_LOCAL} on "
        "the same test rows, below 1 is better. The best strategy's RMSE is over its own draws. "
        "Held: test rows inside auto's intervals; width: the mean of these."
    )
    drawn = ratio_figure(summary)
    words = (
        "RMSE of auto over that of PLSR local. Bars are 95 % intervals; the full line is PLSR "
        "local, the dotted one the geometric mean."
    )
    words = words if drawn else "No farm has a ratio yet."
    figure = figures.figure("ratios", drawn, ("auto beside PLSR, farm by farm", words))
    verdict = card("Over all farms", escape(summary_sentence(summary)), "", "main")
    if words := coverage_sentence(summary):
        verdict += card("Do the intervals hold?", escape(words), "")
    words = f"{settings_words(summary.settings)} --target {summary.target}"
    settings = escape(f"autospec localise --site all {words}")
    body = (
        f"<header><div><h1>autospec localise: {len(summary.rows)} farms, "
        f'{escape(summary.target)}</h1><dl class="cards verdicts">{verdict}</dl></div></header>'
        f"<main><section>{figure}</section><section>{html_table(head, rows, caption)}"
        '<p><small>The same table: <a href="summary.csv">CSV</a>, <a href="summary.md">Markdown'
        '</a>, <a href="summary.json">JSON</a></small></p></section><section><h2>How to reproduce '
        f'it</h2><pre tabindex="0"><code>{settings}</code></pre></section></main>'
        "<footer><div>This page loads nothing from a network.</div></footer>"
    )
    return html_page(f"autospec localise: {summary.target}, all farms", body, figures)
