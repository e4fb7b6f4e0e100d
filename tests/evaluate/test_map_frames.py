"""Frames of maps: there and back, thinned, and refused where they are damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autospec.errors import OutputError
from autospec.evaluate.map_frames import (
    MapFrames,
    frame_dates,
    frame_extent,
    frame_step,
    read_frames,
    write_frames,
)
from tests.evaluate.made_maps import made_stack, made_values


def made_frames() -> MapFrames:
    maps = np.random.default_rng(0).normal(size=(3, 2, 4, 1)).astype(np.float32)
    maps[0, 0, 0] = np.nan
    return MapFrames(
        dates=("2020-01-01", "2020-02-01", "2020-03-01"),
        targets=("ndvi", "<b>ät</b>"),
        observed=maps,
        predicted=maps + 1,
        step=2,
        crs="EPSG:4326",
        extent=(10.0, 47.0, 11.0, 49.0),
        synthetic=True,
    )


@pytest.mark.parametrize("seen", [True, False])
def test_frames_come_back(tmp_path: Path, seen: bool) -> None:
    frames = made_frames() if seen else replace(made_frames(), observed=None)
    write_frames(tmp_path / "f.npz", frames)
    again = read_frames(tmp_path / "f.npz")
    np.testing.assert_array_equal(again.predicted, frames.predicted)
    if frames.observed is None:
        assert again.observed is None
    else:
        np.testing.assert_array_equal(again.observed, frames.observed)
    for name in ("dates", "targets", "step", "crs", "extent", "synthetic"):
        assert getattr(again, name) == getattr(frames, name)


def test_equal_frames_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write_frames(tmp_path / name, made_frames())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"f\.npz.*run the same training again"):
        read_frames(tmp_path / "f.npz")


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    write_frames(tmp_path / "f.npz", made_frames())
    content = (tmp_path / "f.npz").read_bytes()
    (tmp_path / "f.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(OutputError, match="damaged"):
        read_frames(tmp_path / "f.npz")


def test_dates_that_do_not_fit_the_maps_are_refused(tmp_path: Path) -> None:
    write_frames(tmp_path / "f.npz", replace(made_frames(), dates=("2020-01-01",)))
    with pytest.raises(OutputError, match="dates"):
        read_frames(tmp_path / "f.npz")


@pytest.mark.parametrize(("length", "step"), [(1, 1), (128, 1), (129, 2), (4096, 32)])
def test_maps_are_thinned_to_128_cells(length: int, step: int) -> None:
    assert frame_step((length, 3)) == step


@pytest.mark.parametrize("n", [1, 2, 24, 25, 744])
def test_at_most_24_dates_first_and_last_among_them(n: int) -> None:
    found = frame_dates(n)
    assert len(found) == min(n, 24) == len(set(found.tolist()))
    assert found[0] == 0 and found[-1] == n - 1


def test_the_extent_is_that_of_the_shown_cells() -> None:
    stack = made_stack(made_values(shape=(6, 12, 14)))
    assert frame_extent(stack, 1) == (10.0, 47.0, 17.0, 50.0)
    assert frame_extent(stack, 4) == (10.0, 47.0, 18.0, 50.0)
