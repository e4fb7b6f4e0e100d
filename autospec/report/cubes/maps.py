"""Maps of the samples: what each was used for, its fold, its lab value, and the winner's error.

Plain points on axes of equal scale: no map of a network lies under them. Each is a pure function of
a `CubeResult`, and returns None where there is nothing to draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from autospec.data.cubes.places import is_geographic
from autospec.report import style
from autospec.report.words import escape, number, target_label, winner_model
from autospec.search.cubes.result import CubeResult, PlaceRecord

HEIGHT = 470
DROPPED = "#a8324a"
ROLES = {
    "train": ("training", {"color": style.WINNER, "symbol": "circle", "size": 7}),
    "test": ("sealed test", {"color": style.PLSR, "symbol": "diamond", "size": 9}),
    "dropped": (
        "left out: within the buffer",
        {"color": DROPPED, "symbol": "x-thin", "size": 7, "line": {"width": 1.6, "color": DROPPED}},
    ),
}
ERROR_SCALE = [(0.0, "#2f5fa8"), (0.5, "#efe9dc"), (1.0, "#b3282d")]  # below, right, above
SYMBOLS = ("circle", "square", "triangle-up", "star")


def roles_map(result: CubeResult) -> go.Figure | None:
    """Draw what each sample was used for."""
    figure = _map(result)
    for role, (name, marker) in ROLES.items():
        places = [place for place in result.places if place.role == role]
        _add(figure, places, name, marker, [f"block {place.block}" for place in places])
    return figure if figure.data else None


def folds_map(result: CubeResult) -> go.Figure | None:
    """Draw which inner fold scores each training sample; the others are pale."""
    figure = _map(result)
    others = [place for place in result.places if place.fold < 0]
    look = {"color": style.PALE, "symbol": "circle-open", "size": 6}
    _add(figure, others, "in no fold", look, [place.role for place in others])
    for fold in range(len(result.split.dropped_in_folds)):
        places = [place for place in result.places if place.fold == fold]
        colours = style.FIELD_COLOURS
        look = {
            "color": colours[fold % len(colours)],
            "symbol": SYMBOLS[fold // len(colours) % len(SYMBOLS)],
            "size": 7,
        }
        _add(figure, places, f"fold {fold + 1}", look, [f"block {p.block}" for p in places])
    return figure if any(place.fold >= 0 for place in result.places) else None


def target_map(result: CubeResult) -> go.Figure | None:
    """Draw the lab values."""
    if not result.places:
        return None
    values = [place.target for place in result.places]
    figure = _map(result)
    top = max(style.ceiling(values), min(values) + 1e-12)
    scale = {"colorscale": style.SOIL_SCALE, "cmin": min(values), "cmax": top}
    bar = _bar(escape(target_label(result.data)))
    unit = escape(result.data.target_unit)
    for role, (name, _) in ROLES.items():
        places = [place for place in result.places if place.role == role]
        marker = {**scale, "size": 8, "color": [place.target for place in places], "line": _EDGE}
        marker |= {"symbol": "diamond" if role == "test" else "circle"}
        marker |= {"colorbar": bar} if role == "train" else {}
        texts = [f"{number(place.target)} {unit}" for place in places]
        _add(figure, places, name, marker, texts)
    figure.update_layout(showlegend=False)
    return figure


def error_map(result: CubeResult) -> go.Figure | None:
    """Draw the winner's error: of sealed samples, and of training ones by the twin that missed."""
    predicted = dict(zip(result.test_ids, winner_model(result).predicted, strict=False))
    errors = [
        (place, guess - place.target)
        for place in result.places
        if (guess := predicted.get(place.id) if place.role == "test" else place.out_of_fold)
        is not None
    ]
    if not errors:
        return None
    reach = style.ceiling([abs(error) for _, error in errors]) or 1.0
    scale = {"colorscale": ERROR_SCALE, "cmin": -reach, "cmax": reach}
    unit = escape(result.data.target_unit)
    figure = _map(result)
    for test in (False, True):
        chosen = [(p, error) for p, error in errors if (p.role == "test") == test]
        marker = {**scale, "size": 10 if test else 7, "color": [error for _, error in chosen]}
        marker |= {"symbol": "diamond" if test else "circle"}
        marker |= {"line": {"width": 1.2, "color": style.INK} if test else _EDGE}
        if test or not any(p.role == "test" for p, _ in errors):
            marker |= {"colorbar": _bar(f"predicted − observed ({unit})")}
        name = "sealed test" if test else "training, out of fold"
        texts = [f"error {number(error)} {unit}" for _, error in chosen]
        _add(figure, [place for place, _ in chosen], name, marker, texts)
    figure.update_traces(selector={"name": "sealed test"}, showlegend=True)
    return figure


_EDGE = {"width": 0.5, "color": style.MUTED}


def _map(result: CubeResult) -> go.Figure:
    """Return an empty map: degrees stretched as at the samples' latitude, or metres."""
    degrees = is_geographic(result.data.crs)
    names = ("longitude (°)", "latitude (°)") if degrees else ("easting (m)", "northing (m)")
    middle = sum(place.y for place in result.places) / max(len(result.places), 1)
    # One degree of longitude is shorter than one of latitude by the cosine of the latitude.
    ratio = 1 / max(math.cos(math.radians(middle)), 0.05) if degrees else 1.0
    tick = {"tickformat": ".6~g" if degrees else ",.0f", "nticks": 6, "constrain": "domain"}
    figure = style.new_figure("", "", height=HEIGHT, showlegend=True)
    figure.update_layout(
        margin={"l": 62, "r": 12, "t": 10, "b": 96},
        legend={"y": -0.13, "yanchor": "top", "itemsizing": "constant"},
        xaxis=style.axis(names[0], **tick),
        yaxis=style.axis(names[1], **tick, scaleanchor="x", scaleratio=ratio),
    )
    return figure


def _bar(title: str) -> dict[str, Any]:
    """Return a colour bar that stands beside the map."""
    bar = {"title": {"text": title, "side": "right"}, "thickness": 12, "len": 0.95}
    return bar | {"outlinewidth": 0, "tickfont": {"size": 12, "color": style.MUTED}}


def _add(
    figure: go.Figure,
    places: Sequence[PlaceRecord],
    name: str,
    marker: dict[str, Any],
    words: Sequence[str],
) -> None:
    """Add places as one trace; nothing if there are none."""
    if places:
        texts = [
            f"<b>{escape(place.id)}</b><br>{word}"
            for place, word in zip(places, words, strict=True)
        ]
        figure.add_trace(
            style.scatter(
                x=[place.x for place in places],
                y=[place.y for place in places],
                mode="markers",
                name=name,
                marker={"opacity": 0.85, **marker},
                customdata=texts,
                hovertemplate=f"%{{customdata}}<extra>{name}</extra>",
            )
        )
