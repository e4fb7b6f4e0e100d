"""Figures of the data and of the sealed test: spectra, histogram, predictions, models compared.

Each is a pure function of a `SearchResult` or its `SpectraSummary`, and returns None where there is
nothing to draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go

from autospec.report import style
from autospec.report.views import LabValuesView, M, ModelsOnTarget, ModelView
from autospec.report.words import (
    UNIT_SIGNS,
    by_rmse,
    escape,
    interval,
    named_model,
    number,
    target_label,
    winner_model,
)
from autospec.search.result import ModelResult, SearchResult, SpectraSummary

MAX_FIELDS = len(style.FIELD_COLOURS)
SYMBOLS = ("circle", "diamond", "square", "triangle-up")


def spectra_figure(data: SpectraSummary) -> go.Figure | None:
    """Draw the spectra: range, quartiles and median at each band, and examples by lab value."""
    if len(data.axis) < 2:
        return None
    axis_name = "wavelength" if data.axis_unit == "nm" else "wavenumber"
    figure = style.new_figure(
        f"{axis_name} ({UNIT_SIGNS[data.axis_unit]})",
        "absorbance log₁₀(1/R)" if data.quantity == "absorbance" else "reflectance (fraction)",
        showlegend=True,
        height=470,
    )
    if data.axis_unit == "cm-1":
        figure.update_xaxes(autorange="reversed")  # as chemists draw it
    low, q25, median, q75, high = data.envelope
    for bottom, top, colour, name in (
        (low, high, "rgba(139,125,100,0.13)", "range of all spectra"),
        (q25, q75, "rgba(139,125,100,0.28)", "middle half"),
    ):
        edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        figure.add_trace(style.scatter(x=data.axis, y=bottom, showlegend=False, **edge))
        figure.add_trace(
            style.scatter(x=data.axis, y=top, fill="tonexty", fillcolor=colour, name=name, **edge)
        )
    _add_examples(figure, data)
    figure.add_trace(
        style.scatter(
            x=data.axis,
            y=median,
            mode="lines",
            line={"width": 2.5, "color": style.WINNER},
            name="median",
            hovertemplate="%{x:.4~f}: %{y:.3f}<extra>median</extra>",
        )
    )
    return figure


def _add_examples(figure: go.Figure, data: SpectraSummary) -> None:
    """Add the example spectra, coloured by lab value, and the colour bar that reads them."""
    if not data.examples:
        return
    low, high = min(data.example_targets), max(data.example_targets)
    label = escape(target_label(data)).replace("%{", "% {")  # no template of Plotly's
    for values, target in zip(data.examples, data.example_targets, strict=True):
        colour = style.shade((target - low) / (high - low) if high > low else 0.5)
        figure.add_trace(
            style.scatter(
                x=data.axis,
                y=values,
                mode="lines",
                line={"width": 1, "color": colour},
                opacity=0.8,
                showlegend=False,
                hovertemplate=f"%{{x:.4~f}}: %{{y:.3f}}<extra>{label}: {number(target)}</extra>",
            )
        )
    bar = {"title": {"text": label, "side": "top"}, "orientation": "h", "thickness": 10}
    bar |= {"y": -0.2, "yanchor": "top", "len": 0.6, "outlinewidth": 0, "tickfont": {"size": 12}}
    scale = {"colorscale": style.SOIL_SCALE, "cmin": low, "cmax": high if high > low else low + 1}
    figure.add_trace(
        style.scatter(
            x=[data.axis[0]],
            y=[data.examples[0][0]],
            mode="markers",
            marker={"size": 0.1, "opacity": 0, "color": [low], "colorbar": bar, **scale},
            showlegend=False,
            hoverinfo="skip",
        )
    )


def histogram_figure(data: LabValuesView) -> go.Figure | None:
    """Draw how the lab values of the training rows are spread."""
    values = np.asarray(data.target_train, dtype=np.float64)
    if not len(values):
        return None
    bins = int(np.clip(np.ceil(1.5 * np.sqrt(len(values))), 5, 40))
    counts, edges = np.histogram(values, bins=bins)
    figure = style.new_figure(escape(target_label(data)), "rows")
    spans = [f"{number(a)} to {number(b)}" for a, b in pairwise(edges)]
    figure.add_trace(
        style.bar(
            x=(edges[1:] + edges[:-1]) / 2,
            y=counts,
            width=np.diff(edges),
            marker={"color": style.PLSR, "opacity": 0.75, "line": {"width": 1, "color": "white"}},
            customdata=spans,
            hovertemplate="%{customdata}: %{y} rows<extra></extra>",
        )
    )
    median = float(np.median(values))
    figure.add_vline(x=median, line={"color": style.INK, "width": 1.5, "dash": "dot"})
    figure.add_annotation(
        text=f"median {number(median)}",
        x=median,
        y=1,
        yref="paper",
        xanchor="left",
        xshift=6,
        showarrow=False,
    )
    figure.update_yaxes(rangemode="tozero")
    return figure


def predictions_figure(result: SearchResult, model: ModelResult) -> go.Figure | None:
    """Draw observed against predicted for one model; the axes are equal and fit every model shown.

    Parameters
    ----------
    result : SearchResult
        Whose sealed test rows are drawn.
    model : ModelResult
        One of its models.
    """
    if not model.predicted:
        return None
    shown = [winner_model(result), named_model(result, "PLSR"), model]
    return agreement_figure(
        TestRows(
            ids=result.test_ids,
            groups=result.test_fields,
            observed=result.observed,
            label=target_label(result.data),
        ),
        model.predicted,
        [m.predicted for m in shown if m is not None],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRows:
    """Sealed test rows: names, what each belongs to, lab values, and the target with its unit."""

    __test__ = False  # no test, whatever pytest makes of the name

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    observed: tuple[float, ...]
    label: str


def agreement_figure(
    rows: TestRows, predicted: Sequence[float], shown: Sequence[Sequence[float]]
) -> go.Figure:
    """Draw observed against predicted on equal axes.

    Parameters
    ----------
    rows : TestRows
        One colour a group.
    predicted : sequence of float
        What is drawn.
    shown : sequence of sequences of float
        All predictions that the axes must hold: those of the figures beside it too.
    """
    values = [*rows.observed, *(v for model in shown for v in model)]
    limits = style.padded(min(values), max(values), 0.04)
    label = escape(rows.label)
    square = {"scaleanchor": "x", "scaleratio": 1, "constrain": "domain"}
    legend = len(set(rows.groups)) > 1
    figure = style.new_figure(
        "",
        "",
        height=540 if legend else 500,
        margin={"l": 56, "r": 12, "t": 10, "b": 90 if legend else 50},
        showlegend=legend,
        xaxis=style.axis(f"observed {label}", range=limits, constrain="domain"),
        yaxis=style.axis(f"predicted {label}", range=limits, **square),
    )
    figure.update_layout(legend={"y": -0.14, "yanchor": "top"})
    figure.add_trace(
        style.scatter(
            x=limits,
            y=limits,
            mode="lines",
            line={"color": style.MUTED, "width": 1, "dash": "dash"},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    _add_predictions(figure, rows, predicted)
    return figure


def _add_predictions(figure: go.Figure, test: TestRows, predicted: Sequence[float]) -> None:
    """Add one trace a group; the smallest groups share one."""
    tally = {f: test.groups.count(f) for f in dict.fromkeys(test.groups)}
    named = sorted(tally, key=lambda f: -tally[f])
    named = named if len(named) <= MAX_FIELDS else named[: MAX_FIELDS - 1]
    groups = [(f, [i for i, g in enumerate(test.groups) if g == f]) for f in named]
    rest = [i for i, f in enumerate(test.groups) if f not in named]
    if rest:
        groups.append(("other fields", rest))
    for order, (name, rows) in enumerate(groups):
        text = [f"{escape(test.ids[i])} · {escape(test.groups[i])}" for i in rows]
        figure.add_trace(
            style.scatter(
                x=[test.observed[i] for i in rows],
                y=[predicted[i] for i in rows],
                mode="markers",
                name=escape(name),
                marker={
                    "size": 8,
                    "color": style.FIELD_COLOURS[order],
                    "symbol": SYMBOLS[order % len(SYMBOLS)],
                    "opacity": 0.75,
                    "line": {"width": 0.5, "color": "white"},
                },
                customdata=text,
                hovertemplate="<b>%{customdata}</b><br>observed %{x:.3~g}<br>"
                "predicted %{y:.3~g}<extra></extra>",
            )
        )


def models_figure(result: ModelsOnTarget[M], reference: str = "PLSR") -> go.Figure | None:
    """Draw the test RMSE of each model with its 95 % interval, best on top; a line at one's."""
    rows = [m for m in by_rmse(result) if m.scores is not None and m.scores.rmse.value is not None]
    if not rows:
        return None
    unit = escape(result.data.target_unit)
    figure = style.new_figure(f"test RMSE ({unit})", "")
    figure.update_layout(height=110 + 38 * len(rows))
    for model in rows:
        _add_interval(figure, model, reference)
    held = named_model(result, reference)
    if held is not None and held.scores is not None and held.scores.rmse.value is not None:
        line = {"color": style.PLSR, "width": 1, "dash": "dot"}
        figure.add_vline(x=held.scores.rmse.value, line=line, layer="below")
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", type="category")
    figure.update_yaxes(tickfont={"size": 13, "color": style.INK})
    return figure


def _add_interval(figure: go.Figure, model: ModelView, reference: str) -> None:
    """Add one model's RMSE as a dot with its interval."""
    assert model.scores is not None
    rmse = model.scores.rmse
    assert rmse.value is not None
    error: dict[str, object] | None = None
    if rmse.low is not None and rmse.high is not None:
        plus, minus = rmse.high - rmse.value, rmse.value - rmse.low
        error = {"type": "data", "symmetric": False, "array": [plus], "arrayminus": [minus]}
        error |= {"thickness": 2, "width": 5, "color": style.model_colour(model, reference)}
    text = f"{escape(model.name)}: {number(rmse.value)} ({interval(rmse) or 'no interval'})"
    figure.add_trace(
        style.scatter(
            x=[rmse.value],
            y=[escape(model.name)],
            mode="markers",
            marker={
                "size": 13 if model.kind == "winner" else 10,
                "color": style.model_colour(model, reference),
                "symbol": "diamond" if model.kind == "baseline" else "circle",
            },
            error_x=error,
            customdata=[text],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
