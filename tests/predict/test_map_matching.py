"""Stacks onto a model of maps: channels by name, cells and steps as they are, gaps told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps.scaling import NO_VALUE
from autospec.data.maps.tiling import Tiling, usual_tiling
from autospec.data.spectra import FloatArray
from autospec.errors import DataError, UsageError
from autospec.evaluate.mapping import map_problem
from autospec.predict.document import MapBundle
from autospec.predict.map_matching import fit_stack
from autospec.predict.map_planning import MapPlan, plan_map
from autospec.predict.map_running import blank_network, map_stack, open_map_network
from tests.predict.made_map_bundles import CHANNELS, DAY, UTM, made_stack, map_bundle

NOW, LATER = map_bundle(0), map_bundle(1)
STACK = made_stack(synthetic=False)


def picked(stack: RasterStack, names: tuple[str, ...]) -> RasterStack:
    place = [stack.channels.index(name) for name in names]
    return replace(stack, dynamic=stack.dynamic[:][:, place], channels=names)


def cells(
    width: float, height: float, crs: str = "EPSG:32633", north: float = 5.4e6
) -> RasterStack:
    return replace(STACK, transform=(width, 0.0, UTM[2], 0.0, -height, north), crs=crs)


def test_a_stack_of_the_models_own_is_read_as_it_is() -> None:
    problem, notes = fit_stack(STACK, LATER)
    assert problem.stack.dynamic is STACK.dynamic and notes == ()


@pytest.mark.parametrize("bundle", [NOW, LATER])
def test_order_and_number_of_channels_do_not_matter(bundle) -> None:  # noqa: ANN001
    names = ("heat", "rain", "ndvi", "snow")
    more = replace(STACK, dynamic=STACK.dynamic[:][:, [2, 0, 1, 2]], channels=names)
    plan, maps = map_stack(bundle, more)
    np.testing.assert_array_equal(maps, map_stack(bundle, STACK)[1])
    assert plan.notes == (
        "layers that the model does not know, left out: snow",
        "layers put into the model's order by their names",
    )


def test_targets_of_the_same_dates_need_not_be_there() -> None:
    without = picked(STACK, ("rain", "heat"))
    np.testing.assert_array_equal(map_stack(NOW, without)[1], map_stack(NOW, STACK)[1])


WRONG: dict[str, tuple[RasterStack, str]] = {
    "missing": (picked(STACK, ("rain", "ndvi")), "channel 'heat' is missing: found rain, ndvi"),
    "near": (replace(STACK, channels=("rain", "ndvi2", "heat")), "Did you mean 'ndvi2'?"),
    "no static": (
        replace(STACK, static=STACK.static[:0], static_channels=()),
        "layer without dates 'height' is missing: found none",
    ),
    "not static": (
        replace(STACK, channels=("rain", "ndvi", "height"), static_channels=("heat",)),
        "'heat' is missing: found rain, ndvi, height; maps wants channels rain, ndvi, heat; "
        "without dates height. It is there, but without dates.",
    ),
    "coarser": (cells(20, 20), "cells of 20 x 20 m (EPSG:32633); maps learned from cells of 10"),
    "flatter": (cells(10, 10.2), "gdalwarp -tr 10 10"),
    "in degrees": (cells(0.001, 0.001, "EPSG:4326", 48.0), "cells of 0.001 x 0.001 degrees"),
    "daily": (
        replace(STACK, times=STACK.times[0] + np.arange(10) * DAY),
        "dates usually 1 day apart; maps learned from steps of 16 days",
    ),
    "nothing": (
        replace(STACK, dynamic=np.full_like(STACK.dynamic[:], np.nan)),
        "none of the 10 dates has a value",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_the_model_cannot_use_is_refused_with_what_it_wants(name: str) -> None:
    stack, words = WRONG[name]
    with pytest.raises(DataError) as caught:
        fit_stack(stack, LATER)
    assert words in str(caught.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(DataError) as caught:
        fit_stack(replace(cells(20, 20), channels=("a", "b", "c")), LATER)
    assert len(caught.value.problems) == 4


FINE: dict[str, RasterStack] = {
    "another zone": cells(10.05, 9.95, "EPSG:32634"),
    "kilometres of the same size": cells(0.01, 0.01, "+proj=utm +zone=33 +units=km"),
    "degrees of about that size": cells(1.35e-4, 9e-5, "EPSG:4326", 48.0),
}


@pytest.mark.parametrize("name", FINE)
def test_cells_of_one_size_on_the_ground_are_taken_and_the_crs_told(name: str) -> None:
    _, notes = fit_stack(FINE[name], LATER)
    assert any("that which the model learned from in EPSG:32633" in note for note in notes)


def test_gaps_in_time_and_dates_without_values_are_told_and_stay_empty() -> None:
    values = STACK.dynamic[:].copy()
    values[5] = np.nan
    kept = [0, 1, 2, 5, 6, 7, 8, 9]
    gappy = replace(STACK, dynamic=values[kept], times=STACK.times[kept])
    plan, maps = map_stack(LATER, gappy)
    told = " ".join(plan.notes)
    assert "2 of 10 slots of 16 days have no date" in told
    assert "1 date without a value of the inputs, NaN in the map: 2020-08-05" in told
    # slot 5 is empty: what comes one step after it cannot be told
    assert plan.times[3] == STACK.times[6]
    lost = ~np.isfinite(maps).any(axis=(1, 2, 3))
    np.testing.assert_array_equal(np.flatnonzero(lost), [3])
    assert np.isfinite(maps[~lost]).all()


def test_cells_outside_of_the_data_are_empty_and_clouds_are_not() -> None:
    values = STACK.dynamic[:].copy()
    values[:, :, :4, :6] = np.nan  # never seen
    values[2, :, 10:14, 10:14] = np.nan  # not seen on one date
    _, maps = map_stack(LATER, replace(STACK, dynamic=values))
    outside = np.zeros(STACK.shape, dtype=bool)
    outside[:4, :6] = True
    np.testing.assert_array_equal(np.isfinite(maps), np.broadcast_to(~outside, maps.shape))


@pytest.mark.parametrize("bundle", [NOW, LATER])
@pytest.mark.parametrize("t", [1, 2])
def test_fewer_dates_than_it_looks_at_are_mapped_and_told(bundle, t: int) -> None:  # noqa: ANN001
    plan, maps = map_stack(bundle, made_stack(t))
    assert np.isfinite(maps).all() and maps.shape[0] == t
    assert any("with values; the model looks at 4 steps" in note for note in plan.notes)


def test_a_stack_smaller_than_a_tile_is_one_tile_without_margin() -> None:
    assert usual_tiling(64, (21, 35)) == Tiling(tile=64, margin=0)
    assert usual_tiling(64, (21, 65)) == Tiling(tile=64, margin=8)
    assert np.isfinite(map_stack(LATER, made_stack(4, 3, 5))[1]).all()


def test_what_comes_after_the_last_date_is_mapped_too() -> None:
    plan = plan_map(LATER, STACK)
    np.testing.assert_array_equal(plan.times, STACK.times + 16 * DAY)


def test_months_ahead_are_months() -> None:
    months = (np.datetime64("2021-01") + np.arange(14)).astype("datetime64[s]") + 9 * DAY
    monthly = replace(made_stack(14), times=months)
    plan = plan_map(replace(LATER, step_s=30 * 86400.0), monthly)
    assert str(plan.times[-1]) == "2022-03-10T00:00:00"


def test_dates_that_are_asked_for_are_kept() -> None:
    first, last = np.datetime64("2020-06-01"), np.datetime64("2020-07-20")
    plan = plan_map(NOW, STACK, first=first, last=last)
    np.testing.assert_array_equal(plan.times, STACK.times[2:6])
    every = map_stack(NOW, STACK)[1]
    assert plan.shape == (4, 1, 21, 35) and every.shape == (10, 1, 21, 35)


def test_no_date_left_says_which_there_are() -> None:
    with pytest.raises(UsageError, match="from 2020-05-01 to 2020-09-22"):
        plan_map(NOW, STACK, last=np.datetime64("2019-01-01"))


def test_made_up_data_are_told() -> None:
    _, notes = fit_stack(made_stack(), replace(LATER, synthetic=True))
    assert notes == (
        "the model learned from SYNTHETIC data: it knows nothing of real ones",
        "the stack is SYNTHETIC",
    )
    assert LATER.inputs == CHANNELS


def sentinels(bias: float) -> MapBundle:
    """Return a model that was taught to say where a target has no value, with drawn weights."""
    told = replace(NOW.scaler, gappy=False)  # no channel that tells of gaps
    made = replace(NOW, gaps="sentinel", scaler=told)
    network = blank_network(made, torch.device("cpu")).network
    state = {n: v.numpy().copy() for n, v in network.state_dict().items()}
    weight = state["head.weight"]
    rng = np.random.default_rng(1)
    state["head.weight"] = rng.normal(size=weight.shape, scale=0.3).astype(np.float32)
    state["head.bias"] = np.full_like(state["head.bias"], bias)
    return replace(made, state=state)


def told_shares(bundle: MapBundle, plan: MapPlan) -> FloatArray:
    """Return what the network says, 0 the lowest value that it learned from and 1 the highest."""
    told = np.full(plan.shape, np.nan)
    for band in map_problem(plan.problem, open_map_network(bundle), plan.slots, plan.tiling):
        rows = slice(band.row, band.row + band.values.shape[2])
        told[plan.dates_of(band.slots), :, rows] = band.values
    low, high = bundle.scaler.target_low, bundle.scaler.target_high
    shares: FloatArray = (told - low) / (high - low)
    return shares


@pytest.mark.parametrize("tiling", [None, Tiling(tile=16, margin=3)])
def test_what_a_sentinel_model_calls_no_value_is_nan_in_the_map(tiling: Tiling | None) -> None:
    """Nearer to the sentinel than to the lowest value; tiles are one map, without holes more."""
    plan = plan_map(sentinels(0.0), STACK, tiling=tiling)
    middle = float(np.median(told_shares(plan.bundle, plan)))
    bundle = sentinels(NO_VALUE / 2 - middle)
    found, maps = map_stack(bundle, STACK, tiling=tiling)
    said = told_shares(bundle, plan) < NO_VALUE / 2
    assert said.mean() == pytest.approx(0.5, abs=0.05)
    np.testing.assert_array_equal(np.isnan(maps), said)
    assert "taught to say where a target has no value: there the map is NaN" in found.notes[0]


def test_a_model_that_masks_gaps_may_say_any_value() -> None:
    plan, maps = map_stack(NOW, STACK)
    assert np.isfinite(maps).all() and not any("taught" in note for note in plan.notes)


def test_tiles_of_another_size_than_the_models_are_told() -> None:
    (note,) = plan_map(LATER, STACK, tiling=Tiling(tile=16, margin=3)).notes
    assert "tiles of 16 x 16 cells, where the model's own would be of 29 x 32" in note
    assert plan_map(LATER, STACK, tiling=usual_tiling(LATER.tile, STACK.shape)).notes == ()
