"""Untrusted files of cubes: every fault is named with what, where, found, wanted and next step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_cubes import Arrays, cube_arrays, save, stack_arrays

from autospec.data.cubes.cube_checks import Needs
from autospec.data.cubes.cube_files import TRAINING, read_cubes
from autospec.data.cubes.stack_files import read_stack
from autospec.errors import DataError

Spoil = Callable[[Arrays], object]


def put(key: str, value: object) -> Spoil:
    """Save something else under a key."""
    return lambda arrays: arrays.update({key: np.asarray(value)})


def drop(key: str) -> Spoil:
    """Leave a key out."""
    return lambda arrays: arrays.pop(key)


def cell(key: str, index: object, value: object) -> Spoil:
    """Change part of an array."""

    def spoil(arrays: Arrays) -> None:
        arrays[key] = arrays[key].copy()
        arrays[key][index] = value

    return spoil


def cast(key: str, dtype: str) -> Spoil:
    """Save an array as another kind."""
    return lambda arrays: arrays.update({key: arrays[key].astype(dtype)})


def swap(arrays: Arrays) -> None:
    """Save longitude as latitude: of a place where that gives it away."""
    arrays["x"], arrays["y"] = arrays["y"] - 10.0, arrays["x"] + 100.0


def problems(read: Callable[[Path], object], path: Path) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        read(path)
    assert all(line.startswith(f"{path.name}: ") for line in caught.value.problems)
    return caught.value.problems


SAMPLES: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "four axes": (
        lambda a: a.update(values=a["values"][..., 0]),
        ("'values'", "4 axes", "(n, c, h, w, t)"),
    ),
    "no samples": (lambda a: a.update(values=a["values"][:0]), ("'values'", "(0, 3, 3, 5, 4)")),
    "a name too few": (put("channels", ["ndvi", "rain"]), ("'channels'", "(2,)", "here (3,)")),
    "a date too many": (put("times", ["2014-01"] * 5), ("'times'", "(5,)", "(24, 4) or (4,)")),
    "a place too few": (lambda a: a.update(x=a["x"][1:]), ("'x'", "(23,)", "here (24,)")),
    "a value too few": (lambda a: a.update(target=a["target"][1:]), ("'target'", "(23,)", "(24,)")),
    "marks of another shape": (put("valid", np.ones((24, 3), bool)), ("'valid'", "(24, 3)")),
    "marks of 7": (put("valid", np.full((24, 3, 3, 5, 4), 7)), ("'valid'", "True or False")),
    "complex values": (cast("values", "c8"), ("'values'", "header")),
    "values as text": (cast("values", "U9"), ("'values'", "float or int")),
    "bool values": (cast("values", "bool"), ("'values'", "bool", "float or int")),
    "pickled ids": (cast("ids", "O"), ("'ids'", "never opened")),
    "years as numbers": (put("times", [2011, 2012, 2013, 2014]), ("'times'", "int64", "date")),
    "an unknown key": (put("chanels", ["a"]), ("'chanels'", "Did you mean 'channels'?")),
    "no crs": (drop("crs"), ("no key 'crs'", "EPSG:4326")),
    "an empty crs": (put("crs", " "), ("'crs' is empty", "EPSG:4326")),
    "no times": (drop("times"), ("no key 'times'", "(n, t) or (t,)")),
    "no values": (drop("values"), ("no key 'values'",)),
    "a newer format": (
        put("format", "autospec-cubes-2"),
        ("'autospec-cubes-2'", "autospec-cubes-1"),
    ),
    "a stack": (put("format", "autospec-stack-1"), ("cube extract",)),
    "unordered dates": (
        cell("times", 3, "2013-01-01"),
        ("2014-03-01T00:00:00 stands before 2013-01-01", "oldest first"),
    ),
    "a date twice": (cell("times", 3, "2014-03-01"), ("2014-03-01T00:00:00 stands twice",)),
    "one sample's dates": (
        lambda a: a.update(times=np.vstack([*[a["times"]] * 23, a["times"][::-1]])),
        ("sample 's23'", "not in order"),
    ),
    "a date in words": (cell("times", 2, "yesterday"), ("'yesterday'", "ISO 8601")),
    "a date with an offset": (
        put("times", [f"2014-0{k}-01T00:00+02:00" for k in range(1, 5)]),
        ("+02:00", "ISO 8601"),
    ),
    "no such day": (cell("times", 1, "2014-02-30"), ("'2014-02-30'",)),
    "a missing date": (
        put("times", np.array(["2014-01", "NaT", "2014-03", "2014-04"], "M8[M]")),
        ("'times'", "1 date", "NaT"),
    ),
    "a date far off": (put("times", np.array([1, 2, 3, 2**60], "M8[Y]")), ("'times'", "1 to 9999")),
    "dates without a unit": (
        put("times", np.array([1, 2, 3, 4]).astype("M8")),
        ("'times'", "without a unit"),
    ),
    "a longitude of 200": (cell("x", 3, 200.0), ("'s03'", "x = 200", "±180")),
    "x and y swapped": (swap, ("24 places", "look swapped")),
    "an infinite place": (cell("y", 3, np.inf), ("'s03'", "y = inf")),
    "a name twice": (cell("ids", 1, "s00"), ("'ids'", "'s00'", "two names")),
    "an empty name": (cell("ids", 1, ""), ("'ids'", "entry 2", "printable")),
    "a name with a line end": (cell("ids", 1, "a\n"), ("'ids'", "entry 2", r"'a\n'")),
    "a channel twice": (
        put("channels", ["ndvi", "rain", "ndvi"]),
        ("'channels'", "'ndvi'", "every channel"),
    ),
    "text that is no text": (
        put("channels", np.array([b"\xff", b"b", b"c"])),
        ("'channels'", "no text"),
    ),
    "a code point out of range": (
        put("channels", np.frombuffer(b"\xff" * 12, dtype="<U1")),
        ("'channels'", "no text"),
    ),
    "an empty window": (cell("values", 5, np.nan), ("1 sample without a single value: 's05'",)),
    "an empty channel": (
        cell("values", (slice(None), 1), np.nan),
        ("no value in any sample: 'rain'",),
    ),
    "a flood of NaN": (
        cell("values", (slice(None), slice(1, 3), slice(None), slice(1, 5)), np.nan),
        ("% of all cells", "rain", "at most 50 %"),
    ),
    "infinite values": (
        cell("values", (4, 1, 0, 0, 0), -np.inf),
        ("'s04'", "'rain'", "1 cell", "-inf"),
    ),
    "huge values": (cell("values", (4, 1, 0), 9e30), ("'s04'", "20 cells", "9e+30", "±1e30")),
    "an infinite lab value": (cell("target", 2, np.inf), ("'s02'", "soc = inf")),
    "a constant target": (cell("target", slice(None), 7.0), ("soc = 7 g/kg in all 24",)),
    "few lab values": (
        cell("target", slice(19, None), np.nan),
        ("19 samples with a value of soc", "at least 20"),
    ),
    "no lab values": (drop("target"), ("0 samples with a value", "at least 20")),
}

STACKS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "three axes": (
        lambda a: a.update(dynamic=a["dynamic"][:, 0]),
        ("'dynamic'", "3 axes", "(t, c, h, w)"),
    ),
    "another grid of the static": (
        put("static", np.zeros((1, 6, 7))),
        ("'static'", "(1, 6, 7)", "(s, 6, 8)"),
    ),
    "static without names": (drop("static_channels"), ("'static' alone", "together")),
    "one name for two layers": (put("static_channels", ["rain"]), ("'rain'", "every layer")),
    "unordered dates": (cell("times", 3, "2013-01"), ("dates are not in order",)),
    "a transform of five": (put("transform", [1.0] * 5), ("'transform'", "(5,)", "(6,)")),
    "a turned grid": (cell("transform", 1, 0.2), ("'transform'", "north up")),
    "GDAL's order": (
        put("transform", [10, 0.1, 0, 51, 0, -0.1]),
        ("GDAL's order", "(0.1, 0, 10, 0, -0.1, 51)"),
    ),
    "no crs": (drop("crs"), ("no key 'crs'",)),
    "off the earth": (cell("transform", 5, 500.0), ("'north-western cell'", "±90")),
    "a layer without values": (
        cell("dynamic", (slice(None), 1), np.nan),
        ("no value anywhere: 'rain'",),
    ),
    "a static layer without values": (
        cell("static", 0, -9999.0),
        ("no value anywhere: 'elevation'",),
    ),
    "infinite values": (cell("dynamic", (2, 1, 0, 0), np.inf), ("'3'", "'rain'", "inf")),
    "samples": (put("format", "autospec-cubes-1"), ("'autospec-cubes-1'", "not a raster stack")),
    "no dates": (lambda a: a.update(dynamic=a["dynamic"][:0]), ("'dynamic'", "(0, 2, 6, 8)")),
}


@pytest.mark.parametrize("fault", SAMPLES)
def test_a_fault_in_samples_is_named(fault: str, tmp_path: Path) -> None:
    spoil, words = SAMPLES[fault]
    arrays = cube_arrays()
    spoil(arrays)
    found = problems(lambda path: read_cubes(path, TRAINING), save(tmp_path / "s.npz", arrays))
    assert any(all(word in line for word in words) for line in found), found


@pytest.mark.parametrize("fault", STACKS)
def test_a_fault_in_a_stack_is_named(fault: str, tmp_path: Path) -> None:
    spoil, words = STACKS[fault]
    arrays = stack_arrays()
    spoil(arrays)
    found = problems(read_stack, save(tmp_path / "s.npz", arrays))
    assert any(all(word in line for word in words) for line in found), found


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    arrays = cube_arrays()
    wrong = ("no crs", "unordered dates", "a name twice", "infinite values", "a constant target")
    for fault in wrong:
        SAMPLES[fault][0](arrays)
    found = problems(lambda path: read_cubes(path, TRAINING), save(tmp_path / "s.npz", arrays))
    assert len(found) == len(wrong)


def test_many_faulty_samples_are_counted(tmp_path: Path) -> None:
    arrays = cube_arrays()
    arrays["values"][:, 0, 0, 0, 0] = np.inf
    with pytest.raises(DataError) as caught:
        read_cubes(save(tmp_path / "s.npz", arrays))
    assert "... and 4 more of the same kind" in str(caught.value)


def test_samples_to_predict_on_may_be_empty_and_unlabelled(tmp_path: Path) -> None:
    arrays = cube_arrays()
    arrays["values"][5:] = np.nan
    del arrays["target"]
    cubes = read_cubes(save(tmp_path / "s.npz", arrays), Needs(values=False))
    assert not cubes.valid[5:].any() and np.isnan(cubes.target).all()


def test_bare_arrays_are_told_what_is_missing(tmp_path: Path) -> None:
    path = save(tmp_path / "ndvi.npz", {"ndvi": np.zeros((2, 3, 4)), "dates": np.array(["2013"])})
    (line,) = problems(read_stack, path)
    assert "'ndvi' (2, 3, 4)" in line
    assert "transform and crs are the georeference" in line
