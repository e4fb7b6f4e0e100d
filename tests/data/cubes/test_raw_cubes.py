"""Samples are cleaned and refused alike, whatever format they come in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospec.data.cubes.cube_files import TRAINING, read_cubes
from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.examination import examine_cube
from autospec.errors import DataError
from tests.data.cubes.made_cubes import Arrays, cube_arrays, save
from tests.data.cubes.made_grids import write, xr


def as_npz(arrays: Arrays, folder: Path) -> Path:
    return save(folder / "a.npz", arrays)


def as_zarr(arrays: Arrays, folder: Path) -> Path:
    """Write the same arrays as xarray users hold them."""
    said = ("crs", "target_name", "target_unit", "cell_size")
    data = xr.Dataset(
        {"values": (("sample", "channel", "row", "column", "step"), arrays["values"])},
        coords={
            "channel": arrays["channels"].astype(object),
            "times": ("step", arrays["times"].astype("datetime64[ns]")),
            "id": ("sample", arrays["ids"].astype(object)),
            "sample_x": ("sample", arrays["x"]),
            "sample_y": ("sample", arrays["y"]),
            "target": ("sample", arrays["target"]),
        },
        attrs={key: arrays[key].item() for key in said if key in arrays},
    )
    return write(data, folder / "v3.zarr")


def put(key: str, index: Any, value: Any) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[key] = arrays[key].astype(object) if arrays[key].dtype.kind == "U" else arrays[key]
        arrays[key][index] = value
        arrays[key] = np.array(arrays[key].tolist()) if isinstance(value, str) else arrays[key]

    return change


def whole(key: str, value: Any) -> Callable[[Arrays], None]:
    return lambda arrays: arrays.__setitem__(key, np.array(value))


MENDED = [
    put("values", (0, 1, 0, 0, 0), -9999.0),
    put("values", (slice(0, 3), 2, 0), -999.0),
    put("target", 3, -9999.0),
    put("target", 3, np.nan),
    whole("cell_size", 10.0),
]
REFUSED = [
    put("values", (0, 1, 0, 0, 0), np.inf),
    put("values", (0, 1, 0, 0, 0), 1e31),
    put("values", slice(0, 14), np.nan),
    put("values", (slice(None), 1), -9999.0),
    put("channels", 1, "ndvi"),
    put("channels", 1, "a\x1b[31m"),
    put("channels", 1, " "),
    put("channels", 1, "x" * 2000),
    put("ids", 1, "s00"),
    put("ids", 1, "tab\t"),
    put("target", 3, np.inf),
    put("target", slice(0, 10), np.nan),
    put("target", slice(None), 5.0),
    put("x", 3, np.nan),
    put("x", 3, 200.0),
    whole("cell_size", -1.0),
    whole("times", ["2014-02-01", "2014-01-01", "2014-03-01", "2014-04-01"]),
]


def outcome(path: Path) -> tuple[Cubes | None, list[str]]:
    """Return the samples, or what is wrong, without the name of the file."""
    try:
        return read_cubes(path, TRAINING), []
    except DataError as error:
        return None, [line.removeprefix(f"{path.name}: ") for line in error.problems]


@pytest.mark.parametrize("change", [lambda arrays: None, *MENDED])
def test_both_formats_give_the_same_samples(
    tmp_path: Path, change: Callable[[Arrays], None]
) -> None:
    arrays = cube_arrays()
    change(arrays)
    one, other = (outcome(kind(arrays, tmp_path))[0] for kind in (as_npz, as_zarr))
    assert one is not None and other is not None
    assert one.digest == other.digest and one.cell_size == other.cell_size
    assert one.provenance[1:] == other.provenance[1:]  # after the name of the file


@pytest.mark.parametrize("change", REFUSED)
def test_both_formats_are_refused_in_the_same_words(
    tmp_path: Path, change: Callable[[Arrays], None]
) -> None:
    arrays = cube_arrays()
    change(arrays)
    one, other = (outcome(kind(arrays, tmp_path))[1] for kind in (as_npz, as_zarr))
    assert one == other != []


@pytest.mark.parametrize("change", [put("target", slice(None), 5.0), put("channels", 1, "ndvi")])
def test_a_look_at_the_file_says_the_same_too(
    tmp_path: Path, change: Callable[[Arrays], None]
) -> None:
    arrays = cube_arrays()
    change(arrays)
    paths = [kind(arrays, tmp_path) for kind in (as_npz, as_zarr)]
    one, other = (
        [line.removeprefix(f"{path.name}: ") for line in examine_cube(path).problems]
        for path in paths
    )
    assert one == other != []
