"""``autospec compare`` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autospec.cli import app
from autospec.errors import UsageError
from autospec.report.folder import dump_result
from autospec.report.map_folder import load_map_training
from autospec.report.words import measured
from tests.report.cubes.made_cube_result import make_cube_result
from tests.report.maps.made_map_training import make_map_training, with_rmse
from tests.report.maps.test_map_compared import put_maps


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "samples"
    folder.mkdir()
    (folder / "cube-run.json").write_text(dump_result(make_cube_result()), encoding="utf-8")
    return folder


def invoke(*words: object) -> str:
    done = CliRunner().invoke(app, ["compare", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_the_table_and_the_files_are_shown(run: Path, tmp_path: Path) -> None:
    shown = invoke(run, "-o", tmp_path / "out")
    assert "random forest" in shown
    assert "synthetic" in shown
    assert str(tmp_path / "out" / "compare.html") in shown.replace("\n", "")


def test_errors_of_maps_in_a_small_unit_are_told_apart(tmp_path: Path) -> None:
    folder = put_maps(tmp_path / "maps", with_rmse(make_map_training(), 2.345e-5))
    rmse = load_map_training(folder).models[0].scores[0].pooled.rmse.value
    assert rmse is not None and rmse < 1e-4
    assert f"{rmse:.3g}" in invoke(folder, "-o", tmp_path / "out")
    assert measured(rmse) in (tmp_path / "out" / "compare.html").read_text(encoding="utf-8")


def test_json_is_the_file(run: Path, tmp_path: Path) -> None:
    shown = invoke(run, "-o", tmp_path / "out", "--json")
    written = (tmp_path / "out" / "compare.json").read_text(encoding="utf-8")
    assert json.loads(shown) == json.loads(written)


def test_a_run_is_not_written_over(run: Path) -> None:
    with pytest.raises(UsageError, match="another folder with --out"):
        invoke(run, "-o", run)


def test_a_refused_run_leaves_no_folder(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        invoke(run, run, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()
