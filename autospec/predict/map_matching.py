"""A stack onto what a kept model of maps wants: channels by name; cells and steps as they are."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from autospec.data.cubes.places import is_geographic
from autospec.data.cubes.references import plain_crs, unit_of
from autospec.data.cubes.stacks import RasterStack
from autospec.data.findings import count
from autospec.data.maps.asking import gap_notes, pose
from autospec.data.maps.chosen import ChosenLayers
from autospec.data.maps.problem import MapProblem
from autospec.data.maps.times import say_step
from autospec.errors import DataError, near
from autospec.predict.document import MapBundle

STEP_TOLERANCE = 0.35  # of the model's step: months differ by a tenth, hours from days by far more
CELL_TOLERANCE = 0.01  # of the model's cell, in one unit
GROUND_TOLERANCE = 0.1  # between degrees and metres, where a cell's size depends on the place
METRES_A_DEGREE = 111_195.0  # of a great circle on a sphere of 6,371.0 km


def fit_stack(stack: RasterStack, bundle: MapBundle) -> tuple[MapProblem, tuple[str, ...]]:
    """Bring a stack onto a model's channels, and lay its dates on slots.

    Parameters
    ----------
    stack : RasterStack
        Its channels may have any order, and be more than the model's. Without a horizon it need
        not have the targets.
    bundle : MapBundle
        What is to map it.

    Returns
    -------
    MapProblem
        With the model's channels in its order, then the targets where they are no inputs; those
        have no values.
    tuple of str
        Sentences: what was left out or put into order, gaps in time, and differences that the
        model cannot see.

    Raises
    ------
    DataError
        If a channel is missing, cells or steps of time are others, or no date has a value; all
        that is wrong.
    """
    problems = [*_name_problems(stack, bundle), *_cell_problems(stack, bundle)]
    if problems:
        raise DataError(problems)
    problem = pose(_chosen(stack, bundle), bundle.aims, learn=False)
    if len(stack.times) == 1:
        problem = replace(problem, step_s=bundle.step_s)
    elif abs(problem.step_s / bundle.step_s - 1.0) > STEP_TOLERANCE:
        raise DataError(
            f"dates usually {say_step(problem.step_s)} apart; {bundle.name} learned from steps of "
            f"{say_step(bundle.step_s)}, and takes them for such. Pass a stack with that step: "
            "take every so many dates, or means over them, for example with xarray's resample."
        )
    return problem, (
        *_order_notes(stack, bundle),
        *gap_notes(problem),
        *_differences(stack, bundle, problem),
    )


def describe_wanted(bundle: MapBundle) -> str:
    """Return which layers a model wants, in words."""
    static = ", ".join(bundle.static_channels)
    words = f"channels {', '.join(bundle.inputs)}"
    return words + (f"; without dates {static}" if static else "")


def _name_problems(stack: RasterStack, bundle: MapBundle) -> list[str]:
    problems = []
    for wanted, found, others, what in (
        (bundle.inputs, stack.channels, stack.static_channels, "channel"),
        (bundle.static_channels, stack.static_channels, stack.channels, "layer without dates"),
    ):
        for name in wanted:
            if name in found:
                continue
            there = (
                f" It is there, but {'without' if what == 'channel' else 'with'} dates."
                if name in others
                else near(name, found)
            )
            problems.append(
                f"{what} {name!r} is missing: found {', '.join(found) or 'none'}; {bundle.name} "
                f"wants {describe_wanted(bundle)}.{there} Add it, or rename the one that it is."
            )
    return problems


def _chosen(stack: RasterStack, bundle: MapBundle) -> RasterStack:
    """Return the stack with the model's channels in its order; nothing is read."""
    places: list[int | None] = [stack.channels.index(name) for name in bundle.inputs]
    names = bundle.inputs
    if bundle.aims.horizon == 0:  # targets are what is wanted: never looked at
        names += bundle.aims.targets
        places += [None] * len(bundle.aims.targets)
    static = [stack.static_channels.index(name) for name in bundle.static_channels]
    same = names == stack.channels and None not in places
    chosen = ChosenLayers(layers=stack.dynamic, places=tuple(places))
    return replace(
        stack,
        dynamic=stack.dynamic if same else chosen,
        channels=names,
        static=np.ascontiguousarray(stack.static[static]),
        static_channels=bundle.static_channels,
    )


def _order_notes(stack: RasterStack, bundle: MapBundle) -> tuple[str, ...]:
    known = {*bundle.inputs, *bundle.static_channels, *bundle.aims.targets}
    extra = [name for name in (*stack.channels, *stack.static_channels) if name not in known]
    notes: tuple[str, ...] = ()
    if extra:
        notes += (f"layers that the model does not know, left out: {', '.join(extra)}",)
    for names, wanted in (
        (stack.channels, bundle.inputs),
        (stack.static_channels, bundle.static_channels),
    ):
        if [name for name in names if name in wanted] != list(wanted):
            return (*notes, "layers put into the model's order by their names")
    return notes


def _cell_problems(stack: RasterStack, bundle: MapBundle) -> list[str]:
    """Refuse cells of another size, as far as their units can be compared."""
    sizes = _comparable(stack, bundle)
    if sizes is None:
        return []
    cell, tolerance = sizes
    off = [found / wanted - 1.0 for found, wanted in zip(cell, bundle.cell, strict=True)]
    if max(map(abs, off)) <= tolerance:
        return []
    a, _, _, _, e, _ = stack.transform
    return [
        f"cells of {a:.6g} x {-e:.6g} {_unit(stack.crs)} ({stack.crs[:60]}); {bundle.name} learned "
        f"from cells of {bundle.cell[0]:.6g} x {bundle.cell[1]:.6g} {_unit(bundle.crs)} "
        f"({bundle.crs[:60]}), and takes all cells for such. Bring the stack onto that grid, for "
        f"example with gdalwarp -tr {bundle.cell[0]:.6g} {bundle.cell[1]:.6g}."
    ]


def _comparable(stack: RasterStack, bundle: MapBundle) -> tuple[tuple[float, float], float] | None:
    """Return the stack's cell in units of the model's, and by how much it may differ; or None."""
    a, _, _, _, e, f = stack.transform
    cell = a, -e
    if plain_crs(stack.crs) == plain_crs(bundle.crs):
        return cell, CELL_TOLERANCE
    here, there = is_geographic(stack.crs), is_geographic(bundle.crs)
    if here == there:
        units = unit_of(stack.crs), unit_of(bundle.crs)
        factor = units[0][1] / units[1][1] if units[0] and units[1] else 1.0
        return (cell[0] * factor, cell[1] * factor), CELL_TOLERANCE
    if not here:  # the model is in degrees, and where its metres are is not known
        return None
    latitude = f + e * stack.shape[0] / 2
    wide = cell[0] * METRES_A_DEGREE * math.cos(math.radians(latitude))
    return (wide, cell[1] * METRES_A_DEGREE), GROUND_TOLERANCE


def _unit(crs: str) -> str:
    if is_geographic(crs):
        return "degrees"
    unit = unit_of(crs)
    return "m" if unit is None or unit[0].startswith("met") else unit[0]


def _differences(stack: RasterStack, bundle: MapBundle, problem: MapProblem) -> tuple[str, ...]:
    """Say what differs that the model does not look at."""
    notes = []
    if plain_crs(stack.crs) != plain_crs(bundle.crs):
        unsure = " (their sizes could not be compared)" if not _comparable(stack, bundle) else ""
        notes.append(
            f"the grid is in {stack.crs[:60]}, that which the model learned from in "
            f"{bundle.crs[:60]}: it does not look at places, but its cells should be of the same "
            f"size on the ground{unsure}"
        )
    there = int((~problem.empty).sum())
    if there < bundle.aims.length:
        notes.append(
            f"{count(there, 'date')} with values; the model looks at {bundle.aims.length} steps of "
            "time, and knows less than it learned to use"
        )
    if bundle.gaps == "sentinel":
        notes.append(
            "the model was taught to say where a target has no value: there the map is NaN"
        )
    if bundle.synthetic:
        notes.append("the model learned from SYNTHETIC data: it knows nothing of real ones")
    if stack.synthetic:
        notes.append("the stack is SYNTHETIC")
    return tuple(notes)
