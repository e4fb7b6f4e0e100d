"""Trainings on maps side by side: ranked only on the same sealed cells and dates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autospec.evaluate.metrics import Estimate
from autospec.report.compare import compare_runs
from autospec.report.compare_page import by_target, comparison_csv, comparison_html
from autospec.report.map_folder import write_map_training
from autospec.report.maps.compared import map_entries
from autospec.training.map_result import MapModel, MapTraining
from tests.report.conftest import HOSTILE
from tests.report.cubes.made_cube_result import make_cube_result
from tests.report.maps.made_map_training import TARGETS, make_map_training
from tests.report.test_compare_runs import put
from tests.report.test_html import Page


def put_maps(folder: Path, result: MapTraining) -> Path:
    folder.mkdir()
    write_map_training(result, folder)
    return folder


@pytest.fixture(scope="module")
def made() -> MapTraining:
    return make_map_training(synthetic=False)


def better(result: MapTraining) -> MapTraining:
    """Return the same run whose network does as ridge did, on the same values."""
    ridge = next(model for model in result.models if model.name == "ridge")
    return replace(
        result, models=(replace(result.models[0], scores=ridge.scores), *result.models[1:])
    )


def of_other_values(result: MapTraining) -> MapTraining:
    """Return a run on other observed values of the same split: their variance is another."""

    def scaled(model: MapModel) -> MapModel:
        scores = model.scores[0]
        rmse = scores.pooled.rmse
        assert rmse.value is not None
        pooled = replace(scores.pooled, rmse=Estimate(value=2 * rmse.value, low=0.0, high=9.0))
        return replace(model, scores=(replace(scores, pooled=pooled),))

    return replace(result, models=tuple(scaled(model) for model in result.models))


def test_runs_on_the_same_sealed_values_have_one_letter(made: MapTraining, tmp_path: Path) -> None:
    compared = compare_runs(
        [put_maps(tmp_path / "a", made), put_maps(tmp_path / "b", better(made))]
    )
    assert [run.rows for run in compared.runs] == ["A", "A"]
    assert compared.pairs == ()
    assert "no paired difference can be told" in " ".join(compared.remarks)
    assert list(by_target(compared)) == ["ndvi"]


@pytest.mark.parametrize(
    "change",
    [
        lambda r: replace(r, split=replace(r.split, digest="77" * 32)),
        lambda r: replace(r, split=replace(r.split, test_dates=r.split.test_dates[1:])),
        lambda r: replace(r, data=replace(r.data, cell=(0.1, 0.1))),
        lambda r: make_map_training(targets=("evaporation",), synthetic=False),
        of_other_values,
    ],
    ids=["other split", "other dates", "other cells", "other target", "other values"],
)
def test_runs_on_other_sealed_values_are_not_ranked(
    made: MapTraining, tmp_path: Path, change: Callable[[MapTraining], MapTraining]
) -> None:
    compared = compare_runs(
        [put_maps(tmp_path / "a", made), put_maps(tmp_path / "b", change(made))]
    )
    assert [run.rows for run in compared.runs] == ["A", "B"]
    assert "must not be ranked against each other" in compared.remarks[0]


def test_every_target_is_an_entry_of_its_own(tmp_path: Path) -> None:
    two = make_map_training(targets=TARGETS)
    compared = compare_runs([put_maps(tmp_path / "two", two)])
    assert [run.name for run in compared.runs] == ["two (ndvi)", "two (evaporation)"]
    assert list(by_target(compared)) == list(TARGETS)


def test_all_models_are_there_lowest_error_first(made: MapTraining, tmp_path: Path) -> None:
    (run,) = compare_runs([put_maps(tmp_path / "a", made)]).runs
    assert {m.name for m in run.models} == {m.name for m in made.models}
    values = [m.scores.rmse.value for m in run.models if m.scores]
    assert values == sorted(values, key=lambda v: v or 0)
    assert [m.kind for m in run.models if m.name == "network"] == ["network"]


def test_maps_and_samples_are_never_under_one_letter(made: MapTraining, tmp_path: Path) -> None:
    cubes = make_cube_result(synthetic=False)
    compared = compare_runs([put(tmp_path / "cubes", cubes), put_maps(tmp_path / "maps", made)])
    assert [run.rows for run in compared.runs] == ["A", "B"]
    assert list(by_target(compared)) == ["soc in g/kg", "ndvi"]


def test_the_page_says_what_the_bootstrap_draws(made: MapTraining, tmp_path: Path) -> None:
    compared = compare_runs([put_maps(tmp_path / "a", made)])
    text = comparison_html(compared, "0")
    assert "bootstrap draws of whole dates, or whole squares of the map" in text
    assert "RMSE ()" not in text
    assert Page(text).open == []
    assert comparison_csv(compared).count("\n") == len(made.models) + 1


def test_a_hostile_target_is_escaped(tmp_path: Path) -> None:
    made = make_map_training(targets=(HOSTILE, "b"))
    text = comparison_html(compare_runs([put_maps(tmp_path / "a", made)]), "0")
    assert HOSTILE not in text


def test_values_whose_variance_is_unknown_match_by_their_place(made: MapTraining) -> None:
    none = Estimate(value=None, reason="undefined: the observed values are constant")
    scores = made.models[0].scores[0]
    flat = replace(scores, pooled=replace(scores.pooled, r2=none))
    network = replace(made.models[0], scores=(flat,))
    bare = replace(made, models=(network, *made.models[1:]))
    ((_, rows),), ((_, others),) = (map_entries(run, "x") for run in (bare, made))
    assert rows.same(rows)
    assert not rows.same(others)
