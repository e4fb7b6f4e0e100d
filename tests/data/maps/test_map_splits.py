"""Splits of maps: nothing has two roles, the buffer holds, what is sealed stays behind one door."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from autospec.data.maps.problem import MapProblem
from autospec.data.maps.splits import (
    FIT,
    LEFT_OUT,
    SEALED,
    WATCH,
    MapSplit,
    MapSplitPlan,
    answerable,
    make_map_split,
    roles_at,
    side_of_squares,
)
from autospec.errors import DataError
from tests.data.maps.map_stacks import Watched, made_stack, posed


def places(problem: MapProblem, cells: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (n, 2) coordinates of the centres of cells, in cells."""
    a, _, c, _, e, f = problem.stack.transform
    row, column = np.nonzero(cells)
    x, y = c + a * (column + 0.5), f + e * (row + 0.5)
    return np.column_stack([(x - c) / a, (y - f) / e])


@settings(deadline=None, max_examples=40)
@given(
    h=st.integers(8, 40),
    w=st.integers(8, 40),
    block=st.none() | st.integers(2, 4),
    buffer=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_squares_are_whole_and_the_buffer_holds(
    h: int, w: int, block: int | None, buffer: int, seed: int
) -> None:
    problem = posed(made_stack(6, h, w))
    split = MapSplit(kind="blocks", block=block, buffer=buffer, seed=seed)
    try:
        plan = make_map_split(problem, split)
    except DataError as error:
        assert buffer and "Pass a smaller --buffer" in str(error)  # noqa: PT017 (small rasters)
        return
    _, cells = plan.unseal()
    held_out = (cells == WATCH) | (cells == SEALED)
    apart = np.abs(places(problem, cells == FIT)[:, None] - places(problem, held_out)[None])
    assert apart.max(axis=2).min() > buffer
    row, column = np.indices((h, w)) // plan.block
    for r, q in {*zip(row.flat, column.flat, strict=True)}:
        own = set(cells[(row == r) & (column == q)].tolist())
        assert own <= {FIT, LEFT_OUT} or len(own) == 1
    for role, share in ((SEALED, 0.25), (WATCH, 0.2)):
        assert abs((cells == role).sum() - share * h * w) <= plan.block**2


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(12, 60),
    missing=st.sets(st.integers(1, 59), max_size=8),
    horizon=st.integers(0, 3),
    length=st.integers(1, 6),
    buffer=st.integers(0, 4),
    shares=st.tuples(st.floats(0.05, 0.5), st.floats(0.05, 0.5)),
)
def test_forward_parts_dates_in_order_with_the_buffer_between(
    n: int,
    missing: set[int],
    horizon: int,
    length: int,
    buffer: int,
    shares: tuple[float, float],
) -> None:
    slots = [slot for slot in range(n) if slot not in missing]
    problem = posed(made_stack(len(slots), 2, 3, slots=slots), horizon, length)
    split = MapSplit(test_fraction=shares[0], watch_fraction=shares[1], buffer=buffer)
    try:
        plan = make_map_split(problem, split)
    except DataError as error:
        assert "--length" in str(error)  # noqa: PT017 (few dates, large shares)
        return
    dates, cells = plan.unseal()
    fit, watch, sealed = (problem.slots[dates == role] for role in (FIT, WATCH, SEALED))
    assert fit.max() + buffer < watch.min() and watch.max() < sealed.min()
    assert fit.max() + 1 >= length + horizon
    asked = answerable(problem)
    assert len(sealed) == np.ceil(shares[0] * asked.sum())
    assert len(watch) == np.ceil(shares[1] * asked.sum())
    assert not dates[~asked].any()
    assert (cells == FIT).all()


def test_only_dates_with_a_present_date_before_them_can_be_answered() -> None:
    stack = made_stack(8, slots=[0, 1, 2, 4, 5, 6, 7, 8])
    stack.dynamic[4] = np.nan
    problem = posed(stack, horizon=2)
    assert problem.slots[answerable(problem)].tolist() == [2, 4, 6, 8]


def test_empty_dates_cannot_be_answered_from_themselves() -> None:
    stack = made_stack(8)
    stack.dynamic[4, 1:] = np.nan
    problem = posed(stack, horizon=0)
    assert np.flatnonzero(~answerable(problem)).tolist() == [4]
    assert make_map_split(problem, MapSplit(kind="blocks")).dates[4] == LEFT_OUT


@pytest.mark.parametrize("of", ["dates", "cells"])
@pytest.mark.parametrize("kind", ["forward", "blocks"])
def test_what_is_sealed_looks_left_out(kind: str, of: str) -> None:
    plan = make_map_split(posed(made_stack(24, 20, 20)), MapSplit(kind=kind))  # type: ignore[arg-type]
    opened = plan.unseal()[("dates", "cells").index(of)]
    assert (SEALED in opened) == ((kind, of) in {("forward", "dates"), ("blocks", "cells")})
    closed = getattr(plan, of)
    assert SEALED not in closed
    np.testing.assert_array_equal(closed, np.where(opened == SEALED, LEFT_OUT, opened))
    assert "sealed" not in repr(plan)


@pytest.mark.parametrize("which", range(4))
def test_roles_cannot_be_written(which: int) -> None:
    plan = make_map_split(posed(made_stack(24, 20, 20)), MapSplit(kind="blocks"))
    roles = (plan.dates, plan.cells, *plan.unseal())[which]
    with pytest.raises(ValueError, match="read-only"):
        roles[0] = SEALED


def digest(kind: str, seed: int) -> str:
    problem = posed(made_stack(24, 20, 20))
    return make_map_split(problem, MapSplit(kind=kind, seed=seed)).digest  # type: ignore[arg-type]


def test_the_seed_fixes_the_squares() -> None:
    assert digest("blocks", 1) == digest("blocks", 1) != digest("blocks", 2)
    assert digest("forward", 1) == digest("forward", 2) != digest("blocks", 1)


def parts(plan: MapSplitPlan) -> dict[int, int]:
    dates, cells = plan.unseal()
    roles, counts = np.unique(roles_at(dates, cells), return_counts=True)
    return dict(zip(roles.tolist(), counts.tolist(), strict=True))


def test_a_date_and_a_cell_have_one_role_together() -> None:
    plan = make_map_split(posed(made_stack(24, 20, 20)), MapSplit(kind="blocks", buffer=1))
    dates, cells = plan.unseal()
    n = int((dates == FIT).sum())
    found = parts(plan)
    assert {role: found[role] for role in (FIT, WATCH, SEALED)} == {
        role: n * int((cells == role).sum()) for role in (FIT, WATCH, SEALED)
    }
    forward = make_map_split(posed(made_stack(24, 20, 20)), MapSplit())
    assert parts(forward) == {LEFT_OUT: 400, FIT: 12 * 400, WATCH: 5 * 400, SEALED: 6 * 400}


@pytest.mark.parametrize(
    ("shape", "side"),
    [
        ((4096, 4096), 455),
        ((64, 80), 8),
        ((64, 79), 10),  # of 80 squares the side would be 7; of 40 it is 10
        ((40, 64), 8),
        ((40, 63), 10),  # of 40 it would be 7
        ((17, 20), 4),
        ((3, 100), 3),
        ((1, 60), 2),
        ((5, 5), 2),
    ],
)
def test_the_largest_squares_of_which_enough_are_sealed_are_chosen(
    shape: tuple[int, int], side: int
) -> None:
    assert side_of_squares(*shape, 0.25) == side


@pytest.mark.parametrize(("shape", "sealed"), [((64, 80), 20), ((90, 101), 20), ((45, 64), 10)])
def test_where_the_raster_allows_enough_squares_are_sealed(
    shape: tuple[int, int], sealed: int
) -> None:
    plan = make_map_split(posed(made_stack(24, *shape)), MapSplit(kind="blocks"))
    rows, columns = np.nonzero(plan.unseal()[1] == SEALED)
    squares = {*zip(rows // plan.block, columns // plan.block, strict=True)}
    assert sealed <= len(squares) <= 2 * sealed


@pytest.mark.parametrize(
    ("shape", "split", "words"),
    [
        ((2, 3), MapSplit(kind="blocks"), "has 2 squares of 2 cells"),
        ((20, 20), MapSplit(kind="blocks", block=15), None),
        ((20, 20), MapSplit(kind="blocks", block=30), "has 1 square of 30 cells"),
        ((20, 20), MapSplit(kind="blocks", buffer=9), "a buffer of 9 cells round"),
        ((20, 20), MapSplit(buffer=30), "30 slots left out before them"),
        ((20, 20), MapSplit(test_fraction=0.5, watch_fraction=0.5), "reach over 0 slots"),
    ],
    ids=["small", "four", "one", "buffer", "buffer in time", "shares"],
)
def test_what_cannot_be_split_is_refused_with_numbers(
    shape: tuple[int, int], split: MapSplit, words: str | None
) -> None:
    problem = posed(made_stack(24, *shape))
    if words is None:
        assert set(parts(make_map_split(problem, split))) >= {FIT, WATCH, SEALED}
        return
    with pytest.raises(DataError, match=words) as refused:
        make_map_split(problem, split)
    assert "Pass" in str(refused.value)


def test_too_short_a_past_is_refused_with_what_is_wanted() -> None:
    problem = posed(made_stack(12), length=8, horizon=1)
    with pytest.raises(DataError, match="of 11 dates that can be answered 3 are sealed, 3 watched"):
        make_map_split(problem, MapSplit())


@pytest.mark.parametrize(
    ("slots", "empty", "reach"),
    [([0, 1, 2, 3, 4, 5, 8], None, 6), (list(range(9)), 7, 8)],
    ids=["a gap before the last date", "an empty date before the last"],
)
def test_squares_of_dates_that_reach_over_no_sequence_are_refused(
    slots: list[int], empty: int | None, reach: int
) -> None:
    stack = made_stack(len(slots), 20, 20, slots=slots)
    if empty is not None:
        stack.dynamic[empty] = np.nan
    problem = posed(stack, length=8, horizon=1)
    with pytest.raises(DataError, match=f"reach over {reach} slots; want at least 9.*--length"):
        make_map_split(problem, MapSplit(kind="blocks"))


@pytest.mark.parametrize(
    ("kind", "dates", "words"),
    [
        ("forward", slice(18, None), "the part that is sealed"),
        ("forward", slice(0, 14), "the part to learn from"),
        ("blocks", slice(0, 0), "the part to watch"),
    ],
)
def test_a_part_without_target_values_is_refused(kind: str, dates: slice, words: str) -> None:
    stack = made_stack(24, 20, 20)
    stack.dynamic[dates, 0] = np.nan
    problem = posed(stack)
    if kind == "blocks":
        watched = make_map_split(problem, MapSplit(kind="blocks")).cells == WATCH
        stack.dynamic[:, 0, watched] = np.nan
    with pytest.raises(DataError, match=f"target 'et' has no value in {words}"):
        make_map_split(problem, MapSplit(kind=kind))  # type: ignore[arg-type]


def test_values_are_looked_for_no_longer_than_needed() -> None:
    problem = posed(made_stack(24, 64, 64))
    layers = Watched(np.asarray(problem.stack.dynamic), blocks=(1, 64, 64))
    layers.values.setflags(write=False)
    lazy = replace(problem, stack=replace(problem.stack, dynamic=layers))
    make_map_split(lazy, MapSplit())
    assert len(layers.read) == 1
