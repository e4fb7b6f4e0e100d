"""``autospec predict`` with a model of cubes as a user meets it: files in, files out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autospec
from autospec.data.cubes.cube_files import read_cubes, write_cubes
from autospec.predict.bundle import dump_model
from tests.cli.test_predict import run
from tests.evaluate.made_cubes import made_cubes
from tests.predict.made_bundles import tiny_bundle
from tests.predict.made_cube_bundles import cube_bundle


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with model.safetensors and samples.npz; the third sample has no value."""
    (tmp_path / "model.safetensors").write_bytes(dump_model(cube_bundle()))
    cubes = made_cubes(9, seed=5)
    valid = cubes.valid.copy()
    valid[2] = False
    write_cubes(tmp_path / "samples.npz", replace(cubes, valid=valid))
    return tmp_path


def test_every_sample_is_in_the_file_as_the_python_interface_says(place: Path) -> None:
    done = run("predict", ".", "samples.npz", "-o", "out.csv", cwd=place)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(place / "out.csv")
    model = autospec.load_model(place / "model.safetensors")
    from autospec.data.cubes.cube_checks import Needs

    found = autospec.predict(model, read_cubes(place / "samples.npz", Needs(values=False)))
    assert np.array_equal(table["prediction"], found.predicted, equal_nan=True)
    assert table["in_domain"].tolist()[3:] == ["yes" if i else "no" for i in found.in_domain[3:]]
    assert "not predicted: row 3 (id p002): no cell of it has a value" in done.stdout
    assert "SYNTHETIC" in done.stderr and "soc in g/kg, 9 samples of samples.npz" in done.stderr
    assert done.stdout.splitlines()[-1] == "out.csv"


def test_json_says_what_became_of_the_samples(place: Path) -> None:
    said = json.loads(run("predict", ".", "samples.npz", "--json", cwd=place).stdout)
    assert (said["rows"], said["predicted"], said["not_predicted"]) == (9, 8, 1)
    assert said["files"] == ["samples-predictions.csv"]
    assert any("SYNTHETIC" in note for note in said["notes"])


def test_a_missing_channel_is_named_with_the_file_and_what_is_wanted(place: Path) -> None:
    cubes = replace(made_cubes(4), channels=("rain", "evi", "height"))
    write_cubes(place / "other.npz", cubes)
    done = run("predict", ".", "other.npz", cwd=place)
    assert done.returncode == 65
    assert "other.npz: channel 'ndvi' is missing: found rain, evi, height" in done.stderr
    assert "rain, ndvi, height in windows of 5 x 5 cells and 4 dates" in done.stderr
    assert not (place / "other-predictions.csv").exists()


def test_another_window_says_how_to_extract_again(place: Path) -> None:
    write_cubes(place / "other.npz", made_cubes(4, (3, 6, 6, 4)))
    done = run("predict", ".", "other.npz", cwd=place)
    assert done.returncode == 65 and "--window 5 --steps 4" in done.stderr


def test_spectra_for_a_model_of_cubes_and_cubes_for_one_of_spectra_are_refused(
    place: Path,
) -> None:
    (place / "scans.csv").write_text("id,400,410\na,1,2\n", encoding="utf-8")
    done = run("predict", ".", "scans.csv", cwd=place)
    assert done.returncode == 65
    assert "cubes is a model of cubes and wants channels rain, ndvi, height" in done.stderr
    (place / "model.safetensors").write_bytes(dump_model(tiny_bundle()))
    done = run("predict", ".", "samples.npz", cwd=place)
    assert done.returncode == 65
    assert "tiny is a model of spectra and wants absorbance at 400 to 450 nm" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--explain",), "--explain is for models of spectra"),
        (("--quantity", "absorbance", "--id", "x"), "--id, --quantity are for models of spectra"),
        (("--replicates", "average"), "--replicates is for models of spectra"),
        (
            ("--x", "x", "--y", "y", "--picture"),
            "--x and --y, --picture are for models of spectra",
        ),
    ],
)
def test_options_of_spectra_are_refused_by_name(
    words: tuple[str, ...], told: str, place: Path
) -> None:
    done = run("predict", ".", "samples.npz", *words, cwd=place)
    assert done.returncode == 2 and told in done.stderr


@pytest.mark.parametrize(("level", "code"), [("0.8", 0), ("0.99", 2), ("90", 2)])
def test_a_level_is_checked_before_anything_is_read(level: str, code: int, place: Path) -> None:
    done = run("predict", ".", "samples.npz", "--level", level, cwd=place)
    assert done.returncode == code


def test_another_file_is_not_replaced(place: Path) -> None:
    (place / "out.csv").write_text("mine\n", encoding="utf-8")
    done = run("predict", ".", "samples.npz", "-o", "out.csv", cwd=place)
    assert done.returncode == 74 and (place / "out.csv").read_text(encoding="utf-8") == "mine\n"


def test_a_model_of_cubes_is_not_exported_as_onnx(place: Path) -> None:
    done = run("export", ".", "--onnx", "m.onnx", cwd=place)
    assert done.returncode == 2 and "not exported as ONNX" in done.stderr
    assert not (place / "m.onnx").exists()
