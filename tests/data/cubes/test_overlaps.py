"""Windows that share cells are counted from places and cell size, as counting cells would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.overlaps import count_overlapping, window_diagonal_km
from autospec.data.cubes.places import nearest_km
from tests.search.cubes.made_study import made_cubes

CELL = {"EPSG:32633": 500.0, "EPSG:4326": 0.01}


def on_cells(columns: np.ndarray, rows: np.ndarray, crs: str) -> Cubes:
    """Samples in the middle of cells of a grid, windows of 6 × 6 cells."""
    x, y = (13.0, 50.0) if crs == "EPSG:4326" else (400_000.0, 5_800_000.0)
    side = CELL[crs]
    cubes = made_cubes(len(columns))
    return replace(cubes, x=x + columns * side, y=y + rows * side, crs=crs, cell_size=side)


def share_cells(cubes: Cubes, columns: np.ndarray, rows: np.ndarray, held: int, row: int) -> bool:
    h, w = cubes.shape[1:3]
    cells = [
        {(columns[i] + a, rows[i] + b) for a in range(w) for b in range(h)} for i in (held, row)
    ]
    return not cells[0].isdisjoint(cells[1])


@pytest.mark.parametrize("crs", CELL)
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_the_count_is_that_of_cells_held_in_common(crs: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns, rows = rng.integers(0, 40, (2, 24))
    cubes = on_cells(columns, rows, crs)
    learned, held = np.arange(8), np.arange(8, 24)
    twin = sum(any(share_cells(cubes, columns, rows, i, j) for j in learned) for i in held)
    assert count_overlapping(cubes, learned, held) == twin


def test_without_a_cell_size_nothing_is_counted() -> None:
    cubes = made_cubes(4)
    assert count_overlapping(cubes, np.arange(2), np.arange(2, 4)) is None
    assert window_diagonal_km(cubes) is None


def test_windows_meet_across_the_antimeridian() -> None:
    cubes = on_cells(np.zeros(2), np.zeros(2), "EPSG:4326")
    cubes = replace(cubes, x=np.array([179.99, -179.99]))
    assert count_overlapping(cubes, np.array([0]), np.array([1])) == 1


@pytest.mark.parametrize("crs", CELL)
def test_places_a_diagonal_apart_share_no_cell(crs: str) -> None:
    rng = np.random.default_rng(5)
    cubes = on_cells(*rng.uniform(0, 60, (2, 60)), crs)  # type: ignore[call-arg]
    diagonal = window_diagonal_km(cubes)
    assert diagonal is not None
    xy = np.column_stack([cubes.x, cubes.y])
    learned = np.arange(10)
    far = np.flatnonzero(nearest_km(crs, xy, xy[learned]) >= diagonal)
    assert len(far) > 5
    assert count_overlapping(cubes, learned, far) == 0
    if crs == "EPSG:32633":
        assert diagonal == pytest.approx(6 * np.sqrt(2) * 0.5)
