"""How far to trust a prediction: words, table and figure of intervals and domain, for both reports.

Plain arrays and `Trust` come in; which job they are from is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from autospec.data.spectra import FloatArray, IntArray
from autospec.evaluate.trust import Trust
from autospec.report import style
from autospec.report.page import html_table
from autospec.report.words import count, escape, number

TRUST_TITLE = "How far to trust a prediction"
TUNED = (
    "Its design and epochs were chosen on all training rows, those too that a twin misses: its "
    "intervals may be a little too narrow."
)
MAX_DRAWN = 400  # bars side by side that can still be told apart
MISSED = "#a8324a"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IntervalRows:
    """Test rows with their intervals.

    Parameters
    ----------
    ids : tuple of str, length n
    observed, predicted, lower, upper : float64, shape (n,)
        In the unit of the lab values.
    inside : bool, shape (n,)
        Whether the spectrum is inside the applicability domain.
    """

    ids: tuple[str, ...]
    observed: FloatArray
    predicted: FloatArray
    lower: FloatArray
    upper: FloatArray
    inside: NDArray[np.bool_]

    @property
    def held(self) -> NDArray[np.bool_]:
        """Whether the lab value is within the interval, shape (n,)."""
        return (self.lower <= self.observed) & (self.observed <= self.upper)


def trust_words(level: float) -> str:
    """Return two HTML paragraphs: what an interval means, and what the domain of spectra."""
    return (
        f"{interval_words(level)}<p>The applicability domain says whether a spectrum is like those "
        "that the model learned from. It is outside when its shape cannot be put together from "
        "theirs (Q), or when it lies far from their centre (T²) or from the nearest of them. Up to "
        "about 5 % of spectra of the same kind fall outside too. Do not rely on a prediction "
        "outside, or on its interval: have the sample measured.</p>"
    )


def interval_words(level: float) -> str:
    """Return an HTML paragraph: what an interval means."""
    wanted = percent(level)
    return (
        f"<p>An interval says between which two values a lab value is expected: {wanted} "
        f"intervals are made to hold {wanted} of new lab values, as long as new samples are "
        "drawn like those that the model learned from. Their width comes from the errors of "
        "the training rows, each predicted by a twin of the model that did not learn from it "
        "(CV+), and from no assumed distribution. What they really hold is counted here, on test "
        "rows.</p>"
    )


def tuned_words(name: str) -> str:
    """Return an HTML paragraph: why the intervals of the searched model `name` may be narrow."""
    return f"<p><b>{escape(name)}.</b> {TUNED}</p>"


def trust_line(trust: Trust, unit: str, rows: str) -> str:
    """Return coverage, width and domain as one plain sentence; `rows` is "sealed test rows"."""
    return (
        f"The {percent(trust.level)} intervals hold {percent(trust.covered)} of the "
        f"{count(trust.rows)} {rows} (95 % interval {percent(trust.covered_low)} to "
        f"{percent(trust.covered_high)}) and are {number(trust.mean_width)} {unit} wide on "
        f"average; {count(trust.inside)} of the rows are inside the applicability domain."
    )


def trust_table(rows: Sequence[tuple[str, Trust]], unit: str, caption: str) -> str:
    """Return one row a model: coverage, mean width, and the error inside and outside the domain.

    Parameters
    ----------
    rows : sequence of (str, Trust)
        A model's name, and how it did; at least one.
    unit : str
        Of the lab values.
    caption : str
        Plain text: which test rows.
    """
    names = (
        ("Lab values held", "by their interval"),
        ("Mean width", unit),
        ("Rows inside", "the domain"),
        ("RMSE inside", unit),
        ("RMSE outside", unit),
    )
    head = ['<th scope="col">Model</th>']
    head += [
        f'<th scope="col" class="n">{name}<small>{escape(sub)}</small></th>' for name, sub in names
    ]
    return html_table(head, [_trust_row(name, trust) for name, trust in rows], caption)


def _trust_row(name: str, trust: Trust) -> str:
    spread = f"{percent(trust.covered_low)} to {percent(trust.covered_high)}"
    inside = f"{count(trust.inside)} <small>of {count(trust.rows)}</small>"
    cells = [
        f"{percent(trust.covered)}<small>{spread}</small><small>wanted {percent(trust.level)}"
        "</small>",
        number(trust.mean_width),
        inside,
        *(
            f"{number(rmse)}<small>no such rows</small>" if rmse is None else number(rmse)
            for rmse in (trust.rmse_inside, trust.rmse_outside)
        ),
    ]
    figures = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    return f'<tr><th scope="row">{escape(name)}</th>{figures}</tr>'


def interval_caption(n: int) -> str:
    """Return what the figure of n rows shows, as plain text."""
    drawn = f" Of {count(n)} rows, {MAX_DRAWN} are drawn." if n > MAX_DRAWN else ""
    return (
        "Each bar is the interval of one test row, its mark the prediction. A bar that crosses "
        "the dashed line holds the lab value. Open diamonds are outside the applicability "
        f"domain.{drawn}"
    )


def interval_figure(rows: IntervalRows, label: str) -> go.Figure | None:
    """Draw predictions with interval bars against lab values; None without rows.

    Parameters
    ----------
    rows : IntervalRows
        At most 400 are drawn, evenly spread over their order by lab value.
    label : str
        The target with its unit, plain text.
    """
    if not len(rows.observed):
        return None
    order = np.argsort(rows.observed, kind="stable")
    drawn = order[
        np.unique(np.linspace(0, len(order) - 1, min(len(order), MAX_DRAWN)).round().astype(int))
    ]
    figure = style.new_figure(
        f"observed {escape(label)}", f"predicted {escape(label)}", height=480, showlegend=True
    )
    ends = style.padded(float(rows.observed.min()), float(rows.observed.max()), 0.02)
    line = {"color": style.MUTED, "width": 1, "dash": "dash"}
    figure.add_trace(
        style.scatter(x=ends, y=ends, mode="lines", line=line, hoverinfo="skip", showlegend=False)
    )
    for inside in (True, False):
        for held in (True, False):
            chosen = drawn[(rows.inside[drawn] == inside) & (rows.held[drawn] == held)]
            if len(chosen):
                _add_bars(figure, rows, chosen)
    figure.update_yaxes(range=_shown(rows, ends))
    return figure


def _shown(rows: IntervalRows, ends: list[float]) -> list[float]:
    """Return the range of the vertical axis: all bars, unless a few reach absurdly high."""
    top = max(style.ceiling(rows.upper.tolist()), float(rows.predicted.max()), ends[1])
    bottom = min(-style.ceiling((-rows.lower).tolist()), float(rows.predicted.min()), ends[0])
    return style.padded(bottom, top, 0.02)


def _add_bars(figure: go.Figure, rows: IntervalRows, chosen: IntArray) -> None:
    """Add rows that are alike, held or missed, inside or outside, as one trace."""
    inside, held = bool(rows.inside[chosen[0]]), bool(rows.held[chosen[0]])
    colour = style.WINNER if held else MISSED
    predicted = rows.predicted[chosen]
    bars = {
        "type": "data",
        "symmetric": False,
        "array": rows.upper[chosen] - predicted,
        "arrayminus": predicted - rows.lower[chosen],
        "thickness": 1.2,
        "width": 0,
        "color": colour,
    }
    text = [
        f"<b>{escape(rows.ids[i])}</b><br>interval {number(float(rows.lower[i]))} to "
        f"{number(float(rows.upper[i]))}"
        for i in chosen
    ]
    figure.add_trace(
        style.scatter(
            x=rows.observed[chosen],
            y=predicted,
            error_y=bars,
            mode="markers",
            name=("held" if held else "missed") + ("" if inside else ", outside the domain"),
            marker={
                "size": 7 if inside else 10,
                "color": colour,
                "symbol": "circle" if inside else "diamond-open",
                "line": {"width": 0.5 if inside else 2, "color": "white" if inside else colour},
            },
            customdata=text,
            hovertemplate="%{customdata}<br>observed %{x:.3~g}<br>predicted %{y:.3~g}"
            "<extra></extra>",
        )
    )


def percent(share: float) -> str:
    """Return a share of 1 as whole percents, such as "92 %"; a third figure where it has one."""
    return f"{round(100 * share, 1):g} %"
