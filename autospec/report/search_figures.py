"""Figures of the search: history, learning curves, importance, slices, parallel coordinates.

Each is a pure function of a `StudyView`, and returns None where there is nothing to draw.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

from autospec.report import style
from autospec.report.views import BY_FOLDS, ScoreWords, StudyView
from autospec.report.words import count, escape, number
from autospec.search.result import TrialRecord

Value = str | int | float | bool | None
TOP_IMPORTANCE = 20
TOP_PARAMETERS = 8
TOP_CURVES = 8
CLASSES = 5
LOG_PARAMETERS = ("_filters", "_nodes", "learning_rate", "weight_decay", "batch_size")
USUAL_PARAMETERS = (
    "conv_blocks",
    "conv1_filters",
    "conv1_kernel",
    "conv1_kernel_space",
    "conv1_kernel_time",
    "fc_blocks",
    "learning_rate",
    "batch_size",
    "step",
    "scatter",
    "loss",
    "base",
    "embedding",
    "depth",
    "heads",
    "dropout",
    "deformable",
)  # shown where no importance is known


def complete_trials(trials: tuple[TrialRecord, ...]) -> list[tuple[TrialRecord, float]]:
    """Return the complete trials with their CV RMSE, in order of their numbers."""
    pairs = [(t, t.value) for t in trials if t.state == "complete" and t.value is not None]
    return sorted(pairs, key=lambda pair: pair[0].number)


def leading_parameters(result: StudyView) -> list[str]:
    """Return the parameters worth a look: the most important, else the usual ones."""
    present = {key for trial in result.trials for key in trial.params}
    ranked = sorted(result.importance, key=lambda key: -result.importance[key])
    names = [key for key in (ranked or USUAL_PARAMETERS) if key in present]
    return names[:TOP_PARAMETERS]


def is_used(name: str, params: dict[str, Value]) -> bool:
    """Return whether a design built from `params` looks at the parameter `name` at all."""
    block, _, rest = name.partition("_")
    for kind in ("conv", "fc"):
        number_of = block.removeprefix(kind)
        blocks = params.get(f"{kind}_blocks")
        if block.startswith(kind) and number_of.isdigit() and isinstance(blocks, int):
            if int(number_of) > blocks:
                return False
            if rest == "dropout":
                return params.get(f"{block}_regulariser", "dropout") == "dropout"
            return rest != "pool_size" or params.get(f"{block}_pooling") != "none"
    if name in ("tau", "gamma") and "weighted" in params:
        return bool(params["weighted"]) or (name == "tau" and bool(params.get("pinball")))
    return not name.startswith("savgol_") or params.get("savgol") is not False


def _hover(trial: TrialRecord, unit: str, words: ScoreWords) -> str:
    lines = [f"<b>trial {trial.number}</b>"]
    if trial.label:
        lines.append(escape(trial.label))
    if trial.value is not None:
        lines.append(f"{words.name} {number(trial.value)} {unit}")
    if trial.n_parameters is not None:
        lines.append(f"{count(trial.n_parameters)} parameters")
    if trial.best_epoch is not None:
        lines.append(f"best after {trial.best_epoch} epochs")
    if trial.reused is not None:
        lines.append(f"same design as trial {trial.reused}")
    return "<br>".join(lines)


def history_figure(result: StudyView, words: ScoreWords = BY_FOLDS) -> go.Figure | None:
    """Draw each trial's score in order, the best so far, and the random control's best so far."""
    done = complete_trials(result.trials)
    if not done:
        return None
    unit = escape(result.data.target_unit)
    pruned = [t for t in result.trials if t.state == "pruned" and t.curve]
    top = style.ceiling([v for _, v in done] + [t.curve[-1] for t in pruned])
    figure = style.new_figure("trial", f"{words.name} ({unit})", showlegend=True)
    searched = [(t, v) for t, v in done if not t.label]
    labelled = [(t, v) for t, v in done if t.label]
    dot = {"size": 8, "color": style.WINNER, "opacity": 0.7, "symbol": "circle"}
    star = {"size": 12, "color": style.PUBLISHED, "symbol": "star"}
    cross = {"size": 6, "color": style.MUTED, "symbol": "x-thin", "line": {"width": 1.2}}
    for name, pairs, marker in (
        ("complete", searched, dot),
        ("published design", labelled, star),
        ("pruned, where it stopped", [(t, t.curve[-1]) for t in pruned], cross),
    ):
        if pairs:
            hover = [f"{_hover(t, unit, words)}<br>{number(v)} {unit}" for t, v in pairs]
            _add_trials(figure, name, pairs, hover, marker, top)
    _add_best_so_far(figure, done, "best so far", {"color": style.WINNER, "width": 2})
    control = complete_trials(result.control_trials)
    if control:
        line = {"color": style.CONTROL, "width": 2, "dash": "dash"}
        _add_best_so_far(figure, control, "best so far, random control", line)
    for trial, value in labelled:
        figure.add_annotation(
            x=trial.number,
            y=min(value, top),
            text=escape(trial.label.removeprefix("published: ")),
            showarrow=False,
            xshift=9,
            xanchor="left",
            font={"size": 11, "color": style.PUBLISHED},
            bgcolor="rgba(255,253,248,0.85)",
        )
    best = min(v for _, v in done + control)
    figure.update_yaxes(range=style.padded(best, top))
    return figure


def _add_trials(
    figure: go.Figure,
    name: str,
    pairs: list[tuple[TrialRecord, float]],
    hover: list[str],
    marker: dict[str, object],
    top: float,
) -> None:
    """Add trials as points; those above the axis sit on its upper edge as open triangles."""
    above = {"size": 9, "color": marker["color"], "symbol": "triangle-up-open"}
    told = list(zip(pairs, hover, strict=True))
    for label, look, members in (
        (name, marker, [(p, text) for p, text in told if p[1] <= top]),
        (f"{name}, above the axis", above, [(p, text) for p, text in told if p[1] > top]),
    ):
        if members:
            figure.add_trace(
                style.scatter(
                    x=[t.number for (t, _), _ in members],
                    y=[min(v, top) for (_, v), _ in members],
                    mode="markers",
                    name=label,
                    showlegend=label == name,
                    marker=look,
                    customdata=[text for _, text in members],
                    hovertemplate=f"%{{customdata}}<extra>{label}</extra>",
                )
            )


def _add_best_so_far(
    figure: go.Figure,
    done: list[tuple[TrialRecord, float]],
    name: str,
    line: dict[str, object],
) -> None:
    best = np.minimum.accumulate([v for _, v in done])
    figure.add_trace(
        style.scatter(
            x=[t.number for t, _ in done],
            y=best,
            mode="lines",
            line={"shape": "hv", **line},
            name=name,
            hovertemplate=f"%{{y:.3~f}}<extra>{name}</extra>",
        )
    )


def curves_figure(result: StudyView, words: ScoreWords = BY_FOLDS) -> go.Figure | None:
    """Draw the learning curves of the best trials, the winner's on top."""
    done = sorted(complete_trials(result.trials), key=lambda pair: pair[1])
    best = [t for t, _ in done if t.curve and t.number != result.winner_trial][: TOP_CURVES - 1]
    winner = _winner_curve(result)
    if winner is None and not best:
        return None
    unit = escape(result.data.target_unit)
    figure = style.new_figure("epoch", f"{words.curve} ({unit})", showlegend=True)
    for i, trial in enumerate(best):
        name = f"{trial.number}" + (f" ({escape(trial.label)})" if trial.label else "")
        line = {"width": 1.3, "color": style.PUBLISHED if trial.label else style.MUTED}
        _add_curve(figure, trial, f"trial {name}", line)
        figure.data[-1].update(
            opacity=0.65, showlegend=i == 0, legendgroup="others", name="next best trials"
        )
    shown = best
    if winner is not None:
        shown = [*best, winner]
        line = {"width": 3, "color": style.WINNER}
        _add_curve(figure, winner, f"winner (trial {result.winner_trial})", line)
        epoch = min(winner.best_epoch or len(winner.curve), len(winner.curve))
        figure.add_trace(
            style.scatter(
                x=[epoch],
                y=[winner.curve[epoch - 1]],
                mode="markers",
                marker={"size": 13, "color": "white", "line": {"width": 3, "color": style.WINNER}},
                name=f"its best epoch, {epoch}",
                hovertemplate="best epoch %{x}: %{y:.3~f}<extra></extra>",
            )
        )
    low = min(min(t.curve) for t in shown)
    high = max(max(t.curve) for t in shown)
    figure.update_yaxes(range=style.padded(low, min(high, 2.5 * low)))
    return figure


def _winner_curve(result: StudyView) -> TrialRecord | None:
    """Return the trial whose curve is the winner's: its own, or that of the identical design."""
    by_number = {trial.number: trial for trial in result.trials}
    trial = by_number.get(result.winner_trial)
    if trial is not None and not trial.curve and trial.reused is not None:
        trial = by_number.get(trial.reused)
    return trial if trial is not None and trial.curve else None


def _add_curve(figure: go.Figure, trial: TrialRecord, name: str, line: dict[str, object]) -> None:
    figure.add_trace(
        style.scatter(
            x=list(range(1, len(trial.curve) + 1)),
            y=trial.curve,
            mode="lines",
            name=name,
            line=line,
            hovertemplate=f"epoch %{{x}}: %{{y:.3~f}}<extra>{name}</extra>",
        )
    )


def importance_figure(result: StudyView) -> go.Figure | None:
    """Draw the importance of the most important parameters."""
    items = sorted(result.importance.items(), key=lambda item: -item[1])[:TOP_IMPORTANCE]
    if not items:
        return None
    figure = style.new_figure("share of variance", "", bargap=0.3)
    figure.add_trace(
        style.bar(
            x=[value for _, value in items],
            y=[escape(name) for name, _ in items],
            orientation="h",
            marker={"color": style.WINNER, "opacity": 0.85},
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )
    )
    figure.update_layout(height=90 + 24 * len(items))
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", type="category")
    return figure


def slice_figures(result: StudyView, words: ScoreWords = BY_FOLDS) -> dict[str, go.Figure]:
    """Draw value against score for each leading parameter; empty below two complete trials."""
    done = complete_trials(result.trials)
    if len(done) < 2:
        return {}
    top = style.ceiling([v for _, v in done])
    limits = style.padded(min(v for _, v in done), top, 0.1)
    names = leading_parameters(result)
    return {name: _slice(result, name, done, limits, words) for name in names}


def _slice(
    result: StudyView,
    name: str,
    done: list[tuple[TrialRecord, float]],
    limits: list[float],
    words: ScoreWords,
) -> go.Figure:
    unit = escape(result.data.target_unit)
    figure = style.new_figure(escape(name), f"{words.name} ({unit})", height=240)
    figure.update_layout(margin={"l": 44, "r": 8, "t": 8, "b": 40})
    winner = result.winner_trial
    groups = {
        "ignored in this trial": [p for p in done if not is_used(name, p[0].params)],
        "used": [p for p in done if is_used(name, p[0].params) and p[0].number != winner],
        "winner": [p for p in done if p[0].number == winner and is_used(name, p[0].params)],
    }
    looks = {
        "ignored in this trial": {"size": 6, "color": style.PALE, "symbol": "circle-open"},
        "used": {"size": 7, "color": style.WINNER, "opacity": 0.65},
        "winner": {"size": 14, "color": style.PLSR, "symbol": "star"},
    }
    for group, members in groups.items():
        pairs = [(t, v) for t, v in members if name in t.params]
        if pairs:
            figure.add_trace(
                style.scatter(
                    x=[axis_value(t.params[name]) for t, _ in pairs],
                    y=[min(v, limits[1]) for _, v in pairs],
                    mode="markers",
                    marker=looks[group],
                    customdata=[_hover(t, unit, words) for t, _ in pairs],
                    hovertemplate=f"%{{x}}<br>%{{customdata}}<extra>{group}</extra>",
                )
            )
    figure.update_yaxes(range=limits, nticks=5)
    values = [t.params.get(name) for t, _ in done]
    figure.update_xaxes(**_value_axis(name, values))
    return figure


def axis_value(value: Value) -> str | int | float:
    """Return a parameter's value as an axis takes it: numbers as they are, all else as words."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return escape(value) if isinstance(value, str) else value


def _value_axis(name: str, values: list[Value]) -> dict[str, Any]:
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values):
        return {"type": "category", "categoryorder": "category ascending"}
    if is_log(name) and min(numbers) > 0:
        ticks: dict[str, Any] = {"dtick": 1, "exponentformat": "power"}
        if max(numbers) < 1e3 * min(numbers) and min(numbers) >= 1:
            first, last = (math.floor(math.log2(v)) for v in (min(numbers), max(numbers)))
            powers = [2**i for i in range(first, last + 2)]
            powers = powers if len(powers) <= 6 else powers[::2]
            ticks = {"tickvals": powers, "ticktext": [str(p) for p in powers]}
        return {"type": "log", **ticks}
    few = len(set(numbers)) <= 5 and all(isinstance(v, int) for v in numbers)
    return {"type": "linear", "nticks": 6, **({"dtick": 1} if few else {})}


def is_log(name: str) -> bool:
    """Return whether the search draws this parameter on a log scale."""
    return name.endswith(LOG_PARAMETERS)
