"""Baselines of maps: planted laws are found, gaps are harmless, and nothing held out is learned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autospec.data.maps.problem import MapProblem
from autospec.data.maps.scaling import fit_map_scaler
from autospec.data.maps.splits import FIT, SEALED, MapSplit, MapSplitKind, make_map_split
from autospec.data.maps.tiles import Place, Tile, read_tile
from autospec.data.maps.tiling import Tiling
from autospec.evaluate.map_baselines import (
    MapBaseline,
    fit_map_baselines,
)
from autospec.evaluate.map_metrics import MapScores
from autospec.evaluate.map_names import MEAN, PATCH_FOREST, PATCH_RIDGE, PERSISTENCE, RIDGE
from autospec.evaluate.map_rows import Padded, draw_rows, n_features
from autospec.evaluate.map_scoring import score_maps
from tests.evaluate.made_maps import made_problem, made_values

EVERY = (MEAN, PERSISTENCE, RIDGE, PATCH_RIDGE, PATCH_FOREST)


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autospec.evaluate.map_baselines.FOREST_TREES", 12)
    monkeypatch.setattr("autospec.evaluate.map_baselines.TUNING_TREES", 4)
    monkeypatch.setattr("autospec.evaluate.map_baselines.FOREST_ROWS", 1500)


def fitted(
    problem: MapProblem, name: str, kind: MapSplitKind = "forward", seed: int = 0
) -> MapBaseline:
    plan = make_map_split(problem, MapSplit(kind=kind, block=3))
    return fit_map_baselines(problem, plan, fit_map_scaler(problem, plan), (name,), seed)[0]


def scored(
    problem: MapProblem, name: str, kind: MapSplitKind = "forward", target: int = 0
) -> MapScores:
    plan = make_map_split(problem, MapSplit(kind=kind, block=3))
    models = {name: fitted(problem, name, kind).model}
    tiling = Tiling(tile=16, margin=2)
    tally = score_maps(problem, plan.unseal(), SEALED, models, tiling, block=3)
    return tally[name].scores(target)


def whole_tile(problem: MapProblem, slot: int = 0) -> Tile:
    h, w = problem.stack.shape
    return read_tile(problem, None, Place(slot=slot, row=0, column=0, height=h, width=w), FIT)


def wandering(seed: int = 0, t: int = 24) -> np.ndarray:
    """Channel c wanders from date to date, by what a was the date before."""
    values = made_values(seed, (t, 12, 14)).astype(np.float64)
    values[:, 2] = 100 + np.cumsum(values[:, 0] - 5, axis=0)
    values[1:, 2] = values[:1, 2] + np.cumsum(values[:-1, 0] - 5, axis=0)
    return values.astype(np.float32)


# of "blocks" the first of 24 dates is mapped too, whose slot before nobody has seen
@pytest.mark.parametrize(("kind", "least"), [("forward", 0.99), ("blocks", 0.95)])
def test_ridge_finds_a_law_that_reaches_one_slot_back(kind: MapSplitKind, least: float) -> None:
    found = scored(made_problem(made_values(), length=8), RIDGE, kind).pooled.r2.value
    assert found is not None and found > least


def test_ridge_finds_the_law_of_a_change() -> None:
    problem = made_problem(wandering(), horizon=1)
    found = scored(problem, RIDGE).pooled.r2.value
    assert found is not None and found > 0.999
    assert fitted(problem, RIDGE).detail.endswith("says the change from the latest value")


def test_patches_see_what_stands_beside_a_cell() -> None:
    values = made_values(3)
    values[:, 2, :, 1:] = 4 * values[:, 0, :, :-1]
    problem = made_problem(values)
    on_patches, alone = (scored(problem, name).pooled.r2.value for name in (PATCH_RIDGE, RIDGE))
    assert on_patches is not None and alone is not None
    assert on_patches > 0.8 > 0.5 > alone  # the western column has no cell beside it


def test_the_forest_finds_a_step() -> None:
    values = made_values(4)
    values[:, 2] = np.where(values[:, 0] > 5, 10.0, 0.0)
    found = scored(made_problem(values), PATCH_FOREST).pooled.r2.value
    assert found is not None and found > 0.6


def test_the_mean_has_an_r2_near_0() -> None:
    found = scored(made_problem(made_values(), horizon=1), MEAN)
    assert found.pooled.r2.value == pytest.approx(0, abs=0.05)
    assert found.pearson_r2.value is None


def test_persistence_is_exact_where_nothing_changes() -> None:
    values = made_values()
    values[:, 2] = np.arange(12 * 14, dtype=np.float32).reshape(12, 14)
    problem = made_problem(values, horizon=1)
    tile = whole_tile(problem)
    np.testing.assert_array_equal(fitted(problem, PERSISTENCE).model.predict(tile), tile.target)
    found = scored(problem, PERSISTENCE).pooled
    # tapered tiles are added up in single precision
    assert found.rmse.value == pytest.approx(0, abs=1e-5)
    assert found.r2.value == pytest.approx(1)


def test_persistence_looks_past_gaps_and_falls_back_on_the_mean() -> None:
    values = made_values()
    values[3, 2] = np.nan
    values[:, 2, 0, 0] = np.nan
    problem = made_problem(values, horizon=1)
    plan = make_map_split(problem, MapSplit())
    scaler = fit_map_scaler(problem, plan)
    (found,) = fit_map_baselines(problem, plan, scaler, (PERSISTENCE,), 0)
    said = found.model.predict(whole_tile(problem))
    np.testing.assert_array_equal(said[3, 0, 1:], values[2, 2, 1:])
    assert said[:, 0, 0, 0] == pytest.approx(scaler.target_mean[0])


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("slot", [0, 18])
def test_predictions_are_finite_single_and_of_the_targets_shape(name: str, slot: int) -> None:
    values = made_values(5)
    values[np.random.default_rng(0).uniform(size=values.shape) < 0.4] = np.nan
    values[19, :] = np.nan
    problem = made_problem(values, ("c", "b"), horizon=1)
    said = fitted(problem, name).model.predict(whole_tile(problem, slot))
    assert said.dtype == np.float32
    assert said.shape == (4, 2, 12, 14)
    assert np.isfinite(said).all()


@pytest.mark.parametrize("name", [RIDGE, PATCH_FOREST])
def test_nothing_held_out_is_learned(name: str) -> None:
    values = wandering()
    changed = values.copy()
    changed[18:] += 1000  # the sealed dates of 24
    said = []
    for each in (values, changed):
        problem = made_problem(each, horizon=1)
        said.append(
            fitted(problem, name).model.predict(whole_tile(made_problem(values, horizon=1)))
        )
    np.testing.assert_array_equal(said[0], said[1])


@pytest.mark.parametrize("name", [RIDGE, PATCH_FOREST])
def test_the_seed_fixes_a_fit(name: str) -> None:
    problem = made_problem(wandering(), horizon=1)
    tile = whole_tile(problem)
    one, again = (fitted(problem, name, seed=3).model.predict(tile) for _ in range(2))
    np.testing.assert_array_equal(one, again)


def test_two_targets_have_a_penalty_each() -> None:
    problem = made_problem(wandering(), ("c", "b"), horizon=1)
    found = fitted(problem, RIDGE)
    assert found.detail.split(";")[0].count(",") == 1
    assert scored(problem, RIDGE, target=0).pooled.r2.value == pytest.approx(1, abs=0.001)


@pytest.mark.parametrize("radius", [0, 1])
@pytest.mark.parametrize("horizon", [0, 1])
def test_features_are_as_many_as_announced(radius: int, horizon: int) -> None:
    problem = made_problem(made_values(), ("c",), horizon=horizon)
    plan = make_map_split(problem, MapSplit())
    rows = draw_rows((problem, plan), fit_map_scaler(problem, plan), (FIT, radius, 500), 0)
    assert rows.x.shape == (500, n_features(problem, radius))
    assert np.isfinite(rows.x).all() and np.isfinite(rows.y).all()


@pytest.mark.parametrize("horizon", [0, 1])
def test_rows_have_the_dates_before_them_as_where_they_are_scored(horizon: int) -> None:
    problem = made_problem(made_values(shape=(60, 12, 14)), horizon=horizon, length=8)
    plan = make_map_split(problem, MapSplit())
    rows = draw_rows((problem, plan), fit_map_scaler(problem, plan), (FIT, 0, 2000), 0)
    c = len(problem.inputs)
    before_missing = rows.x[:, c : 2 * c].all(axis=1)  # of the slot two before
    # of sequences that begin at slot 0 the first two slots, as where the first dates are scored
    assert before_missing.mean() < 0.03


def test_features_of_an_edge_repeat_it() -> None:
    problem = made_problem(made_values())
    plan = make_map_split(problem, MapSplit())
    scaler = fit_map_scaler(problem, plan)
    tile = whole_tile(problem)
    grown = replace(
        tile,
        dynamic=np.pad(tile.dynamic, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge"),
        static=np.pad(tile.static, ((0, 0), (1, 1), (1, 1)), mode="edge"),
        last=np.pad(tile.last, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge"),
    )
    slots, rows, columns = np.array([0, 2]), np.array([0, 11]), np.array([0, 13])
    padded = Padded.of(tile, scaler, radius=1, last=False)
    inside = Padded.of(grown, scaler, radius=1, last=False)
    np.testing.assert_array_equal(
        padded.features(slots, rows, columns), inside.features(slots, rows + 1, columns + 1)
    )
