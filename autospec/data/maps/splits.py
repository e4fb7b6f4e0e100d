"""`MapSplit`: which dates, or which squares of the map, are held out; nothing is read here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

MapSplitKind = Literal["forward", "blocks"]
Roles = NDArray[np.uint8]
LEFT_OUT, FIT, WATCH, SEALED = 0, 1, 2, 3


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
        Side of a square in cells; None: chosen so that there are enough of them.
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
