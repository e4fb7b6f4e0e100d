"""`Tile`: a part of a stack in space and time, read when it is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from autospec.data.cubes.cubes import BoolArray, Float32Array
from autospec.data.spectra import IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a tile is cut: its first slot (may be negative), north-western cell, and size.

    Parameters
    ----------
    slot, row, column : int
    height, width : int
        In cells.
    """

    slot: int
    row: int
    column: int
    height: int
    width: int


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
        The latest value of each target at or before each input slot, within the tile's slots and
        one length before them; NaN where there is none. Horizon 0: all NaN.
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
