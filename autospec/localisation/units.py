"""Units of a localisation: pieces that any of several workers can make, and the loop that does.

A unit that ended its worker each time it was tried becomes a piece that says so, and so does one
that needs such a unit: the others are made all the same. Which units there are is said in
`autospec.localisation.shared`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autospec.localisation.pieces import LibraryChoice, Piece, write_piece
from autospec.localisation.progress import Stage
from autospec.localisation.result import Stopped
from autospec.search.plan import StopSearch
from autospec.search.shared_pieces import SharedPieces

POLL_S = 1.0  # between two looks at what the other workers are at


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unit:
    """One piece, and how it is made.

    Parameters
    ----------
    name : str
        Of the piece; no two units have the same.
    stage : Stage
        What it belongs to.
    pieces : SharedPieces
        Where it is kept.
    make : callable () -> Piece or LibraryChoice
        Called by the worker that has the unit.
    fail : callable (str) -> Piece or LibraryChoice
        Called instead where it cannot be made, with the reason.
    needs : tuple of str
        Units that must be finished before.
    before : callable () -> object, optional
        Called before, by every worker that would have the unit: a search that they share.
    """

    name: str
    stage: Stage
    pieces: SharedPieces
    make: Callable[[], Piece | LibraryChoice]
    fail: Callable[[str], Piece | LibraryChoice]
    needs: tuple[str, ...] = ()
    before: Callable[[], object] | None = None


def finished(units: Sequence[Unit]) -> set[str]:
    """Return the names of the units that are finished, by whomever."""
    return {name for store in {unit.pieces for unit in units} for name in store.done()}


def work_off(
    units: Sequence[Unit],
    why_stop: Callable[[set[str]], Stopped | None],
    tell: Callable[[Unit, set[str]], None],
) -> Stopped:
    """Make units beside other workers until all are finished, or this worker is to stop.

    Parameters
    ----------
    units : sequence of Unit
        The first one that is free is made first.
    why_stop : callable (set of str) -> Stopped or None
        Asked before each unit, with the names of those that are finished.
    tell : callable (Unit, set of str) -> None
        Told of each unit that this worker has made, and of all that are finished.
    """
    while True:
        done = finished(units)
        left = [unit for unit in units if unit.name not in done]
        if not left:
            return "complete"
        why = why_stop(done)
        if why is not None:
            return why
        busy = {name for store in {unit.pieces for unit in left} for name in store.busy()}
        free = (unit for unit in left if unit.name not in busy and done.issuperset(unit.needs))
        unit = next(free, None)
        if unit is None:
            time.sleep(POLL_S)  # the others are at the rest; one of them may be lost yet
            continue
        why_not = _why_not(unit, units)
        try:
            made = _make(unit) if why_not is None else _fail(unit, why_not)
        except StopSearch as stop:
            return "interrupt" if stop.why == "interrupt" else "budget"
        if made:
            tell(unit, finished(units))


def why_failed(units: Sequence[Unit]) -> dict[str, str]:
    """Return the names of the finished units that could not be made, and why."""
    found: dict[str, str] = {}
    for store in {unit.pieces for unit in units}:
        found |= store.failed()
    return found


def _why_not(unit: Unit, units: Sequence[Unit]) -> str | None:
    """Return why a unit cannot be made; None if it is to be tried."""
    needed = why_failed([other for other in units if other.name in unit.needs])
    reasons = (f"{name}: {needed[name]}" for name in unit.needs if name in needed)
    return unit.pieces.given_up().get(unit.name) or next(reasons, None)


def _fail(unit: Unit, why: str) -> bool:
    """Write down that a unit cannot be made, unless another worker does."""
    with unit.pieces.claim(unit.name) as mine:
        if mine:
            write_piece(unit.pieces, unit.name, unit.fail(why))
            unit.pieces.mark_failed(unit.name, why)
        return mine
    return False  # as below


def _make(unit: Unit) -> bool:
    """Make a unit, unless another worker has it; say whether it was made."""
    if unit.before is not None:
        unit.before()
    with unit.pieces.claim(unit.name) as mine:
        if mine:
            write_piece(unit.pieces, unit.name, unit.make())
        return mine
    return False  # we were silent for so long that another worker was given it
