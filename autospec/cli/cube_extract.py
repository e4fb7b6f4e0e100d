"""``autospec cube extract``: samples cut from a raster stack around points."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.text import Text

from autospec.cli.live import Screen
from autospec.cli.options import IdOption, NegativeOption, TargetOption, TargetUnitOption
from autospec.errors import EXIT_INTERRUPTED, OutputError, UsageError, shorten

if TYPE_CHECKING:
    from autospec.data.cubes.cubes import Cubes
    from autospec.data.cubes.points import Points
    from autospec.data.cubes.stacks import RasterStack

TENTHS = 10  # lines of progress where there is no terminal


def extract(
    raster: Annotated[
        Path, typer.Option("--raster", help="Stack: NetCDF, Zarr, GeoTIFF, a folder of them, npz.")
    ],
    points: Annotated[
        Path, typer.Option("--points", help="CSV or Parquet with coordinates and lab values.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Samples, a name ending in .npz.")],
    window: Annotated[int, typer.Option("--window", min=1, help="Cells on each side.")] = 10,
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="Dates: the latest up to each point's own.")
    ] = 4,
    points_crs: Annotated[
        str | None,
        typer.Option(
            "--points-crs",
            help="Reference system of the points.",
            show_default="EPSG:4326 for lon and lat, else the raster's",
        ),
    ] = None,
    target: TargetOption = None,
    target_unit: TargetUnitOption = None,
    id_column: IdOption = None,
    allow_negative: NegativeOption = False,
    categorical: Annotated[
        list[str] | None,
        typer.Option("--categorical", help="Variable whose values are codes; may be repeated."),
    ] = None,
    skip_outside: Annotated[
        bool, typer.Option("--skip-outside", help="Drop points off the raster or its dates.")
    ] = False,
    skip_empty: Annotated[
        bool, typer.Option("--skip-empty", help="Drop points whose window has no value.")
    ] = False,
) -> None:
    """Cut windows of space and time around points, for autospec search --cube.

    An earlier file of the same name is replaced. Example:

    autospec cube extract --raster ndvi.nc --points soc.csv --window 10 --steps 4 -o samples.npz
    """
    from autospec.data.cubes.cube_files import write_cubes
    from autospec.data.cubes.points import PointOptions, read_points

    _check_out(out)
    options = PointOptions(
        target=target,
        target_unit=target_unit,
        id_column=id_column,
        crs=points_crs,
        allow_negative=allow_negative,
    )
    places = read_points(points, options)
    stack = _read_stack(raster, tuple(categorical or ()))
    _announce(raster, stack, points, places)
    try:
        cubes = _cut(stack, places, (window, steps), skip_outside, skip_empty)
        write_cubes(out, cubes)
    except KeyboardInterrupt:
        typer.echo(f"autospec: stopped. {out} was not written.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    _summary(cubes, len(places.ids), out)


def _check_out(out: Path) -> None:
    """Refuse a name that cannot be written, before the long work."""
    if out.suffix.lower() != ".npz":
        raise UsageError(f"-o {out}: want a name that ends in .npz.")
    if out.is_dir():
        raise OutputError(f"-o {out}: this is a folder; want the name of a file.")


def _read_stack(raster: Path, categorical: tuple[str, ...]) -> RasterStack:
    """Read the stack by its format."""
    if not categorical:
        from autospec.data.cubes.stack_files import read_stack

        stack: RasterStack = read_stack(raster)
        return stack
    from autospec.data.cubes.grids import read_grid_stack

    if raster.suffix.lower() == ".npz":
        raise UsageError("--categorical is for NetCDF and Zarr; an npz stack has its classes.")
    return read_grid_stack(raster, categorical=categorical)


def _announce(raster: Path, stack: RasterStack, points: Path, places: Points) -> None:
    """Say on stderr what was read."""
    (h, w), t = stack.shape, len(stack.times)
    word = " (synthetic)" if stack.synthetic else ""
    lines = [
        f"{raster.name}{word}: {len(stack.channels)} channels and {len(stack.static_channels)} "
        f"without dates, {t} dates from {stack.times[0]} to {stack.times[-1]}, {h} by {w} cells",
        *(line for line in stack.provenance if not line.startswith("raster: ")),
        f"{points.name}: {len(places.ids)} points",
        *(line for line in places.provenance if not line.startswith("points: ")),
    ]
    typer.echo("\n".join(shorten(lines)), err=True)


def _cut(
    stack: RasterStack,
    places: Points,
    size: tuple[int, int],
    skip_outside: bool,
    skip_empty: bool,
) -> Cubes:
    """Cut the windows, showing how far it is."""
    from autospec.data.cubes.extract import ExtractRules, extract_cubes

    with _Display() as display:
        return extract_cubes(
            stack,
            places,
            window=size[0],
            steps=size[1],
            rules=ExtractRules(
                skip_outside=skip_outside, skip_empty=skip_empty, progress=display.show
            ),
        )


def _summary(cubes: Cubes, asked: int, out: Path) -> None:
    """Say what was written."""
    c, h, w, t = cubes.shape
    labelled = cubes.labelled().n
    dropped = [line for line in cubes.provenance if line.startswith("dropped: ")]
    typer.echo("\n".join(dropped), err=True, nl=bool(dropped))
    share = 100 * float(cubes.valid.mean())
    named = f", {labelled} with {cubes.target_name}" if labelled else ", none with a lab value"
    synthetic = "synthetic " if cubes.synthetic else ""
    typer.echo(
        f"Cut: {cubes.n} {synthetic}samples of {asked} points{named}; {c} channels, {h} by {w} "
        f"cells, {t} dates; {share:.1f} % of the cells have a value."
    )
    typer.echo(f"Written: {out}")
    if labelled:
        typer.echo(f"Next: autospec search --cube {out} --target {cubes.target_name}")


class _Display:
    """Draws how many windows are cut: a bar on a terminal, a line each tenth elsewhere."""

    def __init__(self) -> None:
        self.done = 0
        self.total = 1
        self.told = 0
        self.screen = Screen(self.draw)

    def __enter__(self) -> _Display:
        """Begin to draw, on a terminal."""
        self.screen.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the terminal as it was."""
        self.screen.live.stop()

    def show(self, done: int, total: int) -> None:
        """Take in how far it is."""
        self.done, self.total = done, total
        tenth = TENTHS * done // total
        if not self.screen.console.is_terminal and tenth > self.told:
            self.told = tenth
            self.screen.say(f"{done} of {total} windows cut")

    def draw(self) -> Group:
        """Return the state now."""
        return Group(
            self.screen.bar(self.done, self.total),
            Text(f"{self.done} of {self.total} windows cut"),
        )
