"""The range of what is learned from: that of NumPy over all values at once, and of nothing else."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from autospec.data.maps import scaling
from autospec.data.maps.boxes import boxes
from autospec.data.maps.problem import MapProblem
from autospec.data.maps.scaling import MapScaler, fit_map_scaler
from autospec.data.maps.splits import FIT, MapSplit, MapSplitPlan, make_map_split
from autospec.errors import DataError
from tests.data.maps.map_stacks import Watched, hours, made_stack, posed

Kind = Literal["forward", "blocks"]


def made(kind: Kind, horizon: int, missing: float = 0.2) -> tuple[MapProblem, MapSplitPlan]:
    stack = made_stack(24, 12, 14, slots=[*range(6), *range(8, 26)], missing=missing, statics=2)
    stack.dynamic[3] = np.nan
    problem = posed(stack, horizon)
    return problem, make_map_split(problem, MapSplit(kind=kind))


def at_once(problem: MapProblem, plan: MapSplitPlan) -> list[tuple[float, float, float]]:
    """Return low, high and mean of inputs, statics and targets from one array of all values."""
    values = np.asarray(problem.stack.dynamic).astype(np.float64)
    fit, cells = plan.dates == FIT, plan.cells == FIT
    seen = problem.slots <= problem.slots[fit].max() - problem.aims.horizon
    layers = [values[seen][:, i][:, cells] for i in problem.inputs]
    layers += [layer[cells].astype(np.float64) for layer in problem.stack.static]
    layers += [values[fit][:, i][:, cells] for i in problem.targets]
    return [(np.nanmin(x), np.nanmax(x), np.nanmean(x)) for x in layers]


@pytest.mark.parametrize("kind", ["forward", "blocks"])
def test_a_target_that_never_differs_is_refused(kind: Kind) -> None:
    stack = made_stack(24, 12, 14)
    stack.dynamic[:, 1] = np.where(np.isfinite(stack.dynamic[:, 1]), 0.25, np.nan)
    problem = posed(stack, 1, targets=("et", "rain"))
    with pytest.raises(DataError, match=r"target 'rain' is 0\.25 in all cells and dates that are"):
        fit_map_scaler(problem, make_map_split(problem, MapSplit(kind=kind)))


def test_an_input_that_never_differs_is_taken() -> None:
    stack = made_stack(24, 12, 14)
    stack.dynamic[:, 1] = 0.25
    problem = posed(stack, 1)
    scaler = fit_map_scaler(problem, make_map_split(problem, MapSplit()))
    assert (scaler.low[1], scaler.high[1]) == (0.25, 1.25)


@pytest.mark.parametrize("read_bytes", [16 * 1024**2, 200])
@pytest.mark.parametrize("horizon", [0, 1, 2])
@pytest.mark.parametrize("kind", ["forward", "blocks"])
def test_streamed_numbers_are_those_of_all_values_at_once(
    kind: Kind, horizon: int, read_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "boxes", lambda *args: boxes(*args, read_bytes=read_bytes))
    problem, plan = made(kind, horizon)
    found = fit_map_scaler(problem, plan)
    low, high, mean = np.array(at_once(problem, plan)).T
    c = len(problem.inputs) + 2
    np.testing.assert_array_equal(np.concatenate([found.low, found.target_low]), low)
    np.testing.assert_array_equal(np.concatenate([found.high, found.target_high]), high)
    # sums of some hundred float64 in another order
    np.testing.assert_allclose(
        np.concatenate([found.mean, found.target_mean]), mean, rtol=1e-12, atol=0
    )
    assert found.low.shape == (c,) and found.gappy


def numbers(scaler: MapScaler) -> tuple[list[float], ...]:
    return (
        scaler.low.tolist(),
        scaler.high.tolist(),
        scaler.mean.tolist(),
        scaler.target_low.tolist(),
        scaler.target_high.tolist(),
        scaler.target_mean.tolist(),
    )


@pytest.mark.parametrize("horizon", [0, 1])
@pytest.mark.parametrize("kind", ["forward", "blocks"])
def test_what_is_held_out_changes_nothing(kind: Kind, horizon: int) -> None:
    problem, plan = made(kind, horizon, missing=0.0)
    before = fit_map_scaler(problem, plan)
    values = np.asarray(problem.stack.dynamic)
    if kind == "forward":
        values[np.flatnonzero(plan.dates == FIT)[-1] + 1 :] = 1e6
    else:
        values[:, :, plan.cells != FIT] = 1e6
        problem.stack.static[:, plan.cells != FIT] = 1e6
    assert numbers(fit_map_scaler(problem, plan)) == numbers(before)
    assert not before.gappy  # the empty date and the missing ones are gaps in time


@pytest.mark.parametrize(("channel", "date"), [(0, 4), (1, 4)], ids=["target", "input"])
def test_one_missing_value_makes_a_scaler_gappy(channel: int, date: int) -> None:
    problem, plan = made("blocks", 0, missing=0.0)
    row, column = np.argwhere(plan.cells == FIT)[0]
    np.asarray(problem.stack.dynamic)[date, channel, row, column] = np.nan
    assert fit_map_scaler(problem, plan).gappy


@pytest.mark.parametrize("value", [0.0, 273.15, -5.0, 1e20])
def test_a_layer_that_does_not_vary_has_a_range(value: float) -> None:
    problem, plan = made("forward", 1)
    problem.stack.static[0] = value
    found = fit_map_scaler(problem, plan)
    assert found.high[3] > found.low[3] == np.float32(value)
    if abs(value) < 1e6:
        assert found.high[3] == found.low[3] + 1


@pytest.mark.parametrize("kind", ["forward", "blocks"])
def test_a_layer_without_values_to_learn_from_is_refused(kind: Kind) -> None:
    problem, plan = made(kind, 1)
    last = int(np.flatnonzero(plan.dates == FIT)[-1])
    np.asarray(problem.stack.dynamic)[: last + 1, 1] = np.nan
    with pytest.raises(DataError, match="no value of 'rain' in the cells and dates") as refused:
        fit_map_scaler(problem, plan)
    assert "Leave the layer out" in str(refused.value)


def test_two_stacks_alike_in_what_is_learned_from_are_scaled_alike() -> None:
    problem, plan = made("forward", 1)
    other = replace(problem, stack=replace(problem.stack, provenance=("another",)))
    assert numbers(fit_map_scaler(other, plan)) == numbers(fit_map_scaler(problem, plan))


@pytest.mark.parametrize("kind", ["forward", "blocks"])
def test_a_pass_over_all_values_takes_little_memory(kind: Kind) -> None:
    one = made_stack(1, 256, 256)
    values = np.broadcast_to(np.asarray(one.dynamic), (200, 3, 256, 256))
    layers = Watched(values, blocks=(1, 64, 64))
    stack = replace(one, dynamic=layers, times=hours(range(200)))
    assert values.nbytes >= 150 * 1024**2
    tracemalloc.start()
    problem = posed(stack)
    fit_map_scaler(problem, make_map_split(problem, MapSplit(kind=kind)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(layers.bytes_read) > 0.4 * values.nbytes  # all that is learned from was read
    assert peak < 48 * 1024**2
