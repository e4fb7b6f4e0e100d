"""`extract_cubes`: windows of a raster stack around points, with the latest dates before each.

Where the windows lie is settled here; they are read in `windows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from autospec.data.cubes.cubes import BoolArray, Cubes, TimeArray
from autospec.data.cubes.extra import need
from autospec.data.cubes.places import is_geographic
from autospec.data.cubes.points import Points
from autospec.data.cubes.references import named_crs, plain_crs
from autospec.data.cubes.stacks import RasterStack
from autospec.data.cubes.windows import Cuts, Progress, read_windows
from autospec.data.findings import count, some
from autospec.data.spectra import FloatArray, IntArray
from autospec.data.tables import MAX_DECODED_BYTES
from autospec.errors import DataError

NAMED = 10  # points named in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractRules:
    """What becomes of points that cannot be cut, and who hears of the progress.

    Parameters
    ----------
    skip_outside : bool, default False
        Drop points whose window leaves the raster or its dates, and say so; else refuse them.
    skip_empty : bool, default False
        Drop points whose window has no value over time at all, and say so; else refuse them.
    progress : callable (done, total), optional
        Called after every read.
    """

    skip_outside: bool = False
    skip_empty: bool = False
    progress: Progress | None = None


REFUSE = ExtractRules()


def extract_cubes(
    stack: RasterStack,
    points: Points,
    *,
    window: int,
    steps: int,
    step: timedelta | None = None,
    rules: ExtractRules = REFUSE,
) -> Cubes:
    """Cut a window of space and time around every point.

    Parameters
    ----------
    stack : RasterStack
        Layers (t, c, h, w), and s that do not change: they become channels repeated over time.
    points : Points
        n places; brought into the reference system of the stack.
    window : int
        Cells on each side, at least 1: rows r − window//2 to r − window//2 + window around the
        cell (r, q) that holds the point, columns alike.
    steps : int
        Dates, at least 1: the latest that are not after the point's own, or the last of the stack
        where points have no dates; oldest first.
    step : timedelta, optional
        Between two of them: then each is the latest layer of its step. Without it, layers that
        follow each other.
    rules : ExtractRules

    Returns
    -------
    Cubes
        Shape (n, c + s, window, window, steps), without the points that were dropped; longitudes
        within ±180.

    Raises
    ------
    DataError
        Naming the points whose windows leave the raster or its dates, or hold nothing; or if the
        samples would take more memory than the cap.
    UsageError
        If the points lie in another reference system and rasterio is not installed.
    """
    assert window >= 1 and steps >= 1
    said: list[str] = []
    x, y = _in_stack_crs(stack, points, said)
    _check_size(stack, window, steps, len(points.ids))
    cuts = _place(stack, (x, y, points), (window, steps, step), rules, said)
    values, valid = read_windows(stack, cuts, window, rules.progress)
    kept = _with_values(stack, points, cuts, valid, rules, said)
    rows = cuts.point[kept]
    return Cubes(
        values=values[kept],
        valid=valid[kept],
        channels=(*stack.channels, *stack.static_channels),
        times=stack.times[cuts.layers[kept]],
        x=_as_written(stack, x[rows]),
        y=y[rows],
        crs=stack.crs,
        ids=tuple(points.ids[i] for i in rows),
        target=points.target[rows],
        target_name=points.name,
        target_unit=points.unit,
        cell_size=max(stack.transform[0], -stack.transform[4]),
        synthetic=stack.synthetic,
        provenance=(
            *stack.provenance,
            *points.provenance,
            *said,
            f"cut: windows of {window} by {window} cells and {count(steps, 'date')}"
            + (f", {step} apart" if step else ""),
        ),
    )


def _in_stack_crs(
    stack: RasterStack, points: Points, said: list[str]
) -> tuple[FloatArray, FloatArray]:
    """Return the points' coordinates in the reference system of the stack."""
    crs = plain_crs(points.crs or stack.crs)
    if crs == stack.crs:
        return points.x, points.y
    need(("rasterio",), f"bringing points from {crs[:40]} to {stack.crs[:40]}")
    crs = named_crs(crs)
    if crs == stack.crs:
        return points.x, points.y
    from rasterio.errors import CRSError
    from rasterio.warp import transform

    try:
        x, y = transform(crs, stack.crs, points.x.tolist(), points.y.tolist())
    except CRSError as error:
        raise DataError(
            f"the points cannot be brought from {crs[:40]} to {stack.crs[:40]} ({error}); want "
            "reference systems of one earth. Pass --points-crs."
        ) from error
    said.append(f"points brought from {crs} to {stack.crs}")
    return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)


def _check_size(stack: RasterStack, window: int, steps: int, n: int) -> None:
    """Refuse samples that would not fit the memory."""
    channels = len(stack.channels) + len(stack.static_channels)
    size = n * channels * window * window * steps * 5  # float32, and one mark
    if size > MAX_DECODED_BYTES:
        raise DataError(
            f"{count(n, 'sample')} of {channels} channels, {window} by {window} cells and {steps} "
            f"dates take {size:,} bytes of memory; want at most {MAX_DECODED_BYTES:,}. Take a "
            "smaller window or fewer steps, or split the points."
        )


def _place(
    stack: RasterStack,
    places: tuple[FloatArray, FloatArray, Points],
    asked: tuple[int, int, timedelta | None],
    rules: ExtractRules,
    said: list[str],
) -> Cuts:
    """Return the windows that lie within the raster and its dates."""
    x, y, points = places
    window, steps, step = asked
    (h, w), n = stack.shape, len(points.ids)
    row, column = stack.cell_of(_around(stack, x), y)
    finite = np.isfinite(row) & np.isfinite(column)
    top = np.where(finite, np.floor(row), -window).astype(np.int64) - window // 2
    left = np.where(finite, np.floor(column), -window).astype(np.int64) - window // 2
    inside = (top >= 0) & (left >= 0) & (top + window <= h) & (left + window <= w)
    layers = _layers(stack.times, points.times, n, steps, step)
    dated = (layers >= 0).all(axis=1)
    lines = [
        *_lost(
            points.ids,
            ~inside,
            f"whose window of {window} by {window} cells leaves the raster of {h} by {w} "
            f"({_extent(stack)})",
        ),
        *_lost(
            points.ids,
            inside & ~dated,
            f"without {count(steps, 'layer')} up to their date"
            + (f", {step} apart" if step else "")
            + f" (the raster: {stack.times[0]} to {stack.times[-1]})",
        ),
    ]
    if lines and not rules.skip_outside:
        raise DataError(
            [f"{line}; want windows within it. Pass --skip-outside to drop them." for line in lines]
        )
    kept = np.flatnonzero(inside & dated)
    if not kept.size:
        raise DataError([*lines, "no point is left; check --points-crs and the dates."])
    said += [f"dropped: {line}" for line in lines]
    return Cuts(point=kept, row=top[kept], column=left[kept], layers=layers[kept])


def _around(stack: RasterStack, x: FloatArray) -> FloatArray:
    """Return longitudes as the stack counts them: from its western edge around the earth."""
    west = stack.transform[2]
    if not is_geographic(stack.crs):
        return x
    beyond = (x < west) | (x >= west + 360)  # others keep every digit
    along = np.mod(x - west, 360)
    along[along == 360] = 0  # what a hair west of the edge is rounded to
    return np.where(beyond, west + along, x)


def _as_written(stack: RasterStack, x: FloatArray) -> FloatArray:
    """Return longitudes within ±180, whatever the stack counts from."""
    if not is_geographic(stack.crs):
        return x
    return np.where(np.abs(x) > 180, np.mod(x + 180, 360) - 180, x)


def _extent(stack: RasterStack) -> str:
    """Word where the raster lies."""
    (h, w), (a, _, c, _, e, f) = stack.shape, stack.transform
    crs = stack.crs if len(stack.crs) < 20 else "its own reference system"
    return f"x {c:.10g} to {c + a * w:.10g}, y {f + e * h:.10g} to {f:.10g}, {crs}"


def _lost(ids: Sequence[str], lost: BoolArray, why: str) -> list[str]:
    """Word the points that cannot be cut, if there are any."""
    at = np.flatnonzero(lost)
    if not at.size:
        return []
    named = some((ids[i] for i in at.tolist()), NAMED)
    return [f"{at.size} of {count(len(ids), 'point')} {why}: {named}"]


def _layers(
    times: TimeArray, when: TimeArray | None, n: int, steps: int, step: timedelta | None
) -> IntArray:
    """Return the layers of each point, oldest first, shape (n, steps); -1 where there is none."""
    last = np.full(n, len(times) - 1)
    if when is not None:
        last = np.searchsorted(times, when, side="right") - 1
    back = np.arange(steps - 1, -1, -1)
    if step is None:
        found = last[:, None] - back
        return np.where((found >= 0) & (last >= 0)[:, None], found, -1).astype(np.int64)
    width = np.timedelta64(int(step.total_seconds()), "s")
    wanted = times[np.maximum(last, 0)][:, None] - back * width
    found = np.searchsorted(times, wanted, side="right") - 1
    known = (found >= 0) & (last >= 0)[:, None]
    known &= times[np.maximum(found, 0)] > wanted - width  # not an older layer twice
    return np.where(known, found, -1).astype(np.int64)


def _with_values(
    stack: RasterStack,
    points: Points,
    cuts: Cuts,
    valid: BoolArray,
    rules: ExtractRules,
    said: list[str],
) -> IntArray:
    """Return the windows with a value over time; refuse or drop the others."""
    changing = valid[:, : len(stack.channels)]
    empty: BoolArray = ~np.asarray(changing.any(axis=(1, 2, 3, 4)))
    ids = [points.ids[i] for i in cuts.point]
    lines = _lost(ids, empty, "whose window has no value in any channel over time")
    if lines and not rules.skip_empty:
        raise DataError([f"{line}; want some. Pass --skip-empty to drop them." for line in lines])
    if empty.all():
        raise DataError([*lines, "no point is left; check the raster's no-value and its dates."])
    said += [f"dropped: {line}" for line in lines]
    return np.flatnonzero(~empty)
