"""Figures of a training on maps: scores, learning curve, seasons, and the split in time or space.

Each is a pure function of a `MapTraining`, and returns None where there is nothing to draw.
"""

from __future__ import annotations

import plotly.graph_objects as go

from autospec.evaluate.map_names import MEAN, PATCH_FOREST, PATCH_RIDGE, PERSISTENCE, RIDGE
from autospec.evaluate.map_tally import SEASONS
from autospec.report import style
from autospec.report.words import escape, measured, measured_interval
from autospec.training.map_result import (
    NETWORK,
    MapModel,
    MapTraining,
)

COLOURS = {
    NETWORK: style.WINNER,
    PERSISTENCE: "#3f6fb5",
    MEAN: style.MEAN,
    RIDGE: style.PLSR,
    PATCH_RIDGE: "#6a4c93",
    PATCH_FOREST: "#5f7f2a",
}
ROLES = (
    ("left out between", "#d8d2c6"),
    ("learned from", style.WINNER),
    ("watched", "#3f6fb5"),
    ("sealed, scored once", style.PLSR),
)  # in the order of the digits 0 to 3
ROW_HEIGHT = 40


def colour(name: str) -> str:
    """Return the colour that a model has in every figure and table."""
    return COLOURS.get(name, style.CONTROL)


def best_first(result: MapTraining, target: int) -> list[MapModel]:
    """Return the models, lowest RMSE on the target at position `target` first."""

    def key(model: MapModel) -> float:
        value = model.scores[target].pooled.rmse.value
        return float("inf") if value is None else value

    return sorted(result.models, key=key)


def scores_figure(result: MapTraining, target: int) -> go.Figure | None:
    """Draw the RMSE of every model as a dot with its interval."""
    models = best_first(result, target)
    figure = style.new_figure(f"RMSE of {plain(result.data.targets[target])}", "")
    for place, model in enumerate(models):
        rmse = model.scores[target].pooled.rmse
        if rmse.value is None:
            continue
        error: dict[str, object] | None = None
        if rmse.low is not None and rmse.high is not None:
            error = {"type": "data", "symmetric": False, "thickness": 2, "width": 4}
            error |= {"array": [rmse.high - rmse.value], "arrayminus": [rmse.value - rmse.low]}
        lead = model.name == NETWORK
        look = {"size": 13 if lead else 10, "color": colour(model.name)}
        look |= {"symbol": "circle" if lead else "diamond"}
        spread = measured_interval(rmse) or "no interval"
        text = f"{plain(model.name)}: {measured(rmse.value)} ({spread})"
        figure.add_trace(
            style.scatter(
                x=[rmse.value],
                y=[place],
                mode="markers",
                marker=look,
                error_x=error,
                customdata=[text],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    if not figure.data:
        return None
    figure.update_layout(height=100 + ROW_HEIGHT * len(models))
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(
        tickvals=list(range(len(models))),
        ticktext=[plain(model.name) for model in models],
        range=[len(models) - 0.4, -0.6],
        showgrid=False,
        ticks="",
        tickfont={"size": 13, "color": style.INK},
    )
    return figure


def plain(text: str) -> str:
    """Return text of data so that Plotly shows it, and takes it for no markup and no template."""
    return escape(text).replace("%{", "% {")


def loss_figure(result: MapTraining) -> go.Figure | None:
    """Draw the loss of every epoch."""
    return _epochs_figure(result, "loss", "loss, of scaled targets")


def watched_figure(result: MapTraining) -> go.Figure | None:
    """Draw the error on what was watched, epoch by epoch."""
    return _epochs_figure(result, "watched_rmse", "RMSE, in parts of the range")


def _epochs_figure(result: MapTraining, name: str, label: str) -> go.Figure | None:
    if not result.epochs:
        return None
    figure = style.new_figure("epoch", label, height=320)
    values = [getattr(epoch, name) for epoch in result.epochs]
    figure.add_trace(
        style.scatter(
            x=[epoch.epoch for epoch in result.epochs],
            y=values,
            mode="lines+markers",
            line={"width": 2, "color": style.WINNER},
            marker={"size": 5},
            hovertemplate="epoch %{x}: %{y:.4~g}<extra></extra>",
        )
    )
    line = {"color": style.PLSR, "width": 1.5, "dash": "dot"}
    figure.add_vline(x=result.best_epoch, line=line, layer="below")
    last = result.epochs[-1].epoch
    right = result.best_epoch > last / 2
    figure.add_annotation(
        text=f"kept: epoch {result.best_epoch}" if result.best_epoch else "kept: untrained",
        x=result.best_epoch,
        y=1,
        yref="paper",
        xanchor="right" if right else "left",
        xshift=-6 if right else 6,
        showarrow=False,
        font={"color": style.PLSR},
    )
    if min(values) > 0 and max(values) > 20 * min(values):
        figure.update_yaxes(type="log", dtick=1)
    figure.update_xaxes(tickformat="d", nticks=min(10, last + 1))
    return figure


def season_rows(model: MapModel, target: str) -> dict[str, tuple[int, float]]:
    """Return season → (values, RMSE) of one target."""
    return {season: (n, rmse) for season, name, n, rmse in model.seasons if name == target}


def seasons_figure(result: MapTraining, target: int) -> go.Figure | None:
    """Draw the RMSE of every model by season; None with a single season."""
    name = result.data.targets[target]
    found = {season for model in result.models for season in season_rows(model, name)}
    seasons = [season for season in SEASONS if season in found]
    if len(seasons) < 2:
        return None
    figure = style.new_figure("", f"RMSE of {plain(name)}", showlegend=True, height=360)
    for model in result.models:
        rows = season_rows(model, name)
        figure.add_trace(
            style.bar(
                x=seasons,
                y=[rows[season][1] if season in rows else None for season in seasons],
                name=plain(model.name),
                marker={"color": colour(model.name)},
                hovertemplate=f"%{{x}}: %{{y:.4~g}}<extra>{plain(model.name)}</extra>",
            )
        )
    figure.update_layout(barmode="group", bargap=0.25, bargroupgap=0.06, margin={"b": 32})
    figure.update_xaxes(showgrid=False, ticks="", tickfont={"size": 13, "color": style.INK})
    return figure


def dates_figure(result: MapTraining) -> go.Figure | None:
    """Draw which dates were learned from, watched and sealed; None where squares are held out."""
    split = result.split
    if split.kind != "forward":
        return None
    lanes = tuple(
        zip(ROLES[1:], (split.fit_dates, split.watch_dates, split.test_dates), strict=True)
    )
    figure = style.new_figure("", "", height=170)
    figure.update_layout(margin={"b": 32})
    for place, ((role, paint), dates) in enumerate(lanes):
        figure.add_trace(
            style.scatter(
                x=list(dates),
                y=[place] * len(dates),
                mode="markers",
                marker={"symbol": "line-ns", "size": 20, "line": {"width": 2, "color": paint}},
                hovertemplate=f"%{{x}}<extra>{role}</extra>",
            )
        )
    figure.update_xaxes(type="date")
    figure.update_yaxes(
        tickvals=[0, 1, 2],
        ticktext=[f"{role} ({len(dates)})" for (role, _), dates in lanes],
        range=[2.6, -0.6],
        showgrid=False,
        ticks="",
        tickfont={"size": 13, "color": style.INK},
    )
    return figure


def roles_figure(result: MapTraining) -> go.Figure | None:
    """Draw which cells were learned from, watched and sealed; None without a map of them."""
    rows = result.split.roles
    if not rows or not rows[0]:
        return None
    figure = style.new_figure("", "", height=430, showlegend=True)
    steps = [(end, paint) for i, (_, paint) in enumerate(ROLES) for end in (i / 4, (i + 1) / 4)]
    figure.add_trace(
        go.Heatmap(
            z=[[int(digit) for digit in row] for row in rows],
            zmin=-0.5,
            zmax=3.5,
            colorscale=steps,
            showscale=False,
            hoverinfo="skip",
        )
    )
    there = {digit for row in rows for digit in row}
    for digit, (role, paint) in enumerate(ROLES):
        if str(digit) in there:
            look = {"symbol": "square", "size": 12, "color": paint}
            figure.add_trace(
                style.scatter(x=[None], y=[None], mode="markers", name=role, marker=look)
            )
    across = {"constrain": "domain", "constraintoward": "left"}
    figure.update_xaxes(visible=False, **across, range=[-0.5, len(rows[0]) - 0.5])
    figure.update_yaxes(
        visible=False, constrain="domain", scaleanchor="x", range=[len(rows) - 0.5, -0.5]
    )
    figure.update_layout(margin={"l": 12, "r": 12, "b": 12, "t": 12})
    return figure
