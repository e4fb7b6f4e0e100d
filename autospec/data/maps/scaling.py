"""`MapScaler`: values to [0, 1] by the range of what is learned from, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec.data.cubes.cubes import BoolArray, Float32Array
from autospec.data.findings import some
from autospec.data.maps.boxes import Box, boxes
from autospec.data.maps.problem import MapProblem
from autospec.data.maps.splits import FIT, MapSplitPlan
from autospec.data.spectra import FloatArray
from autospec.data.tensors import Vector
from autospec.errors import DataError

NO_VALUE = -0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapScaler:
    """Lowest and highest values, and means, of the cells and dates that are learned from.

    Parameters
    ----------
    low, high, mean : float64, shape (c + s,)
        Of inputs, then static channels; high > low.
    target_low, target_high, target_mean : float64, shape (k,)
        Of targets.
    gappy : bool
        Whether an input or a target lacks a value somewhere in what is learned from.
    """

    low: Vector
    high: Vector
    mean: Vector
    target_low: Vector
    target_high: Vector
    target_mean: Vector
    gappy: bool


def fit_map_scaler(problem: MapProblem, plan: MapSplitPlan) -> MapScaler:
    """Find the range and the mean of every layer over what is learned from, in one pass each.

    Parameters
    ----------
    problem : MapProblem
    plan : MapSplitPlan
        Cells of role FIT count. Of targets the dates of role FIT; of inputs the dates that a
        training sequence sees, up to `horizon` slots before the last date of role FIT. Dates
        without a value at all are gaps in time, and do not make a scaler `gappy`.

    Returns
    -------
    MapScaler
        `high` is at least a little above `low` where a layer does not vary.

    Raises
    ------
    DataError
        If a layer has no value in what is learned from, or a target the same one everywhere.
    """
    stack = problem.stack
    fit_dates, fit_cells = plan.dates == FIT, plan.cells == FIT
    last_seen = problem.slots[fit_dates][-1] - problem.aims.horizon
    seen = (problem.slots <= last_seen) & ~problem.empty
    inputs = [_over_dates(problem, i, seen, fit_cells) for i in problem.inputs]
    static = [_Range().with_part(layer[fit_cells]) for layer in stack.static]
    known = fit_dates & ~problem.empty
    targets = [_over_dates(problem, i, known, fit_cells) for i in problem.targets]
    names = [stack.channels[i] for i in problem.inputs] + list(stack.static_channels)
    names += problem.aims.targets
    blank = [n for n, r in zip(names, [*inputs, *static, *targets], strict=True) if not r.n]
    if blank:
        raise DataError(
            f"no value of {some(dict.fromkeys(blank))} in the cells and dates that are learned "
            "from; want some, or nothing can be learned of it. Leave the layer out, or hold out "
            "other cells or dates by --split."
        )
    _refuse_constant(problem, targets)
    low, high, mean = _numbers([*inputs, *static])
    target_low, target_high, target_mean = _numbers(targets)
    return MapScaler(
        low=low,
        high=high,
        mean=mean,
        target_low=target_low,
        target_high=target_high,
        target_mean=target_mean,
        gappy=any(r.lacking for r in (*inputs, *targets)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Range:
    """What is known so far of n values; `lacking` counts cells that should have had one."""

    n: int = 0
    lacking: int = 0
    low: float = np.inf
    high: float = -np.inf
    total: float = 0.0

    def with_part(self, values: Float32Array, counted: BoolArray | None = None) -> _Range:
        """Return it with some more values, those that are counted."""
        there = np.isfinite(values)
        asked = values.size if counted is None else int(counted.sum())
        if counted is not None:
            there &= counted
        n = int(there.sum())
        return _Range(
            n=self.n + n,
            lacking=self.lacking + asked - n,
            low=min(self.low, float(np.min(values, where=there, initial=np.inf))),
            high=max(self.high, float(np.max(values, where=there, initial=-np.inf))),
            total=self.total + float(np.sum(values, where=there, dtype=np.float64)),
        )


def _refuse_constant(problem: MapProblem, targets: list[_Range]) -> None:
    """Refuse targets that never differ: nothing can be learned of them, and all models are one."""
    same = {
        name: found.low
        for name, found in zip(problem.aims.targets, targets, strict=True)
        if found.low == found.high
    }
    if same:
        said = " and ".join(f"{name!r} is {value:.6g}" for name, value in same.items())
        raise DataError(
            f"target {said} in all cells and dates that are learned from; want values that differ, "
            "or there is nothing to learn. Pass another --target, hold out other cells or dates by "
            "--split, or check the no-value of the file."
        )


def _over_dates(problem: MapProblem, channel: int, dates: BoolArray, cells: BoolArray) -> _Range:
    """Return the range of a channel over some dates (t,) and cells (h, w)."""
    layers, found = problem.stack.dynamic, _Range()
    if not dates.any():
        return found
    for box in boxes(layers, int(np.flatnonzero(dates)[-1]) + 1):
        counted = _counted(box, dates, cells)
        if counted.any():
            part = layers[box.dates, channel, box.rows, box.columns]
            found = found.with_part(part, counted)
    return found


def _counted(box: Box, dates: BoolArray, cells: BoolArray) -> BoolArray:
    return dates[box.dates, None, None] & cells[None, box.rows, box.columns]


def _numbers(ranges: list[_Range]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return lowest, highest (above the lowest) and mean."""
    low = np.array([r.low for r in ranges])
    high = np.array([r.high for r in ranges])
    step = np.maximum(1.0, 1e-9 * np.abs(low))  # 1, or what float64 can tell from a huge value
    high = np.where(high > low, high, low + step)
    return low, high, np.array([r.total / max(r.n, 1) for r in ranges])
