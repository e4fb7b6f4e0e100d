"""The file that ``autospec predict`` was asked for: its columns of places, opened, and drawn."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autospec.cli.predict_show import Result, printed
from autospec.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autospec.data.batches import Batches
    from autospec.data.readers import ReadOptions
    from autospec.predict.points import PointKeeper
    from autospec.predict.scan_source import Scans
    from autospec.predict.streaming import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A file, what the user says of it, and its columns of x and y."""

    file: Path
    options: ReadOptions
    places: tuple[str, str] | None


def place_columns(x: str | None, y: str | None, *, picture: bool) -> tuple[str, str] | None:
    """Return the columns of coordinates, if any were named.

    Raises
    ------
    UsageError
        If there is one without the other, or a picture is wanted and there are none.
    """
    if x is not None and y is not None:
        return x, y
    if x is not None or y is not None:
        missing = "--y" if y is None else "--x"
        raise UsageError(f"a place has two coordinates; want {missing} too.")
    if picture:
        raise UsageError(
            "--picture draws rows at their places; want --x and --y, the columns of coordinates, "
            "such as --x easting --y northing."
        )
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A file of spectra that is open, and what the reader has to tell of it."""

    source: Source
    table: Batches | Scans

    def told(self) -> tuple[str, ...]:
        """What was recognised and mended, as far as the file is read."""
        return (*self.table.recognised, *self.table.mended)


@contextmanager
def opened_file(asked: Asked) -> Iterator[Opened]:
    """Open a table to be streamed; scans of an instrument are read at once.

    Raises
    ------
    DataError
        If it cannot be read.
    UsageError
        If something was asked for that this kind of file does not have.
    """
    from autospec.data.batches import open_batches
    from autospec.data.instruments.folder import holds_scans
    from autospec.predict.predictions import BLOCK_ROWS
    from autospec.predict.scan_source import read_scans_to_predict
    from autospec.predict.streaming import table_source

    file, options = asked.file, asked.options
    if holds_scans(file):
        if asked.places is not None:
            raise UsageError(
                "--x and --y name columns of a table; scans of an instrument have none. Leave "
                "them out, or predict a table of the scans."
            )
        scans = read_scans_to_predict(file, options)
        yield Opened(source=scans.source, table=scans)
        return
    if options.replicates == "average":
        raise UsageError(
            "--replicates average is for scans of an instrument; a table is predicted row by row. "
            "Leave it out."
        )
    with open_batches(file, options, block_rows=BLOCK_ROWS, places=asked.places) as batches:
        yield Opened(source=table_source(batches), table=batches)


def draw_points(keeper: PointKeeper, asked: Asked, result: Result) -> Path:
    """Write the picture beside the predictions, which stay where there is nothing to draw.

    Raises
    ------
    DataError
        If no row has a prediction and a place.
    OutputError
        If the picture cannot be written.
    """
    from autospec.predict.output import picture_file
    from autospec.report.points_page import PointsLabels, write_points_page

    bundle = result.bundle
    assert asked.places is not None, "a picture has places"
    labels = PointsLabels(
        title=f"{bundle.name} on {asked.file.name}",
        target=bundle.target_name,
        unit=bundle.target_unit,
        level=result.level,
        axes=asked.places,
    )
    try:
        return write_points_page(keeper.points(), picture_file(result.predictions), labels)
    except DataError as error:
        kept = f"The predictions are in {printed(result.predictions)}."
        raise DataError([*error.problems, kept]) from error
