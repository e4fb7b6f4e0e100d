"""The page of ``predict --picture``: predictions at their coordinates; nothing between them.

Maps of rasters, cell by cell, are `autospec.report.maps`' matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from autospec import __version__
from autospec.data.spectra import FloatArray
from autospec.data.writing import write_text
from autospec.errors import DataError
from autospec.predict.points import Points
from autospec.report import style
from autospec.report.page import Figures, bullets, facts, html_page, report_body
from autospec.report.words import count, escape, measured, spelt_target

LARGEST_LATITUDE = 85.0  # beyond, a degree of longitude is too short to draw
WIDEST_DEGREES = 15.0  # a wider crowd of small numbers is rather metres of a local grid
LABELS = {"inside": "inside the model's domain", "outside": "outside: do not rely on it"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsLabels:
    """The words of a map of points, all plain text.

    Parameters
    ----------
    title : str
        Such as "farm-auto on scans.csv".
    target, unit : str
        What is predicted, and its unit; the unit may be empty.
    level : float
        Share of lab values that the intervals are to hold.
    axes : (str, str)
        Names of the columns of x and y.
    """

    title: str
    target: str
    unit: str
    level: float
    axes: tuple[str, str]

    @property
    def name(self) -> str:
        """The target as it is printed, such as "SOC"."""
        return spelt_target(self.target)

    @property
    def quantity(self) -> str:
        """What the colours show, such as "SOC (g/kg)"."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


def write_points_page(points: Points, path: Path, labels: PointsLabels) -> Path:
    """Draw predictions at their coordinates into one HTML file that needs nothing beside it.

    Parameters
    ----------
    points : Points
        At least one.
    path : Path
        The file; one that exists is replaced.
    labels : PointsLabels

    Raises
    ------
    DataError
        If no row has a prediction and both coordinates.
    OutputError
        If the file cannot be written.
    """
    if not points.n:
        raise DataError(
            f"no row that was predicted has numbers in both {labels.axes[0]!r} and "
            f"{labels.axes[1]!r}; there is nothing to draw. Pass --x and --y with other columns."
        )
    write_text(path, points_html(points, labels))
    return path


def points_html(points: Points, labels: PointsLabels) -> str:
    """Return the page."""
    figures = Figures()
    caption = (
        f"Predicted {labels.name} at the samples' own places",
        "Each point is a sample; point at one for its interval. Between the points nothing is "
        "known and nothing is drawn: no value there is predicted or interpolated.",
    )
    drawn = figures.figure("places", points_figure(points, labels), caption)
    told = f"{bullets(points_words(points))}{facts(_numbers(points, labels))}"
    head = f'<h1>{escape(labels.title)}</h1><p class="verdict">{escape(_heading(points, labels))}'
    body = report_body(
        f"<header><div>{head}</p></div></header>",
        [f'<section id="map">{drawn}</section><section id="numbers">{told}</section>'],
        __version__,
    )
    return html_page(labels.title, body, figures, plotly_js=get_plotlyjs())


def points_figure(points: Points, labels: PointsLabels) -> go.Figure:
    """Draw samples as points coloured by prediction, hollow where outside of the domain.

    A unit of length is as long in y as in x; degrees are drawn at the length they have on the
    ground in the middle of the samples.
    """
    degrees = in_degrees(points.places)
    names = [f"{escape(name)}{' (degrees)' if degrees else ''}" for name in labels.axes]
    figure = style.new_figure(names[0], names[1], height=640, showlegend=True)
    ticks = {"ticksuffix": "°" if degrees else "", "exponentformat": "none"}
    figure.update_xaxes(separatethousands=True, **ticks)
    figure.update_yaxes(
        separatethousands=True,
        **ticks,
        scaleanchor="x",
        scaleratio=1 / east_shrinks(points.places[1]) if degrees else 1,
    )
    low, high = float(points.numbers[0].min()), float(points.numbers[0].max())
    figure.update_layout(
        coloraxis={
            "colorscale": style.SOIL_SCALE,
            "cmin": low,
            "cmax": high if high > low else low + 1,
            "colorbar": {"title": {"text": escape(labels.quantity)}, "thickness": 16},
        }
    )
    for key, shown in (("inside", points.inside), ("outside", ~points.inside)):
        if shown.any():
            figure.add_trace(_trace(points, labels, np.flatnonzero(shown).tolist(), key))
    return figure


def _trace(points: Points, labels: PointsLabels, rows: list[int], key: str) -> go.Scatter:
    hollow = key == "outside"
    edge = {"width": 3} if hollow else {"width": 1, "color": style.MUTED}
    return style.scatter(
        x=points.places[0, rows],
        y=points.places[1, rows],
        mode="markers",
        name=LABELS[key],
        marker={
            "color": points.numbers[0, rows],
            "coloraxis": "coloraxis",
            "symbol": "circle-open" if hollow else "circle",
            "size": 13,
            "line": edge,
        },
        customdata=[_hover(points, labels, row) for row in rows],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _hover(points: Points, labels: PointsLabels, row: int) -> str:
    """Return what is told of a sample, as Plotly's HTML."""
    unit = f" {labels.unit}" if labels.unit else ""
    predicted, lower, upper = points.numbers[:, row].tolist()
    x, y = points.places[:, row].tolist()
    lines = [
        f"{labels.name} {measured(predicted)}{unit}",
        f"{100 * labels.level:g} % interval: {measured(lower)} to {measured(upper)}{unit}",
        points.reasons[row] and f"outside of the domain: {points.reasons[row]}",
        f"{labels.axes[0]} {x:.10g}, {labels.axes[1]} {y:.10g}, row {points.row_numbers[row]}",
    ]
    told = "<br>".join(escape(line) for line in lines if line)
    return f"<b>{escape(points.ids[row])}</b><br>{told}"


def points_words(points: Points) -> tuple[str, ...]:
    """Return what has to be known of the picture, and which rows are not on it, as plain text."""
    words = []
    if in_degrees(points.places):
        part = east_shrinks(points.places[1])
        words.append(
            "The coordinates look like degrees of longitude and latitude: a degree of x is drawn "
            f"{part:.2f} times as long as one of y, so that distances are true in the middle of "
            "the samples."
        )
    if not points.inside.all():
        words.append(
            "Hollow points are outside of the model's domain: their spectra are unlike those "
            "that it learned from. Rely on neither prediction nor interval there."
        )
    for rows, why in (
        (points.unplaced, "has no number for x or y, and is not drawn"),
        (points.lost, "was not predicted, and is not drawn"),
        (points.more, f"is not drawn: the picture holds the first {count(points.n)}"),
    ):
        if rows:
            words.append(f"{count(rows)} row{'s' if rows != 1 else ''}: each {why}.")
    return tuple(words)


def in_degrees(places: FloatArray) -> bool:
    """Say whether coordinates (2, n) look like longitude and latitude, and not like metres."""
    x, y = places
    small = bool(np.abs(x).max() <= 180 and np.abs(y).max() <= LARGEST_LATITUDE)
    return small and bool(np.ptp(places, axis=1).max() <= WIDEST_DEGREES)


def east_shrinks(latitude: FloatArray) -> float:
    """Return the length of a degree of longitude in degrees of latitude, amid these latitudes."""
    return math.cos(math.radians((float(latitude.min()) + float(latitude.max())) / 2))


def _heading(points: Points, labels: PointsLabels) -> str:
    low, high = points.numbers[0].min(), points.numbers[0].max()
    unit = f" {labels.unit}" if labels.unit else ""
    of_all = "" if points.n == points.rows else f" of {count(points.rows)}"
    plural = "s" if points.rows != 1 else ""
    return (
        f"{labels.name}: {count(points.n)}{of_all} sample{plural}, predicted at "
        f"{measured(low)} to {measured(high)}{unit}"
    )


def _numbers(points: Points, labels: PointsLabels) -> list[tuple[str, str]]:
    """Return what is left of the picture without a script."""
    unit = f" {labels.unit}" if labels.unit else ""
    predicted, lower, upper = points.numbers
    width = float(np.median(upper - lower))
    return [
        ("On the map", f"{count(points.n)} of {count(points.rows)} rows"),
        ("Outside of the domain", f"{count(int(np.sum(~points.inside)))} of these"),
        ("Median prediction", f"{measured(float(np.median(predicted)))}{unit}"),
        (f"{100 * labels.level:g} % interval", f"half are narrower than {measured(width)}{unit}"),
        ("Extent of x", " to ".join(f"{v:.10g}" for v in _ends(points.places[0]))),
        ("Extent of y", " to ".join(f"{v:.10g}" for v in _ends(points.places[1]))),
    ]


def _ends(values: FloatArray) -> tuple[float, float]:
    return float(values.min()), float(values.max())
