"""Samples and stacks go to disk and come back; what others save is mended, and said."""

from __future__ import annotations

import sys
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from made_cubes import Arrays, cube_arrays, made_cubes, made_stack, save, stack_arrays

from autospec.data.cubes.cube_files import TRAINING, read_cubes, write_cubes
from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.npz_writing import Column, write_npz
from autospec.data.cubes.raw_cubes import RawCubes
from autospec.data.cubes.stack_files import read_stack, write_stack
from autospec.errors import DataError, OutputError

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12
)


@st.composite
def any_cubes(draw: st.DrawFn) -> Cubes:
    n, c, h, w, t = draw(st.tuples(*(st.integers(1, 4) for _ in range(5))))
    finite = st.floats(-1e6, 1e6, width=32)
    values = draw(arrays_of.arrays(np.float32, (n, c, h, w, t), elements=finite))
    valid = draw(arrays_of.arrays(bool, values.shape))
    valid[:, :, 0] = True  # no flood, no empty window
    valid &= ~np.isin(values, (-9999.0, -999.0))
    values = np.where(valid, values, np.float32(0.0))
    starts = draw(st.lists(st.integers(-(10**9), 10**9), min_size=n, max_size=n))
    seconds = np.array(starts)[:, None] + 3600 * np.arange(t)
    places = st.floats(-90, 90)
    return Cubes(
        values=values,
        valid=valid,
        channels=tuple(draw(st.lists(NAMES, min_size=c, max_size=c, unique=True))),
        times=seconds.astype("datetime64[s]"),
        x=draw(arrays_of.arrays(np.float64, n, elements=places)),
        y=draw(arrays_of.arrays(np.float64, n, elements=places)),
        crs=draw(st.sampled_from(("EPSG:4326", "EPSG:32633", 'GEOGCS["WGS 84"]'))),
        ids=tuple(draw(st.lists(NAMES, min_size=n, max_size=n, unique=True))),
        target=draw(arrays_of.arrays(np.float64, n, elements=st.floats(0, 1e9) | st.just(np.nan))),
        target_name=draw(NAMES | st.just("")),
        target_unit=draw(NAMES | st.just("")),
        cell_size=draw(st.floats(0, 1e6)),
        synthetic=draw(st.booleans()),
        provenance=tuple(draw(st.lists(NAMES, max_size=2))),
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cubes=any_cubes())
def test_samples_come_back_as_they_were(cubes: Cubes, tmp_path: Path) -> None:
    half = cubes.valid.mean() <= 0.5  # such a flood is refused
    cubes = replace(cubes, valid=np.ones_like(cubes.valid)) if half else cubes
    path = tmp_path / "samples.npz"
    write_cubes(path, cubes)
    back = read_cubes(path)
    assert back.digest == cubes.digest
    assert back.synthetic is cubes.synthetic and back.cell_size == cubes.cell_size
    assert back.provenance[: len(cubes.provenance)] == cubes.provenance
    assert any("SHA-256" in line for line in back.provenance)


@pytest.mark.parametrize("turn", [False, True])
def test_a_stack_comes_back_as_it_was(turn: bool, tmp_path: Path) -> None:
    stack = replace(made_stack(), synthetic=True, provenance=("made",))
    if turn:  # layers that are a view, as a lazy reader gives them
        stack = replace(stack, dynamic=np.asarray(stack.dynamic)[:, ::-1])
    write_stack(tmp_path / "stack.npz", stack)
    back = read_stack(tmp_path / "stack.npz")
    assert np.array_equal(back.dynamic[:], stack.dynamic[:], equal_nan=True)
    assert np.array_equal(back.static, stack.static)
    assert (back.times == stack.times).all()
    for field in ("channels", "static_channels", "transform", "crs", "synthetic"):
        assert getattr(back, field) == getattr(stack, field)


def test_equal_samples_give_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cubes(tmp_path / "a.npz", made_cubes())
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_cubes(tmp_path / "b.npz", made_cubes())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_numpy_opens_what_is_written(tmp_path: Path) -> None:
    cubes = made_cubes()
    write_cubes(tmp_path / "a.npz", cubes)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as held:
        assert np.array_equal(np.isnan(held["values"]), ~cubes.valid)
        assert held["times"].tolist() == cubes.times[0].tolist()


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_cubes(path, made_cubes())
    before = path.read_bytes()

    def pieces() -> Any:
        yield np.zeros(3, dtype=np.float32)
        raise OSError(28, "No space left on device")

    column = Column(name="values", shape=(9,), dtype=np.dtype("f4"), pieces=pieces)
    with pytest.raises(OutputError, match="disk is full"):
        write_npz(path, [column])
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def test_what_could_not_be_read_back_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autospec.data.cubes.npz_headers.MAX_ARRAY_BYTES", 1000)
    with pytest.raises(DataError, match="want at most 1,000"):
        write_cubes(tmp_path / "a.npz", made_cubes())
    assert not list(tmp_path.iterdir())


MENDED: dict[str, tuple[Any, str]] = {
    "float64": (lambda a: a.update(values=a["values"].astype(">f8")), "read as float32"),
    "fortran": (lambda a: a.update(values=np.asfortranarray(a["values"])), ""),
    "codes": (lambda a: a.update(values=np.nan_to_num(a["values"], nan=-9999)), "no value (cells"),
    "marks": (
        lambda a: a.update(
            valid=(~np.isnan(a["values"])).astype("i8"), values=np.nan_to_num(a["values"], nan=7)
        ),
        "",
    ),
    "a column": (lambda a: a.update(x=a["x"][:, None]), "x: shape (24, 1) read as (24,)"),
    "bytes": (lambda a: a.update(ids=a["ids"].astype("S")), ""),
    "a code of EPSG": (lambda a: a.update(crs=np.array(4326)), "'4326' read as 'EPSG:4326'"),
    "small letters": (lambda a: a.update(crs=np.array(["epsg:4326"])), "'epsg:4326' read"),
    "dates of each": (lambda a: a.update(times=np.tile(a["times"], (24, 1))), ""),
    "nanoseconds": (lambda a: a.update(times=a["times"].astype("M8[ns]")), ""),
    "parts of seconds": (
        lambda a: a.update(times=a["times"].astype("M8[ms]") + np.timedelta64(5, "ms")),
        "parts of seconds cut off",
    ),
    "no format": (lambda a: a.pop("format"), "no key 'format'"),
    "UTC": (lambda a: a.update(times=np.array([f"{d}T00:00Z" for d in a["times"]])), ""),
}


@pytest.mark.parametrize("case", MENDED)
def test_what_others_save_is_read_and_what_changed_is_said(case: str, tmp_path: Path) -> None:
    spoil, said = MENDED[case]
    arrays = cube_arrays()
    spoil(arrays)
    cubes = read_cubes(save(tmp_path / "s.npz", arrays), TRAINING)
    assert cubes.digest == made_cubes().digest
    assert any(said in line for line in cubes.provenance)


@pytest.mark.parametrize("dtype", ["u4", "u8"])
def test_every_kind_of_nan_is_no_value(dtype: str, tmp_path: Path) -> None:
    arrays = cube_arrays()
    values = arrays["values"].astype(dtype.replace("u", "f"))
    signalling = {"u4": 0x7FA00000, "u8": 0x7FF4000000000000}[dtype]
    values.view(dtype)[np.isnan(values)] = signalling
    arrays["values"] = values
    assert read_cubes(save(tmp_path / "s.npz", arrays)).digest == made_cubes().digest


def test_samples_without_names_are_numbered(tmp_path: Path) -> None:
    arrays = cube_arrays()
    del arrays["ids"]
    assert read_cubes(save(tmp_path / "s.npz", arrays)).ids[:2] == ("row 1", "row 2")


def test_codes_in_the_target_are_no_lab_values(tmp_path: Path) -> None:
    arrays = cube_arrays()
    arrays["target"][:2] = -9999.0, -999.0
    cubes = read_cubes(save(tmp_path / "s.npz", arrays))
    assert cubes.labelled().n == 22
    assert any("2 values of -9999 or -999" in line for line in cubes.provenance)


def test_degrees_under_a_crs_in_metres_are_remarked(tmp_path: Path) -> None:
    arrays = cube_arrays() | {"crs": np.array("EPSG:32633")}
    cubes = read_cubes(save(tmp_path / "s.npz", arrays))
    assert any("if they are longitude and latitude" in line for line in cubes.provenance)


def test_a_stack_from_south_to_north_is_turned(tmp_path: Path) -> None:
    arrays = stack_arrays()
    arrays["dynamic"] = arrays["dynamic"][:, :, ::-1]
    arrays["static"] = arrays["static"][:, ::-1]
    arrays["transform"] = np.array([0.1, 0.0, 10.0, 0.0, 0.1, 50.4])
    stack, want = read_stack(save(tmp_path / "s.npz", arrays)), made_stack()
    assert np.array_equal(stack.dynamic[:], want.dynamic[:], equal_nan=True)
    assert np.array_equal(stack.static, want.static)
    assert stack.transform == pytest.approx(want.transform)
    assert any("south to north" in line for line in stack.provenance)


def test_a_stack_needs_no_static_layers(tmp_path: Path) -> None:
    arrays: Arrays = stack_arrays()
    del arrays["static"], arrays["static_channels"]
    stack = read_stack(save(tmp_path / "s.npz", arrays))
    write_stack(tmp_path / "again.npz", stack)
    assert read_stack(tmp_path / "again.npz").static.shape == (0, 6, 8)


def raw(cubes: Cubes) -> RawCubes:
    names = [f.name for f in fields(RawCubes)]
    held = {name: getattr(cubes, name) for name in names}
    return RawCubes(**{**held, "values": cubes.values.copy(), "valid": cubes.valid.copy()})


@pytest.fixture
def grids(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Readers of the other formats, that give made data."""
    module = ModuleType("grids")
    twice = raw(replace(made_cubes(), ids=("same",) * 24))
    module.read_raw_cubes = lambda path, findings: twice  # type: ignore[attr-defined]
    module.read_grid_stack = lambda path: made_stack()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "autospec.data.cubes.grids", module)
    return module


@pytest.mark.parametrize("name", ["a.nc", "a.zarr", "a.h5", "a.TIF"])
def test_other_formats_are_passed_on_and_checked_alike(name: str, grids: ModuleType) -> None:
    assert read_stack(name).channels == ("ndvi", "rain")
    with pytest.raises(DataError, match=f"{name}: key 'ids': 1 name more than once"):
        read_cubes(name)
