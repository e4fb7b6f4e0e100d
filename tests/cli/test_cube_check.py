"""`autospec cube check` as a user meets it: what it shows, its JSON and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from autospec.cli import app
from autospec.data.cubes.cube_files import write_cubes
from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.stack_files import write_stack
from autospec.data.cubes.stacks import RasterStack
from autospec.errors import DataError


@pytest.fixture
def cubes() -> Cubes:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(24, 2, 3, 5, 4)).astype(np.float32)
    valid = np.ones(values.shape, dtype=bool)
    valid[:, 1, 0], values[:, 1, 0] = False, 0.0
    months = np.arange("2014-01", "2014-05", dtype="datetime64[M]").astype("datetime64[s]")
    return Cubes(
        values=values,
        valid=valid,
        channels=("ndvi", "rain"),
        times=np.tile(months, (24, 1)),
        x=np.linspace(10.0, 11.0, 24),
        y=np.linspace(50.0, 51.0, 24),
        crs="EPSG:4326",
        ids=tuple(f"s{i}" for i in range(24)),
        target=np.arange(24.0),
        target_name="soc",
        target_unit="g/kg",
    )


@pytest.fixture
def stack(cubes: Cubes) -> RasterStack:
    dynamic = np.zeros((4, 2, 6, 8), dtype=np.float32)
    dynamic[:, 1] = 3.0
    dynamic[0, 0] = np.nan
    return RasterStack(
        dynamic=dynamic,
        static=np.full((1, 6, 8), 120.0, dtype=np.float32),
        channels=cubes.channels,
        static_channels=("elevation",),
        times=cubes.times[0],
        transform=(0.5, 0.0, 10.0, 0.0, -0.5, 51.0),
        crs="EPSG:4326",
        synthetic=True,
    )


def shown(*words: object) -> str:
    done = CliRunner().invoke(app, ["cube", "check", *map(str, words)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_samples_are_described(cubes: Cubes, tmp_path: Path) -> None:
    write_cubes(tmp_path / "s.npz", cubes)
    text = shown(tmp_path / "s.npz")
    assert "24 samples, 2 channels, 3 rows, 5 columns, 4 dates" in text
    assert "Dates: 2014-01-01 to 2014-04-01" in text
    assert "x 10 to 11, y 50 to 51 (EPSG:4326)" in text
    assert "soc, 24 values, 0 to 23 g/kg, mean 11.5" in text
    assert "33.3 %" in text
    assert "SYNTHETIC" not in text
    assert "--target soc" in text


def test_names_are_no_markup(cubes: Cubes, tmp_path: Path) -> None:
    odd = replace(cubes, channels=("[/a]", "[red]"), target_name="[/b]", target_unit="[b]")
    write_cubes(tmp_path / "s.npz", odd)
    text = shown(tmp_path / "s.npz")
    assert all(word in text for word in ("[/a]", "[red]", "[/b], 24 values", "0 to 23 [b], mean"))


def test_a_stack_is_described(stack: RasterStack, tmp_path: Path) -> None:
    write_stack(tmp_path / "s.npz", stack)
    text = shown(tmp_path / "s.npz")
    assert "a raster stack of 4 dates, 2 channels, 1 static layer, 6 rows, 8 columns" in text
    assert "elevation (static)" in text
    assert "SYNTHETIC" in text
    assert "cube extract --raster" in text


def test_the_json_holds_the_same(cubes: Cubes, tmp_path: Path) -> None:
    few = np.where(np.arange(24) < 19, cubes.target, np.nan)
    write_cubes(tmp_path / "s.npz", replace(cubes, target=few))
    spoiled = CliRunner().invoke(app, ["cube", "check", str(tmp_path / "s.npz"), "--json"])
    assert json.loads(spoiled.stdout)["wrong"] == [
        "s.npz: 19 samples with a value of soc; want at least 20. Add samples with lab values."
    ]
    write_cubes(tmp_path / "s.npz", cubes)
    held = json.loads(shown(tmp_path / "s.npz", "--json"))
    assert held["axes"] == {"n": 24, "c": 2, "h": 3, "w": 5, "t": 4}
    assert [c["name"] for c in held["channels"]] == ["ndvi", "rain"]
    seen = cubes.values[:, 1][cubes.valid[:, 1]]
    rain = held["channels"][1]
    assert (rain["low"], rain["high"]) == (float(seen.min()), float(seen.max()))
    assert rain["mean"] == pytest.approx(seen.mean(dtype=np.float64))
    assert held["target"] == {
        "name": "soc", "unit": "g/kg", "n": 24, "low": 0.0, "mean": 11.5, "high": 23.0
    }  # fmt: skip
    assert held["kind"] == "samples" and held["wrong"] == []


def test_samples_to_predict_on_are_good(cubes: Cubes, tmp_path: Path) -> None:
    write_cubes(tmp_path / "s.npz", replace(cubes, target=np.full(24, np.nan)))
    text = shown(tmp_path / "s.npz")
    assert "every sample is unlabelled" in text
    assert "Next" not in text


def test_every_problem_is_shown(cubes: Cubes, tmp_path: Path) -> None:
    write_cubes(tmp_path / "s.npz", replace(cubes, ids=("a",) * 24, target=np.ones(24)))
    done = CliRunner().invoke(app, ["cube", "check", str(tmp_path / "s.npz")])
    assert isinstance(done.exception, DataError)
    assert len(done.exception.problems) == 2


def test_a_refused_file_ends_in_65(tmp_path: Path) -> None:
    (tmp_path / "s.npz").write_bytes(b"PK\x03\x04 and no more")
    done = subprocess.run(
        [sys.executable, "-m", "autospec", "cube", "check", str(tmp_path / "s.npz")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 65
    assert done.stderr.startswith("autospec: s.npz: the file is cut short or damaged")
    assert "Traceback" not in done.stderr
