"""The page of a training on maps: the verdict first, nothing run from data, reasons for gaps."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from autospec.evaluate.map_frames import MapFrames
from autospec.evaluate.metrics import Estimate
from autospec.report.lock import LOCK_FILE
from autospec.report.maps import write_map_report
from autospec.report.maps.page import map_report_html
from autospec.report.maps.sections import aims_words
from autospec.report.words import measured
from autospec.training.map_result import MapTraining
from tests.report.conftest import HOSTILE
from tests.report.maps.made_map_training import TARGETS, make_frames, make_map_training
from tests.report.test_html import Page

FILES = {
    "assets/plotly.min.js",
    "scores.csv",
    "seasons.csv",
    "edges.csv",
    "epochs.csv",
    "map.html",
    "report.html",
}


@pytest.fixture(scope="module")
def made() -> MapTraining:
    return make_map_training()


@pytest.fixture(scope="module")
def frames() -> MapFrames:
    return make_frames()


def words(result: MapTraining, frames: MapFrames | None = None) -> str:
    return " ".join(Page(map_report_html(result, frames)).words)


def test_every_file_is_written_the_page_last(
    made: MapTraining, frames: MapFrames, tmp_path: Path
) -> None:
    paths = write_map_report(made, frames, tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in paths} == FILES
    found = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert found - {LOCK_FILE} == FILES
    assert paths[-1].name == "report.html"


def test_a_second_report_is_the_same(made: MapTraining, frames: MapFrames, tmp_path: Path) -> None:
    first = {path: path.read_bytes() for path in write_map_report(made, frames, tmp_path)}
    assert {path: path.read_bytes() for path in write_map_report(made, frames, tmp_path)} == first


def test_the_verdict_comes_before_every_number(made: MapTraining) -> None:
    text = map_report_html(made, None)
    assert text.index("The network beats ridge") < text.index('<dl class="cards">')


def test_synthetic_data_are_named_in_title_header_and_facts(made: MapTraining) -> None:
    text = map_report_html(made, None)
    assert "<title>autospec report: sinop (synthetic)</title>" in text
    assert text.index("<b>SYNTHETIC</b>") < text.index('class="verdict"')
    assert "SYNTHETIC: made up by a program, not measured" in text


def test_measured_data_are_not_called_synthetic() -> None:
    text = map_report_html(make_map_training(synthetic=False), None)
    assert "synthetic" not in text.partition("</style>")[2].lower()


def test_the_pages_are_well_formed_and_load_nothing(
    made: MapTraining, frames: MapFrames, tmp_path: Path
) -> None:
    write_map_report(made, frames, tmp_path)
    for name in ("report.html", "map.html"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert Page(text).open == [], name
        sources = re.findall(r'(?:src|href)="([^"#]+)"', text)
        assert not [s for s in sources if s.startswith(("http", "//"))], name


def test_nothing_from_data_becomes_markup() -> None:
    targets = (HOSTILE, '"><img src=x onerror=alert(1)>%{x}')
    made = make_map_training(targets=targets)
    hostile = replace(
        made,
        name=HOSTILE,
        verdict=HOSTILE,
        rival=HOSTILE,
        notes=(HOSTILE,),
        data=replace(made.data, crs=HOSTILE, inputs=(HOSTILE,), provenance=(HOSTILE,)),
        models=(replace(made.models[0], detail=HOSTILE), *made.models[1:]),
    )
    text = map_report_html(hostile, make_frames(targets=targets))
    assert HOSTILE not in text
    assert "<img" not in text
    assert Page(text).open == []


@pytest.mark.parametrize("name", ["models-1", "still", "seasons-1", "loss", "watched", "split"])
@pytest.mark.parametrize("kind", ["forward", "blocks"])
def test_a_figure_is_there(name: str, kind: str, frames: MapFrames) -> None:
    made = make_map_training(kind="forward" if kind == "forward" else "blocks")
    assert re.search(rf'id="figure-\d+-{name}"', map_report_html(made, frames))


def test_every_target_has_tables_of_its_own() -> None:
    text = map_report_html(make_map_training(targets=TARGETS), make_frames(targets=TARGETS))
    for target in TARGETS:
        assert text.count(f'<p class="caption">{target}') == 3, target


@pytest.mark.parametrize("measure", ["RMSE", "MAE", "ME", "R²", "Pearson r²", "CCC", "RPIQ", "NSE"])
def test_a_measure_has_a_column_under_its_own_name(made: MapTraining, measure: str) -> None:
    section = map_report_html(made, None).partition('<section id="compared">')[2]
    assert f'class="n">{measure}<small>' in section.partition("</thead>")[0]


def test_the_number_of_values_and_groups_is_told(made: MapTraining) -> None:
    assert "the same 300 sealed values, in 48 dates" in words(made)


def test_an_undefined_measure_is_a_dash_with_its_reason(made: MapTraining) -> None:
    text = map_report_html(made, None)
    assert 'title="undefined: the predicted values are constant">–<small>undefined' in text


def test_the_ratio_of_edges_to_interior_is_shown(made: MapTraining) -> None:
    edges = map_report_html(made, None).partition('<section id="edges">')[2]
    assert edges.partition("</section>")[0].count(">1.030<") == len(made.models)


def test_a_map_without_edges_has_dashes(made: MapTraining) -> None:
    bare = replace(made, models=tuple(replace(m, edge_rmse=(None,)) for m in made.models))
    edges = map_report_html(bare, None).partition('<section id="edges">')[2]
    assert "1.030" not in edges.partition("</section>")[0]


def test_one_season_is_a_table_and_no_figure(made: MapTraining) -> None:
    one = replace(made, models=tuple(replace(m, seasons=m.seasons[:1]) for m in made.models))
    assert "All sealed values lie in one season" in words(one)


def test_without_maps_the_page_says_so_and_leads_nowhere(made: MapTraining, tmp_path: Path) -> None:
    assert "map.html" not in map_report_html(made, None)
    assert "those of the training were not kept" in words(made)
    paths = write_map_report(made, None, tmp_path)
    assert "map.html" not in {path.name for path in paths}


def test_squares_without_their_map_say_so() -> None:
    made = make_map_training(kind="blocks")
    bare = replace(made, split=replace(made.split, roles=()))
    assert "The map of the squares was not kept." in words(bare)


def test_of_squares_the_page_warns_that_learned_cells_are_shown(frames: MapFrames) -> None:
    warned = words(make_map_training(kind="blocks"), frames)
    assert "Cells that were learned from are among the shown ones" in warned
    assert "Cells that were learned from are" not in words(make_map_training(), frames)


def test_the_kept_model_is_named(made: MapTraining, frames: MapFrames) -> None:
    assert "autospec map --model" in map_report_html(made, frames, kept=True)
    assert "autospec map --model" not in map_report_html(made, frames)


def test_the_result_beside_it_is_named_by_its_digest(made: MapTraining, tmp_path: Path) -> None:
    (tmp_path / "map-train.json").write_text("{}", encoding="utf-8")
    write_map_report(made, None, tmp_path)
    digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # of {}
    assert digest in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_forecast_without_persistence_is_warned_of(made: MapTraining) -> None:
    bare = replace(made, models=tuple(m for m in made.models if m.name != "persistence"))
    assert "Persistence does not stand beside this forecast" in words(bare)
    assert "Persistence does not stand" not in words(made)


@pytest.mark.parametrize(
    ("horizon", "said"),
    [
        (0, "maps of ndvi at the dates of the inputs"),
        (1, "maps of ndvi, 1 step of 16 days ahead"),
        (3, "maps of ndvi, 3 steps of 16 days ahead"),
    ],
)
def test_what_was_asked_is_told_in_words(horizon: int, said: str) -> None:
    assert aims_words(make_map_training(horizon=horizon)) == said


@pytest.mark.parametrize(
    ("value", "like", "said"),
    [
        (0.1441, None, "0.144"),
        (2.3149e-5, None, "2.31e−5"),
        (-4e-7, 2.3e-5, "−4.00e−7"),
        (-4e-7, 0.14, "0"),
        (0.0, 2.3e-5, "0"),
        (None, 2.3e-5, "–"),
    ],
)
def test_numbers_in_small_units_keep_their_digits(
    value: float | None, like: float | None, said: str
) -> None:
    assert measured(value, like) == said


def test_scores_in_a_small_unit_are_not_said_to_be_0(made: MapTraining) -> None:
    def shrunk(estimate: Estimate) -> Estimate:
        numbers = {name: getattr(estimate, name) for name in ("value", "low", "high")}
        return replace(estimate, **{k: v and v * 1e-6 for k, v in numbers.items()})

    first, *others = made.models
    scores = first.scores[0]
    small = replace(scores, pooled=replace(scores.pooled, rmse=shrunk(scores.pooled.rmse)))
    model = replace(first, scores=(small, *first.scores[1:]))
    rmse = small.pooled.rmse.value
    assert rmse is not None and measured(rmse) in words(replace(made, models=(model, *others)))
