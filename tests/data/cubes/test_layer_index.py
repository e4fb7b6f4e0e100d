"""Runs of neighbouring places: nothing is read twice, nothing left out, no run could be longer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autospec.data.cubes.layer_index import runs_of


@given(places=st.lists(st.none() | st.integers(0, 5), max_size=12))
def test_runs_say_where_each_place_goes(places: list[int | None]) -> None:
    runs = list(runs_of(places))
    found: list[int | None] = [None] * len(places)
    for into, run in runs:
        found[into] = range(10)[run]
    assert found == places
    assert sum(into.stop - into.start for into, _ in runs) == sum(p is not None for p in places)


@given(places=st.lists(st.none() | st.integers(0, 5), max_size=12))
def test_neighbours_are_taken_together(places: list[int | None]) -> None:
    apart = sum(
        here is not None and (i == 0 or places[i - 1] is None or places[i - 1] != here - 1)
        for i, here in enumerate(places)
    )
    assert len(list(runs_of(places))) == apart
