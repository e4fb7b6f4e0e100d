"""The page and the table of ``predict --explain``; nothing is measured here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from autospec import __version__
from autospec.data.spectra import AxisUnit
from autospec.data.writing import write_text
from autospec.predict.explain import Influence
from autospec.report import style
from autospec.report.page import Figures, html_page, report_body
from autospec.report.tables import csv_text
from autospec.report.words import UNIT_SIGNS, count, escape


def influence_figure(influence: Influence, axis_unit: AxisUnit, unit: str) -> go.Figure:
    """Draw the size of the influence with the twins' range, and its sign as a line."""
    name = "wavelength" if axis_unit == "nm" else "wavenumber"
    figure = style.new_figure(
        f"{name} ({UNIT_SIGNS[axis_unit]})",
        f"change of the prediction ({escape(unit)})",
        showlegend=True,
        height=440,
    )
    if axis_unit == "cm-1":
        figure.update_xaxes(autorange="reversed")
    x = influence.centres
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    figure.add_trace(style.scatter(x=x, y=influence.low, showlegend=False, **edge))
    figure.add_trace(
        style.scatter(
            x=x,
            y=influence.high,
            fill="tonexty",
            fillcolor="rgba(11,110,105,0.18)",
            name="range of the model's twins",
            **edge,
        )
    )
    line = {"mode": "lines", "hovertemplate": "%{x:.0f}: %{y:.3g}<extra></extra>"}
    figure.add_trace(
        style.scatter(
            x=x,
            y=influence.size,
            name="size: how much this part matters",
            line={"width": 2.5, "color": style.WINNER},
            **line,
        )
    )
    figure.add_trace(
        style.scatter(
            x=x,
            y=influence.mean,
            name="mean with its sign",
            line={"width": 1.5, "color": style.PLSR, "dash": "dot"},
            **line,
        )
    )
    return figure


def influence_csv(influence: Influence) -> str:
    """Return the influence as CSV, one row a window."""
    columns = {
        "centre": influence.centres,
        "mean_change": influence.mean,
        "mean_absolute_change": influence.size,
        "twins_low": influence.low,
        "twins_high": influence.high,
    }
    return csv_text(pd.DataFrame(columns))


def write_influence(
    influence: Influence, path: Path, *, title: str, axis_unit: AxisUnit, unit: str
) -> tuple[Path, Path]:
    """Write the page, which needs nothing beside it, and the table.

    Parameters
    ----------
    influence : Influence
        What to show.
    path : Path
        Of the page; the table has its name and ends in .csv.
    title : str
        Plain text, such as "skane-auto on scans.csv".
    axis_unit, unit : str
        Of the bands and of the lab values.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    figures = Figures()
    lead = influence.centres[np.argsort(-influence.size)[:3]]
    strongest = ", ".join(f"{band:.0f}" for band in sorted(lead)) + f" {UNIT_SIGNS[axis_unit]}"
    sentence = (
        f"Each part of {count(influence.rows)} spectra was drawn towards the mean training "
        "spectrum in turn, at its own level; shown is how far the prediction moved. It moved most "
        f"around {strongest}. Neighbouring bands carry the same news: a part that hardly matters "
        "here may still hold what its neighbours hold."
    )
    caption = ("Which bands the predictions rest on", sentence)
    drawn = figures.figure("influence", influence_figure(influence, axis_unit, unit), caption)
    header = f"<header><div><h1>{escape(title)}</h1></div></header>"
    body = report_body(header, [f"<section>{drawn}</section>"], __version__)
    write_text(path, html_page(title, body, figures, plotly_js=get_plotlyjs()))
    table = path.with_suffix(".csv")
    write_text(table, influence_csv(influence))
    return path, table
