"""The section of a localisation's page about auto's intervals and its applicability domain."""

from __future__ import annotations

import numpy as np

from autospec.localisation.result import AUTO, DrawTrust, LocalisationResult
from autospec.localisation.settings import draw_words
from autospec.report.page import Figures
from autospec.report.trust_section import (
    TRUST_TITLE,
    IntervalRows,
    interval_caption,
    interval_figure,
    percent,
    trust_line,
    trust_table,
    trust_words,
)
from autospec.report.words import count, target_label

FEW_OUTSIDE = 20  # rows: an RMSE of fewer is a few samples' luck


def interval_rows(result: LocalisationResult, trust: DrawTrust) -> IntervalRows:
    """Return the test rows of one draw with auto's predictions and their intervals."""
    draw = next(draw for draw in result.draws if draw.number == trust.draw)
    outcome = next(o for o in result.model(AUTO).outcomes if o.draw == trust.draw)
    test = list(draw.test)
    return IntervalRows(
        ids=tuple(result.farm_ids[i] for i in test),
        observed=np.array([result.observed[i] for i in test]),
        predicted=np.array(outcome.predicted),
        lower=np.array(trust.lower),
        upper=np.array(trust.upper),
        inside=np.array(trust.inside),
    )


def intervals_section(result: LocalisationResult, figures: Figures) -> str:
    """Return what an interval and the domain are, and how both did on the draws' test rows."""
    title = f'<section id="trust"><h2>{TRUST_TITLE}</h2>'
    if result.trust is None or not result.intervals:
        why = "Intervals were not measured on the draws: see the notes at the end of the page."
        return f'{title}<p class="nothing">{why}</p></section>'
    unit, level = result.farm.target_unit, result.trust.level
    drawn = interval_rows(result, result.intervals[0])
    figure = interval_figure(drawn, target_label(result.farm))
    words = interval_caption(len(drawn.ids))
    shown = f"{AUTO} and its {percent(level)} intervals on draw {result.intervals[0].draw}"
    caption = (
        f"Test rows of {_draws(result)}: a row that several draws test counts in each. Means over "
        "the draws; the interval in small print resamples draws and samples."
    )
    return (
        f"{title}{trust_words(level)}{trust_table([(AUTO, result.trust)], unit, caption)}"
        f"{_outside(result)}{figures.figure('intervals', figure, (shown, words))}"
        "<p><small>Bounds and domain of every test row: "
        '<a href="predictions.csv">predictions.csv</a></small></p></section>'
    )


def _outside(result: LocalisationResult) -> str:
    """Say how the error outside the domain compares, and on how many rows that stands."""
    trust = result.trust
    if trust is None or trust.rmse_inside is None or trust.rmse_outside is None:
        return ""
    outside = {
        result.farm_ids[i]
        for part in result.intervals
        for i, inside in zip(_test(result, part), part.inside, strict=True)
        if not inside
    }
    ratio = trust.rmse_outside / max(trust.rmse_inside, 1e-300)
    few = " That is few: the figure may be luck." if len(outside) < FEW_OUTSIDE else ""
    return (
        f"<p>Outside the domain the RMSE is {ratio:.2g} times that inside, over "
        f"{count(len(outside))} sample{'s' if len(outside) > 1 else ''}.{few}</p>"
    )


def _test(result: LocalisationResult, trust: DrawTrust) -> tuple[int, ...]:
    return next(draw.test for draw in result.draws if draw.number == trust.draw)


def trust_sentence(result: LocalisationResult) -> str:
    """Return how intervals and domain did as one sentence; empty where they were not measured."""
    if result.trust is None:
        return ""
    rows = f"test rows of {_draws(result)}"
    return trust_line(result.trust, result.farm.target_unit, rows)


def _draws(result: LocalisationResult) -> str:
    return draw_words([trust.draw for trust in result.intervals])
