"""The sections of a report on maps about the result: numbers, models, seasons, edges."""

from __future__ import annotations

from autospec.data.maps.times import say_step
from autospec.evaluate.map_metrics import GROUPS, say_groups
from autospec.evaluate.map_scoring import EDGE_CELLS
from autospec.evaluate.map_tally import SEASONS
from autospec.evaluate.metrics import BOOTSTRAPS, Comparison, Estimate
from autospec.report.maps.figures import (
    best_first,
    colour,
    scores_figure,
    season_rows,
    seasons_figure,
)
from autospec.report.maps.picture import synthetic_banner
from autospec.report.maps.tables import edge_ratio
from autospec.report.page import Figures, html_table
from autospec.report.sections import (
    METRIC_NAMES,
    MODEL_FILE,
    card,
    estimate_cell,
    interval_note,
    measured_cell,
)
from autospec.report.words import (
    MISSING,
    count,
    escape,
    measured,
    measured_interval,
    number,
    size,
)
from autospec.training.map_result import NETWORK, MapModel, MapTraining

LINKS = (
    ("compared", "Compared with"),
    ("maps", "Maps"),
    ("seasons", "Seasons"),
    ("edges", "Edges of tiles"),
    ("learning", "Learning"),
    ("split", "The split"),
    ("data", "The data"),
    ("honesty", "How far to trust it"),
    ("reproduce", "Reproduce"),
)
ENDED = {
    "complete": "all epochs were run",
    "patience": "it ended when the watched error no longer fell",
    "budget": "the time budget ran out",
    "interrupt": "it was interrupted",
}


def page_title(result: MapTraining) -> str:
    """Return the title of the page as plain text."""
    synthetic = " (synthetic)" if result.data.synthetic else ""
    return f"autospec report: {result.name}{synthetic}"


def aims_words(result: MapTraining) -> str:
    """Return what was asked, such as "maps of ndvi, 1 step of 16 days ahead"."""
    aims = result.settings.aims
    names = ", ".join(aims.targets)
    if aims.horizon == 0:
        return f"maps of {names} at the dates of the inputs"
    steps = "1 step" if aims.horizon == 1 else f"{aims.horizon} steps"
    return f"maps of {names}, {steps} of {say_step(result.data.step_s)} ahead"


def network(result: MapTraining) -> MapModel:
    """Return the network's row."""
    return next(model for model in result.models if model.name == NETWORK)


def header_section(result: MapTraining) -> str:
    """Return the title, the verdict, warnings that no reader may miss, and the way around."""
    nav = "".join(f'<a href="#{key}">{word}</a>' for key, word in LINKS)
    return (
        f"<header><div><h1>{escape(page_title(result))}, {escape(aims_words(result))}</h1>"
        f"{synthetic_banner(result.data.synthetic)}"
        f'<p class="verdict">{escape(result.verdict)}</p>'
        f'<nav aria-label="Sections">{nav}</nav></div></header>'
    )


def cards_section(result: MapTraining, *, kept: bool) -> str:
    """Return the key numbers of the first target, and where the model is if it was `kept`."""
    scores = network(result).scores[0]
    pooled, first = scores.pooled, result.data.targets[0]
    of = f" of {first}" if len(result.data.targets) > 1 else ""
    spread = measured_interval(pooled.rmse)
    note = f"95 %: {spread}" if spread else pooled.rmse.reason
    cards = [card(f"RMSE{of}", measured(pooled.rmse.value), note, "main")]
    for name in ("r2", "ccc"):
        estimate = getattr(pooled, name)
        cards.append(
            card(f"{METRIC_NAMES[name]}{of}", number(estimate.value), interval_note(estimate))
        )
    cards.append(_versus_card(result.rival, result.versus_rival))
    groups = f"in {say_groups(scores.n_groups, result.split.kind)}; sealed until the end"
    cards.append(card("Sealed values", count(pooled.n), groups))
    where = f"{count(result.steps)} steps, on {result.device} in {result.precision}"
    cards.append(card("Network", f"{size(result.n_parameters)} <small>parameters</small>", where))
    kept_epoch = f"{result.best_epoch or 'none'} <small>of {len(result.epochs)}</small>"
    cards.append(card("Epoch kept", kept_epoch, ENDED[result.ended]))
    return (
        f'<section aria-label="Key numbers"><dl class="cards">{"".join(cards)}</dl>'
        f"{_model_words() if kept else ''}</section>"
    )


def _versus_card(rival: str, versus: Comparison) -> str:
    percent = versus.reduction_percent
    value = measured(versus.difference)
    if percent is not None:
        value = f"{abs(percent):.1f} % <small>{'lower' if percent >= 0 else 'higher'} RMSE</small>"
    words = {"first": "better", "second": "worse", "cannot tell": "cannot tell"}[versus.better]
    spread = f"difference 95 %: {measured(versus.low)} to {measured(versus.high)}; {words}"
    return card(f"Against {rival}", value, spread)


def _model_words() -> str:
    command = escape("autospec map --model THIS_FOLDER --stack STACK -o map.nc")
    return (
        f'<p>The model is in <a href="{MODEL_FILE}">{MODEL_FILE}</a> beside this page; its card, '
        '<a href="MODEL.md">MODEL.md</a>, says which it is and when not to trust it. Make maps '
        f"with it: <code>{command}</code></p>"
    )


def compared_section(result: MapTraining, figures: Figures) -> str:
    """Return every model on the same sealed cells and dates: a table and a figure a target."""
    parts = []
    for place, target in enumerate(result.data.targets):
        head = f"<h3>{escape(target)}</h3>" if len(result.data.targets) > 1 else ""
        drawn = scores_figure(result, place)
        words = "Dots are the RMSE on the sealed values, bars the 95 % interval."
        words = words if drawn else "No model has an RMSE, so there is nothing to compare."
        figure = figures.figure(f"models-{place + 1}", drawn, ("RMSE by model", words))
        parts.append(f"{head}{_scores_table(result, place)}{figure}")
    rival = escape(result.rival)
    return (
        '<section id="compared"><h2>What this is compared with</h2><p>A network that does not beat '
        f"{rival}, the best of the others, is not worth its trouble; one that does not beat the "
        "mean has learned nothing. Overlapping intervals do not settle that; the paired difference "
        f"above does.</p>{''.join(parts)}<p><small>The same as a table: "
        '<a href="scores.csv">scores.csv</a></small></p></section>'
    )


def _scores_table(result: MapTraining, place: int) -> str:
    notes = {"Pearson r²": "blind to bias", "NSE": "median"}
    names = ("RMSE", "MAE", "ME", "R²", "Pearson r²", "CCC", "RPIQ", "NSE")
    head = ['<th scope="col">Model</th>']
    for name in names:
        note = f"<small>{notes.get(name, '&nbsp;')}</small>"
        head.append(f'<th scope="col" class="n">{name}{note}</th>')
    rows = []
    for model in best_first(result, place):
        s = model.scores[place]
        p = s.pooled
        cells = [_model_cell(model, model.detail)]
        cells += [_estimate_cell(e, p.rmse.value) for e in (p.rmse, s.mae, p.me)]
        cells += [_estimate_cell(e) for e in (p.r2, s.pearson_r2, p.ccc, p.rpiq)]
        cells.append(f'<td class="n">{number(s.nse_median)}</td>')
        rows.append(_row(model, cells))
    caption = (
        f"{result.data.targets[place]}, in its own unit. Every model on "
        f"{_sealed_words(result, place)}, lowest RMSE first. Small print: 95 % intervals from "
        f"{count(BOOTSTRAPS)} bootstrap draws of these {GROUPS[result.split.kind]}s, for "
        "neighbouring cells err alike. "
        "The NSE is that of cells along time, its median over them."
    )
    return html_table(head, rows, caption)


def _sealed_words(result: MapTraining, place: int) -> str:
    """Return on how many values, and in how many groups, a target is scored."""
    scores = network(result).scores[place]
    return (
        f"the same {count(scores.pooled.n)} sealed values, in "
        f"{say_groups(scores.n_groups, result.split.kind)}"
    )


def _estimate_cell(estimate: Estimate, like: float | None = None) -> str:
    """Return a narrow cell: the table has many, and a reason would push the last ones off."""
    if estimate.value is None:
        reason = escape(estimate.reason)
        return f'<td class="n" title="{reason}">{MISSING}<small>undefined</small></td>'
    return estimate_cell(estimate) if like is None else measured_cell(estimate, like)


def _model_cell(model: MapModel, detail: str = "") -> str:
    dot = f'<span class="dot" style="background:{colour(model.name)}"></span>'
    small = f"<small>{escape(detail)}</small>" if detail else ""
    return f'<th scope="row">{dot}{escape(model.name)}{small}</th>'


def _row(model: MapModel, cells: list[str]) -> str:
    css = ' class="winner"' if model.name == NETWORK else ""
    return f"<tr{css}>{''.join(cells)}</tr>"


def seasons_section(result: MapTraining, figures: Figures) -> str:
    """Return the error by season, the network's beside the others'."""
    parts = []
    for place, target in enumerate(result.data.targets):
        drawn = seasons_figure(result, place)
        words = "By the month of the predicted date."
        words = words if drawn else "All sealed values lie in one season: the table has it."
        figure = figures.figure(
            f"seasons-{place + 1}", drawn, (f"RMSE of {target} by season", words)
        )
        parts.append(f"{_seasons_table(result, target)}{figure}")
    return (
        '<section id="seasons"><h2>Seasons</h2><p>A network may be good in the season in which '
        "nothing happens. Seasons without sealed values are left out.</p>"
        f'{"".join(parts)}<p><small>The same as a table: <a href="seasons.csv">seasons.csv</a>'
        "</small></p></section>"
    )


def _seasons_table(result: MapTraining, target: str) -> str:
    found = {season for model in result.models for season in season_rows(model, target)}
    seasons = [season for season in SEASONS if season in found]
    head = ['<th scope="col">Model</th>']
    head += [f'<th scope="col" class="n">{escape(season)}</th>' for season in seasons]
    rows = []
    for model in result.models:
        numbers = season_rows(model, target)
        cells = [_model_cell(model)]
        for season in seasons:
            n, rmse = numbers.get(season, (0, None))
            cells.append(f'<td class="n">{measured(rmse)}<small>n = {count(n)}</small></td>')
        rows.append(_row(model, cells))
    return html_table(head, rows, f"{target}. RMSE by season.")


def edges_section(result: MapTraining) -> str:
    """Return the error near the borders of tiles against that elsewhere."""
    tables = "".join(_edges_table(result, place) for place in range(len(result.data.targets)))
    return (
        '<section id="edges"><h2>Edges of tiles</h2><p>A map is made tile by tile, and a network '
        "sees less around a cell at the border of one. Tiles overlap so that this does not show: "
        "a ratio near 1 says that it worked. Other models look at a cell and its neighbours only; "
        "their ratios say how much harder the cells at borders are by chance. The pattern is the "
        "spread of the mean error over the rows or columns of a tile, as a share of the RMSE: "
        "where it is far above that of the other models, the tiles show in the map."
        f"</p>{tables}"
        '<p><small>The same as a table: <a href="edges.csv">edges.csv</a></small></p></section>'
    )


def _edges_table(result: MapTraining, place: int) -> str:
    head = ['<th scope="col">Model</th>']
    for name in ("Near a border", "Interior", "Ratio", "Pattern"):
        unit = "RMSE" if name in ("Near a border", "Interior") else "&nbsp;"
        sub = f"<small>{unit}</small>"
        head.append(f'<th scope="col" class="n">{name}{sub}</th>')
    rows = []
    for model in result.models:
        edge, interior = model.edge_rmse[place], model.interior_rmse[place]
        ratio = edge_ratio(edge, interior)
        shares = [MISSING if n is None else f"{n:.3f}" for n in (ratio, model.tile_pattern[place])]
        cells = [_model_cell(model)]
        cells += [
            f'<td class="n">{text}</td>' for text in (measured(edge), measured(interior), *shares)
        ]
        rows.append(_row(model, cells))
    caption = (
        f"{result.data.targets[place]}. Cells at most {EDGE_CELLS} cells from a border of the "
        "tiles in which the map was made, and all others."
    )
    return html_table(head, rows, caption)
