"""`Tile`: a part of a stack in space and time, read when it is wanted; and where tiles are cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec.data.cubes.cubes import BoolArray, Float32Array
from autospec.data.cubes.layer_index import runs_of
from autospec.data.maps.problem import MapProblem
from autospec.data.maps.splits import FIT, LEFT_OUT, WATCH, MapSplitPlan, roles_at
from autospec.data.spectra import IntArray

MAX_PLACES = 250_000  # to learn from: of more, each start in time has some of the corners
LOOK_BACK = 32  # slots in which the latest value of a target is looked for, at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a tile is cut: its first slot (may be negative), north-western cell, and size.

    Parameters
    ----------
    slot, row, column : int
    height, width : int
        In cells.
    kept : tuple of int, or None
        Positions along the sequence that are counted here; None: all. The others are counted in
        another tile.
    rows_before, columns_before : int
        Northern rows and western columns that are counted in another tile.
    """

    slot: int
    row: int
    column: int
    height: int
    width: int
    kept: tuple[int, ...] | None = None
    rows_before: int = 0
    columns_before: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tile:
    """What a network sees at a place, and what it should have said; NaN: no value.

    Parameters
    ----------
    dynamic : float32, shape (t, c, h, w)
        Inputs as they are in the stack, t = length of a sequence; NaN in slots without a date.
    static : float32, shape (s, h, w)
        Once, not once a date.
    present : bool, shape (t,)
        Slots that have a date with values.
    last : float32, shape (t, k, h, w)
        The latest value of each target at or before each input slot, within the 32 slots before
        it, or as many as a sequence has: the same in whichever tile; NaN where there is none.
        Horizon 0: all NaN.
    target : float32, shape (t, k, h, w)
        Targets of each slot plus the horizon.
    counted : bool, shape (t, h, w)
        Where a target, or its absence, counts: of the role that the tile was read for. Elsewhere
        targets are NaN and mean nothing.
    months : int64, shape (t,)
        Calendar month of each target slot, 0 to 11.
    """

    dynamic: Float32Array
    static: Float32Array
    present: BoolArray
    last: Float32Array
    target: Float32Array
    counted: BoolArray
    months: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sequence:
    """A run of slots that a network looks at, and which of its answers are kept.

    Parameters
    ----------
    start : int
        First input slot.
    kept : int64, shape (n,)
        Positions 0 to length − 1, ascending; the target slot of position p is start + p + horizon.
    """

    start: int
    kept: IntArray


def read_tile(problem: MapProblem, plan: MapSplitPlan | None, place: Place, role: int) -> Tile:
    """Read a tile: only what it needs, the dates of each layer in one read.

    Parameters
    ----------
    problem : MapProblem
    plan : MapSplitPlan or None
        None: counted everywhere, but for what the place leaves to others.
    place : Place
        Within the raster; slots may lie outside the dates.
    role : {FIT, WATCH}
        Only cells at dates of this role are counted.

    Returns
    -------
    Tile

    Raises
    ------
    DataError
        If the file breaks there.
    """
    aims, stack = problem.aims, problem.stack
    rows = slice(place.row, place.row + place.height)
    columns = slice(place.column, place.column + place.width)
    slots = place.slot + np.arange(aims.length)
    counted = _counted(problem, plan, place, role)
    # the targets' own past and future: what is looked back to, and the horizon after the tile
    past = max(aims.length, LOOK_BACK) if aims.horizon else 0
    around = np.arange(place.slot - past, place.slot + aims.length + aims.horizon)
    targets = read_slots(problem, around, problem.targets, (rows, columns))
    seen = targets[past : past + aims.length]
    dynamic: Float32Array = np.full(
        (aims.length, len(problem.inputs), place.height, place.width), np.nan, dtype=np.float32
    )
    others = tuple(i for i in problem.inputs if i not in problem.targets)
    at = {channel: k for k, channel in enumerate(problem.inputs)}
    dynamic[:, [at[i] for i in others]] = read_slots(problem, slots, others, (rows, columns))
    last = np.full_like(seen, np.nan)
    if aims.horizon:
        dynamic[:, [at[i] for i in problem.targets]] = seen
        last = _latest(targets[: past + aims.length], past)
    ahead = targets[past + aims.horizon :]
    return Tile(
        dynamic=dynamic,
        static=np.asarray(stack.static[:, rows, columns], dtype=np.float32),
        present=problem.has_values(slots),
        last=last,
        target=np.where(counted[:, None], ahead, np.float32(np.nan)),
        counted=counted,
        months=_months(problem, slots + aims.horizon),
    )


def fit_places(problem: MapProblem, plan: MapSplitPlan, tile: int) -> tuple[Place, ...]:
    """Return where tiles to learn from may be cut, each with at least one cell of role FIT.

    Parameters
    ----------
    problem : MapProblem
    plan : MapSplitPlan
    tile : int
        Side in cells; a smaller raster is one tile. Tiles overlap by half, the last of a row or
        column is moved back so that it fits.

    Returns
    -------
    tuple of Place
        Every start in time whose inputs and targets all lie between the first slot and the last
        date of role FIT: sequences with gaps at an end are met in mapping alone. Above 250,000
        places each start has only every second corner, or third, and so on, and its neighbours
        the others.
    """
    aims = problem.aims
    fit_slots = problem.slots[plan.dates == FIT]
    n_starts = int(fit_slots[-1]) - aims.length - aims.horizon + 2
    starts = np.arange(max(n_starts, 0))
    # a target of role FIT within [start + horizon, start + horizon + length)
    first, end = (
        np.searchsorted(fit_slots, starts + aims.horizon + ahead) for ahead in (0, aims.length)
    )
    starts = starts[end > first]
    cells = plan.cells == FIT
    grid = _grid(cells.shape, tile, (max(tile // 2, 1),) * 2)
    corners = [(r, q) for r, q, h, w in grid if cells[r : r + h, q : q + w].any()]
    _, _, height, width = grid[0]
    thin = max(-(-len(starts) * len(corners) // MAX_PLACES), 1)
    return tuple(
        Place(slot=slot, row=row, column=column, height=height, width=width)
        for i, slot in enumerate(starts.tolist())
        for row, column in corners[i % thin :: thin]
    )


def watch_places(problem: MapProblem, plan: MapSplitPlan, tile: int) -> tuple[Place, ...]:
    """Return where tiles to watch are cut: every watched date and cell is counted in one of them.

    Parameters
    ----------
    problem : MapProblem
    plan : MapSplitPlan
    tile : int
        Side in cells; a smaller raster is one tile. All tiles are of one size: the last of a row
        or column is moved back, and what it shares with the one before is counted in that one.

    Returns
    -------
    tuple of Place
        In a fixed order.
    """
    forward = plan.kind == "forward"
    dates = plan.dates == WATCH if forward else plan.dates != LEFT_OUT
    cells = plan.cells != LEFT_OUT if forward else plan.cells == WATCH
    places = []
    h, w = cells.shape
    grid = _grid((h, w), tile, (tile, tile))
    for sequence in sequences(problem, problem.slots[dates]):
        for row, column, height, width in grid:
            # what tiles before this one in its row and column have reached
            above = -row % height if row else 0
            left = -column % width if column else 0
            own = cells[row + above : row + height, column + left : column + width]
            if own.any():
                places.append(
                    Place(
                        slot=sequence.start,
                        row=row,
                        column=column,
                        height=height,
                        width=width,
                        kept=tuple(sequence.kept.tolist()),
                        rows_before=above,
                        columns_before=left,
                    )
                )
    return tuple(places)


def sequences(problem: MapProblem, slots: IntArray) -> tuple[Sequence, ...]:
    """Return sequences that keep each wanted target slot once, with much context.

    Horizon 0: the middle half of a sequence is kept, more where the dates begin and end. Later:
    its later half, since only what comes before is looked at; all of the one that begins at slot 0.

    Parameters
    ----------
    problem : MapProblem
    slots : int64
        Wanted target slots, in any order; from the horizon on, gaps too.

    Returns
    -------
    tuple of Sequence
        In order of time.
    """
    length, horizon = problem.aims.length, problem.aims.horizon
    open_slots = np.unique(np.asarray(slots, dtype=np.int64)) - horizon  # of the inputs
    assert not len(open_slots) or open_slots[0] >= 0, "what comes before the horizon has no input"
    stride = max(length // 2, 1)
    found = []
    while len(open_slots):
        if horizon:
            start = max(int(open_slots[-1]) - length + 1, 0)
            kept = open_slots > (open_slots[-1] - stride if start else -1)
        else:
            lead, latest = (length - stride) // 2, max(problem.n_slots - length, 0)
            start = min(max(int(open_slots[0]) - lead, 0), latest)
            end = start + (length if start == latest else lead + stride)
            kept = open_slots < end
        found.append(Sequence(start=start, kept=open_slots[kept] - start))
        open_slots = open_slots[~kept]
    return tuple(sorted(found, key=lambda sequence: sequence.start))


def _counted(problem: MapProblem, plan: MapSplitPlan | None, place: Place, role: int) -> BoolArray:
    """Return where a place counts, shape (t, h, w)."""
    counted = np.zeros((problem.aims.length, place.height, place.width), dtype=bool)
    kept = slice(None) if place.kept is None else list(place.kept)
    counted[kept, place.rows_before :, place.columns_before :] = True
    if plan is None:
        return counted
    assert role in (FIT, WATCH), "what is sealed is not in the plan"
    dates = problem.date_at(place.slot + problem.aims.horizon + np.arange(problem.aims.length))
    of_dates = np.where(dates >= 0, plan.dates[dates], LEFT_OUT).astype(np.uint8)
    cells = plan.cells[
        place.row : place.row + place.height, place.column : place.column + place.width
    ]
    return np.asarray(counted & (roles_at(of_dates, cells) == role))


def read_slots(
    problem: MapProblem, slots: IntArray, channels: tuple[int, ...], cells: tuple[slice, slice]
) -> Float32Array:
    """Return channels of some cells at ascending slots, (t, c, h, w): NaN where there is no date.

    Channels that follow each other are read at once, and so is all between two slots: want
    neither far apart.
    """
    rows, columns = cells
    size = (len(slots), len(channels), rows.stop - rows.start, columns.stop - columns.start)
    out: Float32Array = np.full(size, np.nan, dtype=np.float32)
    dates = problem.date_at(slots)
    there = dates >= 0
    if not there.any():
        return out
    first = int(dates[there][0])
    span = slice(first, int(dates[there][-1]) + 1)
    for into, run in runs_of(channels):
        part = problem.stack.dynamic[span, run, rows, columns]
        out[there, into] = part[dates[there] - first]
    return out


def _latest(values: Float32Array, past: int) -> Float32Array:
    """Return (t − past, ...): from slot `past` on the latest values, at most `past` slots old."""
    out = values.copy()
    age = np.zeros(values.shape[1:], dtype=np.int32)  # slots since there was a value
    for t in range(1, len(out)):
        gap = np.isnan(out[t])
        age = np.where(gap, age + 1, 0)
        np.copyto(out[t], out[t - 1], where=gap & (age <= past))
    return out[past:]


def _months(problem: MapProblem, slots: IntArray) -> IntArray:
    """Return the calendar month at each slot, 0 to 11: of its date, or so many steps after one."""
    before = np.maximum(np.searchsorted(problem.slots, slots, side="right") - 1, 0)
    off_s = np.rint((slots - problem.slots[before]) * problem.step_s).astype(np.int64)
    times = problem.stack.times[before] + off_s.astype("timedelta64[s]")
    return np.asarray(times.astype("datetime64[M]").astype(np.int64) % 12)


def _grid(
    shape: tuple[int, ...], tile: int, steps: tuple[int, int]
) -> list[tuple[int, int, int, int]]:
    """Return row, column, height and width of tiles of one size that cover the raster."""
    h, w = shape
    height, width = min(tile, h), min(tile, w)
    return [
        (row, column, height, width)
        for row in _starts(h, height, steps[0])
        for column in _starts(w, width, steps[1])
    ]


def _starts(length: int, side: int, step: int) -> list[int]:
    """Return where tiles of a side begin, the last moved back so that it fits."""
    return [*range(0, length - side, step), length - side]
