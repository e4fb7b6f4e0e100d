"""Maps into files, band by band: what is in memory is one band, and the file is whole or not there.

An .npz is a stack (`autospec.data.cubes.stack_files`); NetCDF and GeoTIFF are in `map_grids`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from autospec.data.cubes.cubes import Float32Array
from autospec.data.cubes.extra import need
from autospec.data.cubes.npz_headers import MAX_ARRAY_BYTES
from autospec.data.cubes.npz_writing import Column, text, whole, write_npz
from autospec.data.cubes.stack_files import STACK_FORM
from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps.times import say_time
from autospec.data.writing import cannot
from autospec.errors import OutputError, UsageError
from autospec.evaluate.map_frames import MapFrames, frame_dates, frame_extent, frame_step
from autospec.evaluate.mapping import Band
from autospec.predict.map_grids import write_netcdf, write_tiff
from autospec.predict.map_planning import MapPlan

Writer = Callable[[Path, MapPlan, Iterable[Band]], None]
NETCDF, TIFF, NPZ = (".nc",), (".tif", ".tiff"), (".npz",)
BEYOND = 1e-3  # of a map's values; fewer are not told of
SUFFIXES = (*NETCDF, *NPZ, *TIFF)


def check_suffix(path: Path) -> None:
    """Refuse a name that says no form, or one whose packages are not there.

    Raises
    ------
    UsageError
        Saying which there are, or what to install.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"-o {path}: want a name that ends in {', '.join(SUFFIXES)}.")
    if suffix in NETCDF:
        need(("h5netcdf", "h5py", "rasterio"), f"-o {path}")
    elif suffix in TIFF:
        need(("rasterio",), f"-o {path}")


def picture_of(path: Path) -> Path:
    """Return where the picture of a map lies: ``map.nc.html`` beside ``map.nc``."""
    return path.with_name(f"{path.name}.html")


def check_output(path: Path, plan: MapPlan, stack: Path, *, picture: bool = False) -> None:
    """Refuse, before the long work, a file that cannot hold the map, or that is of the stack.

    Parameters
    ----------
    path : Path
    plan : MapPlan
    stack : Path
        The file or the folder that is mapped.
    picture : bool
        A picture is wanted too.

    Raises
    ------
    UsageError
        Saying what would do.
    OutputError
        If a folder is in the way.
    """
    targets = plan.bundle.aims.targets
    if path.is_dir():
        raise OutputError(f"-o {path}: this is a folder; want the name of a file.")
    if picture and picture_of(path).is_dir():
        raise OutputError(
            f"--picture: {picture_of(path)} is a folder, and the picture would be that file. "
            "Choose another name for -o."
        )
    if path.exists() and stack.exists() and path.samefile(stack):
        raise UsageError(f"-o {path}: this is the stack itself. Choose another name.")
    if stack.is_dir() and path.resolve().is_relative_to(stack.resolve()):
        raise UsageError(
            f"-o {path}: this lies in {stack}, whose files are the stack's own. Choose a name "
            "outside of that folder."
        )
    if path.suffix.lower() in NPZ and plan.bytes > MAX_ARRAY_BYTES:
        raise UsageError(
            f"-o {path}: the map takes {plan.bytes / 1e9:.1f} GB; an .npz holds at most "
            f"{MAX_ARRAY_BYTES / 1e9:.0f}. Write .nc, or fewer dates with --from and --to."
        )
    if path.suffix.lower() in TIFF and len(targets) > 1:
        raise UsageError(
            f"-o {path}: a GeoTIFF holds one target, with one band a date; the model has "
            f"{len(targets)} ({', '.join(targets)}). Write .nc, which holds all."
        )


def learned_words(plan: MapPlan, frames: MapFrames) -> str:
    """Return why the errors of a picture are no test of the model; empty where they may be one."""
    first, last = (np.datetime64(t, "s") for t in (plan.bundle.first_time, plan.bundle.last_time))
    known = [first <= np.datetime64(date, "s") <= last for date in frames.dates]
    if frames.observed is None or not any(known):
        return ""
    return (
        f"The data that the model is from are of {say_time(first)} to {say_time(last)}: it may "
        "have learned from dates that are shown here, and their errors are no test of it. Its "
        "scores on what it did not learn from stand in its card."
    )


def write_map(path: Path, plan: MapPlan, bands: Iterable[Band]) -> None:
    """Write a map by the ending of its name, whole or not at all.

    Parameters
    ----------
    path : Path
        The file; one that exists is replaced. Nothing remains of it if the bands break off.
    plan : MapPlan
    bands : iterable of Band
        All of the plan's dates and rows, in any order.

    Raises
    ------
    OutputError
        If it cannot be written; what was there before is still there.
    """
    suffix = path.suffix.lower()
    writer: Writer = write_netcdf if suffix in NETCDF else write_tiff
    (_write_stack if suffix in NPZ else writer)(path, plan, bands)


def _write_stack(path: Path, plan: MapPlan, bands: Iterable[Band]) -> None:
    """Write a map as a stack in .npz; bands wait in a file without a name beside it."""
    d, k, h, w = plan.shape
    stack = plan.problem.stack
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent) as spool:
            for band in bands:
                _put(spool, plan, band)
            columns = (
                text("format", STACK_FORM),
                Column(
                    name="dynamic",
                    shape=plan.shape,
                    dtype=np.dtype(np.float32),
                    pieces=lambda: _dates(spool, (d, k, h, w)),
                ),
                text("channels", plan.bundle.aims.targets),
                whole("times", plan.times),
                whole("transform", np.asarray(stack.transform, dtype=np.float64)),
                text("crs", stack.crs),
                whole("synthetic", np.array(stack.synthetic or plan.bundle.synthetic)),
                text("provenance", plan.provenance),
            )
            write_npz(path, columns)
    except OSError as error:
        raise OutputError(cannot("written", path, error)) from error


def _put(spool: BinaryIO, plan: MapPlan, band: Band) -> None:
    _, k, h, w = plan.shape
    rows = np.ascontiguousarray(band.values, dtype="<f4")
    for date, values in zip(plan.dates_of(band.slots).tolist(), rows, strict=True):
        for target in range(k):
            spool.seek(((date * k + target) * h + band.row) * w * 4)
            spool.write(values[target].data)


def _dates(spool: BinaryIO, shape: tuple[int, int, int, int]) -> Iterator[Float32Array]:
    d, k, h, w = shape
    spool.seek(0)
    for _ in range(d):
        yield np.frombuffer(spool.read(k * h * w * 4), dtype="<f4")


class RangeCounter:
    """Counts how much of a map lies beyond the values that the model learned from.

    Parameters
    ----------
    plan : MapPlan
    """

    def __init__(self, plan: MapPlan) -> None:
        self.plan = plan
        k = len(plan.bundle.aims.targets)
        self.values = np.zeros(k, dtype=np.int64)
        self.beyond = np.zeros(k, dtype=np.int64)

    def watch(self, bands: Iterable[Band]) -> Iterator[Band]:
        """Pass bands on, and count."""
        scaler = self.plan.bundle.scaler
        low, high = (n[:, None, None] for n in (scaler.target_low, scaler.target_high))
        for band in bands:
            self.values += np.isfinite(band.values).sum(axis=(0, 2, 3))
            self.beyond += ((band.values < low) | (band.values > high)).sum(axis=(0, 2, 3))
            yield band

    def notes(self) -> tuple[str, ...]:
        """Return a sentence for each target of whose map a thousandth or more lies beyond."""
        scaler = self.plan.bundle.scaler
        return tuple(
            f"{100 * beyond / values:.2g} % of the map of {target} lies beyond the values that the "
            f"model learned from, {low:.4g} to {high:.4g}: it knows nothing there"
            for target, beyond, values, low, high in zip(
                self.plan.bundle.aims.targets,
                self.beyond.tolist(),
                self.values.tolist(),
                scaler.target_low.tolist(),
                scaler.target_high.tolist(),
                strict=True,
            )
            if beyond >= BEYOND * max(values, 1)
        )


class FrameKeeper:
    """Keeps thinned maps of some dates while bands pass, for a picture, and what was observed.

    Parameters
    ----------
    plan : MapPlan
    stack : RasterStack
        What is mapped, with all of its channels: where it has a target at a mapped date, its values
        are read, for the picture alone.
    """

    def __init__(self, plan: MapPlan, stack: RasterStack) -> None:
        self.plan, self.stack = plan, stack
        self.step = frame_step(plan.shape[2:])
        self.shown = frame_dates(len(plan.slots))
        _, k, h, w = plan.shape
        size = len(self.shown), k, -(-h // self.step), -(-w // self.step)
        self.maps: Float32Array = np.full(size, np.nan, dtype=np.float32)
        self.seen: Float32Array = np.full(size, np.nan, dtype=np.float32)

    def watch(self, bands: Iterable[Band]) -> Iterator[Band]:
        """Pass bands on, and keep what is shown of them."""
        for band in bands:
            first = -(-band.row // self.step)
            thinned = band.values[:, :, first * self.step - band.row :: self.step, :: self.step]
            rows = slice(first, first + thinned.shape[2])
            for date, values in zip(self.plan.dates_of(band.slots), thinned, strict=True):
                shown = self.shown == date
                if shown.any() and values.size:
                    self.maps[shown, :, rows] = values
                    self._look(int(date), rows, band.row + band.values.shape[2])
            yield band

    def _look(self, date: int, rows: slice, end: int) -> None:
        """Read what was observed on a date of the plan; `end` is the first row not to be read."""
        (own,) = self.plan.problem.date_at(self.plan.slots[[date]]).tolist()
        if own < 0:
            return
        for k, target in enumerate(self.plan.bundle.aims.targets):
            if target in self.stack.channels:
                channel = self.stack.channels.index(target)
                cells = slice(rows.start * self.step, end, self.step), slice(None, None, self.step)
                self.seen[self.shown == date, k, rows] = self.stack.dynamic[own, channel, *cells]

    def frames(self) -> MapFrames:
        """Return what was kept."""
        plan, stack = self.plan, self.plan.problem.stack
        return MapFrames(
            dates=tuple(say_time(plan.times[i]) for i in self.shown.tolist()),
            targets=plan.bundle.aims.targets,
            observed=self.seen if np.isfinite(self.seen).any() else None,
            predicted=self.maps,
            step=self.step,
            crs=stack.crs,
            extent=frame_extent(stack, self.step),
            synthetic=stack.synthetic or plan.bundle.synthetic,
        )
