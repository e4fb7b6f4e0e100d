"""``autospec predict`` with a model of cubes; what it shows is that of spectra."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from autospec.cli.predict_show import PredictDisplay, Result, printed
from autospec.errors import EXIT_INTERRUPTED, DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autospec.data.cubes.cubes import Cubes
    from autospec.predict.cube_predictions import CubeBundleRunner
    from autospec.predict.document import CubeBundle, ModelBundle

SPECTRA_SUFFIXES = (".csv", ".txt", ".parquet", ".xlsx", ".asd", ".spc")


def refuse_cubes(bundle: ModelBundle, file: Path) -> None:
    """Refuse a file of cubes where the model wants spectra.

    Raises
    ------
    DataError
        Saying what the model wants.
    """
    from autospec.data.cubes.npz import GRID_SUFFIXES

    if file.suffix.lower() in (".npz", *GRID_SUFFIXES):
        raise DataError(
            f"{file}: cubes, by its name; {bundle.name} is a model of spectra and wants "
            f"{bundle.quantity} at {bundle.axis[0]:g} to {bundle.axis[-1]:g} {bundle.axis_unit}: "
            "CSV, Parquet or scans. Name such a file, or a model of cubes."
        )


def refuse_for_cubes(given: Mapping[str, bool]) -> None:
    """Refuse options that mean nothing for a model of cubes.

    Parameters
    ----------
    given : mapping of str to bool
        Options, and whether they were given.

    Raises
    ------
    UsageError
        Naming those that were.
    """
    names = [name for name, was in given.items() if was]
    if names:
        verb = "is" if len(names) == 1 else "are"
        raise UsageError(
            f"{', '.join(names)} {verb} for models of spectra; this is a model of cubes. "
            f"Leave {'it' if len(names) == 1 else 'them'} out."
        )


def predict_cube_file(runner: CubeBundleRunner, file: Path, target: Path) -> Result:
    """Read, match, predict and write; return what became of the file.

    Raises
    ------
    DataError
        If the file holds no cubes, or not those that the model wants.
    OutputError
        If the predictions cannot be written.
    """
    from autospec.predict.cube_streaming import predict_cubes_into

    assert runner.level is not None, "the command always asks for intervals"
    cubes, notes = _matched(runner.bundle, file)
    _announce(runner.bundle, cubes, notes, file, target)
    try:
        with PredictDisplay() as display:
            summary = predict_cubes_into(runner, cubes, target, progress=display)
    except KeyboardInterrupt:
        typer.echo(f"autospec: stopped. {target} was not written.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    return Result(
        bundle=runner.bundle,
        summary=summary,
        level=runner.level,
        notes=notes,
        late=(),
        predictions=target,
    )


def _matched(bundle: CubeBundle, file: Path) -> tuple[Cubes, tuple[str, ...]]:
    """Read samples, empty ones too, and bring them onto the model's channels."""
    from autospec.data.cubes.cube_checks import Needs
    from autospec.data.cubes.cube_files import read_cubes
    from autospec.predict.cube_matching import describe_wanted, fit_cubes

    if file.suffix.lower() in SPECTRA_SUFFIXES:
        raise DataError(
            f"{file}: spectra, by its name; {bundle.name} is a model of cubes and wants "
            f"{describe_wanted(bundle)}: npz, NetCDF or Zarr. Name such a file, or a model of "
            "spectra."
        )
    cubes = read_cubes(file, Needs(values=False))
    try:
        return fit_cubes(cubes, bundle)
    except DataError as error:
        raise DataError([f"{file.name}: {problem}" for problem in error.problems]) from error


def _announce(
    bundle: CubeBundle, cubes: Cubes, notes: tuple[str, ...], file: Path, target: Path
) -> None:
    """Say beforehand what will be done, on stderr."""
    from autospec.data.findings import count

    unit = f" in {bundle.target_unit}" if bundle.target_unit else ""
    rows = count(cubes.n, "sample")
    lines = [
        f"{bundle.name}: {bundle.target_name}{unit}, {rows} of {file.name} to {printed(target)}",
        *(notes or ("the file has the model's own channels and window",)),
    ]
    typer.echo("\n".join(lines), err=True)
