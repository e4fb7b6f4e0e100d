"""Strategies of a draw: named, reproducible, and each on its own when another fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from autospec.data.spectra import FloatArray
from autospec.errors import DataError, TrialFailed
from autospec.search.plan import StopSearch
from autospec.transfer import networks as networks_module
from autospec.transfer import strategies
from autospec.transfer.network_settings import NetworkSettings, Resources
from autospec.transfer.strategies import (
    SelectedRows,
    TrainedStrategies,
    fit_line,
    train_draw_networks,
    train_library_networks,
)
from tests.transfer.farms import CPU, FARM, FIXED, FRESH, LIBRARY, SEARCHED, TINY, table

COUNTRY = np.arange(20)
K = SelectedRows(library=LIBRARY.rows(range(25, 40)), country=LIBRARY.rows(range(12)))
FROM_GLOBAL = [
    "Global, slope and bias",
    "DTL-I_g",
    "DTL-R_g",
    "DTL-IR_g (library→K∪m)",
    "DTL-IR_g (K→m)",
]
FROM_COUNTRY = [name.replace("Global", "Country").replace("_g", "_c") for name in FROM_GLOBAL]
NAMES = ["Global", "Country", "Local", *FROM_GLOBAL, *FROM_COUNTRY]


@pytest.fixture(scope="module")
def library() -> TrainedStrategies:
    return train_library_networks(LIBRARY, COUNTRY, FIXED, CPU)


@pytest.fixture(scope="module")
def draw(library: TrainedStrategies) -> TrainedStrategies:
    return train_draw_networks(library, FARM, K, FIXED, CPU)


def predictions(trained: TrainedStrategies) -> dict[str, FloatArray]:
    return {one.name: one.predict(FRESH.values) for one in trained.fitted}


def assert_equal_predictions(a: TrainedStrategies, b: TrainedStrategies) -> None:
    assert predictions(a).keys() == predictions(b).keys()
    for name, predicted in predictions(a).items():
        np.testing.assert_array_equal(predicted, predictions(b)[name], err_msg=name)


def test_every_strategy_has_its_row_in_order(draw: TrainedStrategies) -> None:
    assert [one.name for one in draw.fitted] == NAMES
    assert draw.failed == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_predicts_and_says_how_it_came_about(draw: TrainedStrategies, name: str) -> None:
    one = draw.find(name)
    assert one is not None
    predicted = one.predict(FRESH.values)
    assert predicted.shape == (FRESH.n,) and np.isfinite(predicted).all()
    assert one.design.architecture == TINY.architecture
    assert one.bands == TINY.bands(FARM.axis)
    assert one.trials == 0 and one.epochs >= 1 and one.seconds > 0
    assert len(one.ensemble.members) == FIXED.members
    assert one.detail.startswith("absorbance, step 20; ")
    assert (one.cv_rmse is None) == name.endswith("slope and bias")


def test_strategies_are_different_models(draw: TrainedStrategies) -> None:
    rows = np.round(list(predictions(draw).values()), 6)
    assert len(np.unique(rows, axis=0)) == len(NAMES)


def test_library_networks_are_passed_on_untouched(
    library: TrainedStrategies, draw: TrainedStrategies
) -> None:
    assert draw.fitted[:2] == library.fitted
    fresh = train_library_networks(LIBRARY, COUNTRY, FIXED, CPU)
    assert_equal_predictions(fresh, TrainedStrategies(fitted=draw.fitted[:2], failed={}))


def test_a_search_is_reproducible_whatever_the_number_of_threads() -> None:
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        library = train_library_networks(LIBRARY, None, SEARCHED, CPU)
        found.append(train_draw_networks(library, FARM, replace(K, country=None), SEARCHED, CPU))
    torch.set_num_threads(1)
    assert [one.name for one in found[0].fitted] == ["Global", "Local", *FROM_GLOBAL]
    assert {one.name: one.trials for one in found[0].fitted} == {
        "Global": 2,
        "Local": 2,
        "Global, slope and bias": 0,
        "DTL-I_g": 2,
        "DTL-R_g": 0,
        "DTL-IR_g (library→K∪m)": 0,
        "DTL-IR_g (K→m)": 0,
    }
    assert_equal_predictions(*found)


def test_the_seed_matters(library: TrainedStrategies, draw: TrainedStrategies) -> None:
    other = train_draw_networks(library, FARM, SelectedRows(), replace(FIXED, seed=4), CPU)
    assert not np.array_equal(predictions(other)["Local"], predictions(draw)["Local"])
    assert not np.array_equal(predictions(other)["DTL-R_g"], predictions(draw)["DTL-R_g"])


def test_networks_of_the_library_keep_its_preprocessing(draw: TrainedStrategies) -> None:
    pipelines = {one.name: one.ensemble.pipeline for one in draw.fitted}
    kept = ["Global, slope and bias", "DTL-R_g", "DTL-IR_g (library→K∪m)"]
    assert all(pipelines[name] is pipelines["Global"] for name in kept)
    others = ["Local", "DTL-I_g", "DTL-IR_g (K→m)", "Country"]
    assert all(pipelines[name] is not pipelines["Global"] for name in others)


def test_transfer_from_a_library_off_by_a_line_beats_the_library_alone(
    draw: TrainedStrategies,
) -> None:
    errors = {
        name: float(np.sqrt(np.mean((p - FRESH.target) ** 2)))
        for name, p in predictions(draw).items()
    }
    assert errors["Global, slope and bias"] < 0.6 * errors["Global"]
    assert errors["DTL-R_g"] < 0.6 * errors["Global"]


@pytest.mark.parametrize("n", [10, 30])
def test_ten_to_thirty_rows_do(library: TrainedStrategies, n: int) -> None:
    farm = table(n, 5, "farm", slope=0.5, offset=30.0)
    assert train_draw_networks(library, farm, K, FIXED, CPU).failed == {}


def test_too_few_local_rows_are_refused(library: TrainedStrategies) -> None:
    with pytest.raises(DataError, match="3 labelled rows"):
        train_draw_networks(library, FARM.rows(range(3)), K, FIXED, CPU)


def test_without_a_selection_the_others_are_trained(library: TrainedStrategies) -> None:
    draw = train_draw_networks(library, FARM, SelectedRows(), FIXED, CPU)
    assert {n.split("_")[0] for n in draw.failed} == {"DTL-I", "DTL-IR"}
    assert set(draw.failed.values()) == {"there is no selection to learn from"}
    assert [one.name for one in draw.fitted if "_" in one.name] == ["DTL-R_g", "DTL-R_c"]


def test_a_global_network_that_fails_costs_only_what_starts_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(name: str, *args: object) -> None:
        raise TrialFailed("the loss is not finite in epoch 1")

    with monkeypatch.context() as patch:
        patch.setattr(strategies, "choose_design", fail)
        library = train_library_networks(LIBRARY, None, FIXED, CPU)
    assert library.failed == {"Global": "the loss is not finite in epoch 1"}
    draw = train_draw_networks(library, FARM, K, FIXED, CPU)
    assert {one.name for one in draw.fitted} == {"Local", "DTL-I_g", "DTL-I_c"}
    assert draw.failed["Global"] == "the loss is not finite in epoch 1"
    assert draw.failed["DTL-R_g"] == "Global has no networks to start from"


def test_a_country_too_small_for_folds_costs_only_its_own_row() -> None:
    library = train_library_networks(LIBRARY, np.arange(3), FIXED, CPU)
    assert [one.name for one in library.fitted] == ["Global"]
    assert "3 labelled rows in 3 groups are too few" in library.failed["Country"]


def test_without_time_left_no_strategy_is_begun(library: TrainedStrategies) -> None:
    late = replace(CPU, seconds_left=lambda: 0.0)
    draw = train_draw_networks(library, FARM, K, FIXED, late)
    assert [one.name for one in draw.fitted] == ["Global", "Country"]
    assert set(draw.failed) == set(NAMES[2:])
    assert set(draw.failed.values()) == {"the time was up before it began"}


def test_when_the_time_runs_out_the_strategies_so_far_are_kept(
    library: TrainedStrategies,
) -> None:
    begun: list[str] = []

    def seconds_left() -> float:
        return -1.0 if FROM_GLOBAL[1] in begun else 1e9

    hurried = Resources(device="cpu", on_step=begun.append, seconds_left=seconds_left)
    draw = train_draw_networks(library, FARM, K, FIXED, hurried)
    assert [one.name for one in draw.fitted] == NAMES[:5]
    assert draw.fitted[-1].epochs == 1  # begun in time, then cut short after an epoch
    assert list(draw.failed) == NAMES[5:]


def test_an_interrupt_ends_the_draw(library: TrainedStrategies) -> None:
    with pytest.raises(StopSearch):
        train_draw_networks(library, FARM, K, FIXED, replace(CPU, interrupted=lambda: True))


def test_networks_of_a_large_library_train_for_as_many_steps_as_were_searched(
    library: TrainedStrategies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks_module, "SEARCHED_ROWS", 25)
    part = networks_module.library_rows(LIBRARY, FIXED)
    chosen = networks_module.choose_design("Global", part, FIXED, CPU)
    found = train_library_networks(LIBRARY, None, FIXED, CPU).fitted[0]
    assert found.epochs == max(1, round(chosen.epochs / 2))


@pytest.mark.parametrize("asked", [FIXED, SEARCHED])
def test_library_networks_do_not_depend_on_what_is_drawn_later(asked: NetworkSettings) -> None:
    """Global is searched and trained before any local row is passed: it has only the library."""
    first = train_library_networks(LIBRARY, None, asked, CPU)
    train_draw_networks(first, FARM, SelectedRows(), FIXED, CPU)
    assert_equal_predictions(first, train_library_networks(LIBRARY, None, asked, CPU))


def test_the_line_is_that_of_least_squares() -> None:
    rng = np.random.default_rng(0)
    predicted = rng.normal(20.0, 5.0, 12)
    observed = 3.0 + 0.4 * predicted + rng.normal(0.0, 1.0, 12)
    slope, intercept = np.polyfit(predicted, observed, 1)
    assert fit_line(predicted, observed) == pytest.approx((intercept, slope), rel=1e-9)


@pytest.mark.parametrize(
    "predicted",
    [np.full(5, 12.0), 12.0 + 1e-7 * np.arange(5.0), np.array([10.0, 14.0]), np.zeros(4)],
)
def test_a_line_that_cannot_be_told_takes_off_the_bias_only(predicted: FloatArray) -> None:
    observed = np.linspace(20.0, 30.0, len(predicted))
    intercept, slope = fit_line(predicted, observed)
    assert slope == 1.0
    assert intercept == pytest.approx(observed.mean() - predicted.mean())


def test_the_corrected_library_model_is_right_on_average_on_the_local_rows(
    draw: TrainedStrategies,
) -> None:
    one = draw.find("Global, slope and bias")
    assert one is not None
    assert one.predict(FARM.values).mean() == pytest.approx(FARM.target.mean(), rel=1e-9)
    assert f"{one.intercept:.3g} + {one.slope:.3g} · prediction" in one.detail
