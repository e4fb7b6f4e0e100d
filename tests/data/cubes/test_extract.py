"""Windows around points: every value where it belongs, and points that cannot be cut."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.extract import ExtractRules, extract_cubes
from autospec.data.cubes.grids import read_grid_stack
from autospec.data.cubes.points import Points
from autospec.data.cubes.stacks import RasterStack
from autospec.errors import DataError, UsageError
from tests.data.cubes.made_grids import (
    CELL,
    CRS,
    NORTH,
    TIMES,
    WEST,
    H,
    T,
    W,
    expected,
    in_memory,
    known,
    rasterio,
    write_tiff,
)


def points_at(rows: Any, columns: Any, *, times: Any = None, crs: str | None = None) -> Points:
    """Return points in the middle of cells."""
    row, column = np.asarray(rows, dtype=float), np.asarray(columns, dtype=float)
    n = len(row)
    return Points(
        ids=tuple(f"p{i}" for i in range(n)),
        x=WEST + CELL * (column + 0.5),
        y=NORTH - CELL * (row + 0.5),
        crs=crs,
        times=None if times is None else np.asarray(times, dtype="datetime64[s]"),
        target=np.arange(n, dtype=float),
        name="soc",
        unit="g/kg",
    )


def twin(stack: RasterStack, points: Points, window: int, steps: int) -> NDArray[np.float32]:
    """Cut cell by cell, from the known function of (date, channel, row, column)."""
    n, c = len(points.ids), len(stack.channels)
    out = np.empty((n, c + len(stack.static_channels), window, window, steps), dtype=np.float32)
    for i in range(n):
        row = int((NORTH - points.y[i]) // CELL) - window // 2
        column = int((points.x[i] - WEST) // CELL) - window // 2
        last = T - 1
        if points.times is not None:
            last = max(k for k in range(T) if stack.times[k] <= points.times[i])
        for a in range(window):
            for b in range(window):
                for k in range(steps):
                    layer = last - steps + 1 + k
                    for channel in range(c):
                        out[i, channel, a, b, k] = known(layer, channel, row + a, column + b)
                    out[i, c:, a, b, k] = known(0, 2, row + a, column + b)
    return out


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_windows_equal_those_cut_cell_by_cell(data: st.DataObject) -> None:
    window, steps = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 3))
    n = data.draw(st.integers(1, 12))
    half = window // 2
    rows = data.draw(st.lists(st.integers(half, H - window + half), min_size=n, max_size=n))
    columns = data.draw(st.lists(st.integers(half, W - window + half), min_size=n, max_size=n))
    last = data.draw(st.lists(st.integers(steps - 1, T - 1), min_size=n, max_size=n))
    dated = data.draw(st.booleans())
    points = points_at(rows, columns, times=TIMES[last] + 3 if dated else None)
    cubes = extract_cubes(in_memory(), points, window=window, steps=steps)
    np.testing.assert_array_equal(cubes.values, twin(in_memory(), points, window, steps))
    assert cubes.valid.all()
    assert cubes.ids == points.ids
    assert cubes.channels == ("ndvi", "rain", "height")
    wanted = TIMES[np.array(last if dated else [T - 1] * n)]
    np.testing.assert_array_equal(cubes.times[:, -1].astype("datetime64[D]"), wanted)


def test_windows_of_files_equal_those_of_memory(tmp_path: Path) -> None:
    for k in range(T):
        write_tiff(tmp_path / f"{TIMES[k]}.tif", expected()[k], names=("ndvi", "rain"))
    rng = np.random.default_rng(0)
    points = points_at(rng.integers(2, H - 2, 30), rng.integers(2, W - 2, 30))
    seen: list[tuple[int, int]] = []
    rules = ExtractRules(progress=lambda done, total: seen.append((done, total)))
    filed = extract_cubes(read_grid_stack(tmp_path), points, window=4, steps=2, rules=rules)
    memory = extract_cubes(in_memory(), points, window=4, steps=2)
    np.testing.assert_array_equal(filed.values, memory.values[:, :2])
    assert seen[-1] == (30, 30)


class Counting:
    """Layers that count what is read; a chunk is read whole."""

    def __init__(self, blocks: tuple[int, int, int]) -> None:
        self.array = expected()
        self.shape = self.array.shape
        self.blocks = blocks
        self.chunks = 0
        self.most = 0

    def __getitem__(self, index: Any) -> Any:
        spans = [(i.start, i.stop) for i in (index[0], index[2], index[3])]
        parts = [(b - 1) // s - a // s + 1 for (a, b), s in zip(spans, self.blocks, strict=True)]
        self.chunks += int(np.prod(parts))
        part = self.array[index]
        self.most = max(self.most, part.nbytes)
        return part


@pytest.mark.parametrize("blocks", [(1, 1, 1), (1, 6, 5), (5, 12, 15), (2, 5, 7)])
def test_no_more_chunks_are_read_than_one_by_one(blocks: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(1)
    points = points_at(
        rng.integers(2, H - 2, 40), rng.integers(2, W - 2, 40), times=TIMES[rng.integers(1, T, 40)]
    )
    together, alone = Counting(blocks), Counting(blocks)
    cubes = extract_cubes(replace(in_memory(), dynamic=together), points, window=4, steps=2)
    for i in range(40):
        one = Points(
            ids=points.ids[i : i + 1],
            x=points.x[i : i + 1],
            y=points.y[i : i + 1],
            crs=None,
            times=None if points.times is None else points.times[i : i + 1],
            target=points.target[i : i + 1],
            name="soc",
            unit="g/kg",
        )
        cut = extract_cubes(replace(in_memory(), dynamic=alone), one, window=4, steps=2)
        np.testing.assert_array_equal(cut.values[0], cubes.values[i])
    assert together.chunks <= alone.chunks
    if blocks == (5, 12, 15):
        assert together.chunks == 1


def test_a_read_stays_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = 3 * 2 * 4 * 4 * 2 * 4
    monkeypatch.setattr("autospec.data.cubes.windows.READ_BYTES", bound)
    layers = Counting((5, 12, 15))
    rng = np.random.default_rng(1)
    points = points_at(rng.integers(2, H - 2, 40), rng.integers(2, W - 2, 40))
    extract_cubes(replace(in_memory(), dynamic=layers), points, window=4, steps=2)
    assert 0 < layers.most <= bound


def test_dates_a_step_apart() -> None:
    points = points_at([5], [5], times=["2020-05-01"])
    cubes = extract_cubes(in_memory(), points, window=2, steps=2, step=timedelta(days=61))
    np.testing.assert_array_equal(
        cubes.times[0], np.array(["2020-03-01", "2020-05-01"], dtype="datetime64[s]")
    )
    with pytest.raises(DataError, match="1 of 1 point without 3 layers up to their date"):
        extract_cubes(in_memory(), points, window=2, steps=3, step=timedelta(days=1))


def test_a_gap_in_the_raster_repeats_no_layer() -> None:
    points = points_at([5], [5], times=["2020-05-01"])
    with pytest.raises(DataError, match="without 2 layers"):
        extract_cubes(in_memory(), points, window=2, steps=2, step=timedelta(days=7))


def test_points_off_the_raster_are_refused_together() -> None:
    points = points_at([5, 0, 5, 11], [5, 5, 13, 14])
    with pytest.raises(DataError) as caught:
        extract_cubes(in_memory(), points, window=4, steps=2)
    told = str(caught.value)
    assert all(w in told for w in ("2 of 4 points", "'p1'", "'p3'", "--skip-outside", CRS)), told


def test_points_before_the_first_date_are_refused() -> None:
    points = points_at([5, 5], [5, 5], times=["2019-01-01", "2020-05-01"])
    with pytest.raises(DataError, match=r"1 of 2 points without 2 layers.*'p0'"):
        extract_cubes(in_memory(), points, window=4, steps=2)


def test_points_outside_are_dropped_and_counted_when_asked() -> None:
    points = points_at([5, 0, 6], [5, 5, 6], times=["2020-05-01", "2020-05-01", "2019-01-01"])
    cubes = extract_cubes(
        in_memory(), points, window=4, steps=2, rules=ExtractRules(skip_outside=True)
    )
    assert cubes.ids == ("p0",)
    assert sum(line.startswith("dropped: 1 of 3 points") for line in cubes.provenance) == 2
    with pytest.raises(DataError, match="no point is left"):
        extract_cubes(
            in_memory(),
            points_at([0], [0]),
            window=4,
            steps=2,
            rules=ExtractRules(skip_outside=True),
        )


def with_gap() -> RasterStack:
    """The first six columns have no value over time."""
    layers = expected()
    layers[..., :6] = np.nan
    return replace(in_memory(), dynamic=layers)


def test_windows_without_a_value_are_refused_or_dropped() -> None:
    points = points_at([5, 5, 5], [2, 9, 6])
    with pytest.raises(DataError, match=r"1 of 3 points.*no value.*'p0'.*--skip-empty"):
        extract_cubes(with_gap(), points, window=4, steps=2)
    cubes = extract_cubes(
        with_gap(), points, window=4, steps=2, rules=ExtractRules(skip_empty=True)
    )
    assert cubes.ids == ("p1", "p2")
    np.testing.assert_array_equal(cubes.target, [1.0, 2.0])
    part = cubes.valid[1, :2]
    assert not part[:, :, :2].any()
    assert part[:, :, 2:].all()
    assert (cubes.values[~cubes.valid] == 0).all()


def in_degrees(points: Points) -> Points:
    """Return the same points in longitude and latitude."""
    x, y = rasterio.warp.transform(CRS, "EPSG:4326", points.x.tolist(), points.y.tolist())
    return replace(points, x=np.asarray(x), y=np.asarray(y), crs="EPSG:4326")


def same(a: Cubes, b: Cubes) -> None:
    """Compare places and values."""
    np.testing.assert_array_equal(a.values, b.values)
    np.testing.assert_allclose(a.x, b.x, atol=1e-3)  # metres
    np.testing.assert_allclose(a.y, b.y, atol=1e-3)


def test_points_in_degrees_come_to_the_raster() -> None:
    points = points_at([5, 6], [5, 9])
    cubes = extract_cubes(in_memory(), in_degrees(points), window=4, steps=2)
    same(cubes, extract_cubes(in_memory(), points, window=4, steps=2))
    assert cubes.crs == CRS
    assert any("EPSG:4326 to EPSG:3035" in line for line in cubes.provenance)


def test_longitudes_meet_a_raster_that_counts_to_360() -> None:
    stack = replace(in_memory(), crs="EPSG:4326", transform=(1.0, 0.0, 350.0, 0.0, -1.0, 50.0))
    points = replace(points_at([0, 0], [0, 0]), x=np.array([-5.5, 2.5]), y=np.array([44.5, 44.5]))
    cubes = extract_cubes(stack, points, window=1, steps=1)
    np.testing.assert_array_equal(
        cubes.values[:, 0, 0, 0, 0], known(T - 1, 0, 5, np.array([4, 12]))
    )
    np.testing.assert_array_equal(cubes.x, [-5.5, 2.5])


def test_without_rasterio_other_coordinates_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"EPSG:4326 to EPSG:3035 wants rasterio"):
        extract_cubes(in_memory(), in_degrees(points_at([5], [5])), window=4, steps=2)
    assert extract_cubes(in_memory(), points_at([5], [5]), window=4, steps=2).n == 1


def test_a_reference_system_that_is_none_is_refused() -> None:
    with pytest.raises(DataError, match="'EPSG:1' is not known"):
        extract_cubes(in_memory(), points_at([5], [5], crs="EPSG:1"), window=4, steps=2)


def test_samples_above_the_memory_cap_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autospec.data.cubes.extract.MAX_DECODED_BYTES", 100)
    with pytest.raises(DataError, match="bytes of memory"):
        extract_cubes(in_memory(), points_at([5], [5]), window=4, steps=2)


def test_a_synthetic_stack_makes_synthetic_samples() -> None:
    stack = replace(in_memory(), synthetic=True, provenance=("synthetic",))
    cubes = extract_cubes(stack, points_at([5], [5]), window=4, steps=2)
    assert cubes.synthetic
    assert cubes.provenance[0] == "synthetic"


@pytest.mark.parametrize("west", [-180.0, 0.0, -20.0, 170.0])
@settings(max_examples=30, deadline=None)
@given(longitudes=st.lists(st.floats(-180, 360, width=32), min_size=1, max_size=8))
def test_a_longitude_is_met_however_it_is_counted(west: float, longitudes: list[float]) -> None:
    cells = np.arange(36, dtype=np.float32)  # of ten degrees each: the value is the column
    stack = RasterStack(
        dynamic=np.tile(cells, (1, 1, 18, 1)),
        static=np.empty((0, 18, 36), dtype=np.float32),
        channels=("column",),
        static_channels=(),
        times=TIMES[:1].astype("datetime64[s]"),
        transform=(10.0, 0.0, west, 0.0, -10.0, 90.0),
        crs="EPSG:4326",
    )
    n = len(longitudes)
    points = Points(
        ids=tuple(map(str, range(n))),
        x=np.array(longitudes),
        y=np.zeros(n),
        crs="OGC:CRS84",
        times=None,
        target=np.full(n, np.nan),
        name="",
        unit="",
    )
    cubes = extract_cubes(stack, points, window=1, steps=1)
    column = (np.array(longitudes) - west) % 360 // 10
    np.testing.assert_array_equal(cubes.values.reshape(n), column % 36)
    assert (np.abs(cubes.x) <= 180).all()
    around = np.abs(np.exp(1j * np.radians(cubes.x)) - np.exp(1j * np.radians(longitudes)))
    assert around.max() < 1e-9
    assert cubes.cell_size == 10.0


def test_dates_far_apart_are_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched:
        """Layers that note how many dates were read at once."""

        shape = (T, 2, H, W)
        spans: list[int] = []  # noqa: RUF012

        def __getitem__(self, index: Any) -> Any:
            part = expected()[index]
            self.spans.append(len(part) if isinstance(index[0], slice) else 1)
            return part

    points = points_at([5, 6], [5, 8])
    whole = extract_cubes(in_memory(), points, window=4, steps=2, step=timedelta(days=61))
    monkeypatch.setattr("autospec.data.cubes.windows.READ_BYTES", 2 * 2 * 4 * 4 * 4)  # two dates
    stack = replace(in_memory(), dynamic=Watched())
    cubes = extract_cubes(stack, points, window=4, steps=2, step=timedelta(days=61))
    np.testing.assert_array_equal(cubes.values, whole.values)
    assert set(Watched.spans) == {1}
