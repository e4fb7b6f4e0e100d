"""The sections of a cube search's report about space and time: maps, the split, leakage."""

from __future__ import annotations

import plotly.graph_objects as go

from autospec.data.cubes.splits import SplitKind
from autospec.evaluate.metrics import Estimate
from autospec.report import style
from autospec.report.cubes.maps import error_map, folds_map, roles_map, target_map
from autospec.report.page import Figures, facts, html_table
from autospec.report.sections import estimate_cell
from autospec.report.words import MISSING, count, escape, number
from autospec.search.cubes.result import CubeResult, LeakageRow, SplitRecord

KINDS: dict[SplitKind, str] = {
    "blocks": "whole squares of the map, with a buffer around what is held out",
    "forward": "forward in time: learned from the past, tested on the latest dates",
    "random": "single samples at random, which leaks",
}
HONEST: dict[SplitKind, str] = {
    "blocks": "blocks with a buffer",
    "forward": "forward in time",
    "random": "this split's folds",
}


def maps_section(result: CubeResult, figures: Figures) -> str:
    """Return four maps of the labelled samples."""
    none = "There are no samples to draw."
    unit = result.data.target_unit
    maps = (
        (
            "map-roles",
            roles_map(result),
            ("What each sample was used for", "Training, sealed test, left out.", none),
        ),
        (
            "map-folds",
            folds_map(result),
            ("Inner folds", "Which fold scores each training sample.", "No fold scores a sample."),
        ),
        (
            "map-target",
            target_map(result),
            ("Lab values", "The darker the higher; diamonds are sealed test samples.", none),
        ),
        (
            "map-error",
            error_map(result),
            (
                "Errors of the winner",
                f"Predicted − observed, {unit}. Training samples are predicted by the twin that "
                "did not learn from them.",
                "The winner predicts no sample.",
            ),
        ),
    )
    drawn = "".join(
        figures.figure(name, figure, (title, words if figure else why))
        for name, figure, (title, words, why) in maps
    )
    return (
        '<section id="maps"><h2>Maps</h2><p>All labelled samples where they were taken, on axes of '
        f"equal scale ({escape(result.data.crs)}). An error that is the same in a whole region is "
        f'one that the model cannot know of.</p><div class="pair">{drawn}</div><p><small>The same '
        'as a table: <a href="folds.csv">folds.csv</a></small></p></section>'
    )


def split_section(result: CubeResult) -> str:
    """Return the split in numbers, and its folds as a table."""
    split = result.split
    pairs = [("Held out", KINDS[split.kind])]
    if split.kind == "blocks":
        pairs += [
            ("Squares", f"{count(split.n_blocks)} with samples, {km(split.block_km)} a side"),
            ("Buffer", f"{km(split.buffer_km)} around every held-out sample"),
            (
                "Left out",
                f"{count(split.n_dropped)} samples that lie within the buffer of a sealed one",
            ),
            ("Windows", overlap_words(split)),
        ]
    elif split.n_dropped:
        pairs.append(("Left out", f"{count(split.n_dropped)} samples, in neither part"))
    pairs += [
        ("Samples", f"{count(split.n_train)} to train and choose, {count(split.n_test)} sealed"),
        ("Nearest", f"{km(split.nearest_km)} from a training to a sealed sample, measured after"),
    ]
    head = ['<th scope="col">Inner fold</th>']
    for name in ("Scored samples", "Left out for the buffer", "Nearest fitted to scored"):
        head.append(f'<th scope="col" class="n">{name}</th>')
    rows = []
    both = zip(split.dropped_in_folds, split.nearest_in_folds_km, strict=True)
    for fold, (dropped, nearest) in enumerate(both):
        scored = sum(place.fold == fold for place in result.places)
        cells = (count(scored), count(dropped), km(nearest))
        figures = "".join(f'<td class="n">{cell}</td>' for cell in cells)
        rows.append(f'<tr><th scope="row">Fold {fold + 1}</th>{figures}</tr>')
    table = html_table(head, rows, "The inner folds, within the training samples.")
    return (
        '<section id="split"><h2>The split</h2><p>Samples that lie near each other share cells and '
        "soil. A model is only tested on places it does not know if nothing near them was learned "
        f"from.</p>{facts(pairs)}{table}</section>"
    )


def overlap_words(split: SplitRecord) -> str:
    """Return how many sealed windows share cells with one that is learned from."""
    if split.n_overlapping is None:
        return (
            "the size of a cell is not known, so whether windows share cells cannot be told: the "
            "buffer is between places"
        )
    some = count(split.n_overlapping) if split.n_overlapping else "none"
    return f"{some} of {count(split.n_test)} sealed ones share cells with one that is learned from"


def km(distance: float | None) -> str:
    """Return a distance in km, or in metres below one."""
    if distance is None:
        return MISSING
    metres = 0 < distance < 1
    return f"{distance * 1000:.0f} m" if metres else f"{number(distance)} km"


def leakage_section(result: CubeResult, figures: Figures) -> str:
    """Return each model under honest and under random folds; empty unless it was asked for."""
    if not result.leakage:
        return ""
    unit, honest = result.data.target_unit, HONEST[result.split.kind]
    head = ['<th scope="col">Model</th>']
    for name, sub in (
        ("R²", honest),
        ("R²", "random folds"),
        ("RMSE", f"{honest}, {unit}"),
        ("RMSE", f"random folds, {unit}"),
    ):
        head.append(f'<th scope="col" class="n">{name}<small>{escape(sub)}</small></th>')
    rows = [_leakage_row(row) for row in result.leakage]
    first = result.leakage[0]
    n = first.honest.n
    caption = (
        f"Out-of-fold predictions of the same {count(n)} training samples, pooled. Small print: "
        "95 % intervals of bootstrap draws of the samples. All models were tuned on the folds of "
        f"the split, the {first.name}'s whole design too: under {honest} their scores are a little "
        "optimistic, and so the gap a little too small."
    )
    drawn = leakage_figure(result)
    words = "From the dot of the split's folds to the diamond of the random ones: what leaks."
    words = words if drawn else "No model has an R² under both kinds of folds."
    figure = figures.figure("leakage", drawn, ("R² by kind of fold", words))
    return (
        '<section id="leakage"><h2>What a random split would have shown</h2>'
        f"<p>{escape(leakage_sentence(result))}</p>{html_table(head, rows, caption)}{figure}"
        "</section>"
    )


def leakage_sentence(result: CubeResult) -> str:
    """Return in plain words how much better random folds make a model look.

    The first model, the winner, is told of; but where only others gain beyond noise, the one that
    gains most.
    """
    first, honest = result.leakage[0], HONEST[result.split.kind]
    gaps = {row.name: gap for row in result.leakage if (gap := _gap(row)) is not None}
    if first.name not in gaps:
        return "The R² of one of the two kinds of folds is undefined, so there is no gap to tell."
    beyond = [row for row in result.leakage if gaps.get(row.name, -1.0) > _noise(row)]
    row = first if first in beyond else max(beyond, key=lambda r: gaps[r.name], default=first)
    told = (
        f"Under random folds the {row.name} shows R² {number(row.leaky.r2.value)}, under {honest} "
        f"{number(row.honest.r2.value)}"
    )
    if result.split.kind == "random":
        return f"{told}. Both kinds leak: neither is an accuracy in places that are not sampled."
    if not beyond:
        return (
            f"{told}. The difference is within the noise of the samples: here a random split would "
            "hardly have misled."
        )
    return (
        f"{told}. The difference, {number(gaps[row.name])}, is what the model knows of the "
        "neighbours of a held-out sample: it will not be there in a place without neighbours. A "
        "report with the random number would be wrong by as much."
    )


def _gap(row: LeakageRow) -> float | None:
    before, after = row.honest.r2.value, row.leaky.r2.value
    return None if before is None or after is None else after - before


def _noise(row: LeakageRow) -> float:
    """Return half the width of the wider interval: less of a gap is not worth words."""
    widths = [
        e.high - e.low
        for e in (row.honest.r2, row.leaky.r2)
        if e.low is not None and e.high is not None
    ]
    return max(widths, default=0.0) / 2


def _leakage_row(row: LeakageRow) -> str:
    pairs: tuple[Estimate, ...] = (row.honest.r2, row.leaky.r2, row.honest.rmse, row.leaky.rmse)
    cells = "".join(estimate_cell(estimate) for estimate in pairs)
    return f'<tr><th scope="row">{escape(row.name)}</th>{cells}</tr>'


def leakage_figure(result: CubeResult) -> go.Figure | None:
    """Draw R² under honest and random folds, a line between the two of each model."""
    rows = [
        (row.name, before, after)
        for row in result.leakage
        if (before := row.honest.r2.value) is not None and (after := row.leaky.r2.value) is not None
    ]
    if not rows:
        return None
    figure = style.new_figure("R² (1 − SSE/SST)", "", showlegend=True)
    figure.update_layout(height=150 + 38 * len(rows))
    _add_gaps(figure, rows)
    ends = (
        (HONEST[result.split.kind], 1, style.WINNER, "circle"),
        ("random folds", 2, style.PLSR, "diamond"),
    )
    for label, column, colour, symbol in ends:
        figure.add_trace(
            style.scatter(
                x=[row[column] for row in rows],
                y=[escape(row[0]) for row in rows],
                mode="markers",
                name=label,
                marker={"size": 11, "color": colour, "symbol": symbol},
                hovertemplate=f"%{{y}}: R² %{{x:.3f}}<extra>{label}</extra>",
            )
        )
    figure.add_vline(x=0, line={"color": style.MUTED, "width": 1, "dash": "dot"}, layer="below")
    lowest = min(0.0, *(min(before, after) for _, before, after in rows))
    figure.update_xaxes(range=style.padded(lowest, 1.0, 0.03))  # to 1, so that no gap looks large
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", type="category")
    figure.update_yaxes(tickfont={"size": 13, "color": style.INK})
    return figure


def _add_gaps(figure: go.Figure, rows: list[tuple[str, float, float]]) -> None:
    """Add a line a model, from one R² to the other."""
    for name, before, after in rows:
        figure.add_trace(
            style.scatter(
                x=[before, after],
                y=[escape(name)] * 2,
                mode="lines",
                line={"width": 3, "color": style.PALE},
                hoverinfo="skip",
                showlegend=False,
            )
        )
