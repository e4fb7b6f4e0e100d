"""Parallel coordinates of the search, drawn with lines so that the page needs no WebGL or eval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from autospec.report import style
from autospec.report.search_figures import (
    CLASSES,
    Value,
    axis_value,
    complete_trials,
    is_log,
    leading_parameters,
)
from autospec.report.views import BY_FOLDS, ScoreWords, StudyView
from autospec.report.words import escape, number, scientific
from autospec.search.result import TrialRecord

JITTER = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """One upright axis: where values sit on it (0 to 1) and what is written beside it."""

    name: str
    positions: tuple[float, ...]
    ticks: tuple[tuple[float, str], ...]


def parallel_figure(result: StudyView, words: ScoreWords = BY_FOLDS) -> go.Figure | None:
    """Draw complete trials as lines across the leading parameters, best fifth darkest."""
    done = complete_trials(result.trials)
    names = leading_parameters(result)
    if len(done) < 2 or not names:
        return None
    trials = [t for t, _ in done]
    rmse = [v for _, v in done]
    top = style.ceiling(rmse)
    axes = [_axis(name, [t.params.get(name) for t in trials], trials) for name in names]
    axes.append(_axis(words.name, [min(v, top) for v in rmse], trials))
    figure = style.new_figure("", "", showlegend=True, height=430, hovermode="closest")
    _add_lines(figure, axes, trials, rmse, result.winner_trial)
    _add_rulers(figure, axes)
    figure.update_xaxes(visible=False, range=[-0.35, len(axes) - 0.4], fixedrange=True)
    figure.update_yaxes(visible=False, range=[-0.16, 1.06], fixedrange=True)
    figure.update_layout(margin={"l": 8, "r": 8, "t": 34, "b": 8})
    return figure


def _axis(name: str, values: list[Value], trials: list[TrialRecord]) -> _Axis:
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(values):
        return _number_axis(name, numbers)
    words = [str(axis_value(v)) for v in values]
    kinds = sorted(set(words))
    place = {word: (i + 0.5) / len(kinds) for i, word in enumerate(kinds)}
    # Golden-ratio steps part the lines of one category; the same trial always gets the same one.
    spread = [((t.number * 0.6180339887) % 1 - 0.5) * JITTER for t in trials]
    return _Axis(
        name=name,
        positions=tuple(place[w] + s for w, s in zip(words, spread, strict=True)),
        ticks=tuple((place[w], w) for w in kinds),
    )


def _number_axis(name: str, numbers: list[float]) -> _Axis:
    low, high = min(numbers), max(numbers)
    on_log = is_log(name) and low > 0
    scaled = [math.log(v) if on_log else v for v in numbers]
    bottom, span = min(scaled), max(scaled) - min(scaled)
    middle = math.sqrt(low * high) if on_log else (low + high) / 2
    whole = all(v == int(v) for v in numbers)

    def write(value: float) -> str:
        if whole:
            return f"{round(value)}"
        return scientific(value) if value and abs(value) < 0.01 else number(value)

    ticks = ((0.0, write(low)), (0.5, write(middle)), (1.0, write(high)))
    return _Axis(
        name=name,
        positions=tuple((v - bottom) / span if span else 0.5 for v in scaled),
        ticks=ticks if span and not (whole and high - low < 2) else ticks[:: 2 if span else 3],
    )


def _add_lines(
    figure: go.Figure,
    axes: list[_Axis],
    trials: list[TrialRecord],
    rmse: list[float],
    winner: int,
) -> None:
    """Add one trace a class of RMSE, worst first, so that the best lie on top."""
    order = np.argsort(np.argsort(rmse, kind="stable"), kind="stable")
    classes = [int(rank * CLASSES // len(rmse)) for rank in order]
    names = {0: "best fifth", CLASSES - 1: "worst fifth"}
    for which in range(CLASSES - 1, -1, -1):
        rows = [i for i, c in enumerate(classes) if c == which and trials[i].number != winner]
        if rows:
            line = {"width": 1.4, "color": style.shade(1 - which / (CLASSES - 1) * 0.85)}
            trace = _lines(axes, rows, trials, rmse)
            trace.update(line=line, name=names.get(which, ""), showlegend=which in names)
            figure.add_trace(trace)
    rows = [i for i, t in enumerate(trials) if t.number == winner]
    if rows:
        trace = _lines(axes, rows, trials, rmse)
        trace.update(line={"width": 3.5, "color": style.WINNER}, name="winner")
        figure.add_trace(trace)


def _lines(
    axes: list[_Axis], rows: list[int], trials: list[TrialRecord], rmse: list[float]
) -> go.Scatter:
    x: list[float | None] = []
    y: list[float | None] = []
    text: list[str] = []
    for i in rows:
        x += [*range(len(axes)), None]
        y += [*(axis.positions[i] for axis in axes), None]
        label = f"trial {trials[i].number}, CV RMSE {number(rmse[i])}"
        for axis in axes[:-1]:
            value = axis_value(trials[i].params.get(axis.name))
            shown = f"{value:.4g}" if isinstance(value, float) else value
            text.append(f"{label}<br>{escape(axis.name)} = {shown}")
        text += [label, ""]
    return style.scatter(
        x=x,
        y=y,
        mode="lines",
        customdata=text,
        hovertemplate="%{customdata}<extra></extra>",
        connectgaps=False,
    )


def _add_rulers(figure: go.Figure, axes: list[_Axis]) -> None:
    small = {"size": 11, "color": style.INK}
    for x, axis in enumerate(axes):
        line = {"color": style.MUTED, "width": 1}
        figure.add_shape(type="line", x0=x, x1=x, y0=0, y1=1, line=line, layer="above")
        name = escape(axis.name).replace("_", "<br>", 1)
        figure.add_annotation(
            x=x, y=-0.04, text=f"<b>{name}</b>", showarrow=False, yanchor="top", font=small
        )
        for y, word in axis.ticks:
            figure.add_annotation(
                x=x,
                y=y,
                text=word,
                showarrow=False,
                xanchor="right",
                xshift=-4,
                font=small,
                bgcolor="rgba(255,253,248,0.8)",
            )
