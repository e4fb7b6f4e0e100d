"""``autospec report``, ``compare`` and ``export-table`` on the folder of a training on maps."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from autospec.cli import app
from autospec.errors import OutputError, UsageError
from autospec.evaluate.map_frames import write_frames
from autospec.report.map_folder import FRAMES_FILE, write_map_training
from autospec.report.maps import write_map_report
from tests.report.maps.made_map_training import make_frames, make_map_training


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "maps"
    folder.mkdir()
    write_map_training(make_map_training(), folder)
    write_frames(folder / FRAMES_FILE, make_frames())
    return folder


def invoke(*words: object) -> str:
    done = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_a_report_is_written_again_as_it_was(run: Path) -> None:
    first = {p: p.read_bytes() for p in write_map_report(make_map_training(), make_frames(), run)}
    for path in first:
        path.unlink()
    shown = invoke("report", run)
    assert {path: path.read_bytes() for path in first} == first
    assert shown.split() == [str(path) for path in first]


def test_a_report_without_the_maps_says_so(run: Path) -> None:
    (run / FRAMES_FILE).unlink()
    assert "map.html" not in invoke("report", run)
    assert "were not kept" in (run / "report.html").read_text(encoding="utf-8")


def test_damaged_maps_are_refused(run: Path) -> None:
    (run / FRAMES_FILE).write_bytes(b"PK no zip")
    with pytest.raises(OutputError, match="run the same training again"):
        invoke("report", run)


def test_a_training_on_maps_has_no_architecture_to_export(run: Path) -> None:
    with pytest.raises(UsageError, match=r"scores\.csv"):
        invoke("export-table", run)


def test_it_is_compared(run: Path, tmp_path: Path) -> None:
    shown = invoke("compare", run, "-o", tmp_path / "out")
    assert "persistence" in shown
    assert (tmp_path / "out" / "compare.html").is_file()


def test_its_folder_is_not_written_over_by_a_comparison(run: Path) -> None:
    with pytest.raises(UsageError, match="training on maps"):
        invoke("compare", run, "-o", run)
