"""`MapPlan`: which dates of a stack a kept model maps, and in which tiles; nothing is computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec.data.cubes.cubes import TIME_TYPE, TimeArray
from autospec.data.cubes.stacks import RasterStack
from autospec.data.findings import count
from autospec.data.maps.problem import MapProblem
from autospec.data.maps.tiling import Tiling, usual_tiling
from autospec.data.maps.times import say_time
from autospec.data.spectra import IntArray
from autospec.errors import UsageError
from autospec.evaluate.mapping import n_tiles
from autospec.predict.document import MapBundle
from autospec.predict.document_text import document_digest
from autospec.predict.map_matching import fit_stack

MONTH_DAY = 28  # every month has it
BYTES = 4  # of a cell


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapPlan:
    """A map that is to be made.

    Parameters
    ----------
    bundle : MapBundle
    problem : MapProblem
        Of the stack, with the model's channels.
    slots : int64, shape (d,)
        Target slots, ascending: those `horizon` after a date of the stack.
    times : datetime64[s], shape (d,)
        Their dates; those that the stack does not have follow from its own.
    tiling : Tiling
    notes : tuple of str
        What was done to the stack, and what differs from what the model learned from.
    """

    bundle: MapBundle
    problem: MapProblem
    slots: IntArray
    times: TimeArray
    tiling: Tiling
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(d, k, h, w) of the map."""
        return len(self.slots), len(self.bundle.aims.targets), *self.problem.stack.shape

    @property
    def tiles(self) -> int:
        """How many tiles the network predicts."""
        return n_tiles(self.problem, self.slots, self.tiling)

    @property
    def bytes(self) -> int:
        """What the map takes as float32."""
        d, k, h, w = self.shape
        return BYTES * d * k * h * w

    @property
    def provenance(self) -> tuple[str, ...]:
        """Where the map is from, in sentences."""
        bundle = self.bundle
        return (
            *self.problem.stack.provenance,
            f"mapped by {bundle.name}: {bundle.model_kind}, made {bundle.made}, SHA-256 of its "
            f"document {document_digest(bundle)}",
            *self.notes,
        )

    def dates_of(self, slots: IntArray) -> IntArray:
        """Return the positions of slots among those of the plan."""
        return np.searchsorted(self.slots, slots)


def plan_map(
    bundle: MapBundle,
    stack: RasterStack,
    *,
    first: np.datetime64 | None = None,
    last: np.datetime64 | None = None,
    tiling: Tiling | None = None,
) -> MapPlan:
    """Plan a map of a stack, or refuse it with what the model wants.

    Parameters
    ----------
    bundle : MapBundle
    stack : RasterStack
    first, last : datetime64, optional
        Bounds of the maps' own dates, both inclusive; all that can be made by default, with a
        horizon also those after the stack's last date.
    tiling : Tiling, optional
        By default tiles like those that the model learned from.

    Raises
    ------
    DataError
        If the stack lacks a channel, or has other cells or another time step.
    UsageError
        If no date is left.
    """
    problem, notes = fit_stack(stack, bundle)
    slots = problem.slots + bundle.aims.horizon
    times = slot_times(problem, slots)
    inside = np.ones(len(slots), dtype=bool)
    if first is not None:
        inside &= times >= first
    if last is not None:
        inside &= times <= last
    if not inside.any():
        raise UsageError(
            f"no date of the map from {first} to {last}: it has {count(len(times), 'date')} from "
            f"{say_time(times[0])} to {say_time(times[-1])}. Give --from and --to within these."
        )
    kept = slots[inside]
    blank = times[inside][~problem.has_values(kept - bundle.aims.horizon)]
    if len(blank):
        notes += (
            f"{count(len(blank), 'date')} without a value of the inputs, NaN in the map: "
            + ", ".join(say_time(time) for time in blank[:5])
            + (" and others" if len(blank) > 5 else ""),
        )
    shape = problem.stack.shape
    usual = usual_tiling(bundle.tile, shape)
    tiling = usual if tiling is None else tiling
    if tiling.size(shape) != usual.size(shape):
        notes += (
            f"tiles of {worded_size(tiling, shape)} cells, where the model's own would be of "
            f"{worded_size(usual, shape)}: others are new to it, and may be mapped worse",
        )
    return MapPlan(
        bundle=bundle,
        problem=problem,
        slots=kept,
        times=times[inside],
        tiling=tiling,
        notes=notes,
    )


def worded_size(tiling: Tiling, shape: tuple[int, int]) -> str:
    """Return the size of a tile of a raster in words, such as "64 x 40"."""
    return " x ".join(f"{side:,}" for side in tiling.size(shape))


def slot_times(problem: MapProblem, slots: IntArray) -> TimeArray:
    """Return the date of each slot: that of the stack, or where a date would stand.

    Between two dates they are equally spaced, beyond the last they go on by the usual step. Where
    all dates stand on the same day of a month, one slot a month, months are counted.
    """
    own, times = problem.slots, problem.stack.times
    dates = problem.date_at(slots)
    monthly = _is_monthly(problem)
    out = np.empty(len(slots), dtype=TIME_TYPE)
    for i, (slot, date) in enumerate(zip(slots.tolist(), dates.tolist(), strict=True)):
        before = int(np.searchsorted(own, slot, side="right")) - 1
        if date >= 0:
            out[i] = times[date]
        elif monthly:
            out[i] = _months_after(times[0], slot)
        elif 0 <= before < len(own) - 1:
            share = (slot - own[before]) / (own[before + 1] - own[before])
            apart = (times[before + 1] - times[before]).astype(np.int64)
            out[i] = times[before] + np.timedelta64(round(float(share) * int(apart)), "s")
        else:
            anchor = max(before, 0)
            steps = (slot - int(own[anchor])) * problem.step_s
            out[i] = times[anchor] + np.timedelta64(round(steps), "s")
    return out


def _is_monthly(problem: MapProblem) -> bool:
    """Say whether slots are months, and all dates stand on the same day and time of theirs."""
    times = problem.stack.times
    months = times.astype("datetime64[M]")
    within = times - months.astype(TIME_TYPE)
    counted = (months - months[0]).astype(np.int64)
    days = int(within[0].astype(np.int64)) // 86400
    return bool(
        len(times) > 1
        and (within == within[0]).all()
        and np.array_equal(counted, problem.slots)
        and days < MONTH_DAY
    )


def _months_after(time: np.datetime64, months: int) -> np.datetime64:
    month = time.astype("datetime64[M]")
    after: np.datetime64 = (month + months).astype(TIME_TYPE) + (time - month.astype(TIME_TYPE))
    return after
