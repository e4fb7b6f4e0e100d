"""`MapProblem`: which layers of a stack are wanted, when, and from what; reads no values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from autospec.data.cubes.cubes import BoolArray
from autospec.data.cubes.stacks import RasterStack
from autospec.data.spectra import IntArray

MAX_LENGTH = 366


@dataclass(frozen=True, slots=True, kw_only=True)
class MapAims:
    """What is asked of a stack, in plain values.

    Parameters
    ----------
    targets : tuple of str
        Channels that change with time, to be predicted.
    horizon : int
        Steps of time ahead. 0: the targets' maps of the same dates, from the other channels. From
        1 on: what comes after a date, from all channels up to that date, the targets among them.
    length : int
        Steps of time that a sequence has.
    """

    targets: tuple[str, ...]
    horizon: Annotated[int, Ge(0)] = 0
    length: Annotated[int, Ge(1), Le(MAX_LENGTH)] = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapProblem:
    """A stack, and what is asked of it.

    Dates stand on slots of equal steps; a slot without a date is a gap. Sequence s has the inputs
    of slots s to s + length − 1 and the targets of each of these plus the horizon. To
    map, s may be negative and a sequence end after the last date: slots without a date are gaps.
    Sequences that are learned from lie between the first date and the last.

    Parameters
    ----------
    stack : RasterStack
    aims : MapAims
    slots : int64, shape (t,)
        Slot of each date, from 0, strictly ascending.
    step_s : float
        Seconds from slot to slot: the median of the dates' distances.
    empty : bool, shape (t,)
        Dates without a single value of the inputs: gaps, too.
    """

    stack: RasterStack
    aims: MapAims
    slots: IntArray
    step_s: float
    empty: BoolArray

    @property
    def targets(self) -> tuple[int, ...]:
        """Positions of the targets among the stack's channels; k of them."""
        return tuple(self.stack.channels.index(name) for name in self.aims.targets)

    @property
    def inputs(self) -> tuple[int, ...]:
        """Positions of the inputs among the stack's channels, in their order; c of them."""
        every = range(len(self.stack.channels))
        return tuple(i for i in every if self.aims.horizon or i not in self.targets)

    @property
    def n_slots(self) -> int:
        """From the first date to the last."""
        return int(self.slots[-1]) + 1

    def date_at(self, slots: IntArray) -> IntArray:
        """Return the date (its position) at each slot, −1 where there is none."""
        found = np.searchsorted(self.slots, slots)
        there = self.slots[np.minimum(found, len(self.slots) - 1)] == slots
        return np.where(there, found, -1)

    def has_values(self, slots: IntArray) -> BoolArray:
        """Say of each slot whether it has a date with values of the inputs."""
        dates = self.date_at(slots)
        return np.asarray((dates >= 0) & ~self.empty[dates])
