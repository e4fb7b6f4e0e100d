"""Figures of how good the models of a localisation are: reductions of RMSE, predictions, weights.

Each is a pure function of a `LocalisationResult`, and returns None where there is nothing to draw.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import plotly.graph_objects as go

from autospec.evaluate.metrics import rmse_reduction_percent
from autospec.report import style
from autospec.report.words import escape, number, signed, target_label
from autospec.transfer.result import (
    LOCAL,
    PLSR_LOCAL,
    Kind,
    LocalisationResult,
    ModelRow,
    Paired,
)

KIND_NAMES: dict[Kind, str] = {
    "auto": "auto",
    "strategy": "network strategies",
    "baseline": "baselines",
}
KIND_COLOURS: dict[Kind, str] = {
    "auto": style.WINNER,
    "strategy": style.PUBLISHED,
    "baseline": style.PLSR,
}
ONE_LINE = 16  # letters
SHOWN_PERCENT = 100.0  # a model that doubles the error of the reference is bad enough to see


def versus(model: ModelRow, reference: str) -> Paired | None:
    """Return the comparison of `model` with the reference of that name, if there is one."""
    return {LOCAL: model.versus_local, PLSR_LOCAL: model.versus_plsr}[reference]


def draw_reductions(
    result: LocalisationResult, model: ModelRow, reference: str
) -> dict[int, float]:
    """Return by how much `model` cuts the RMSE of the reference in each draw that both have, in %.

    Returns
    -------
    dict of int to float
        Number of the draw to percent; positive where the model is better.
    """
    theirs = {o.draw: o.rmse for o in result.model(reference).outcomes if o.rmse > 0}
    return {
        o.draw: rmse_reduction_percent(theirs[o.draw], o.rmse)
        for o in model.outcomes
        if o.draw in theirs
    }


def reduction_figure(result: LocalisationResult, reference: str) -> go.Figure | None:
    """Draw by how much each model cuts the RMSE of a reference: its draws, mean and interval.

    Parameters
    ----------
    result : LocalisationResult
        Whose models are drawn, the best on top.
    reference : {"Local", "PLSR local"}
        The zero line.
    """
    pairs = [(model, v) for model in result.models if (v := versus(model, reference)) is not None]
    if not pairs:
        return None
    pairs.sort(key=lambda pair: -pair[1].reduction_percent)
    figure = style.new_figure(
        "RMSE cut (right is better)",
        "",
        showlegend=True,
        height=130 + 36 * len(pairs),
    )
    figure.add_vline(x=0, line={"color": style.INK, "width": 1.5})
    rows = {model.name: draw_reductions(result, model, reference) for model, _ in pairs}
    ends = [end for _, v in pairs for end in (v.low, v.high)]
    values = [*ends, *(x for row in rows.values() for x in row.values()), 0.0]
    edge = max(min(values), -SHOWN_PERCENT)
    for kind in KIND_NAMES:
        of_kind = [pair for pair in pairs if pair[0].kind == kind]
        if of_kind:
            _add_draws(figure, kind, {m.name: rows[m.name] for m, _ in of_kind}, edge)
            _add_means(figure, kind, of_kind, edge)
    names = [_label(model.name) for model, _ in pairs]
    figure.update_xaxes(range=style.padded(edge, max(values), 0.03), ticksuffix=" %")
    figure.update_yaxes(
        range=[len(pairs) - 0.4, -0.6], categoryorder="array", categoryarray=names, type="category",
        showgrid=True, ticks="", tickfont={"size": 13, "color": style.INK},
    )  # fmt: skip
    return figure


def _label(name: str) -> str:
    """Return a model's name for an axis, a long one on two lines: phones are narrow."""
    broken = name.replace(" (", "\n(").replace(", ", ",\n") if len(name) > ONE_LINE else name
    return escape(broken).replace("\n", "<br>")


def _add_draws(
    figure: go.Figure, kind: Kind, rows: dict[str, dict[int, float]], edge: float
) -> None:
    """Add one faint point a model and draw; those beyond the axis sit on its edge."""
    points = [(name, draw, x) for name, row in rows.items() for draw, x in row.items()]
    figure.add_trace(
        style.scatter(
            x=[max(x, edge) for _, _, x in points],
            y=[_label(name) for name, _, _ in points],
            mode="markers",
            marker={"size": 8, "color": KIND_COLOURS[kind], "opacity": 0.35},
            name=f"{KIND_NAMES[kind]}, one draw",
            showlegend=False,
            customdata=[f"{escape(n)}, draw {d}: {signed(x)} %" for n, d, x in points],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _add_means(
    figure: go.Figure, kind: Kind, pairs: list[tuple[ModelRow, Paired]], edge: float
) -> None:
    """Add each model's mean with its interval; a mean beyond the axis points out of it."""
    colour = KIND_COLOURS[kind]
    means = [v.reduction_percent for _, v in pairs]
    inside = [mean >= edge for mean in means]
    figure.add_trace(
        style.scatter(
            x=[max(mean, edge) for mean in means],
            y=[_label(model.name) for model, _ in pairs],
            mode="markers",
            name=KIND_NAMES[kind],
            marker={
                "size": 13,
                "color": colour,
                "symbol": ["circle" if seen else "triangle-left" for seen in inside],
                "line": {"width": 1, "color": "white"},
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [max(v.high, edge) - max(v.reduction_percent, edge) for _, v in pairs],
                "arrayminus": [max(v.reduction_percent, edge) - max(v.low, edge) for _, v in pairs],
                "thickness": 2.5,
                "width": 6,
                "color": colour,
            },
            customdata=[
                f"{escape(m.name)}: {signed(v.reduction_percent)} % ({signed(v.low)} to "
                f"{signed(v.high)}), better in {v.wins} of {v.draws} draws"
                for m, v in pairs
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def sample_predictions(result: LocalisationResult, model: ModelRow) -> dict[int, tuple[float, ...]]:
    """Return the predictions of each farm row over the draws that tested it."""
    tests = {draw.number: draw.test for draw in result.draws}
    found: dict[int, list[float]] = defaultdict(list)
    for outcome in model.outcomes:
        for row, value in zip(tests[outcome.draw], outcome.predicted, strict=True):
            found[row].append(value)
    return {row: tuple(found[row]) for row in sorted(found)}


def predictions_figure(
    result: LocalisationResult, model: ModelRow, shown: tuple[ModelRow, ...]
) -> go.Figure | None:
    """Draw observed against predicted: each draw faint, each sample's mean over its draws solid.

    Parameters
    ----------
    result : LocalisationResult
        Whose test rows are drawn.
    model : ModelRow
        One of its models.
    shown : tuple of ModelRow
        The models drawn beside it: all have the same axes.
    """
    rows = sample_predictions(result, model)
    if not rows:
        return None
    values = [v for m in shown for p in sample_predictions(result, m).values() for v in p]
    limits = style.padded(min(*values, *result.observed), max(*values, *result.observed), 0.04)
    label = escape(target_label(result.farm))
    square = {"scaleanchor": "x", "scaleratio": 1, "constrain": "domain"}
    figure = style.new_figure(
        "", "", height=400, margin={"l": 52, "r": 10, "t": 8, "b": 48},
        xaxis=style.axis(f"observed {label}", range=limits, constrain="domain"),
        yaxis=style.axis(f"predicted {label}", range=limits, **square),
    )  # fmt: skip
    line = {"color": style.MUTED, "width": 1, "dash": "dash"}
    figure.add_trace(style.scatter(x=limits, y=limits, mode="lines", line=line, hoverinfo="skip"))
    colour = style.PLSR if model.name == PLSR_LOCAL else KIND_COLOURS[model.kind]
    figure.add_trace(
        style.scatter(
            x=[result.observed[i] for i, p in rows.items() for _ in p],
            y=[v for p in rows.values() for v in p],
            mode="markers",
            marker={"size": 5, "color": colour, "opacity": 0.18},
            hoverinfo="skip",
        )
    )
    figure.add_trace(
        style.scatter(
            x=[result.observed[i] for i in rows],
            y=[float(np.mean(p)) for p in rows.values()],
            mode="markers",
            marker={"size": 7, "color": colour, "line": {"width": 0.8, "color": "white"}},
            customdata=[f"{escape(result.farm_ids[i])} · {len(p)} draws" for i, p in rows.items()],
            hovertemplate="<b>%{customdata}</b><br>observed %{x:.3~g}<br>mean predicted "
            "%{y:.3~g}<extra></extra>",
        )
    )
    return figure


def weights_figure(result: LocalisationResult) -> go.Figure | None:
    """Draw the share that each member has in the final model, largest on top."""
    items = sorted(result.final.weights.items(), key=lambda item: -item[1])
    if not items:
        return None
    figure = style.new_figure("share of the prediction, %", "", bargap=0.35)
    figure.add_trace(
        style.bar(
            x=[100 * share for _, share in items],
            y=[_label(name) for name, _ in items],
            orientation="h",
            marker={"color": style.WINNER, "opacity": 0.85},
            text=[f"{number(100 * share, 2)} %" for _, share in items],
            textposition="auto",
            hovertemplate="%{y}: %{x:.3~g} %<extra></extra>",
        )
    )
    figure.update_layout(height=90 + 34 * len(items))
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", type="category")
    return figure
