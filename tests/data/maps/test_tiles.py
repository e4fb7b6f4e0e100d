"""Tiles: what a network sees, read by slices; where they are cut, and what is counted in each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.data.maps import tiles
from autospec.data.maps.problem import MapProblem
from autospec.data.maps.splits import (
    FIT,
    SEALED,
    WATCH,
    MapSplit,
    MapSplitPlan,
    make_map_split,
    roles_at,
)
from autospec.data.maps.tiles import (
    Place,
    fit_places,
    read_tile,
    sequences,
    watch_places,
)
from tests.data.maps.map_stacks import GAPPY, Watched, made_stack, posed

Kind = Literal["forward", "blocks"]
Cut = Callable[[MapProblem, MapSplitPlan, int], tuple[Place, ...]]


def gappy_problem(horizon: int, targets: tuple[str, ...] = ("et",), h: int = 9) -> MapProblem:
    stack = made_stack(len(GAPPY), h, 11, slots=GAPPY, missing=0.3, seed=horizon)
    stack.dynamic[5] = np.nan
    return posed(stack, horizon, targets=targets)


def twin(problem: MapProblem, place: Place) -> dict[str, np.ndarray]:
    """Return what a tile holds, date by date and value by value."""
    aims, values = problem.aims, np.asarray(problem.stack.dynamic)
    size = (place.height, place.width)
    rows = slice(place.row, place.row + place.height)
    columns = slice(place.column, place.column + place.width)

    def at(slot: int, channels: tuple[int, ...]) -> np.ndarray:
        date = problem.slots.tolist().index(slot) if slot in problem.slots else None
        if date is None:
            return np.full((len(channels), *size), np.nan, dtype=np.float32)
        return values[date][list(channels)][:, rows, columns]

    slots = range(place.slot, place.slot + aims.length)
    last = np.full((aims.length, len(problem.targets), *size), np.nan, dtype=np.float32)
    if aims.horizon:
        for p, slot in enumerate(slots):
            for earlier in range(slot - tiles.LOOK_BACK, slot + 1):
                found = at(earlier, problem.targets)
                last[p] = np.where(np.isfinite(found), found, last[p])
    return {
        "dynamic": np.stack([at(slot, problem.inputs) for slot in slots]),
        "target": np.stack([at(slot + aims.horizon, problem.targets) for slot in slots]),
        "last": last,
        "static": problem.stack.static[:, rows, columns],
        "present": np.array([np.isfinite(at(s, problem.inputs)).any() for s in slots]),
    }


@settings(deadline=None, max_examples=80)
@given(
    horizon=st.integers(0, 3),
    targets=st.sampled_from([("et",), ("rain",), ("heat", "et")]),
    slot=st.integers(-6, 25),
    corner=st.tuples(st.integers(0, 8), st.integers(0, 10)),
    size=st.tuples(st.integers(1, 9), st.integers(1, 11)),
)
def test_a_tile_holds_what_its_twin_finds_value_by_value(
    horizon: int,
    targets: tuple[str, ...],
    slot: int,
    corner: tuple[int, int],
    size: tuple[int, int],
) -> None:
    problem = gappy_problem(horizon, targets)
    (row, column), (height, width) = corner, size
    place = Place(
        slot=slot,
        row=min(row, 9 - height),
        column=min(column, 11 - width),
        height=height,
        width=width,
    )
    tile = read_tile(problem, None, place, FIT)
    wanted = twin(problem, place)
    for name in ("dynamic", "static", "last", "target"):
        found = getattr(tile, name)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, wanted[name], err_msg=name)
    if height * width == 9 * 11:  # else a cell's neighbours may have values
        np.testing.assert_array_equal(tile.present, wanted["present"])
    assert (wanted["present"] <= tile.present).all()
    assert tile.counted.shape == (4, height, width) and tile.counted.all()


@pytest.mark.parametrize("horizon", [1, 2])
def test_dates_without_inputs_are_not_present_and_gaps_neither(horizon: int) -> None:
    problem = gappy_problem(horizon)  # without slots 3, 8, 9; empty at date 5, slot 6
    place = Place(slot=3, row=0, column=0, height=9, width=11)
    tile = read_tile(problem, None, place, FIT)
    assert tile.present.tolist() == [False, True, True, False]


@pytest.mark.parametrize("name", ["dynamic", "last", "static", "present"])
@pytest.mark.parametrize("horizon", [1, 2])
def test_later_dates_never_enter_what_the_network_sees(horizon: int, name: str) -> None:
    problem = gappy_problem(horizon)
    place = Place(slot=6, row=0, column=0, height=9, width=11)
    before = read_tile(problem, None, place, FIT)
    np.asarray(problem.stack.dynamic)[problem.slots > 9] = -1e6
    after = read_tile(problem, None, place, FIT)
    np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    assert not np.array_equal(before.target, after.target, equal_nan=True)


@pytest.mark.parametrize("p", range(4))
def test_the_last_value_of_a_slot_does_not_know_the_next_one(p: int) -> None:
    problem = gappy_problem(1)
    place = Place(slot=10, row=0, column=0, height=9, width=11)
    before = read_tile(problem, None, place, FIT).last[: p + 1]
    np.asarray(problem.stack.dynamic)[problem.slots > 10 + p] = -1e6
    np.testing.assert_array_equal(before, read_tile(problem, None, place, FIT).last[: p + 1])


@pytest.mark.parametrize("length", [1, 2, 5, 40])
def test_a_slot_has_the_same_last_value_in_whichever_tile(length: int) -> None:
    stack = made_stack(90, 2, 2)
    np.asarray(stack.dynamic)[4:, 0, 0, 0] = np.nan  # its latest value: of slot 3
    problem = posed(stack, horizon=1, length=length)
    back = max(length, tiles.LOOK_BACK)
    for slot in (4, 6, 3 + back, 4 + back):
        found = {
            float(
                read_tile(
                    problem, None, Place(slot=slot - p, row=0, column=0, height=1, width=1), FIT
                ).last[p, 0, 0, 0]
            )
            for p in range(length)
        }
        wanted = stack.dynamic[3, 0, 0, 0] if slot <= 3 + back else np.nan
        np.testing.assert_array_equal(list(found), [wanted] * len(found))


def test_targets_of_the_same_dates_are_not_seen() -> None:
    problem = gappy_problem(0)
    place = Place(slot=4, row=0, column=0, height=9, width=11)
    before = read_tile(problem, None, place, FIT)
    np.asarray(problem.stack.dynamic)[:, 0] = -1e6
    after = read_tile(problem, None, place, FIT)
    np.testing.assert_array_equal(before.dynamic, after.dynamic)
    assert np.isnan(after.last).all()


@pytest.mark.parametrize(
    ("slot", "wanted"),
    [
        (0, [2, 3, 4, 5, 6, 7]),
        (20, [10, 11, 0, 1, 2, 3]),
        (-3, [11, 0, 1, 2, 3, 4]),
    ],
)
def test_months_are_those_of_targets_and_go_on_where_there_is_no_date(
    slot: int, wanted: list[int]
) -> None:
    months = np.array([m for m in range(24) if m not in (5, 6)])
    stack = made_stack(len(months))
    stack = replace(stack, times=(np.datetime64("2019-01") + months).astype("datetime64[s]"))
    problem = posed(stack, horizon=2, length=6)
    place = Place(slot=slot, row=0, column=0, height=1, width=1)
    assert read_tile(problem, None, place, FIT).months.tolist() == wanted


def split_problem(kind: Kind, horizon: int, h: int = 19, w: int = 23) -> MapProblem:
    return posed(made_stack(len(GAPPY), h, w, slots=GAPPY, missing=0.1), horizon)


@pytest.mark.parametrize("slot", range(0, 20, 4))
@pytest.mark.parametrize("role", [FIT, WATCH])
@pytest.mark.parametrize("horizon", [0, 1])
@pytest.mark.parametrize("kind", ["forward", "blocks"])
def test_only_cells_and_dates_of_the_role_are_counted(
    kind: Kind, horizon: int, role: int, slot: int
) -> None:
    problem = split_problem(kind, horizon)
    plan = make_map_split(problem, MapSplit(kind=kind, buffer=1))
    roles = roles_at(plan.dates, plan.cells)
    place = Place(slot=slot, row=3, column=5, height=14, width=16)
    tile = read_tile(problem, plan, place, role)
    dates = problem.date_at(slot + horizon + np.arange(4))
    wanted = (roles[dates, 3:17, 5:21] == role) & (dates >= 0)[:, None, None]
    np.testing.assert_array_equal(tile.counted, wanted)
    assert np.isnan(tile.target.transpose(1, 0, 2, 3)[:, ~tile.counted]).all()


def test_what_is_sealed_cannot_be_asked_for() -> None:
    problem = split_problem("forward", 1)
    plan = make_map_split(problem, MapSplit())
    with pytest.raises(AssertionError, match="sealed"):
        read_tile(problem, plan, Place(slot=0, row=0, column=0, height=4, width=4), SEALED)


@settings(deadline=None, max_examples=40)
@given(
    kind=st.sampled_from(["forward", "blocks"]),
    horizon=st.integers(0, 2),
    length=st.integers(1, 7),
    tile=st.integers(2, 30),
    seed=st.integers(0, 9),
)
def test_every_watched_date_and_cell_is_counted_once(
    kind: Kind, horizon: int, length: int, tile: int, seed: int
) -> None:
    problem = posed(made_stack(len(GAPPY), 19, 23, slots=GAPPY), horizon, length)
    plan = make_map_split(problem, MapSplit(kind=kind, seed=seed))
    times = np.zeros((len(GAPPY), 19, 23), dtype=int)
    places = watch_places(problem, plan, tile)
    for place in places:
        counted = read_tile(problem, plan, place, WATCH).counted
        dates = problem.date_at(place.slot + horizon + np.arange(length))
        for date, here in zip(dates.tolist(), counted, strict=True):
            assert date >= 0 or not here.any()
            rows = slice(place.row, place.row + place.height)
            times[date, rows, place.column : place.column + place.width] += here
    np.testing.assert_array_equal(times, roles_at(plan.dates, plan.cells) == WATCH)
    assert len({(place.height, place.width) for place in places}) == 1
    assert places == watch_places(problem, plan, tile)


@settings(deadline=None, max_examples=20)
@given(
    kind=st.sampled_from(["forward", "blocks"]),
    horizon=st.integers(0, 2),
    length=st.integers(1, 6),
    tile=st.integers(7, 30),
    buffer=st.integers(0, 1),
)
def test_places_to_learn_from_reach_everything_and_nothing_held_out(
    kind: Kind, horizon: int, length: int, tile: int, buffer: int
) -> None:
    problem = posed(made_stack(len(GAPPY), 19, 23, slots=GAPPY), horizon, length)
    plan = make_map_split(problem, MapSplit(kind=kind, buffer=buffer))
    last = int(problem.slots[plan.dates == FIT][-1])
    reached = np.zeros((len(GAPPY), 19, 23), dtype=bool)
    places = fit_places(problem, plan, tile)
    for place in places:
        assert place.slot >= 0 and place.slot + length - 1 + horizon <= last
        assert place.row + place.height <= 19 and place.column + place.width <= 23
        counted = read_tile(problem, plan, place, FIT).counted
        assert counted.any()
        dates = problem.date_at(place.slot + horizon + np.arange(length))
        rows, columns = (
            slice(place.row, place.row + place.height),
            slice(place.column, place.column + place.width),
        )
        reached[dates[dates >= 0], rows, columns] |= counted[dates >= 0]
    np.testing.assert_array_equal(reached, roles_at(plan.dates, plan.cells) == FIT)
    assert len(set(places)) == len(places)


def test_training_tiles_overlap_by_half_and_the_last_is_moved_back() -> None:
    problem = posed(made_stack(20, 20, 21))
    places = fit_places(problem, make_map_split(problem, MapSplit()), 8)
    assert sorted({place.row for place in places}) == [0, 4, 8, 12]
    assert sorted({place.column for place in places}) == [0, 4, 8, 12, 13]
    assert {(place.height, place.width) for place in places} == {(8, 8)}


@pytest.mark.parametrize("cut", [fit_places, watch_places])
def test_a_raster_smaller_than_a_tile_is_one_tile(cut: Cut) -> None:
    problem = posed(made_stack(20, 9, 11))
    plan = make_map_split(problem, MapSplit())
    places = cut(problem, plan, 64)
    assert {(p.row, p.column, p.height, p.width) for p in places} == {(0, 0, 9, 11)}
    tile = read_tile(problem, plan, places[0], FIT)
    assert tile.dynamic.shape == (4, 3, 9, 11)


@pytest.mark.parametrize("thin", [2, 5, 9])
def test_too_many_places_are_thinned_and_every_start_and_corner_stays(
    monkeypatch: pytest.MonkeyPatch, thin: int
) -> None:
    problem = posed(made_stack(40, 16, 16))
    plan = make_map_split(problem, MapSplit())
    whole = fit_places(problem, plan, 8)
    monkeypatch.setattr(tiles, "MAX_PLACES", len(whole) // thin)
    fewer = fit_places(problem, plan, 8)
    assert set(fewer) < set(whole)
    assert len(whole) / (thin + 2) < len(fewer) <= len(whole) / thin + 9
    assert {(p.row, p.column) for p in fewer} == {(p.row, p.column) for p in whole}
    assert {p.slot for p in fewer} == {p.slot for p in whole}


@settings(deadline=None, max_examples=100)
@given(
    horizon=st.integers(0, 3),
    length=st.integers(1, 12),
    n=st.integers(1, 30),
    wanted=st.sets(st.integers(0, 40)),
)
def test_each_wanted_slot_is_kept_once_with_enough_context(
    horizon: int, length: int, n: int, wanted: set[int]
) -> None:
    stack = made_stack(n, 2, 2)
    problem = replace(posed(made_stack(40, 2, 2), horizon, length), stack=stack)
    problem = replace(problem, slots=np.arange(n), empty=np.zeros(n, dtype=bool))
    slots = np.array(sorted(s + horizon for s in wanted if s < n), dtype=np.int64)
    found = sequences(problem, slots[::-1])
    kept = [slot for s in found for slot in (s.start + s.kept + horizon).tolist()]
    assert sorted(kept) == slots.tolist()
    half = max(length // 2, 1)
    for sequence in found:
        assert sequence.start >= 0 and 0 <= sequence.kept.min() <= sequence.kept.max() < length
        if horizon:  # all that came before, or half a length of it
            assert sequence.start == 0 or sequence.kept.min() >= length - half
        else:
            before = np.minimum(sequence.kept, sequence.start + sequence.kept)
            after = length - 1 - sequence.kept
            lead, trail = (length - half) // 2, length - half - (length - half) // 2
            assert sequence.start == 0 or before.min() >= min(lead, before.max())
            assert sequence.start + length >= n or after.min() >= trail


def test_a_forecast_is_kept_at_the_end_of_its_sequence() -> None:
    problem = posed(made_stack(30), horizon=1, length=8)
    assert [s.start for s in sequences(problem, np.arange(1, 9))] == [0]
    found = sequences(problem, np.arange(21, 31))
    assert [(s.start, s.kept.tolist()) for s in found] == [
        (14, [6, 7]),
        (18, [4, 5, 6, 7]),
        (22, [4, 5, 6, 7]),
    ]


@pytest.mark.parametrize("horizon", [0, 1, 3])
def test_a_tile_reads_what_it_needs_and_no_more(horizon: int) -> None:
    stack = made_stack(60, 64, 64, statics=0)
    layers = Watched(np.asarray(stack.dynamic))
    problem = replace(posed(stack, horizon, length=8), stack=replace(stack, dynamic=layers))
    read_tile(problem, None, Place(slot=40, row=16, column=8, height=32, width=16), FIT)
    cells = 4 * 32 * 16
    past = tiles.LOOK_BACK if horizon else 0
    needed = 8 * 2 + past + 8 + horizon  # other channels, and the target's span
    assert sum(layers.bytes_read) == needed * cells
    assert len(layers.read) == 2  # the dates of a layer at once


def test_of_chosen_slots_and_channels_the_values_are_read_and_no_channel_between() -> None:
    stack = made_stack(12, 4, 5, slots=[0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12])
    layers = Watched(np.asarray(stack.dynamic))
    problem = replace(posed(stack), stack=replace(stack, dynamic=layers))
    found = tiles.read_slots(problem, np.array([1, 3, 4, 7]), (0, 2), (slice(1, 3), slice(0, 5)))
    np.testing.assert_array_equal(found[[0, 1, 3]], stack.dynamic[[1, 3, 6]][:, [0, 2], 1:3])
    assert np.isnan(found[2]).all()
    assert layers.read == [(6, 1, 2, 5)] * 2
