"""Intervals and domain in words, as a table and as a figure, from plain arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autospec.evaluate.trust import Trust
from autospec.report.trust_section import (
    MAX_DRAWN,
    IntervalRows,
    interval_caption,
    interval_figure,
    percent,
    trust_line,
    trust_table,
)

HOSTILE = '<img src=x onerror="alert(1)">'
TRUST = Trust(
    level=0.9,
    rows=61,
    covered=56 / 61,
    covered_low=0.822,
    covered_high=0.965,
    mean_width=14.23,
    inside=58,
    rmse_inside=3.31,
    rmse_outside=None,
)


def made_rows(n: int = 60) -> IntervalRows:
    rng = np.random.default_rng(0)
    observed = rng.gamma(3.0, 7.0, n)
    predicted = observed + rng.normal(0, 3, n)
    return IntervalRows(
        ids=tuple(f"r{i}" for i in range(n)),
        observed=observed,
        predicted=predicted,
        lower=predicted - 4,
        upper=predicted + 5,
        inside=np.arange(n) % 7 > 0,
    )


def test_a_row_is_held_where_its_bar_crosses_the_line_of_agreement() -> None:
    rows = made_rows()
    figure = interval_figure(rows, "SOC (g/kg)")
    assert figure is not None
    seen = 0
    for trace in figure.data[1:]:
        x, y = np.array(trace.x), np.array(trace.y)
        low, high = y - np.array(trace.error_y.arrayminus), y + np.array(trace.error_y.array)
        assert ((low <= x) & (x <= high)).tolist() == [trace.name.startswith("held")] * len(x)
        assert (trace.marker.symbol == "diamond-open") == trace.name.endswith("outside the domain")
        seen += len(x)
    assert seen == 60


def test_of_many_rows_some_are_drawn_and_the_caption_says_so() -> None:
    figure = interval_figure(made_rows(3000), "SOC (g/kg)")
    assert figure is not None
    assert sum(len(trace.x) for trace in figure.data[1:]) == MAX_DRAWN
    assert f"{MAX_DRAWN} are drawn" in interval_caption(3000)
    assert "drawn" not in interval_caption(MAX_DRAWN)


def test_one_absurd_bound_does_not_flatten_the_others() -> None:
    rows = made_rows()
    upper = rows.upper.copy()
    upper[5] = 1e9
    figure = interval_figure(replace(rows, upper=upper), "SOC (g/kg)")
    assert figure is not None
    assert figure.layout.yaxis.range[1] < 200


def test_no_rows_are_no_figure() -> None:
    assert interval_figure(made_rows(0), "SOC (g/kg)") is None


@pytest.mark.parametrize("n", [1, 2])
def test_a_single_row_is_drawn(n: int) -> None:
    figure = interval_figure(made_rows(n), "SOC (g/kg)")
    assert figure is not None
    assert sum(len(trace.x) for trace in figure.data[1:]) == n


def test_names_from_data_are_escaped() -> None:
    rows = replace(made_rows(1), ids=(HOSTILE,))
    figure = interval_figure(rows, HOSTILE)
    assert figure is not None
    assert "<img" not in figure.to_json().replace("\\u003c", "<")
    assert "<img" not in trust_table([(HOSTILE, TRUST)], HOSTILE, HOSTILE)


def test_the_table_shows_coverage_beside_what_was_wanted() -> None:
    table = trust_table([("winner", TRUST), ("PLSR", replace(TRUST, level=0.8))], "g/kg", "Rows.")
    for words in (
        "91.8 %",
        "82.2 % to 96.5 %",
        "wanted 90 %",
        "wanted 80 %",
        "14.2",
        "58",
        "3.31",
        "no such rows",
    ):
        assert words in table
    assert "None" not in table


def test_the_line_says_coverage_width_and_domain() -> None:
    assert trust_line(TRUST, "g/kg", "sealed test rows") == (
        "The 90 % intervals hold 91.8 % of the 61 sealed test rows (95 % interval 82.2 % to "
        "96.5 %) and are 14.2 g/kg wide on average; 58 of the rows are inside the applicability "
        "domain."
    )


@pytest.mark.parametrize(("share", "words"), [(0.9, "90 %"), (0.995, "99.5 %"), (1.0, "100 %")])
def test_shares_in_percent(share: float, words: str) -> None:
    assert percent(share) == words
