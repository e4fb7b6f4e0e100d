"""``autospec cube extract``: what it prints, writes and refuses, with exit codes."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from autospec.cli.cube_extract import extract
from autospec.data.cubes.cubes import Cubes
from autospec.errors import AutospecError
from tests.data.cubes.made_grids import CELL, NORTH, TIMES, WEST, expected, write_tiff


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, Cubes]:
    """Catch what is written, and read every stack as a grid."""
    kept: dict[str, Cubes] = {}
    cube_files, stack_files = ModuleType("cube_files"), ModuleType("stack_files")
    cube_files.write_cubes = lambda path, cubes: kept.update({Path(path).name: cubes})  # type: ignore[attr-defined]

    def read_stack(path: Any) -> Any:
        from autospec.data.cubes.grids import read_grid_stack

        return read_grid_stack(path)

    stack_files.read_stack = read_stack  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "autospec.data.cubes.cube_files", cube_files)
    monkeypatch.setitem(sys.modules, "autospec.data.cubes.stack_files", stack_files)
    return kept


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    """A folder of GeoTIFFs."""
    folder = tmp_path / "ndvi"
    folder.mkdir()
    for k, day in enumerate(TIMES):
        write_tiff(folder / f"{day}.tif", expected()[k], names=("ndvi", "rain"))
    return folder


def soil(folder: Path, *cells: tuple[int, int]) -> Path:
    """Write points in the middle of cells (row, column)."""
    lines = ["id,x,y,soc"]
    for i, (row, column) in enumerate(cells):
        x, y = WEST + CELL * (column + 0.5), NORTH - CELL * (row + 0.5)
        lines.append(f"p{i},{x},{y},{10 + i}")
    path = folder / "soc.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def run(*arguments: object) -> Result:
    """Run the command as `autospec cube extract` would."""
    app = typer.Typer()
    app.command()(extract)
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_samples_are_cut_and_written(
    tmp_path: Path, raster: Path, written: dict[str, Cubes]
) -> None:
    points = soil(tmp_path, (5, 5), (6, 8))
    out = tmp_path / "samples.npz"
    found = run("--raster", raster, "--points", points, "--window", 4, "--steps", 2, "-o", out)
    assert found.exit_code == 0, found.output
    cubes = written["samples.npz"]
    assert (cubes.n, cubes.shape, cubes.target_name) == (2, (2, 4, 4, 2), "soc")
    assert "Cut: 2 samples of 2 points, 2 with soc" in found.stdout
    assert f"Next: autospec search --cube {out} --target soc" in found.stdout
    assert "2 of 2 windows cut" in found.stderr
    assert "5 dates from 2020-01-01" in found.stderr


def test_points_outside_are_refused_or_dropped(
    tmp_path: Path, raster: Path, written: dict[str, Cubes]
) -> None:
    arguments = ("--raster", raster, "--points", soil(tmp_path, (5, 5), (0, 0)), "--window", 4)
    refused = run(*arguments, "-o", tmp_path / "a.npz")
    assert isinstance(refused.exception, AutospecError)
    assert refused.exception.exit_code == 65
    assert not written
    found = run(*arguments, "--skip-outside", "-o", tmp_path / "a.npz")
    assert found.exit_code == 0, found.output
    assert "dropped: 1 of 2 points" in found.stderr
    assert written["a.npz"].n == 1


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("samples.csv", (), 2),
        ("samples.npz", ("--categorical", "cover"), 65),
        ("samples.npz", ("--target", "clay"), 65),
        ("samples.npz", ("--steps", "0"), 2),
        ("samples.npz", ("--points-crs", "EPSG:1"), 65),
    ],
)
def test_wrong_options_end_in_their_exit_code(
    tmp_path: Path,
    raster: Path,
    written: dict[str, Cubes],
    name: str,
    options: tuple[str, ...],
    code: int,
) -> None:
    points = soil(tmp_path, (5, 5))
    found = run(
        "--raster", raster, "--points", points, "--window", 4, "-o", tmp_path / name, *options
    )
    raised = found.exception
    assert (raised.exit_code if isinstance(raised, AutospecError) else found.exit_code) == code
    assert not written


def test_an_interrupt_writes_nothing(
    tmp_path: Path, raster: Path, written: dict[str, Cubes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("autospec.data.cubes.extract.extract_cubes", stop)
    points = soil(tmp_path, (5, 5))
    found = run("--raster", raster, "--points", points, "-o", tmp_path / "a.npz")
    assert found.exit_code == 130
    assert "a.npz was not written" in found.stderr
    assert not written
