"""Pages of maps that move over time: beside a report, or one file that needs nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from plotly.offline import get_plotlyjs

from autospec import __version__
from autospec.data.cubes.cubes import Float32Array
from autospec.data.maps.times import say_time
from autospec.data.spectra import FloatArray
from autospec.data.writing import write_text
from autospec.evaluate.map_frames import MapFrames
from autospec.report.maps.animation import animated_figure
from autospec.report.page import Figures, html_page, html_table, report_body
from autospec.report.words import count, escape, measured

SYNTHETIC = (
    "data: made up by a program, not measured. Nothing on this page says anything "
    "about a real place."
)


def write_map_picture(path: Path, frames: MapFrames, title: str, *, caution: str = "") -> None:
    """Draw maps over time into one HTML file that needs nothing beside it.

    Parameters
    ----------
    path : Path
        The file; one that exists is replaced.
    frames : MapFrames
    title : str
        Plain text.
    caution : str
        Plain text: how the maps must not be taken.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_text(path, map_html(frames, title, caution=caution, plotly_js=get_plotlyjs()))


def map_html(
    frames: MapFrames, title: str, *, back: str = "", caution: str = "", plotly_js: str = ""
) -> str:
    """Return the page of maps over time.

    Parameters
    ----------
    frames : MapFrames
    title : str
        Plain text.
    back : str
        Ours: the page that leads here; none by default.
    caution : str
        Plain text: how the maps must not be taken.
    plotly_js : str
        As `html_page`'s.
    """
    figures = Figures()
    synthetic = " (synthetic)" if frames.synthetic else ""
    head = f"<h1>{escape(title)}{synthetic}</h1>{synthetic_banner(frames.synthetic)}"
    head += f'<p class="verdict">{escape(_heading(frames))}</p>'
    head += f'<p class="warning">{escape(caution)}</p>' if caution else ""
    head += f'<nav><a href="{back}">Back to the report</a></nav>' if back else ""
    drawn = animated_figure(frames)
    caption = ("Maps over time", maps_words(frames) if drawn else "There is no date to draw.")
    sections = [
        f'<section id="maps">{figures.figure("animation", drawn, caption, "wide")}</section>'
    ]
    if drawn:
        tables = "".join(_dates_table(frames, k) for k in range(len(frames.targets)))
        sections.append(f'<section id="dates"><h2>The dates in numbers</h2>{tables}</section>')
    body = report_body(f"<header><div>{head}</div></header>", sections, __version__)
    return html_page(f"{title}{synthetic}", body, figures, plotly_js=plotly_js)


def synthetic_banner(synthetic: bool) -> str:
    """Return the warning that no reader may miss; empty for measured data."""
    if not synthetic:
        return ""
    return f'<p class="warning synthetic"><b>SYNTHETIC</b> {escape(SYNTHETIC)}</p>'


def maps_words(frames: MapFrames) -> str:
    """Return what is drawn, and how its colours are to be read, as plain text."""
    words = []
    if frames.observed is None:
        words.append("Predicted maps; nothing was observed.")
    else:
        words.append(
            "Observed and predicted share one scale of colours over all dates; in the third map "
            "red is predicted too high and blue too low."
        )
    words.append("Grey cells have no value.")
    if frames.step > 1:
        words.append(f"One cell in {frames.step} along each axis is shown.")
    words.append("The few values beyond the ends of a scale have its last colour.")
    return " ".join(words)


def median_date(frames: MapFrames) -> int:
    """Return the date whose error is the median of all dates': no lucky one, no worst one.

    Of the first target; the middle date where nothing was observed.
    """
    errors = [_root_mean_square(_error(frames, place, 0)) for place in range(len(frames.dates))]
    known = [(error, place) for place, error in enumerate(errors) if error is not None]
    return sorted(known)[len(known) // 2][1] if known else len(frames.dates) // 2


def _heading(frames: MapFrames) -> str:
    names = ", ".join(frames.targets)
    dates = [say_time(date) for date in frames.dates]
    if not dates:
        return f"{names}: no date"
    span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    many = f"{count(len(dates))} date{'s' if len(dates) != 1 else ''}"
    return f"{names}: {many}, {span}"


def _error(frames: MapFrames, place: int, target: int) -> FloatArray:
    """Return the errors of the shown cells that have a value."""
    if frames.observed is None:
        return np.zeros(0)
    error = frames.predicted[place, target].astype(np.float64) - frames.observed[place, target]
    return np.asarray(error[np.isfinite(error)])


def _root_mean_square(error: FloatArray) -> float | None:
    return float(np.sqrt(np.mean(error**2))) if error.size else None


def _mean(values: Float32Array) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean(dtype=np.float64)) if finite.size else None


def _dates_table(frames: MapFrames, target: int) -> str:
    """Return the means and the error of each date: what is left of the figure without a script."""
    names = ["Cells", "Mean observed", "Mean predicted", "RMSE"]
    seen = frames.observed
    if seen is None:
        names = ["Cells", "Mean predicted"]
    head = ['<th scope="col">Date</th>']
    head += [f'<th scope="col" class="n">{name}</th>' for name in names]
    rows = []
    for place, date in enumerate([say_time(date) for date in frames.dates]):
        guess = frames.predicted[place, target]
        cells = [count(int(np.isfinite(guess).sum())), measured(_mean(guess))]
        if seen is not None:
            error = _error(frames, place, target)
            both = np.isfinite(guess) & np.isfinite(seen[place, target])
            cells = [count(error.size)]
            means = (_mean(part[both]) for part in (seen[place, target], guess))
            cells += [measured(v) for v in (*means, _root_mean_square(error))]
        figures = "".join(f'<td class="n">{cell}</td>' for cell in cells)
        rows.append(f'<tr><th scope="row">{escape(date)}</th>{figures}</tr>')
    which = "The shown cells" if seen is None else "The shown cells that have both values"
    caption = f"{frames.targets[target]}. {which}; they are a part of the map, to look at."
    return html_table(head, rows, caption)
