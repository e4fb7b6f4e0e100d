"""The summary of many farms: ratios, their geometric mean, the worst, and why a row is empty."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from autospec.localisation.result import LocalisationResult
from autospec.report.localise_summary import (
    SiteRow,
    SummaryFile,
    coverage_sentence,
    ratio_figure,
    site_row,
    summarise,
    summary_html,
    summary_sentence,
    write_summary,
)


@pytest.fixture(scope="module")
def summary(localisation: LocalisationResult) -> SummaryFile:
    row = replace(site_row(localisation), ratio=0.8, better="first")
    rows = (
        row,
        replace(row, name="japan", ratio=1.25, better="second"),
        SiteRow(name="france", reason="too few rows <b>, want 40"),
    )
    return summarise(rows, localisation.settings, "soc")


def test_a_row_holds_the_results_numbers(localisation: LocalisationResult) -> None:
    row = site_row(localisation)
    versus = localisation.model("auto").versus_plsr
    assert versus is not None
    assert (row.name, row.n, row.unit) == ("sweden-skane", 125, "g/kg")
    assert row.auto == localisation.model("auto").rmse.value
    assert row.mean == localisation.model("mean").rmse.value
    assert row.best_strategy == "DTL-I_g"
    assert row.ratio == pytest.approx(row.auto / row.plsr_local)  # type: ignore[operator]
    assert row.ratio_low is not None and row.ratio_high is not None
    assert row.ratio_low < row.ratio < row.ratio_high  # type: ignore[operator]


def test_coverage_is_averaged_over_the_farms_of_one_level(summary: SummaryFile) -> None:
    first, second, none = summary.rows
    assert (first.level, first.covered, first.mean_width) == (0.9, 0.911, 12.1)
    rows = (first, replace(second, covered=0.931), replace(second, level=0.8, covered=0.5), none)
    assert coverage_sentence(replace(summary, rows=rows)) == (
        "The 90 % intervals hold 92.1 % of the test rows on the mean of 2 farms (91.1 % to 93.1 %)."
    )
    assert coverage_sentence(replace(summary, rows=(none,))) == ""


def test_a_row_without_networks_or_models_has_gaps(quick: LocalisationResult) -> None:
    assert site_row(quick).best_strategy == ""
    bare = site_row(replace(quick, models=quick.models[1:2]))
    assert (bare.auto, bare.ratio, bare.better) == (None, None, None)


def test_ratios_are_averaged_geometrically(summary: SummaryFile) -> None:
    assert summary.geometric_mean == pytest.approx(1.0)
    assert (summary.worst, summary.worst_name) == (1.25, "japan")
    said = summary_sentence(summary)
    assert "Over 2 farms" in said and "worst 1.250 at japan" in said
    assert "better on 1, worse on 1, cannot tell on 0" in said


def test_no_ratio_is_no_mean(localisation: LocalisationResult) -> None:
    empty = summarise([SiteRow(name="france", reason="x")], localisation.settings, "soc")
    assert (empty.geometric_mean, empty.worst, empty.worst_name) == (None, None, "")
    assert "nothing to compare" in summary_sentence(empty)
    assert ratio_figure(empty) is None
    assert "No farm has a ratio yet." in summary_html(empty)


def test_files_parse_back(summary: SummaryFile, tmp_path: Path) -> None:
    paths = write_summary(summary, tmp_path)
    assert [p.name for p in paths] == ["summary.json", "summary.csv", "summary.md", "summary.html"]
    table = pd.read_csv(io.StringIO((tmp_path / "summary.csv").read_text(encoding="utf-8")))
    assert list(table["name"]) == ["sweden-skane", "japan", "france"]
    assert list(table["ratio"][:2]) == [0.8, 1.25]
    data = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert data["rows"][2]["reason"] == "too few rows <b>, want 40"
    assert (tmp_path / "assets" / "plotly.min.js").exists()


def test_figure_shows_the_ratios_smallest_first(summary: SummaryFile) -> None:
    figure = ratio_figure(summary)
    assert figure is not None
    assert list(figure.data[0].x) == [0.8, 1.25]
    assert list(figure.data[0].y) == ["sweden-skane", "japan"]
    assert figure.layout.shapes[0].x0 == 1


def test_page_links_reports_and_gives_reasons(summary: SummaryFile) -> None:
    text = summary_html(summary)
    assert 'href="japan/report.html"' in text
    assert 'href="france/report.html"' not in text
    assert "too few rows &lt;b&gt;, want 40" in text
    assert "--site all --n 30" in text and "--target soc</code>" in text
