"""Figures of what RS-Local selected: the map of spectra, the score curve, the sources of the rows.

Each is a pure function of a `LocalisationResult`, and returns None where there is nothing to draw.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from autospec.localisation.result import LocalisationResult, SelectionRecord
from autospec.report import style
from autospec.report.words import count, escape, number
from autospec.transfer.provenance import Source, selection_sources

MAX_FIELDS = 7
MAX_SOURCES = 14
PALE_FIELDS = ("#8fbcb8", "#dfb58b", "#a3b8d9", "#d29aa6", "#b3a4c6", "#b2c192", "#c9bfae")


def map_figure(result: LocalisationResult) -> go.Figure | None:
    """Draw library, selected rows and farm on two principal components of their spectra."""
    drawn = result.spectra_map
    if not drawn.library and not drawn.farm:
        return None
    first, second = (f"{100 * share:.0f} %" for share in drawn.explained)
    figure = style.new_figure(
        f"PC 1 ({first} of the variance)",
        f"PC 2 ({second})",
        showlegend=True,
        height=520,
    )
    tally = Counter(drawn.library_fields)
    named = [name for name, _ in tally.most_common()]
    named = named if len(named) <= MAX_FIELDS else named[: MAX_FIELDS - 1]
    groups = [(name, [f == name for f in drawn.library_fields]) for name in named]
    if len(tally) > len(named):
        groups.append(("other fields", [f not in named for f in drawn.library_fields]))
    for i, (name, members) in enumerate(groups):
        points = [p for p, member in zip(drawn.library, members, strict=True) if member]
        marker = {"size": 6, "color": PALE_FIELDS[i], "opacity": 0.75}
        _add_points(figure, f"library: {escape(name)}", points, marker)
    ring = {"size": 9, "color": "rgba(0,0,0,0)", "line": {"width": 1.4, "color": style.INK}}
    _add_points(figure, "selected rows", drawn.selected, ring)
    farm = {"size": 9, "color": style.WINNER, "symbol": "diamond"}
    farm |= {"line": {"width": 1, "color": "white"}}
    _add_points(figure, "the farm", drawn.farm, farm)
    figure.update_layout(legend={"y": -0.16, "yanchor": "top"})
    return figure


def _add_points(
    figure: go.Figure,
    name: str,
    points: Sequence[tuple[float, float]],
    marker: dict[str, object],
) -> None:
    if points:
        figure.add_trace(
            style.scatter(
                x=[x for x, _ in points],
                y=[y for _, y in points],
                mode="markers",
                name=name,
                marker=marker,
                hovertemplate="%{fullData.name}<extra></extra>",
            )
        )


def score_figure(result: LocalisationResult) -> go.Figure | None:
    """Draw how the error of the draws fell from generation to generation, a line a selection."""
    records = [record for record in result.selections if record.trace]
    if not records:
        return None
    unit = escape(result.farm.target_unit)
    response = all(r.trace[0].judged_by == "response" for r in records)
    what = f"RMSE ({unit}), optimistic" if response else "score, optimistic"
    figure = style.new_figure("library rows still in", what, showlegend=True)
    seen: set[str] = set()
    for record in records:
        final = record.draw is None
        group = _group(record)
        shade = style.WINNER if record.library == "global" else style.PUBLISHED
        line = {"width": 3.5 if final else 1.4, "color": shade}
        figure.add_trace(
            style.scatter(
                x=[g.size for g in record.trace],
                y=[g.error_mean for g in record.trace],
                mode="lines",
                line=line,
                opacity=1.0 if final else 0.6,
                name=group,
                legendgroup=group,
                showlegend=group not in seen,
                customdata=[
                    f"{_name(record)}, generation {g.number}: {count(g.size)} rows, mean error "
                    f"{number(g.error_mean)}"
                    for g in record.trace
                ],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
        seen.add(group)
    sizes = [g.size for r in records for g in r.trace]
    ends = np.log10([max(sizes), min(sizes)])
    gap = 0.03 * max(float(ends[0] - ends[1]), 0.1)
    ticks = [v for v in _round_numbers() if min(sizes) <= v <= max(sizes)]
    figure.update_xaxes(
        type="log", range=[float(ends[0]) + gap, float(ends[1]) - gap],
        tickvals=ticks or [min(sizes)], ticktext=[count(v) for v in ticks or [min(sizes)]],
    )  # fmt: skip
    return figure


def _round_numbers() -> list[int]:
    return [digit * 10**power for power in range(1, 7) for digit in (1, 2, 5)]


def _group(record: SelectionRecord) -> str:
    library = "" if record.library == "global" else ", country library"
    return f"{'all labelled rows' if record.draw is None else 'each draw'}{library}"


def _name(record: SelectionRecord) -> str:
    return "all labelled rows" if record.draw is None else f"draw {record.draw}"


def library_sources(result: LocalisationResult) -> tuple[Source, ...]:
    """Return what share of the selected rows each field has, over all draws, beside the library's.

    Returns
    -------
    tuple of Source
        Counted over the selections of the draws from the whole library (over the final one if
        there are no others): largest share first, at most 14, then the rest in one.
    """
    records = [r for r in result.selections if r.library == "global"]
    records = [r for r in records if r.draw is not None] or records
    selected: Counter[str] = Counter()
    for record in records:
        selected.update(record.fields)
    if not selected:
        return ()
    sources = selection_sources(selected, result.library_fields)
    if len(sources) <= MAX_SOURCES:
        return sources
    rest = sources[MAX_SOURCES:]
    together = Source(
        name=f"{len(rest)} other fields",
        selected=sum(s.selected for s in rest),
        available=sum(s.available for s in rest),
        share=sum(s.share for s in rest),
        library_share=sum(s.library_share for s in rest),
    )
    return (*sources[:MAX_SOURCES], together)


def sources_figure(result: LocalisationResult) -> go.Figure | None:
    """Draw the share of each field in the selections beside its share in the library."""
    sources = library_sources(result)
    if not sources:
        return None
    figure = style.new_figure("share of the rows, %", "", showlegend=True, barmode="group")
    names = [escape(source.name) for source in sources]
    for name, shares, colour in (
        ("selected rows", [s.share for s in sources], style.WINNER),
        ("whole library", [s.library_share for s in sources], style.PALE),
    ):
        figure.add_trace(
            style.bar(
                x=[100 * share for share in shares],
                y=names,
                orientation="h",
                name=name,
                marker={"color": colour},
                hovertemplate=f"%{{y}}: %{{x:.3~g}} % of {name}<extra></extra>",
            )
        )
    figure.update_layout(height=120 + 40 * len(sources), bargap=0.3, bargroupgap=0.05)
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", type="category")
    return figure
