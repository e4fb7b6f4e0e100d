"""``autospec map``: whole files in the right place, in three forms; bad input in one message."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from autospec.cli import app
from autospec.data.cubes.stack_files import read_stack, write_stack
from autospec.errors import AutospecError, OutputError, UsageError
from autospec.evaluate.mapping import Band
from autospec.predict.bundle import save_model
from autospec.predict.map_output import FrameKeeper, RangeCounter, write_map
from autospec.predict.map_planning import plan_map
from autospec.predict.map_running import map_stack
from tests.data.cubes.made_grids import CELL, CRS, write_tiff
from tests.predict.made_bundles import tiny_bundle
from tests.predict.made_cube_bundles import cube_bundle
from tests.predict.made_map_bundles import CHANNELS, STATIC, made_stack, map_bundle

STACK = made_stack()
DEGREES = (1.35e-4, 0.0, 15.0, 0.0, -9e-5, 48.0)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return a model file and a stack."""
    save_model(map_bundle(), tmp_path / "model.safetensors")
    write_stack(tmp_path / "stack.npz", STACK)
    return tmp_path / "model.safetensors", tmp_path / "stack.npz"


def run(files: tuple[Path, Path], out: Path, *more: str) -> Result:
    args = ["map", "--model", files[0], "--stack", files[1], "-o", out, "--device", "cpu", *more]
    return CliRunner().invoke(app, [str(arg) for arg in args])


def done(files: tuple[Path, Path], out: Path, *more: str) -> Result:
    result = run(files, out, *more)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def refused(kind: type[AutospecError], result: Result) -> str:
    assert isinstance(result.exception, kind), result.exception
    return str(result.exception)


@pytest.mark.parametrize("suffix", ["npz", "nc", "tif"])
def test_a_map_is_read_back_as_a_stack_in_its_place(
    suffix: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / f"map.{suffix}"
    result = done(files, out, "--tile", "16", "--margin", "3")
    assert (
        f"Written: {out}" in result.stdout and "tiles of 16 x 16 cells, 3 of them" in result.stderr
    )
    plan, _ = map_stack(map_bundle(), STACK)
    found = read_stack(out)
    assert found.transform == pytest.approx(STACK.transform) and found.crs == "EPSG:32633"
    np.testing.assert_array_equal(found.times, plan.times)
    assert found.synthetic
    said = run_json(files, tmp_path / "again.npz", "--tile", "16", "--margin", "3")
    same = read_stack(tmp_path / "again.npz")
    assert said["shape"] == list(found.dynamic.shape)
    np.testing.assert_array_equal(found.dynamic[:], same.dynamic[:])


def run_json(files: tuple[Path, Path], out: Path, *more: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(done(files, out, "--json", *more).stdout)
    return found


def test_a_map_in_one_tile_is_what_python_says(files: tuple[Path, Path], tmp_path: Path) -> None:
    done(files, tmp_path / "map.npz", "--tile", "64", "--margin", "0")
    _, maps = map_stack(replace(map_bundle(), tile=64), STACK)
    np.testing.assert_array_equal(read_stack(tmp_path / "map.npz").dynamic[:], maps)


def test_netcdf_follows_the_conventions(files: tuple[Path, Path], tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    write_stack(files[1], replace(STACK, transform=DEGREES, crs="EPSG:4326"))
    done(files, tmp_path / "map.nc")
    with xarray.open_dataset(tmp_path / "map.nc", engine="h5netcdf") as data:
        layer = data["ndvi"]
        assert layer.dims == ("time", "y", "x") and layer.attrs["grid_mapping"] == "spatial_ref"
        assert np.isnan(layer.encoding["_FillValue"])
        assert float(data.x[0]) == pytest.approx(15.0 + 1.35e-4 / 2)
        assert float(data.y[-1]) == pytest.approx(48.0 - 9e-5 * 20.5)
        assert data.y.attrs["units"] == "degrees_north" and data.x.attrs["axis"] == "X"
        assert data.time.values[0] == np.datetime64("2020-05-17")
        assert "WGS 84" in data.spatial_ref.attrs["crs_wkt"]
        assert data.attrs["Conventions"].startswith("CF-") and data.attrs["synthetic"] == "true"
        assert "mapped by maps" in data.attrs["provenance"]


def test_rioxarray_finds_the_place(files: tuple[Path, Path], tmp_path: Path) -> None:
    rioxarray = pytest.importorskip("rioxarray")
    done(files, tmp_path / "map.nc")
    with rioxarray.open_rasterio(tmp_path / "map.nc") as data:
        assert data.rio.crs.to_epsg() == 32633
        assert tuple(data.rio.transform())[:6] == pytest.approx(STACK.transform)


def test_targets_with_odd_names_are_kept_apart(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    channels = ("time", "a/b", "a_b")
    bundle = replace(
        map_bundle(1, ("ndvi", "rain", "heat")),
        inputs=channels,
        aims=replace(map_bundle().aims, targets=channels),
    )
    save_model(bundle, tmp_path / "model.safetensors")
    write_stack(tmp_path / "stack.npz", replace(STACK, channels=channels))
    files = tmp_path / "model.safetensors", tmp_path / "stack.npz"
    done(files, tmp_path / "map.nc")
    with xarray.open_dataset(tmp_path / "map.nc", engine="h5netcdf") as data:
        names = {str(name): data[name].attrs.get("long_name") for name in data.data_vars}
    assert {"time_map": "time", "a_b": "a/b", "a_b_map": "a_b"}.items() <= names.items()
    assert "the model has 3 (time, a/b, a_b)" in refused(
        UsageError, run(files, tmp_path / "map.tif")
    )


def test_dates_can_be_chosen(files: tuple[Path, Path], tmp_path: Path) -> None:
    said = run_json(files, tmp_path / "m.npz", "--from", "2020-06", "--to", "2020-07")
    assert said["dates"] == ["2020-06-02", "2020-06-18", "2020-07-04", "2020-07-20"]


WRONG: dict[str, tuple[str, tuple[str, ...], str]] = {
    "form": ("map.txt", (), "want a name that ends in .nc, .npz, .tif, .tiff"),
    "margin": ("map.npz", ("--margin", "8"), "--tile 32: margin = 8; want 0 to below a quarter"),
    "date": ("map.npz", ("--from", "May"), "--from 'May': want a date, such as 2024-05-01"),
    "no date": ("map.npz", ("--to", "1999"), "no date of the map from None to 1999-12-31"),
    "wide margin": ("map.npz", ("--tile", "999999", "--margin", "36"), "as many as the raster is"),
    "itself": ("stack.npz", (), "this is the stack itself"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_refused_beforehand(
    name: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    out, more, words = WRONG[name]
    assert words in refused(UsageError, run(files, tmp_path / out, *more))
    assert not (tmp_path / "map.npz").exists()


@pytest.mark.parametrize("folder", ["map.nc", "map.nc.html"])
def test_a_folder_in_the_way_is_refused(
    folder: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / folder).mkdir()
    words = refused(OutputError, run(files, tmp_path / "map.nc", "--picture"))
    assert f"{folder}" in words and "is a folder" in words


@pytest.mark.parametrize("name", ["layers/ndvi_2020-05-01.tif", "layers/new.nc", "link/map.npz"])
def test_a_stack_that_is_a_folder_is_left_alone(name: str, tmp_path: Path) -> None:
    model = replace(map_bundle(), cell=(CELL, CELL), crs=CRS)
    save_model(model, tmp_path / "model.safetensors")
    layers = tmp_path / "layers"
    layers.mkdir()
    for date, values in zip(STACK.times[:4].astype("datetime64[D]"), STACK.dynamic, strict=False):
        write_tiff(tmp_path / f"layers/all_{date}.tif", values, names=CHANNELS)
    write_tiff(layers / "height.tif", STACK.static, names=STATIC)
    (tmp_path / "link").symlink_to(layers, target_is_directory=True)
    before = {path.name: path.read_bytes() for path in layers.iterdir()}
    files = tmp_path / "model.safetensors", layers
    assert "whose files are the stack's own" in refused(UsageError, run(files, tmp_path / name))
    assert {path.name: path.read_bytes() for path in layers.iterdir()} == before


def test_the_maps_of_a_training_are_left_alone(files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "map-frames.npz").write_text("of the training")
    assert "a file of the training" in refused(UsageError, run(files, tmp_path / "map-frames.npz"))
    assert (tmp_path / "map-frames.npz").read_text() == "of the training"


@pytest.mark.parametrize("bundle", [cube_bundle(), tiny_bundle()])
def test_models_of_samples_are_sent_to_predict(bundle, files: tuple[Path, Path]) -> None:  # noqa: ANN001
    save_model(bundle, files[0])
    out = files[0].with_name("m.npz")
    assert f"Use autospec predict {files[0]}" in refused(UsageError, run(files, out))


@pytest.mark.parametrize("command", [["predict"], ["export", "--onnx", "m.onnx"]])
def test_other_commands_send_a_model_of_maps_here(
    command: list[str], files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files[0].parent)
    stack = ["stack.npz"] if command == ["predict"] else []
    result = CliRunner().invoke(app, [*command, str(files[0]), *stack])
    assert f"autospec map --model {files[0]} --stack" in refused(UsageError, result)


@pytest.mark.parametrize("suffix", ["npz", "nc", "tif"])
def test_a_map_that_breaks_off_leaves_the_old_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"map.{suffix}"
    path.write_text("old")
    plan = plan_map(map_bundle(), STACK)

    def bands():  # noqa: ANN202
        values = np.zeros((1, 1, 5, 35), dtype=np.float32)
        yield Band(slots=plan.slots[:1], row=0, values=values)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_map(path, plan, bands())
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_half(files: tuple[Path, Path], tmp_path: Path) -> None:
    write_stack(files[1], made_stack(6, 900, 900))  # more than it can map before Ctrl-C
    before = sorted(p.name for p in tmp_path.iterdir())
    args = ["map", "--model", files[0], "--stack", files[1], "-o", tmp_path / "map.nc"]
    env = os.environ | {"PYTHONUNBUFFERED": "1"}
    child = subprocess.Popen(
        [sys.executable, "-m", "autospec", *map(str, args)], stderr=subprocess.PIPE, env=env
    )
    assert child.stderr is not None
    child.stderr.readline()
    end = time.monotonic() + 60
    while not list(tmp_path.glob(".map.nc*")) and time.monotonic() < end:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130, said.decode()
    assert b"map.nc was not written" in said
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_a_picture_shows_thinned_maps() -> None:
    plan, maps = map_stack(map_bundle(), STACK)
    keeper = FrameKeeper(plan, STACK)
    keeper.step = 2
    keeper.maps = np.full((10, 1, 11, 18), np.nan, dtype=np.float32)
    keeper.seen = keeper.maps.copy()
    parts = [(0, 7), (7, 20), (20, 21)]
    bands = [Band(slots=plan.slots, row=a, values=maps[:, :, a:b]) for a, b in parts]
    assert len(list(keeper.watch(bands))) == 3
    frames = keeper.frames()
    np.testing.assert_array_equal(frames.predicted, maps[:, :, ::2, ::2])
    assert frames.dates[0] == "2020-05-17" and frames.synthetic
    assert frames.observed is not None
    np.testing.assert_array_equal(frames.observed[:9, 0], STACK.dynamic[1:, 1, ::2, ::2])
    assert np.isnan(frames.observed[9]).all()  # beyond the last date


def test_what_lies_beyond_what_was_learned_from_is_told(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    scaler = map_bundle().scaler
    maps = map_stack(map_bundle(), STACK)[1]
    low, high = np.quantile(maps, [0.1, 0.75])
    plan = plan_map(
        replace(map_bundle(), scaler=replace(scaler, target_low=low[None], target_high=high[None])),
        STACK,
    )
    counter = RangeCounter(plan)
    list(counter.watch([Band(slots=plan.slots, row=0, values=maps)]))
    (note,) = counter.notes()
    assert note.startswith("35 % of the map of ndvi lies beyond the values that the model learned")
    save_model(plan.bundle, files[0])
    said = run_json(files, tmp_path / "map.npz")["notes"]
    assert isinstance(said, list) and "% of the map of ndvi lies beyond" in said[-1]


def test_a_disk_without_room_is_told_before_anything_is_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 would end the process."""

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def bands():  # noqa: ANN202
        raise AssertionError("nothing is to be mapped")
        yield

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match="The disk is full"):
        write_map(tmp_path / "map.nc", plan_map(map_bundle(), STACK), bands())
    assert not list(tmp_path.iterdir())


def test_the_picture_is_written_beside_the_map(files: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("autospec.report.maps.picture")
    said = run_json(files, tmp_path / "map.npz", "--picture")
    assert said["files"] == [str(tmp_path / "map.npz"), str(tmp_path / "map.npz.html")]
    text = (tmp_path / "map.npz.html").read_text()
    assert "ndvi by maps" in text and "Observed and predicted share one scale" in text
    assert "no test of it" not in text  # the model's data end before


def test_the_picture_of_what_was_learned_from_says_so(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    save_model(replace(map_bundle(), last_time="2020-06-02T00:00:00"), files[0])
    done(files, tmp_path / "map.npz", "--picture")
    assert "2020-06-02: it may have learned from dates" in (tmp_path / "map.npz.html").read_text()


def test_a_model_without_a_horizon_is_shown_what_the_stack_has() -> None:
    """The network gets no target; the picture does, and NaN where there is none."""
    values = np.array(STACK.dynamic[:])
    values[2, 1] = np.nan
    stack = replace(STACK, dynamic=values)
    plan, maps = map_stack(map_bundle(0), stack)
    keeper = FrameKeeper(plan, stack)
    list(keeper.watch([Band(slots=plan.slots, row=0, values=maps)]))
    np.testing.assert_array_equal(keeper.frames().observed[:, 0], values[:, 1])  # type: ignore[index]


def test_a_stack_without_the_target_has_nothing_observed() -> None:
    stack = replace(STACK, dynamic=STACK.dynamic[:, ::2], channels=("rain", "heat"))
    plan, maps = map_stack(map_bundle(0), stack)
    keeper = FrameKeeper(plan, stack)
    list(keeper.watch([Band(slots=plan.slots, row=0, values=maps)]))
    assert keeper.frames().observed is None
