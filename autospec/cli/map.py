"""``autospec map``: a kept model of maps and a raster stack to a file of maps."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.text import Text

from autospec.cli.interrupt import AtOnce
from autospec.cli.live import Screen, clock
from autospec.cli.options import DeviceName, JsonOption
from autospec.cli.predict import model_file
from autospec.cli.predict_show import printed
from autospec.errors import EXIT_INTERRUPTED, UsageError, shorten

if TYPE_CHECKING:
    import numpy as np

    from autospec.data.cubes.stacks import RasterStack
    from autospec.data.maps.tiling import Tiling
    from autospec.evaluate.map_frames import MapFrames
    from autospec.predict.document import MapBundle
    from autospec.predict.map_planning import MapPlan
    from autospec.predict.map_running import MapRunner

LINE_EVERY_S = 10.0  # between two lines where there is no terminal


ModelOption = Annotated[
    Path, typer.Option("--model", help="A model file, or the folder of a training on a stack.")
]
StackOption = Annotated[
    Path, typer.Option("--stack", help="NetCDF, Zarr, GeoTIFF, a folder of them, npz.")
]
OutOption = Annotated[Path, typer.Option("--out", "-o", help=".nc, .npz (a stack), or .tif.")]
FirstOption = Annotated[
    str | None, typer.Option("--from", help="First date of the map.", show_default="all")
]
LastOption = Annotated[
    str | None, typer.Option("--to", help="Last date, included.", show_default="all")
]
TileOption = Annotated[
    int | None,
    typer.Option("--tile", min=8, help="Side of a tile in cells.", show_default="the model's"),
]
MarginOption = Annotated[
    int | None,
    typer.Option("--margin", min=0, help="Cells by which tiles overlap.", show_default="an eighth"),
]
PictureOption = Annotated[
    bool,
    typer.Option("--picture", help="Also draw the maps over time, as OUT.html: map.nc.html."),
]
PlaceOption = Annotated[DeviceName, typer.Option("--device", help="Where the network runs.")]


def map_stack_file(
    model: ModelOption,
    stack: StackOption,
    out: OutOption,
    first: FirstOption = None,
    last: LastOption = None,
    tile: TileOption = None,
    margin: MarginOption = None,
    picture: PictureOption = False,
    device: PlaceOption = DeviceName.auto,
    as_json: JsonOption = False,
) -> None:
    """Map a raster over time with a kept model: tile by tile, in little memory.

    Channels are matched by name; cells and time steps have to be the model's own. An earlier file
    of the same name is replaced. Examples:

    autospec map --model runs/ndvi --stack layers.zarr -o map.nc --picture

    autospec map --model model.safetensors --stack layers.nc -o map.tif --from 2024-05 --to 2024-09
    """
    from autospec.data.cubes.stack_files import read_stack
    from autospec.predict.map_output import check_output, check_suffix
    from autospec.predict.map_planning import plan_map
    from autospec.predict.map_running import open_map_runner

    check_suffix(out)
    _spare_training(model, out)
    bundle = _map_model(model)
    raster = read_stack(stack)
    asked = _tiling(bundle, raster.shape, tile, margin)
    bounds = _bound(first, "--from"), _bound(last, "--to")
    runner = open_map_runner(bundle, device.value)
    plan = plan_map(bundle, raster, first=bounds[0], last=bounds[1], tiling=asked)
    check_output(out, plan, stack, picture=picture)
    typer.echo("\n".join(shorten(_cost(plan, stack, out))), err=True)
    begun = time.monotonic()
    frames, beyond = _write(plan, runner, out, raster if picture else None)
    drawn = () if frames is None else (_draw(frames, plan, out),)
    _tell(plan, (out, *drawn), beyond, time.monotonic() - begun, as_json=as_json)


def _map_model(model: Path) -> MapBundle:
    """Load a model of maps.

    Raises
    ------
    UsageError
        If it is one of spectra or cubes.
    """
    from autospec.predict.bundle import load_model
    from autospec.predict.document import CubeBundle, MapBundle

    bundle = load_model(model_file(model))
    if isinstance(bundle, MapBundle):
        return bundle
    what, file = ("cubes", "samples.npz") if isinstance(bundle, CubeBundle) else ("spectra", "FILE")
    raise UsageError(
        f"{bundle.name}: a model of {what}; autospec map is for models of raster stacks, from "
        f"autospec train --model cnn-transformer. Use autospec predict {model} {file}"
    )


def _spare_training(model: Path, out: Path) -> None:
    """Refuse to write over the maps of the training that left the model.

    Raises
    ------
    UsageError
        Naming the file.
    """
    from autospec.report.map_folder import FRAMES_FILE

    if out.resolve() == model_file(model).with_name(FRAMES_FILE).resolve():
        raise UsageError(f"-o {out}: this is a file of the training. Choose another name.")


def _tiling(
    bundle: MapBundle, shape: tuple[int, int], tile: int | None, margin: int | None
) -> Tiling:
    """Return the tiling that was asked for."""
    from autospec.data.maps.tiling import Tiling, usual_tiling

    side = bundle.tile if tile is None else tile
    if margin is not None and margin > max(shape):
        raise UsageError(
            f"--margin {margin}: want at most {max(shape)}, as many as the raster is wide or high."
        )
    try:
        return usual_tiling(side, shape) if margin is None else Tiling(tile=side, margin=margin)
    except ValueError as error:
        raise UsageError(
            f"--tile {side}: {error}. Give a smaller --margin, or a larger --tile."
        ) from error


def _bound(text: str | None, option: str) -> np.datetime64 | None:
    """Return a date; the last moment of a year, month or day that ends something."""
    import numpy as np

    if text is None:
        return None
    try:
        found = np.datetime64(text.strip())
        if np.isnat(found):
            raise ValueError("no date")
    except ValueError as error:
        raise UsageError(
            f"{option} {text!r}: want a date, such as 2024-05-01, 2024-05 or 2024-05-01T12:00."
        ) from error
    moment: np.datetime64 = found.astype("datetime64[s]")
    if option == "--to":
        moment = (found + 1).astype("datetime64[s]") - np.timedelta64(1, "s")
    return moment


def _cost(plan: MapPlan, stack: Path, out: Path) -> list[str]:
    """Say what will be done, and what it takes."""
    from autospec.data.findings import count
    from autospec.data.maps.times import say_time
    from autospec.predict.map_planning import worded_size

    d, _, h, w = plan.shape
    margin, size = plan.tiling.margin, worded_size(plan.tiling, plan.problem.stack.shape)
    shared = f", {margin} of them mirrored or shared on each side" if margin else ""
    targets = ", ".join(plan.bundle.aims.targets)
    return [
        f"{plan.bundle.name}: {targets}, {count(d, 'date')} from {say_time(plan.times[0])} to "
        f"{say_time(plan.times[-1])}, {h:,} x {w:,} cells of {stack.name} to {printed(out)}",
        f"{count(plan.tiles, 'tile')} of {size} cells{shared}, "
        f"{count(plan.bundle.aims.length, 'step')} of time each; the map takes "
        f"{plan.bytes / 1e6:,.1f} MB",
        *plan.notes,
    ]


def _write(
    plan: MapPlan, runner: MapRunner, out: Path, shown: RasterStack | None
) -> tuple[MapFrames | None, tuple[str, ...]]:
    """Predict and write with a progress bar.

    Return what a picture shows, of a stack, if of one; and what is odd in the map, in sentences.
    """
    from autospec.predict.map_output import FrameKeeper, RangeCounter, write_map
    from autospec.predict.map_running import run_plan

    keeper, counter = None if shown is None else FrameKeeper(plan, shown), RangeCounter(plan)
    try:
        with MapDisplay() as display:
            bands = counter.watch(run_plan(plan, runner, display.show))
            write_map(out, plan, bands if keeper is None else keeper.watch(bands))
    except KeyboardInterrupt:
        typer.echo(f"autospec: stopped. {out} was not written.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    return None if keeper is None else keeper.frames(), counter.notes()


def _draw(frames: MapFrames, plan: MapPlan, out: Path) -> Path:
    """Write the picture beside the map."""
    from autospec.predict.map_output import learned_words, picture_of
    from autospec.report.maps.picture import write_map_picture

    path, title = picture_of(out), f"{', '.join(frames.targets)} by {plan.bundle.name}"
    write_map_picture(path, frames, title, caution=learned_words(plan, frames))
    return path


def _tell(
    plan: MapPlan,
    files: tuple[Path, ...],
    beyond: tuple[str, ...],
    seconds: float,
    *,
    as_json: bool,
) -> None:
    """Print what was written, and what is odd in it."""
    from autospec.data.maps.times import say_time

    d, k, h, w = plan.shape
    rate = d * k * h * w / max(seconds, 1e-9)
    if not as_json:
        typer.echo(f"Mapped: {d * k * h * w:,} cells and dates in {_time(seconds)}.")
        for path in files:
            typer.echo(f"Written: {printed(path)}")
        for note in beyond:
            typer.echo(f"Note: {note}", err=True)
        return
    said = {
        "model": plan.bundle.name,
        "targets": list(plan.bundle.aims.targets),
        "dates": [say_time(moment) for moment in plan.times],
        "shape": [d, k, h, w],
        "tiles": plan.tiles,
        "seconds": round(seconds, 3),
        "cells_a_second": round(rate),
        "notes": [*plan.notes, *beyond],
        "files": [printed(path) for path in files],
    }
    typer.echo(json.dumps(said, indent=1, ensure_ascii=False))


def _time(seconds: float) -> str:
    return clock(seconds) if seconds >= 59.5 else f"{math.ceil(seconds)} s"


class MapDisplay:
    """Draws how many tiles are predicted: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self.done, self.total = 0, 1
        self.ctrl_c = AtOnce()
        self.begun = self.told = time.monotonic()
        self.screen = Screen(self.draw)

    def __enter__(self) -> MapDisplay:
        """Begin to draw, on a terminal, and to heed Ctrl-C."""
        self.ctrl_c.__enter__()
        self.screen.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the terminal as it was."""
        self.ctrl_c.__exit__()
        self.screen.live.stop()

    def show(self, done: int, total: int) -> None:
        """Take in how far it is; raise KeyboardInterrupt if Ctrl-C was pressed."""
        self.ctrl_c.check()
        self.done, self.total = done, total
        now = time.monotonic()
        if not self.screen.console.is_terminal and now - self.told >= LINE_EVERY_S:
            self.told = now
            self.screen.say(self.line())

    def line(self) -> str:
        """Return how far it is as one line."""
        gone = time.monotonic() - self.begun
        left = f"; about {_time(gone / max(self.done, 1) * (self.total - self.done))} to go"
        return f"{self.done:,} of {self.total:,} tiles{left if self.done else ''}"

    def draw(self) -> Group:
        """Return the state now."""
        return Group(self.screen.bar(self.done, self.total), Text(self.line()))
