"""The page of a search on cubes: warnings first, nothing from a network, nothing run from data."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from autospec.data.cubes.splits import LEAKAGE_WARNING
from autospec.report.cubes import write_cube_report
from autospec.report.cubes.page import cube_report_html
from autospec.report.cubes.sections_split import (
    km,
    leakage_figure,
    leakage_sentence,
    overlap_words,
)
from autospec.report.lock import LOCK_FILE
from autospec.report.trust_section import TUNED
from autospec.search.cubes.result import CubeResult, LeakageRow
from tests.report.conftest import HOSTILE
from tests.report.cubes.made_cube_result import make_cube_result
from tests.report.test_html import Page

FILES = {
    "cube-run.json",
    "report.html",
    "best_architecture.csv",
    "best_architecture.json",
    "leaderboard.csv",
    "metrics.json",
    "predictions.csv",
    "folds.csv",
    "assets/plotly.min.js",
}


def page(result: CubeResult) -> str:
    return cube_report_html(result, run_digest="0" * 64)


def words(result: CubeResult) -> str:
    return " ".join(Page(page(result)).words)


@pytest.fixture(scope="module")
def made() -> CubeResult:
    return make_cube_result()


def test_every_file_is_written(made: CubeResult, tmp_path: Path) -> None:
    paths = write_cube_report(made, tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in paths} == FILES
    found = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert found - {LOCK_FILE} == FILES


def test_the_verdict_comes_before_every_number(made: CubeResult) -> None:
    text = page(made)
    assert text.index("The winner beats random forest") < text.index('<dl class="cards">')


def test_synthetic_data_are_named_in_title_header_and_facts(made: CubeResult) -> None:
    text = page(made)
    assert "<title>autospec report: samples (synthetic)</title>" in text
    assert text.index("SYNTHETIC") < text.index('class="verdict"')
    assert "SYNTHETIC: made up by a program, not measured" in text


def test_measured_data_are_not_called_synthetic() -> None:
    body = page(make_cube_result(synthetic=False)).partition("</style>")[2]
    assert "synthetic" not in body.lower()


def test_a_random_split_is_named_before_the_verdict() -> None:
    text = page(make_cube_result(random=True))
    assert text.index(LEAKAGE_WARNING[2:]) < text.index('class="verdict"')


def test_a_blocked_split_has_no_such_warning(made: CubeResult) -> None:
    assert "<b>LEAKAGE</b>" not in page(made)


def test_the_page_is_well_formed_and_loads_nothing(made: CubeResult) -> None:
    text = page(made)
    assert Page(text).open == []
    sources = re.findall(r'(?:src|href)="([^"#]+)"', text)
    assert not [s for s in sources if s.startswith(("http", "//"))]


def test_nothing_from_data_becomes_markup(made: CubeResult) -> None:
    text = page(replace(made, name=HOSTILE, notes=(HOSTILE,), verdict=HOSTILE))
    assert HOSTILE not in text
    assert "<b>wetness</b>" not in text
    assert Page(text).open == []


@pytest.mark.parametrize("name", ["map-roles", "map-folds", "map-target", "map-error", "leakage"])
def test_a_figure_is_there(made: CubeResult, name: str) -> None:
    assert re.search(rf'id="figure-\d+-{name}"', page(made))


def test_leakage_is_left_out_unless_asked_for() -> None:
    text = page(make_cube_result(leakage=False))
    assert "leakage" not in re.findall(r'<section id="([a-z]+)"', text)
    assert 'href="#leakage"' not in text


def test_a_page_without_trust_models_or_trials_still_says_why(made: CubeResult) -> None:
    bare = replace(made.models[0], trust=None, lower=(), upper=(), scores=None, predicted=())
    nothing = replace(
        made,
        models=(bare, *(replace(m, scores=None, predicted=()) for m in made.models[1:])),
        in_domain=(),
        importance={},
        control_trials=(),
        trials=made.trials[5:6],
    )
    said = words(nothing)
    assert "No model has intervals" in said
    assert "No model has an RMSE on the test samples" in said


def test_the_page_draws_the_sizes_of_every_block(made: CubeResult) -> None:
    said = words(made)
    assert "10 × 10 × 4" in said
    assert "5 × 5 × 2" in said
    assert "averaged to 96" in said


def test_a_gap_beyond_noise_is_called_what_it_is(made: CubeResult) -> None:
    assert "will not be there in a place without neighbours" in leakage_sentence(made)


def test_a_gap_within_noise_is_no_leakage(made: CubeResult) -> None:
    honest = made.leakage[0].honest
    same = replace(made, leakage=(LeakageRow(name="ridge", honest=honest, leaky=honest),))
    assert "within the noise" in leakage_sentence(same)


def test_another_model_is_told_of_where_only_it_gains(made: CubeResult) -> None:
    winner, forest = made.leakage[:2]
    quiet = replace(made, leakage=(replace(winner, leaky=winner.honest), forest))
    assert leakage_sentence(quiet).startswith("Under random folds the random forest shows")


def test_two_random_kinds_of_folds_are_no_honest_pair() -> None:
    assert "Both kinds leak" in leakage_sentence(make_cube_result(random=True))


def test_an_undefined_r2_is_not_drawn(made: CubeResult) -> None:
    row = made.leakage[0]
    none = replace(row.honest, r2=replace(row.honest.r2, value=None, low=None, high=None))
    undefined = replace(made, leakage=(replace(row, honest=none),))
    assert leakage_figure(undefined) is None
    assert "undefined" in leakage_sentence(undefined)


@pytest.mark.parametrize(
    ("distance", "text"), [(None, "–"), (0.0, "0 km"), (0.25, "250 m"), (1.2, "1.20 km")]
)
def test_distances_are_in_km_or_metres(distance: float | None, text: str) -> None:
    assert km(distance) == text


@pytest.mark.parametrize(
    ("n", "told"),
    [
        (None, "the size of a cell is not known"),
        (0, "none of 9"),
        (12, "12 of 9"),
    ],
)
def test_the_split_says_how_many_windows_share_cells(
    made: CubeResult, n: int | None, told: str
) -> None:
    split = replace(made.split, n_overlapping=n, n_test=9)
    assert told in overlap_words(split)
    shown = words(replace(made, split=replace(made.split, n_overlapping=n)))
    assert ("share cells with one that is learned from" in shown) == (n is not None)


def test_mae_and_squared_correlation_stand_in_a_table_of_their_own(made: CubeResult) -> None:
    text = words(made)
    assert "Mean absolute error and squared correlation of the same predictions." in text
    assert "others call the Nash–Sutcliffe efficiency (NSE)" in text
    older = replace(made, models=tuple(replace(m, mae=None) for m in made.models))
    assert "Mean absolute error" not in words(older)


def test_what_was_tuned_on_the_folds_is_said_where_they_are_used(made: CubeResult) -> None:
    text = words(made)
    assert TUNED in text
    assert "had not seen" not in text
    assert f"the {made.leakage[0].name}'s whole design too" in text


def test_the_published_network_is_said_to_be_trained_otherwise(made: CubeResult) -> None:
    assert "is not trained as published" in words(made)
    alone = replace(made, models=tuple(m for m in made.models if m.kind != "published"))
    assert "is not trained as published" not in words(alone)


def test_sealed_samples_are_said_to_be_opened_at_the_end_of_each_run(made: CubeResult) -> None:
    assert "opened at the end of each run of this command" in words(made)
