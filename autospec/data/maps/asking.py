"""`pose`: a stack and what is asked of it, checked; dates are laid on slots, empty ones found.

Nothing is scaled or split here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np

from autospec.data.cubes.cubes import BoolArray, TimeArray
from autospec.data.cubes.stacks import Layers, RasterStack
from autospec.data.findings import count, some
from autospec.data.maps.boxes import boxes
from autospec.data.maps.problem import MapAims, MapProblem
from autospec.data.maps.times import say_step, say_time
from autospec.data.spectra import FloatArray, IntArray
from autospec.errors import DataError, UsageError, near

OFF_SAID = 0.2  # of a step: told where it is off by more, in more than a few
OFF_SLOT = 0.35  # of a step: months, and composites that begin anew each January, stay below
FEW_ODD, MOST_ODD = 0.1, 1 / 3  # of the distances may be off
A_SLIP = 2  # distances are off where one date is
NAMED = 5  # dates named in a message


def pose(stack: RasterStack, aims: MapAims, *, learn: bool = True) -> MapProblem:
    """Check what is asked of a stack, and lay its dates on slots of equal steps.

    The step is the median distance of dates (the lower of two). Each date stands the rounded
    number of steps after the one before it, at least one; so months are regular, composites of 16
    days that begin anew each January too, and a date that is missing leaves a gap.

    Parameters
    ----------
    stack : RasterStack
        t dates; values are read in parts, and only until each date has shown one.
    aims : MapAims
    learn : bool, default True
        Whether a network is to learn from the stack. To map, fewer dates than a sequence are
        enough, and targets need no values.

    Returns
    -------
    MapProblem

    Raises
    ------
    UsageError
        If a target is unknown, named twice, or does not change with time; or if no input is left.
    DataError
        If dates are irregular or too few, if no date has a value, or a target has none anywhere.
    """
    _check_names(stack, aims)
    slots, step_s = lay_slots(stack.times)
    wanted, there = aims.length + aims.horizon, int(slots[-1]) + 1
    if learn and there < wanted:
        raise DataError(
            f"{count(len(slots), 'date')} {_on_slots(there, step_s)} too few: a sequence of "
            f"{aims.length} and {count(aims.horizon, 'step')} ahead want at least {wanted}. Pass "
            "a shorter --length or --horizon, or add dates."
        )
    nothing = np.zeros(len(slots), dtype=bool)
    draft = MapProblem(stack=stack, aims=aims, slots=slots, step_s=step_s, empty=nothing)
    if learn:
        _check_targets(stack, draft.targets)
    empty = _without_values(stack.dynamic, draft.inputs)
    if empty.all():
        raise DataError(
            f"none of the {count(len(slots), 'date')} has a value of the inputs "
            f"({some(stack.channels[i] for i in draft.inputs)}); want one at least. Check the "
            "no-value of the file, or pass another stack."
        )
    empty.setflags(write=False)
    return MapProblem(stack=stack, aims=aims, slots=slots, step_s=step_s, empty=empty)


def lay_slots(times: TimeArray) -> tuple[IntArray, float]:
    """Return the slot of each date, and the seconds of a step.

    Parameters
    ----------
    times : datetime64[s], shape (t,)
        Ascending.

    Returns
    -------
    slots : int64, shape (t,)
        From 0.
    step_s : float
        0 with a single date.

    Raises
    ------
    DataError
        If more dates than a few stand off by more than 35 % of a step.
    """
    apart = np.diff(times).astype(np.int64).astype(np.float64)
    if not len(apart):
        return np.zeros(1, dtype=np.int64), 0.0
    step = float(np.percentile(apart, 50, method="lower"))
    steps = np.maximum(np.rint(apart / step), 1.0)
    odd = np.flatnonzero(np.abs(apart / step - steps) > OFF_SLOT)
    if len(odd) > min(max(A_SLIP, FEW_ODD * len(apart)), MOST_ODD * len(apart)):
        raise DataError(_irregular(times, apart, step, odd))
    slots = np.concatenate([[0], np.cumsum(steps)]).astype(np.int64)
    slots.setflags(write=False)
    return slots, step


def gap_notes(problem: MapProblem) -> tuple[str, ...]:
    """Return a sentence each on uneven steps, slots without a date, and dates without a value."""
    notes = list(_uneven(problem))
    gaps = problem.n_slots - len(problem.slots)
    if gaps:
        notes.append(
            f"{gaps} of {problem.n_slots} slots of {say_step(problem.step_s)} have no date: gaps, "
            "which the network does not look at"
        )
    empty = np.flatnonzero(problem.empty)
    if len(empty):
        notes.append(
            f"{len(empty)} of {count(len(problem.slots), 'date')} without a value of the inputs, "
            f"treated as gaps: {_some_dates(problem.stack.times[empty])}"
        )
    return tuple(notes)


def _check_names(stack: RasterStack, aims: MapAims) -> None:
    """Refuse targets that cannot be, and a question without inputs."""
    if not aims.targets:
        raise UsageError(f"no target; want one of {some(stack.channels)}. Pass --target.")
    for name in aims.targets:
        if name in stack.static_channels:
            raise UsageError(
                f"--target {name!r} does not change with time; want one of {some(stack.channels)}."
            )
        if name not in stack.channels:
            raise UsageError(
                f"--target {name!r} is not a channel of this stack; want one of "
                f"{some(stack.channels)}.{near(name, stack.channels)}"
            )
    twice = sorted({name for name in aims.targets if aims.targets.count(name) > 1})
    if twice:
        raise UsageError(f"--target {some(twice)} is given twice; want each target once.")
    if aims.horizon == 0 and set(stack.channels) == set(aims.targets):
        raise UsageError(
            f"all channels that change with time are targets ({some(aims.targets)}), which leaves "
            "no input to tell them from on the same dates. Pass fewer --target, a stack with more "
            "channels, or a --horizon from 1 on."
        )


def _irregular(times: TimeArray, apart: FloatArray, step: float, odd: IntArray) -> str:
    named = ", ".join(
        f"{say_time(times[i + 1])} ({timedelta(seconds=apart[i])} after {say_time(times[i])})"
        for i in odd[:NAMED].tolist()
    )
    more = f" and {len(odd) - NAMED} more" if len(odd) > NAMED else ""
    return (
        f"{len(odd)} of {len(times)} dates stand more than {OFF_SLOT:.0%} of a step off: {named}"
        f"{more}; want dates near multiples of {say_step(step)}, their median distance (dates may "
        "be missing). Bring the layers onto one step first, for example with xarray's resample."
    )


def _on_slots(there: int, step_s: float) -> str:
    return "is" if there == 1 else f"on {count(there, 'slot')} of {say_step(step_s)} are"


def _uneven(problem: MapProblem) -> Iterator[str]:
    """Say so where many distances of dates are no whole number of steps, as the network is told."""
    if len(problem.slots) == 1:
        return
    apart = np.diff(problem.stack.times).astype(np.int64) / np.diff(problem.slots)
    off = np.abs(apart / problem.step_s - 1.0) > OFF_SAID
    if off.sum() > FEW_ODD * len(off):
        yield (
            f"{int(off.sum())} of {len(off)} distances of dates are more than {OFF_SAID:.0%} off "
            f"the step of {say_step(problem.step_s)} ({say_step(float(apart.min()))} to "
            f"{say_step(float(apart.max()))}): the network takes them for equal steps"
        )


def _some_dates(times: TimeArray) -> str:
    more = f" and {len(times) - NAMED} more" if len(times) > NAMED else ""
    return ", ".join(say_time(time) for time in times[:NAMED]) + more


def _check_targets(stack: RasterStack, targets: tuple[int, ...]) -> None:
    """Refuse targets without a value at any cell and date."""
    blank = [
        stack.channels[k]
        for k in targets
        if not any(
            np.isfinite(stack.dynamic[box.dates, k, box.rows, box.columns]).any()
            for box in boxes(stack.dynamic)
        )
    ]
    if blank:
        raise DataError(
            f"no value anywhere of the target {some(blank)}; want some to learn from. Check the "
            "no-value of the file, or pass another --target."
        )


def _without_values(layers: Layers, channels: tuple[int, ...]) -> BoolArray:
    """Return which dates have no value of any of the channels; what is settled is not read on."""
    blank = np.ones(layers.shape[0], dtype=bool)
    for box in boxes(layers):
        for channel in channels:
            open_dates = np.flatnonzero(blank[box.dates])
            if not len(open_dates):
                break
            first = box.dates.start
            dates = slice(first + int(open_dates[0]), first + int(open_dates[-1]) + 1)
            part = np.isfinite(layers[dates, channel, box.rows, box.columns])
            blank[dates] &= ~part.any(axis=(1, 2))
    return blank
