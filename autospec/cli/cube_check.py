"""``autospec cube check``: what a file of samples or of a raster stack holds, and what is wrong."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autospec.cli.options import JsonOption
from autospec.errors import DataError, shorten

if TYPE_CHECKING:
    from autospec.data.cubes.examination import CubeSummary

AXES = {
    "n": "sample",
    "c": "channel",
    "s": "static layer",
    "h": "row",
    "w": "column",
    "t": "date",
}


def check(
    file: Annotated[
        Path, typer.Argument(help="Samples or a raster stack: npz, NetCDF, Zarr, GeoTIFF.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Look at cubes: what they hold, what was mended, what is wrong.

    Examples:

    autospec cube check samples.npz

    autospec cube check stack.npz --json
    """
    from autospec.data.cubes.examination import examine_cube, summarise_cube

    found = examine_cube(file)
    summary = None if found.data is None else summarise_cube(found.data)
    if as_json:
        held = {} if summary is None else asdict(summary)
        lines = {"recognised": found.recognised, "mended": found.mended, "wrong": found.problems}
        typer.echo(json.dumps({**held, **lines}, ensure_ascii=False))
    else:
        for title, said in (("Recognised", found.recognised), ("Mended", found.mended)):
            if said:
                typer.echo(f"{title}:")
                typer.echo("\n".join(f"  {line}" for line in shorten(said)))
    if summary is None:
        raise DataError(found.problems)
    if not as_json:
        _show(summary, file)


def _show(summary: CubeSummary, file: Path) -> None:
    """Print the summary as a table of channels and a few lines."""
    from autospec.data.cubes.layer_index import infinite_line
    from autospec.data.findings import count

    table = Table(box=SIMPLE_HEAD)
    for column in ("Channel", "Min", "Mean", "Max", "Without value"):
        table.add_column(column, justify="left" if column == "Channel" else "right", no_wrap=True)
    for channel in summary.channels:
        table.add_row(
            Text(channel.name + (" (static)" if channel.static else "")),  # never markup
            *(
                "–" if number is None else f"{number:.4g}"
                for number in (channel.low, channel.mean, channel.high)
            ),
            f"{channel.missing_percent:.1f} %",
        )
    Console().print(table)
    if summary.infinite:
        typer.echo(f"{infinite_line(summary.infinite)}.")
    lengths = ", ".join(count(size, AXES[axis]) for axis, size in summary.axes.items() if size)
    west, south, east, north = summary.extent
    typer.echo(f"Dates: {summary.first} to {summary.last}")
    typer.echo(f"Place: x {west:g} to {east:g}, y {south:g} to {north:g} ({summary.crs[:60]})")
    target = summary.target
    if target is not None:
        unit = f" {target.unit}" if target.unit else ""
        typer.echo(
            f"Target: {target.name or 'without a name'}, {target.n} values, {target.low:g} to "
            f"{target.high:g}{unit}, mean {target.mean:.4g}"
        )
    if summary.synthetic:
        typer.echo("SYNTHETIC: made up, not measured.")
    typer.echo(f"Good: {'a raster stack of ' if summary.kind == 'stack' else ''}{lengths}.")
    if summary.kind == "stack":
        typer.echo(
            f"Next: autospec cube extract --raster {file} --points POINTS.csv --window 10 --steps "
            f"4\n      autospec train --stack {file} --target CHANNEL --horizon 1"
        )
    elif target is not None:
        name = f" --target {target.name}" if target.name else ""
        typer.echo(f"Next: autospec search --cube {file}{name}")
