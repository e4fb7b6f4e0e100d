"""`MapSplit`: which dates, or which squares of the map, are held out."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from autospec.data.cubes.cubes import BoolArray
from autospec.data.findings import count
from autospec.data.maps.boxes import boxes
from autospec.data.maps.problem import MapProblem
from autospec.data.spectra import IntArray
from autospec.errors import DataError

MapSplitKind = Literal["forward", "blocks"]
Roles = NDArray[np.uint8]
LEFT_OUT, FIT, WATCH, SEALED = 0, 1, 2, 3
SEALED_SQUARES = (20, 10)  # of a size that is chosen: 20 for a verdict, else for an interval
LEAST_SIDE = 8  # of such squares, in cells: much of a smaller one is next to what is learned from
MIN_SQUARES = 20  # in all, where the raster is too small for either
FEWEST_SQUARES = 4
_PARTS = {FIT: "to learn from", WATCH: "to watch", SEALED: "that is sealed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSplit:
    """What is held out of a raster over time.

    Parameters
    ----------
    kind : {"forward", "blocks"}
        The latest dates; or whole squares of the map, at all dates. Targets are held out, never
        inputs: where a map is wanted the inputs are known. Training sequences of "forward" end
        before the first date that is held out, inputs too.
    test_fraction, watch_fraction : float
        Shares of dates (or cells) that are sealed, and watched.
    block : int or None
        Side of a square in cells; None: chosen so that there are enough of them
        (`side_of_squares`).
    buffer : int
        Cells around squares that are held out, and steps of time before held-out dates, that are
        not learned from.
    seed : int
        Fixes which squares.
    """

    kind: MapSplitKind = "forward"
    test_fraction: Annotated[float, Ge(0.05), Le(0.5)] = 0.25
    watch_fraction: Annotated[float, Ge(0.05), Le(0.5)] = 0.2
    block: Annotated[int, Gt(0)] | None = None
    buffer: Annotated[int, Ge(0)] = 0
    seed: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapSplitPlan:
    """Who has which part in the training: learned from, watched, sealed, or left out between.

    Parameters
    ----------
    kind : {"forward", "blocks"}
    dates : uint8, shape (t,)
        Role of each date as a target: LEFT_OUT, FIT, WATCH, and LEFT_OUT for sealed ones too.
        "blocks": FIT for all, and the cells decide.
    cells : uint8, shape (h, w)
        Role of each cell, alike. "forward": FIT for all, and the dates decide.
    block : int
        Side of a square in cells, for "blocks" and for the groups of the bootstrap.
    digest : str
        SHA-256 of all roles, sealed ones too.
    """

    kind: MapSplitKind
    dates: Roles
    cells: Roles
    block: int
    digest: str
    _sealed: tuple[Roles, Roles] = field(repr=False)

    def unseal(self) -> tuple[Roles, Roles]:
        """Open the sealed part: dates (t,) and cells (h, w) with SEALED where they are."""
        return self._sealed


def make_map_split(problem: MapProblem, split: MapSplit) -> MapSplitPlan:
    """Seal dates or squares of the map, watch others, and leave a buffer between.

    Only dates that can be answered count: those with a present date `horizon` slots before.

    Parameters
    ----------
    problem : MapProblem
    split : MapSplit
        "forward": of the n dates that can be answered, the last ⌈test_fraction · n⌉ are sealed,
        the ⌈watch_fraction · n⌉ before them watched, and `buffer` slots before those left out.
        "blocks": whole squares, drawn at random, of about these shares of the cells; a cell is
        learned from if no cell of a square that is held out lies within `buffer` rows and columns.

    Returns
    -------
    MapSplitPlan

    Raises
    ------
    DataError
        If there are too few dates, squares or cells, or if a part has no value of a target.
    """
    h, w = problem.stack.shape
    block = split.block or side_of_squares(h, w, split.test_fraction)
    deal = _forward if split.kind == "forward" else _blocks
    dates, cells = deal(problem, split, block)
    _check_values(problem, dates, cells)
    closed = [
        np.where(roles == SEALED, LEFT_OUT, roles).astype(np.uint8) for roles in (dates, cells)
    ]
    for roles in (dates, cells, *closed):
        roles.setflags(write=False)
    digest = hashlib.sha256()
    for roles in (dates, cells):
        digest.update(str(roles.shape).encode() + roles.tobytes())
    return MapSplitPlan(
        kind=split.kind,
        dates=closed[0],
        cells=closed[1],
        block=block,
        digest=digest.hexdigest(),
        _sealed=(dates, cells),
    )


def roles_at(dates: Roles, cells: Roles) -> Roles:
    """Return the role of each date and cell, shape (t, h, w), of some dates (t,) and cells (h, w).

    One of the two is FIT wherever nothing is left out, and the other decides.
    """
    d, c = dates[:, None, None], cells[None]
    return np.where((d == LEFT_OUT) | (c == LEFT_OUT), np.uint8(LEFT_OUT), np.maximum(d, c))


def answerable(problem: MapProblem) -> BoolArray:
    """Return which dates (t,) have a present date `horizon` slots before: others have no input."""
    return problem.has_values(problem.slots - problem.aims.horizon)


def side_of_squares(h: int, w: int, sealed: float) -> int:
    """Return the largest side of squares of which enough can be sealed.

    The share `sealed` of h by w cells is to be 20 squares; where such squares would have fewer than
    8 cells a side, 10; and where these would too, it is the largest side, at least 2, of which 20
    whole squares fit, whatever is sealed of them.
    """
    sides = (_largest_side(h, w, math.ceil(wanted / sealed)) for wanted in SEALED_SQUARES)
    return next((b for b in sides if b >= LEAST_SIDE), _largest_side(h, w, MIN_SQUARES))


def _largest_side(h: int, w: int, squares: int) -> int:
    """Return the largest side, at least 2, of which so many whole squares fit."""
    fits = (b for b in range(math.isqrt(h * w // squares), 2, -1))
    return next((b for b in fits if (h // b) * (w // b) >= squares), 2)


def _forward(problem: MapProblem, split: MapSplit, block: int) -> tuple[Roles, Roles]:
    """Return the roles of dates, in order of time, and of cells."""
    asked = np.flatnonzero(answerable(problem))
    n = len(asked)
    n_test, n_watch = (math.ceil(s * n) for s in (split.test_fraction, split.watch_fraction))
    held_out = asked[max(n - n_test - n_watch, 0) :]
    before = int(problem.slots[held_out[0]]) - split.buffer if n else 0
    fit = asked[problem.slots[asked] < before]
    if n < n_test + n_watch or not _reaches(problem, fit):
        raise DataError(
            f"of {count(n, 'date')} that can be answered {n_test} are sealed, {n_watch} watched, "
            f"and {count(split.buffer, 'slot')} left out before them: the dates to learn from "
            f"{_reach_words(problem, fit)}. Pass a shorter --length or --buffer, add dates, or "
            "hold out squares with --split blocks."
        )
    dates = np.zeros(len(problem.slots), dtype=np.uint8)
    dates[fit], dates[held_out] = FIT, WATCH
    dates[asked[n - n_test :]] = SEALED
    return dates, np.full(problem.stack.shape, FIT, dtype=np.uint8)


def _reaches(problem: MapProblem, fit: IntArray) -> bool:
    """Return whether a whole sequence can be learned from: its targets end at a date of `fit`."""
    wanted = problem.aims.length + problem.aims.horizon
    return bool(len(fit)) and int(problem.slots[fit[-1]]) + 1 >= wanted


def _reach_words(problem: MapProblem, fit: IntArray) -> str:
    aims, reach = problem.aims, int(problem.slots[fit[-1]]) + 1 if len(fit) else 0
    return (
        f"reach over {count(reach, 'slot')}; want at least {aims.length + aims.horizon}, one "
        f"sequence of {aims.length} and {count(aims.horizon, 'step')} ahead"
    )


def _blocks(problem: MapProblem, split: MapSplit, block: int) -> tuple[Roles, Roles]:
    """Return the roles of dates, all the same, and of cells, square by square."""
    h, w = problem.stack.shape
    dates = _all_dates(problem)
    rows, columns = -(-h // block), -(-w // block)
    if rows * columns < FEWEST_SQUARES:
        raise DataError(
            f"a raster of {h} x {w} cells has {count(rows * columns, 'square')} of {block} cells a "
            f"side; want at least {FEWEST_SQUARES}, to seal, to watch and to learn from. Pass a "
            "smaller --block, or hold out dates with --split forward."
        )
    rng = np.random.default_rng(np.random.SeedSequence((split.seed, 3)))
    order = rng.permutation(rows * columns)
    sizes = np.outer(
        np.minimum(block, h - block * np.arange(rows)),
        np.minimum(block, w - block * np.arange(columns)),
    ).reshape(-1)[order]
    n_test = _nearest_count(sizes[:-2], split.test_fraction * h * w)
    n_watch = _nearest_count(sizes[n_test:-1], split.watch_fraction * h * w)
    cells = np.full((h, w), FIT, dtype=np.uint8)
    held_out = [divmod(int(square), columns) for square in order[: n_test + n_watch]]
    for row, column in held_out:
        top, left = block * row - split.buffer, block * column - split.buffer
        side = block + 2 * split.buffer
        cells[max(top, 0) : top + side, max(left, 0) : left + side] = LEFT_OUT
    for number, (row, column) in enumerate(held_out):
        own = slice(block * row, block * (row + 1)), slice(block * column, block * (column + 1))
        cells[own] = SEALED if number < n_test else WATCH
    left_over = int((cells == FIT).sum())
    if left_over < block**2:
        raise DataError(
            f"a buffer of {count(split.buffer, 'cell')} round {n_test} sealed and {n_watch} "
            f"watched squares of {block} cells a side leaves {left_over} of {h * w} cells to learn "
            f"from; want at least {block**2}. Pass a smaller --buffer or another --block."
        )
    return dates, cells


def _all_dates(problem: MapProblem) -> Roles:
    """Return FIT at each date that can be answered; refuse fewer than a sequence wants."""
    asked = np.flatnonzero(answerable(problem))
    if not _reaches(problem, asked):
        raise DataError(
            f"{count(len(asked), 'date')} that can be answered, having inputs "
            f"{count(problem.aims.horizon, 'step')} before, {_reach_words(problem, asked)}. Pass "
            "a shorter --length or --horizon, or add dates."
        )
    dates = np.zeros(len(problem.slots), dtype=np.uint8)
    dates[asked] = FIT
    return dates


def _nearest_count(sizes: IntArray, wanted: float) -> int:
    """Return how many of the first squares have together the number of cells nearest to wanted."""
    return int(np.argmin(np.abs(np.cumsum(sizes) - wanted))) + 1


def _check_values(problem: MapProblem, dates: Roles, cells: Roles) -> None:
    """Refuse a part in which a target has no value; reading stops where all have shown one."""
    for name, channel in zip(problem.aims.targets, problem.targets, strict=True):
        missing = {FIT, WATCH, SEALED}
        for box in boxes(problem.stack.dynamic):
            roles = roles_at(dates[box.dates], cells[box.rows, box.columns])
            if not any((roles == role).any() for role in missing):
                continue
            part = problem.stack.dynamic[box.dates, channel, box.rows, box.columns]
            missing -= set(np.unique(roles[np.isfinite(part)]).tolist())
            if not missing:
                break
        if missing:
            parts = " and ".join(_PARTS[role] for role in sorted(missing))
            raise DataError(
                f"target {name!r} has no value in the part {parts}; want values in all three "
                "parts: to learn from, to watch, and sealed. Pass other fractions or another "
                "--seed, hold out dates or squares the other way by --split, or fill the target."
            )
