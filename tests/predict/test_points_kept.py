"""A picture has the rows with prediction and place, in order, and no more than it can hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospec.predict.output import OutputRows
from autospec.predict.points import PointKeeper

FLAGS = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=30)


def made_rows(flags: list[tuple[bool, bool, bool]], first: int = 0) -> OutputRows:
    """Rows that are (predicted, inside, placed); row i predicts i at (i, −i)."""
    good = np.array([flag[0] for flag in flags], dtype=np.bool_)
    numbers = np.arange(first, first + len(flags), dtype=np.float64)
    places = np.stack([numbers, -numbers])
    places[1, [not flag[2] for flag in flags]] = np.nan
    return OutputRows(
        ids=tuple(f"S-{i:g}" for i in numbers),
        row_numbers=numbers.astype(np.int64) + 2,
        good=good,
        numbers=np.tile(numbers[good], (6, 1)) + np.arange(6)[:, None] / 10,
        inside=np.array([flag[1] for flag in flags], dtype=np.bool_)[good],
        reasons=tuple("" if flag[0] and flag[1] else "Q" for flag in flags),
        places=places,
    )


@given(FLAGS, st.integers(1, 7), st.integers(1, 40))
def test_points_are_the_complete_rows_whatever_the_blocks(
    flags: list[tuple[bool, bool, bool]], block: int, most: int
) -> None:
    keeper = PointKeeper(most)
    for first in range(0, len(flags), block):
        keeper.watch(made_rows(flags[first : first + block], first))
    found = keeper.points()
    complete = [i for i, (good, _, placed) in enumerate(flags) if good and placed]
    shown = complete[:most]
    assert found.ids == tuple(f"S-{i}" for i in shown)
    np.testing.assert_array_equal(found.places, [shown, [-i for i in shown]])
    np.testing.assert_array_equal(found.numbers[0], shown)
    assert found.row_numbers.tolist() == [i + 2 for i in shown]
    assert found.inside.tolist() == [flags[i][1] for i in shown]
    assert found.reasons == tuple("" if flags[i][1] else "Q" for i in shown)
    lost = sum(not good for good, _, _ in flags)
    counts = (found.rows, found.lost, found.unplaced, found.more)
    unplaced = len(flags) - lost - len(complete)
    assert counts == (len(flags), lost, unplaced, len(complete) - len(shown))


@pytest.mark.parametrize("blocks", [0, 1])
def test_nothing_kept_is_no_points(blocks: int) -> None:
    keeper = PointKeeper()
    for _ in range(blocks):
        keeper.watch(made_rows([(False, False, True)]))
    assert (keeper.points().n, keeper.points().lost) == (0, blocks)
