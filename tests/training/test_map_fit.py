"""One network of maps: who learns, who is watched, who is scored, and what is said of it."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps.asking import pose
from autospec.data.maps.problem import MapAims
from autospec.data.maps.splits import SEALED, MapSplit, make_map_split
from autospec.errors import SettingsDiffer, UsageError
from autospec.evaluate.map_frames import MapFrames
from autospec.evaluate.metrics import Comparison
from autospec.nets.map_sizes import CNNTransformerSizes
from autospec.training import map_fit
from autospec.training.map_fit import train_map
from autospec.training.map_network import MapNetwork
from autospec.training.map_outcome import beyond_rounding
from autospec.training.map_result import MapTraining
from autospec.training.map_settings import MAP_FIT, MapSettings, MapTerms
from autospec.training.train_run import TrainRun
from tests.training.made_stack import CHANNELS, made_stack
from tests.training.small_task import ALONE

NET = CNNTransformerSizes(widths=(4, 8, 8, 8), embedding=16, depth=1, heads=2)
CONFIG = replace(MAP_FIT, max_epochs=2)
SETTINGS = MapSettings(
    aims=MapAims(targets=("wave",), horizon=1, length=4),
    sizes=NET,
    tile=16,
    tiles_an_epoch=8,
    config=CONFIG,
)
RUN = TrainRun(processes=ALONE)
Trained = tuple[MapTraining, MapNetwork, MapFrames]


def train(
    stack: RasterStack | None = None, settings: MapSettings = SETTINGS, run: TrainRun = RUN
) -> Trained:
    made = train_map(stack or made_stack(), name="made", settings=settings, run=run)
    assert made is not None
    return made


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train()


def weights(trained: Trained) -> np.ndarray[Any, Any]:
    tensors = trained[1].network.state_dict().values()
    return np.concatenate([tensor.flatten().double().numpy() for tensor in tensors])


def timeless(result: MapTraining) -> MapTraining:
    return replace(result, epochs=tuple(replace(e, seconds=0.0) for e in result.epochs))


@cache
def notes_of(settings: MapSettings) -> tuple[str, ...]:
    return train(settings=settings)[0].notes


def with_targets_moved(stack: RasterStack, dates: tuple[str, ...], by: float) -> RasterStack:
    """Move the first channel's values at some dates."""
    values = np.array(stack.dynamic[:])
    values[np.isin(stack.times.astype(str), dates), 0] += by
    return replace(stack, dynamic=values)


@pytest.mark.parametrize(
    ("kind", "group"), [("forward", r"\b\d dates"), ("blocks", r"\b\d squares")]
)
def test_the_verdict_counts_what_was_held_out_whole(kind: Any, group: str) -> None:
    settings = replace(
        SETTINGS, split=MapSplit(kind=kind), tiles_an_epoch=1, config=replace(CONFIG, max_epochs=1)
    )
    result = train(settings=settings)[0]
    assert result.versus_rival.better == "cannot tell"
    words = f"in {group}, .* cannot be told .a verdict wants at least 20 {group.split()[1]}"
    assert re.search(words, result.verdict)


def test_a_bounded_end_is_refused_where_changes_are_said() -> None:
    sizes = replace(NET, final="sigmoid")
    with pytest.raises(UsageError, match=r'sizes.final = "sigmoid".*"change": false'):
        train(settings=replace(SETTINGS, sizes=sizes))


def test_it_says_what_the_stack_was(trained: Trained) -> None:
    data = trained[0].data
    assert data.shape == (30, 3, 24, 20)
    assert (data.channels, data.inputs, data.targets) == (CHANNELS, CHANNELS, ("wave",))
    assert (data.step_s, data.n_gaps, data.n_empty) == (86400.0, 1, 0)
    assert data.missing_percent == pytest.approx(5.0, abs=0.7)
    assert (data.cell, data.crs, data.synthetic) == ((100.0, 100.0), "EPSG:32633", True)


def test_every_answerable_date_has_one_role(trained: Trained) -> None:
    split = trained[0].split
    dates = [*split.fit_dates, *split.watch_dates, *split.test_dates]
    assert dates == sorted(set(dates))
    assert 26 <= len(dates) <= 29, "those without a date before them cannot be answered"
    assert split.fit_cells == split.test_cells == 24 * 20 and split.roles == ()


def test_squares_have_cells_of_one_role_and_a_map_of_them() -> None:
    blocks = MapSplit(kind="blocks", block=4, buffer=1)
    result, network, _ = train(settings=replace(SETTINGS, split=blocks))
    split = result.split
    problem = pose(made_stack(), SETTINGS.aims)
    plan = make_map_split(problem, blocks)
    assert split.test_cells == int((plan.unseal()[1] == SEALED).sum())
    assert split.fit_cells + split.watch_cells + split.test_cells < 24 * 20, "the buffer is between"
    assert len(split.roles) == 24 and split.digest == plan.digest
    assert result.n_parameters == sum(p.numel() for p in network.network.parameters())


def test_simpler_models_stand_beside_the_network(trained: Trained) -> None:
    result = trained[0]
    assert [model.name for model in result.models] == ["network", "mean", "persistence", "ridge"]
    assert {model.scores[0].pooled.n for model in result.models} == {
        result.models[0].scores[0].pooled.n
    }


def test_without_a_horizon_there_is_no_last_value_to_repeat() -> None:
    aims = replace(SETTINGS.aims, horizon=0)
    result = train(settings=replace(SETTINGS, aims=aims))[0]
    assert [model.name for model in result.models] == ["network", "mean", "ridge"]
    assert result.data.inputs == ("hint", "noise")


def test_patches_stand_there_too_when_asked_for(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []

    def only_the_mean(problem: Any, plan: Any, scaler: Any, names: Any, seed: int) -> Any:
        asked.append(names)
        return fit(problem, plan, scaler, ("mean",), seed)

    fit = map_fit.fit_map_baselines
    monkeypatch.setattr(map_fit, "fit_map_baselines", only_the_mean)
    other = train(settings=replace(SETTINGS, baselines="all"))
    patches = ("ridge on patches", "random forest on patches")
    assert asked == [("mean", "persistence", "ridge", *patches)]
    assert other[0].models[0].scores == trained[0].models[0].scores


def test_the_rival_is_the_best_of_the_others(trained: Trained) -> None:
    result = trained[0]
    rmse = {m.name: m.scores[0].pooled.rmse.value or 0.0 for m in result.models}
    ours = rmse.pop("network")
    assert result.rival == min(rmse, key=rmse.__getitem__)
    difference = result.versus_rival.difference
    assert difference == pytest.approx(ours - rmse[result.rival], rel=1e-9)
    assert f"for {result.rival}, the best of the others" in result.verdict


def test_frames_are_of_the_sealed_dates(trained: Trained) -> None:
    result, _, frames = trained
    assert len(frames.dates) == len(result.split.test_dates)
    assert frames.targets == ("wave",)
    assert frames.predicted.shape == (len(frames.dates), 1, 24, 20)


def test_sealed_values_change_nothing_but_the_scores(trained: Trained) -> None:
    moved = with_targets_moved(made_stack(), trained[0].split.test_dates, 50.0)
    other = train(moved)
    assert [e.watched_rmse for e in other[0].epochs] == [e.watched_rmse for e in trained[0].epochs]
    np.testing.assert_array_equal(weights(other), weights(trained))
    assert other[0].models[0].scores != trained[0].models[0].scores
    assert other[0].data.digest != trained[0].data.digest


def test_watched_values_do_not_teach(trained: Trained) -> None:
    """They choose the epoch; one epoch, of a network that says levels, leaves no choice."""
    levels = replace(NET, change=False)
    settings = replace(SETTINGS, sizes=levels, config=replace(CONFIG, max_epochs=1))
    moved = with_targets_moved(made_stack(), trained[0].split.watch_dates, 50.0)
    first, second = train(settings=settings), train(moved, settings)
    assert first[0].epochs[0].watched_rmse < second[0].epochs[0].watched_rmse
    np.testing.assert_array_equal(weights(first), weights(second))


def test_two_trainings_are_one_whatever_the_threads(trained: Trained) -> None:
    torch.set_num_threads(2)
    again = train()
    torch.set_num_threads(1)
    assert timeless(again[0]) == timeless(trained[0])
    np.testing.assert_array_equal(weights(again), weights(trained))
    np.testing.assert_array_equal(again[2].predicted, trained[2].predicted)


def test_a_budget_ends_it_and_the_same_call_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    settings = replace(SETTINGS, config=replace(CONFIG, max_epochs=6, patience=6))
    slow = replace(RUN, checkpoint=path, budget_s=2.0, on_epoch=lambda state: time.sleep(0.8))
    stopped = train(settings=settings, run=slow)[0]
    assert stopped.ended == "budget" and 1 <= len(stopped.epochs) < 6
    assert any("the same command takes it up" in note for note in stopped.notes)
    done = train(settings=settings, run=replace(RUN, checkpoint=path))
    straight = train(settings=settings)
    assert done[0].ended == "complete"
    assert timeless(done[0]) == timeless(straight[0])
    np.testing.assert_array_equal(weights(done), weights(straight))


@pytest.mark.parametrize(
    ("changes", "by", "message"),
    [
        ({}, 1.0, "stack: there"),
        ({"tile": 24}, 0.0, "tile: there 16, here 24"),
        ({"terms": MapTerms(edge=False)}, 0.0, "terms.edge: there True, here False"),
        ({"aims": replace(SETTINGS.aims, length=3)}, 0.0, "aims.length: there 4, here 3"),
    ],
    ids=["another stack", "another tile", "another loss", "another length"],
)
def test_another_training_is_refused_by_the_checkpoint(
    changes: dict[str, Any], by: float, message: str, tmp_path: Path
) -> None:
    run = replace(RUN, checkpoint=tmp_path / "checkpoint.safetensors")
    stack = made_stack()
    train(stack, run=run)
    last = (str(stack.times[-1]),)
    with pytest.raises(SettingsDiffer, match=message):
        train(with_targets_moved(stack, last, by), replace(SETTINGS, **changes), run)


def test_beside_the_main_process_nothing_is_reported() -> None:
    run = replace(RUN, processes=replace(ALONE, rank=1))
    assert train_map(made_stack(), name="made", settings=SETTINGS, run=run) is None


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        (SETTINGS, "The stack is synthetic: made up"),
        (SETTINGS, "1 of 31 slots of 1 day have no date"),
        (SETTINGS, "% of the targets' cells and dates have no value; they are never scored."),
        (SETTINGS, "The latest dates are held out"),
        (SETTINGS, "An epoch is 8 tiles, drawn anew each time out of"),
        (SETTINGS, "An epoch is only 2 optimiser steps"),
        (replace(SETTINGS, terms=MapTerms(gaps="sentinel")), "and are taught as such"),
        (replace(SETTINGS, split=MapSplit(kind="blocks")), "They say nothing of dates to come."),
    ],
    ids=str,
)
def test_notes_say_what_a_reader_must_know(settings: MapSettings, note: str) -> None:
    assert any(note in line for line in notes_of(settings))


def test_before_the_training_its_cost_is_told() -> None:
    said: list[str] = []
    result = train(run=replace(RUN, say=said.append))[0]
    assert said[0].startswith(f"{result.n_parameters:,} parameters; ")
    assert "8 of them an epoch in 2 optimiser steps" in said[0]
    assert "scoring" in said[1]


def test_what_the_stack_lacks_is_refused_before_anything_is_learned() -> None:
    aims = replace(SETTINGS.aims, targets=("waves",))
    with pytest.raises(UsageError, match="Did you mean 'wave'"):
        train(settings=replace(SETTINGS, aims=aims))


def test_what_the_other_channels_tell_is_learned() -> None:
    settings = replace(
        SETTINGS,
        aims=MapAims(targets=("wave",), horizon=0, length=4),
        tiles_an_epoch=32,
        config=replace(CONFIG, max_epochs=12, patience=12, learning_rate=5e-3),
    )
    models = {
        m.name: m.scores[0].pooled.rmse.value or 0.0 for m in train(settings=settings)[0].models
    }
    assert models["network"] < 0.6 * models["mean"]


def test_a_training_that_does_not_help_leaves_persistence() -> None:
    harmful = replace(CONFIG, learning_rate=100.0, schedule="constant")
    result, network, _ = train(settings=replace(SETTINGS, config=harmful))
    scores = {model.name: model.scores[0].pooled.rmse.value for model in result.models}
    assert result.best_epoch == 0
    assert scores["network"] == pytest.approx(scores["persistence"], rel=1e-5)  # float32
    assert any(note.startswith("Training did not help: the best epoch") for note in result.notes)
    assert float(network.network.head.weight.detach().abs().max()) == 0.0


@pytest.mark.parametrize(("percent", "better"), [(-4e-6, "cannot tell"), (-0.4, "second")])
def test_a_difference_by_rounding_alone_is_none(percent: float, better: str) -> None:
    """The interval of a steady difference leaves out 0, however small it is."""
    versus = Comparison(
        difference=4e-8, low=2e-8, high=6e-8, reduction_percent=percent, better="second"
    )
    assert beyond_rounding(versus) == replace(versus, better=better)  # type: ignore[arg-type]
