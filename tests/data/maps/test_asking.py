"""What is asked of a stack: names, slots of irregular dates, dates and targets without values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.data.cubes.cubes import TIME_TYPE
from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps import asking
from autospec.data.maps.asking import gap_notes, lay_slots, pose
from autospec.data.maps.boxes import boxes
from autospec.data.maps.problem import MapAims
from autospec.errors import DataError, UsageError
from tests.data.maps.map_stacks import Watched, hours, made_stack, posed


@pytest.mark.parametrize(
    ("aims", "words"),
    [
        (MapAims(targets=("rein",), horizon=1), "Did you mean 'rain'"),
        (MapAims(targets=("static0",), horizon=1), "does not change with time"),
        (MapAims(targets=("et", "et"), horizon=1), "'et' is given twice"),
        (MapAims(targets=(), horizon=1), "Pass --target"),
        (MapAims(targets=("et", "rain", "heat")), "leaves no input"),
    ],
    ids=["near", "static", "twice", "none", "no input"],
)
def test_names_that_cannot_be_are_refused(aims: MapAims, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        pose(made_stack(), aims)


def test_all_channels_may_be_targets_of_a_later_date() -> None:
    problem = posed(made_stack(), targets=("et", "rain", "heat"))
    assert problem.inputs == problem.targets == (0, 1, 2)


@given(missing=st.sets(st.integers(1, 59), max_size=15))
@settings(max_examples=50, deadline=None)
def test_missing_dates_leave_gaps_where_they_were(missing: set[int]) -> None:
    slots = np.array([slot for slot in range(60) if slot not in missing])
    found, step_s = lay_slots(hours(slots))
    np.testing.assert_array_equal(found, slots)
    assert step_s == 3600


@pytest.mark.parametrize("missing", [(), (5,), (1, 2, 3, 14)])
def test_months_are_regular_and_a_missing_month_is_a_gap(missing: tuple[int, ...]) -> None:
    months = np.array([m for m in range(36) if m not in missing])
    slots, step_s = lay_slots((np.datetime64("2019-01") + months).astype(TIME_TYPE))
    np.testing.assert_array_equal(slots, months)
    assert step_s / 86400 in (30, 31)


def test_composites_of_16_days_that_begin_anew_each_january_are_regular() -> None:
    days = np.concatenate(
        [np.datetime64(f"{y}-01-01") + 16 * np.arange(23) for y in (2019, 2020, 2021)]
    )
    slots, step_s = lay_slots(days.astype(TIME_TYPE))
    np.testing.assert_array_equal(slots, np.arange(69))
    assert step_s == 16 * 86400


@given(slots=st.lists(st.floats(0, 50), min_size=2, max_size=30, unique=True))
@settings(max_examples=100, deadline=None)
def test_slots_ascend_whatever_the_dates(slots: list[float]) -> None:
    times = hours([0])[0] + np.unique(np.array(slots) * 3600).astype("timedelta64[s]")
    times = np.unique(times)
    try:
        found, _ = lay_slots(times)
    except DataError as error:
        assert "more than 35% of a step off" in str(error)  # noqa: PT017 (most draws)
        return
    assert found[0] == 0 and (np.diff(found) > 0).all()


def test_irregular_dates_are_named() -> None:
    stack = made_stack(6)
    uneven = hours([0])[0] + np.array([0, 60, 120, 144, 204, 294]) * np.timedelta64(60, "s")
    with pytest.raises(DataError, match="2020-01-01T02:24") as refused:
        posed(replace(stack, times=uneven))
    assert "resample" in str(refused.value)


def test_one_date_off_is_taken_for_a_slip() -> None:
    times = hours(range(8)).copy()
    times[4] += np.timedelta64(24 * 60, "s")
    slots, _ = lay_slots(times)
    np.testing.assert_array_equal(slots, range(8))


def test_a_single_date_has_a_slot_and_no_step() -> None:
    slots, step_s = lay_slots(hours([0]))
    assert slots.tolist() == [0] and step_s == 0


def test_too_few_dates_for_a_sequence_are_refused() -> None:
    with pytest.raises(DataError, match="4 dates on 4 slots of 1 hour are too few") as refused:
        posed(made_stack(4), length=4, horizon=1)
    assert "at least 5" in str(refused.value) and "--length" in str(refused.value)


def test_a_single_date_has_no_step_to_tell_of() -> None:
    with pytest.raises(DataError, match=r"^1 date is too few: a sequence of 4"):
        posed(made_stack(1), length=4, horizon=1)


def test_to_map_few_dates_and_targets_without_values_will_do() -> None:
    stack = made_stack(3)
    stack.dynamic[:, 0] = np.nan
    problem = pose(stack, MapAims(targets=("et",), length=8), learn=False)
    assert problem.n_slots == 3 and not problem.empty.any()


def test_a_target_without_values_is_refused() -> None:
    stack = made_stack()
    stack.dynamic[:, 1] = np.nan
    with pytest.raises(DataError, match="no value anywhere of the target 'rain'"):
        posed(stack, targets=("et", "rain"))


def test_a_stack_without_any_input_value_is_refused() -> None:
    stack = made_stack()
    stack.dynamic[:, 1:] = np.nan
    with pytest.raises(DataError, match="none of the 12 dates has a value of the inputs"):
        posed(stack, horizon=0)


@pytest.mark.parametrize("horizon", [0, 1])
def test_dates_without_inputs_are_empty_and_said(horizon: int) -> None:
    stack = made_stack(slots=[0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13])
    stack.dynamic[3, 1:] = np.nan
    stack.dynamic[7] = np.nan
    stack.dynamic[9, :, :8] = np.nan  # the last row has values
    problem = posed(stack, horizon=horizon)
    wanted = [7] if horizon else [3, 7]  # the targets' past is among the inputs
    assert np.flatnonzero(problem.empty).tolist() == wanted
    gaps, empty = gap_notes(problem)
    assert "2 of 14 slots of 1 hour have no date" in gaps
    assert f"{len(wanted)} of 12 dates" in empty and "2020-01-01T09:00" in empty


@pytest.mark.parametrize("cells", [40, 10**6], ids=["some rows of a date", "all at once"])
def test_one_value_anywhere_is_enough(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "boxes", lambda layers: boxes(layers, read_bytes=4 * cells))
    stack = made_stack()
    stack.dynamic[2:9] = np.nan
    stack.dynamic[4, 1, 0, 0] = stack.dynamic[6, 2, 8, 10] = stack.dynamic[5, 0, 3, 3] = 1.0
    assert np.flatnonzero(posed(stack, horizon=0).empty).tolist() == [2, 3, 5, 7, 8]
    assert np.flatnonzero(posed(stack, horizon=1).empty).tolist() == [2, 3, 7, 8]


def days_apart(*apart: int) -> RasterStack:
    """Return a stack whose dates stand so many days apart."""
    days = np.concatenate([[0], np.cumsum(apart)]).astype("timedelta64[D]")
    times = (np.datetime64("2021-01-01") + days).astype(TIME_TYPE)
    return replace(made_stack(len(times)), times=times)


def test_steps_that_are_uneven_are_told() -> None:
    (note,) = gap_notes(posed(days_apart(*[8, 12, 16] * 4)))
    assert note.startswith("8 of 12 distances of dates are more than 20% off the step of 12 days")
    assert "(8 days to 16 days)" in note


@pytest.mark.parametrize(
    "apart",
    [[31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30], [16] * 22 + [13] + [16] * 22, [8] * 45 + [5, 8]],
    ids=["months", "composites of 16 days", "of 8 days"],
)
def test_nothing_is_said_of_months_and_composites(apart: list[int]) -> None:
    assert gap_notes(posed(days_apart(*apart))) == ()


def test_nothing_is_said_of_a_whole_stack() -> None:
    assert gap_notes(posed(made_stack())) == ()


def test_dates_with_values_are_not_read_to_their_end() -> None:
    stack = made_stack(8, 64, 64)
    layers = Watched(np.asarray(stack.dynamic), blocks=(1, 8, 64))
    layers.values[2] = np.nan
    posed(replace(stack, dynamic=layers))
    whole = 8 * 64 * 64
    by_channel = sum(np.prod(shape) for shape in layers.read) / whole
    assert by_channel <= 1 + 3  # the target once, each channel once: all in one box
