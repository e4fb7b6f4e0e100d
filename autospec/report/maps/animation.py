"""Maps over time as figures: observed, predicted and their difference, still or moving.

Observed and predicted share one scale of colours over all dates; that of the difference is
centred at 0. Cells without a value stay grey.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go

from autospec.data.cubes.cubes import Float32Array
from autospec.data.cubes.places import is_geographic
from autospec.data.maps.times import say_time
from autospec.evaluate.map_frames import MapFrames
from autospec.report import style
from autospec.report.words import escape

VALUE_SCALE = [
    (0.0, "#f6efdc"),
    (0.25, "#c9d6a3"),
    (0.5, "#75b08d"),
    (0.75, "#1d7874"),
    (1.0, "#0b2f42"),
]
ERROR_SCALE = [(0.0, "#2b4f96"), (0.25, "#8fabd2"), (0.5, "#fbf8f1")]
ERROR_SCALE += [(0.75, "#e0a08f"), (1.0, "#a3262c")]  # below, right, above
NO_VALUE = "#bdb8af"
OBSERVED, PREDICTED, ERROR = "observed", "predicted", "predicted − observed"
MOST_VALUES = 1_200_000  # in a page: 4 bytes each, a third more as text
HIDDEN = 0.005  # share of values beyond each end of the scale of colours
TOP, TOP_STILL, BETWEEN, BOTTOM, BOTTOM_STILL = 62, 26, 40, 118, 46  # pixels
WIDTH, WIDTH_ALONE, WHOLE = 275, 900, 1000  # pixels of panels, and of all, on a wide page
LOWEST, HIGHEST = 140, 440
DOMAINS = ((0.0, 0.275), (0.3, 0.575), (0.7, 0.975))
FRAME_MS = 700


def animated_figure(frames: MapFrames) -> go.Figure | None:
    """Draw all dates, with a slider and a button to play them; None without a date.

    Parameters
    ----------
    frames : MapFrames
        More than a page can hold are thinned further.
    """
    if not frames.dates:
        return None
    frames = _thinned(frames)
    figure = _still(frames, 0)
    traces = list(range(len(figure.data)))
    figure.frames = [
        go.Frame(
            name=str(place),
            data=[go.Heatmap(z=values) for values in _panels(frames, place)],
            traces=traces,
            layout={"title": {"text": f"{_title(date)}"}},
        )
        for place, date in enumerate(frames.dates)
    ]
    if len(frames.dates) > 1:
        figure.update_layout(updatemenus=[_buttons()], sliders=[_slider(frames.dates)])
    return figure


def still_figure(frames: MapFrames, place: int) -> go.Figure:
    """Draw the date at `place` without saying it, in the colours that it has among all dates."""
    figure = _still(frames, place)
    height = int(figure.layout.height) - TOP - BOTTOM + TOP_STILL + BOTTOM_STILL
    figure.update_layout(height=height, margin={"t": TOP_STILL, "b": BOTTOM_STILL}, title=None)
    return figure


def _thinned(frames: MapFrames) -> MapFrames:
    """Take every second, third, ... cell where there are too many for a page."""
    panels = 1 if frames.observed is None else 3
    stride = math.ceil(math.sqrt(max(1.0, frames.predicted.size * panels / MOST_VALUES)))
    if stride == 1:
        return frames
    seen = frames.observed
    return replace(
        frames,
        predicted=frames.predicted[..., ::stride, ::stride],
        observed=None if seen is None else seen[..., ::stride, ::stride],
        step=frames.step * stride,
    )


def _panels(frames: MapFrames, place: int) -> list[Float32Array]:
    """Return what is drawn at a date, target by target, south first."""
    out: list[Float32Array] = []
    for target in range(len(frames.targets)):
        guess = frames.predicted[place, target, ::-1]
        if frames.observed is None:
            out.append(guess)
        else:
            seen = frames.observed[place, target, ::-1]
            out += [seen, guess, guess - seen]
    return out


def _still(frames: MapFrames, place: int) -> go.Figure:
    names = (PREDICTED,) if frames.observed is None else (OBSERVED, PREDICTED, ERROR)
    rows = len(frames.targets)
    high = _panel_height(frames, WIDTH_ALONE if len(names) == 1 else WIDTH)
    inner = rows * high + (rows - 1) * BETWEEN
    figure = style.new_figure("", "", height=round(TOP + inner + BOTTOM), dragmode="pan")
    figure.update_layout(
        title={"text": f"{_title(frames.dates[place])}", "x": 0, "xref": "paper", "xanchor": "left"}
        | {"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 8}, "font": {"size": 17}},
        margin={"l": 78, "r": 40, "t": TOP, "b": BOTTOM},
        plot_bgcolor=NO_VALUE,
    )
    x, y = _centres(frames)
    panels = iter(_panels(frames, place))
    for row, target in enumerate(frames.targets):
        top = 1 - row * (high + BETWEEN) / inner
        domain = (max(0.0, top - high / inner), top)
        for column, name in enumerate(names):
            number = row * len(names) + column + 1
            label = name if rows == 1 else f"{_plain(target)}: {name}"
            _add_axes(figure, frames, number, (column, row == rows - 1), domain)
            _add_title(figure, number, label)
            figure.add_trace(
                go.Heatmap(
                    x=x,
                    y=y,
                    z=next(panels),
                    xaxis=f"x{_sub(number)}",
                    yaxis=f"y{_sub(number)}",
                    coloraxis=f"coloraxis{_sub(2 * row + 1 + (column == 2))}",
                    hoverongaps=False,
                    hovertemplate=f"%{{z:.4~g}}<extra>{label}</extra>",
                )
            )
        _add_colours(figure, frames, row, domain)
    return figure


def _title(date: str) -> str:
    return f"<b>{escape(say_time(date))}</b>"


def _plain(text: str) -> str:
    """Return a name from data so that Plotly shows it and takes it for no template."""
    return escape(text).replace("%{", "% {")


def _sub(number: int) -> str:
    return "" if number == 1 else str(number)


def _extent(frames: MapFrames) -> tuple[float, ...]:
    """Return the extent in degrees or kilometres: metres have too many digits for small maps."""
    return tuple(v if is_geographic(frames.crs) else v / 1000 for v in frames.extent)


def _centres(frames: MapFrames) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the middles of the shown cells: west to east, south to north."""
    west, south, east, north = _extent(frames)
    rows, columns = frames.predicted.shape[-2:]
    x = west + (np.arange(columns) + 0.5) * (east - west) / columns
    y = south + (np.arange(rows) + 0.5) * (north - south) / rows
    return x, y


def _ratio(frames: MapFrames) -> float:
    """Return how long a unit of y is beside one of x: degrees of longitude are shorter."""
    if not is_geographic(frames.crs):
        return 1.0
    middle = (frames.extent[1] + frames.extent[3]) / 2
    return 1 / max(math.cos(math.radians(middle)), 0.05)


def _shape(frames: MapFrames) -> float:
    """Return the height of the map in parts of its width."""
    west, south, east, north = frames.extent
    return (north - south) * _ratio(frames) / max(east - west, 1e-12)


def _panel_height(frames: MapFrames, width: int) -> float:
    """Return pixels, so that a panel of that width is about as high as its map."""
    return min(max(width * _shape(frames), LOWEST), HIGHEST)


def _domain(frames: MapFrames, column: int) -> tuple[float, float]:
    """Return from where to where a panel reaches; one alone is as wide as its height asks for."""
    if frames.observed is not None:
        return DOMAINS[column]
    high = _panel_height(frames, WIDTH_ALONE)
    return 0.0, min(max(high / max(_shape(frames), 1e-12) / WHOLE, 0.1), WIDTH_ALONE / WHOLE)


def _add_axes(
    figure: go.Figure,
    frames: MapFrames,
    number: int,
    place: tuple[int, bool],
    domain: tuple[float, float],
) -> None:
    """Add the axes of a panel; only those at the left and at the bottom have numbers."""
    column, lowest = place
    west, south, east, north = _extent(frames)
    degrees = is_geographic(frames.crs)
    names = ("longitude (°)", "latitude (°)") if degrees else ("easting (km)", "northing (km)")
    tick: dict[str, Any] = {"tickformat": ".7~g", "showgrid": False, "automargin": False}
    tick |= {"constrain": "domain", "tickfont": {"size": 11, "color": style.MUTED}}
    small = {"font": {"size": 12, "color": style.MUTED}, "standoff": 4}
    across = style.axis(names[0] if lowest else "", **tick, nticks=4, range=[west, east])
    across |= {"domain": list(_domain(frames, column))}
    across |= {"anchor": f"y{_sub(number)}", "showticklabels": lowest}
    up = style.axis(names[1] if column == 0 else "", **tick, nticks=6, range=[south, north])
    up |= {"domain": list(domain), "anchor": f"x{_sub(number)}", "showticklabels": column == 0}
    up |= {"ticks": "outside" if column == 0 else "", "constraintoward": "top"}
    up |= {"scaleanchor": f"x{_sub(number)}", "scaleratio": _ratio(frames)}
    for axis in (across, up):
        axis["title"] = {**axis["title"], **small}
    if number > 1:
        across["matches"] = "x"
    figure.update_layout({f"xaxis{_sub(number)}": across, f"yaxis{_sub(number)}": up})


def _add_title(figure: go.Figure, number: int, label: str) -> None:
    figure.add_annotation(
        text=label,
        x=0,
        y=1,
        xref=f"x{_sub(number)} domain",
        yref=f"y{_sub(number)} domain",
        xanchor="left",
        yanchor="bottom",
        yshift=2,
        showarrow=False,
        font={"size": 13, "color": style.INK},
    )


def _add_colours(
    figure: go.Figure, frames: MapFrames, row: int, domain: tuple[float, float]
) -> None:
    """Add the scale of a target's values, and that of its errors, each with its bar."""
    bar = {"thickness": 11, "outlinewidth": 0, "len": domain[1] - domain[0], "ticks": ""}
    bar |= {"lenmode": "fraction", "y": sum(domain) / 2, "yanchor": "middle", "xpad": 2}
    bar |= {"tickfont": {"size": 11, "color": style.MUTED}, "nticks": 6, "tickformat": ".4~g"}
    guess, seen = frames.predicted[:, row], frames.observed
    low, high = _ends(guess if seen is None else np.stack([guess, seen[:, row]]))
    x = _domain(frames, 1)[1] + 0.005
    values = {"colorscale": VALUE_SCALE, "cmin": low, "cmax": high, "colorbar": {**bar, "x": x}}
    figure.update_layout({f"coloraxis{_sub(2 * row + 1)}": values})
    if seen is not None:
        reach = max(map(abs, _ends(guess - seen[:, row])))
        errors = {"colorscale": ERROR_SCALE, "cmin": -reach, "cmax": reach}
        errors |= {"colorbar": {**bar, "x": 0.98}}
        figure.update_layout({f"coloraxis{2 * row + 2}": errors})


def _ends(values: Float32Array) -> tuple[float, float]:
    """Return the ends of a scale of colours: a few wild values must not bleach all others."""
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.quantile(finite, [HIDDEN, 1 - HIDDEN]))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _buttons() -> dict[str, Any]:
    moving = {"frame": {"duration": FRAME_MS, "redraw": True}, "fromcurrent": True}
    moving |= {"transition": {"duration": 0}}
    still = {"frame": {"duration": 0, "redraw": True}, "mode": "immediate"}
    still |= {"transition": {"duration": 0}}
    return {
        "type": "buttons",
        "direction": "right",
        "showactive": False,
        "x": 0,
        "xanchor": "left",
        "y": 0,
        "yanchor": "top",
        "pad": {"t": 54, "l": 0},
        "bgcolor": "#fffdf8",
        "bordercolor": style.PALE,
        "font": {"size": 13, "color": style.INK},
        "buttons": [
            {"label": "▶ Play", "method": "animate", "args": [None, moving]},
            {"label": "❚❚ Pause", "method": "animate", "args": [[None], still]},
        ],
    }


def _slider(dates: tuple[str, ...]) -> dict[str, Any]:
    now = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}}
    now |= {"transition": {"duration": 0}}
    return {
        "active": 0,
        "x": 0.27,
        "len": 0.705,
        "y": 0,
        "yanchor": "top",
        "pad": {"t": 48, "b": 6},
        "currentvalue": {"visible": False},
        "bgcolor": "#efe9dc",
        "activebgcolor": style.WINNER,
        "bordercolor": style.PALE,
        "tickcolor": style.PALE,
        "font": {"size": 11, "color": style.MUTED},
        "steps": [
            {"label": escape(date), "method": "animate", "args": [[str(place)], now]}
            for place, date in enumerate(map(say_time, dates))
        ],
    }
