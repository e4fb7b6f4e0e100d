"""Every reader of a file from outside, by name; imported where it is called. No tests here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def spectra(path: Path) -> None:
    from autospec.data.readers import read_spectra

    read_spectra(path)


def batches(path: Path) -> None:
    from autospec.data.batches import open_batches

    with open_batches(path) as table:
        for batch in table:
            assert np.isfinite(batch.values).all()


def lab(path: Path) -> None:
    from autospec.data.readers import ReadOptions, read_spectra

    read_spectra(path / "farm.csv", ReadOptions(lab=path / "lab.csv", target="soc"))


def scan(path: Path) -> None:
    from autospec.data.instruments.files import read_scan

    found, _ = read_scan(path)
    assert np.isfinite(found.values).all()
    assert np.all(np.diff(found.axis) > 0)


def points(path: Path) -> None:
    from autospec.data.cubes.points import read_points

    read_points(path)


def samples(path: Path) -> None:
    from autospec.data.cubes.cube_files import read_cubes

    read_cubes(path)


def stack(path: Path) -> None:
    """Read a stack and a window of it, in both orders of opening."""
    from autospec.data.cubes.stack_files import read_stack

    found = read_stack(path)
    np.asarray(found.dynamic[:1, :, :4, :4])
    np.asarray(found.dynamic[-1:])


def cube(path: Path) -> None:
    from autospec.data.cubes.examination import examine_cube, summarise_cube
    from autospec.errors import DataError

    found = examine_cube(path)
    if found.data is None:
        raise DataError(found.problems)
    summarise_cube(found.data)


def model(path: Path) -> None:
    from autospec.predict.bundle import load_model

    load_model(path)


def study(path: Path) -> None:
    from autospec.search.settings import read_study

    read_study(path)


def checkpoint(path: Path) -> None:
    from autospec.training.fit_state import read_checkpoint

    read_checkpoint(path, {"config": 1})


def architecture(path: Path) -> None:
    from autospec.cli.presets import architecture as read_architecture

    read_architecture(str(path))


def piece(path: Path) -> None:
    from autospec.localisation.pieces import read_piece
    from autospec.report.localise_folder import FilePieces

    read_piece(FilePieces(folder=path), "draw-0", "f" * 64)


def run(path: Path) -> None:
    from autospec.report.folder import load_result

    load_result(path)


def cube_run(path: Path) -> None:
    from autospec.report.cubes import load_cube_result

    load_cube_result(path)


def localisation(path: Path) -> None:
    from autospec.report.localise_folder import load_localisation

    load_localisation(path)


READERS: dict[str, Callable[[Path], Any]] = {
    f.__name__: f
    for f in (spectra, batches, lab, scan, points, samples, stack, cube, model, study, checkpoint,
              architecture, piece, run, cube_run, localisation)
}  # fmt: skip
