"""`autospec cube synthesise` as a user meets it; the files' format is tested with their readers."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner, Result

from autospec.cli.cube_synthesise import synthesise
from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.stacks import RasterStack
from autospec.errors import OutputError

Written = dict[str, Cubes | RasterStack]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    """What the command hands to the writers, by file name."""
    kept: Written = {}

    def keep(path: Path, made: Cubes | RasterStack) -> None:
        kept[path.name] = made

    for module, name in (("cube_files", "write_cubes"), ("stack_files", "write_stack")):
        fake = ModuleType(f"autospec.data.cubes.{module}")
        setattr(fake, name, keep)
        monkeypatch.setitem(sys.modules, fake.__name__, fake)
    return kept


def command(*words: object) -> Result:
    app = typer.Typer()
    app.command()(synthesise)
    return CliRunner().invoke(app, [str(word) for word in words])


def test_two_files_called_synthetic_are_written_and_the_next_step_is_shown(
    written: Written, tmp_path: Path
) -> None:
    result = command("-o", tmp_path / "made", "--n", 30)
    assert result.exit_code == 0
    assert set(written) == {"synthetic-stack.npz", "synthetic-samples.npz"}
    assert "not measured" in result.stdout
    assert f"autospec search --cube {tmp_path / 'made' / 'synthetic-samples.npz'}" in result.stdout


def test_the_options_reach_the_samples(written: Written, tmp_path: Path) -> None:
    words = ("--n", 12, "--window", 6, "--steps", 3, "--no-value", 0, "--effect", "autocorrelated")
    result = command("-o", tmp_path, *words)
    cubes = written["synthetic-samples.npz"]
    assert isinstance(cubes, Cubes)
    assert (cubes.n, *cubes.shape) == (12, 5, 6, 6, 3)
    assert cubes.synthetic and cubes.valid.all()
    assert "--show-leakage" in result.stdout


def test_a_folder_that_cannot_be_made_is_said(written: Written, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = command("-o", tmp_path / "file" / "made", "--n", 5)
    assert isinstance(result.exception, OutputError)
    assert not written


@pytest.mark.parametrize("words", [("--effect", "some"), ("--n", 0), ("--window", 65)])
def test_what_cannot_be_made_is_refused(words: tuple[object, ...], tmp_path: Path) -> None:
    assert command("-o", tmp_path, *words).exit_code == 2
