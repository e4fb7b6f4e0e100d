"""The look of every figure: palette, fonts, axes, and the frame `new_figure`; no data here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go

from autospec.report.views import ModelView

INK = "#2b2a27"
MUTED = "#6f6a62"
GRID = "#e8e4dc"
PALE = "#c9c3b8"
WINNER = "#0b6e69"
PLSR = "#c4701b"
PUBLISHED = "#6a4c93"
CONTROL = "#8a6d3b"
MEAN = "#7d7a75"
FIELD_COLOURS = (
    "#0b6e69",
    "#c4701b",
    "#3f6fb5",
    "#a8324a",
    "#6a4c93",
    "#5f7f2a",
    "#b0529b",
    "#8a6d3b",
)
SOIL_SCALE: list[tuple[float, str]] = [
    (0.0, "#ead9b5"),
    (0.25, "#d1a05b"),
    (0.5, "#a4642e"),
    (0.75, "#683618"),
    (1.0, "#24100a"),
]  # the more carbon, the darker the soil
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
CLIP_IQRS = 3.0


def new_figure(x_title: str, y_title: str, **layout: Any) -> go.Figure:  # noqa: ANN401
    """Return an empty figure in the house style.

    Parameters
    ----------
    x_title, y_title : str
        With units; escaped by the caller.
    **layout
        Overrides, in Plotly's words.
    """
    figure = go.Figure()
    figure.update_layout(
        template="none",
        font={"family": FONT, "size": 13, "color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 56, "r": 16, "t": 12, "b": 52},
        hovermode="closest",
        hoverlabel={"bgcolor": "#fffdf8", "bordercolor": PALE, "font": {"color": INK}},
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"size": 12},
        },
        modebar={
            "bgcolor": "rgba(0,0,0,0)",
            "color": PALE,
            "activecolor": MUTED,
        },
        showlegend=False,
        height=400,
        xaxis=axis(x_title),
        yaxis=axis(y_title),
    )
    figure.update_layout(**layout)
    return figure


def scatter(**trace: Any) -> go.Scatter:  # noqa: ANN401 (Plotly's words)
    """Return a scatter trace; the one place where Plotly's own, narrower types are left."""
    return go.Scatter(**trace)


def bar(**trace: Any) -> go.Bar:  # noqa: ANN401 (Plotly's words)
    """Return a bar trace."""
    return go.Bar(**trace)


def axis(title: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 (Plotly's words)
    """Return an axis with a thin line, outside ticks and a pale grid."""
    return {
        "title": {"text": title, "standoff": 8},
        "automargin": True,
        "showgrid": True,
        "gridcolor": GRID,
        "zeroline": False,
        "showline": True,
        "linecolor": PALE,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": PALE,
        "tickfont": {"size": 12, "color": MUTED},
        **more,
    }


def model_colour(model: ModelView, reference: str = "PLSR") -> str:
    """Return the colour a model has in every figure; `reference`: whom others are held against."""
    if model.kind == "winner":
        return WINNER
    if model.name == reference:
        return PLSR
    return {"published": PUBLISHED, "control": CONTROL}.get(model.kind, MEAN)


def ceiling(values: Sequence[float]) -> float:
    """Return up to where an axis shows `values`: all, unless some lie absurdly high.

    Returns
    -------
    float
        The largest value within three interquartile ranges above the upper quartile.
    """
    array = np.asarray(values, dtype=np.float64)
    low, high = np.quantile(array, [0.25, 0.75])
    return float(array[array <= high + CLIP_IQRS * (high - low)].max())


def padded(low: float, high: float, share: float = 0.06) -> list[float]:
    """Return (low, high) widened by `share` of its width on both sides."""
    gap = (high - low) * share or abs(high) * share or 1.0
    return [low - gap, high + gap]


def shade(position: float) -> str:
    """Return the colour of the soil scale at `position`, 0 to 1."""
    position = min(max(position, 0.0), 1.0)
    for (x0, c0), (x1, c1) in pairwise(SOIL_SCALE):
        if position <= x1:
            w = (position - x0) / (x1 - x0)
            pairs = ((int(c0[i : i + 2], 16), int(c1[i : i + 2], 16)) for i in (1, 3, 5))
            return "#" + "".join(f"{round(a + w * (b - a)):02x}" for a, b in pairs)
    return SOIL_SCALE[-1][1]
