"""Cubes onto what a kept model wants: channels by name; windows are never resampled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autospec.data.cubes.cubes import Cubes
from autospec.data.findings import count
from autospec.errors import DataError, near
from autospec.predict.cube_bundle import usual_step_days
from autospec.predict.document import CubeBundle

STEP_TOLERANCE = 0.25  # of the model's step: months differ by a tenth, hours from days by far more


def fit_cubes(cubes: Cubes, bundle: CubeBundle) -> tuple[Cubes, tuple[str, ...]]:
    """Bring cubes onto a model's channels, and say what was done and what differs.

    Parameters
    ----------
    cubes : Cubes
        Their channels may have any order, and be more than the model's.
    bundle : CubeBundle
        What is to predict them.

    Returns
    -------
    Cubes
        With the model's channels in its order.
    tuple of str
        Sentences: channels that were left out or put into order, and differences that the model
        cannot see.

    Raises
    ------
    DataError
        If a channel is missing, is there twice, or the window is another; all that is wrong.
    """
    problems = [*_channel_problems(cubes, bundle), *_window_problems(cubes, bundle)]
    if problems:
        raise DataError(problems)
    if cubes.channels == bundle.channels:
        return cubes, _differences(cubes, bundle)
    place = [cubes.channels.index(name) for name in bundle.channels]
    extra = [name for name in cubes.channels if name not in bundle.channels]
    matched = replace(
        cubes,
        values=np.ascontiguousarray(cubes.values[:, place]),
        valid=np.ascontiguousarray(cubes.valid[:, place]),
        channels=bundle.channels,
    )
    notes = (
        [f"channels that the model does not know, left out: {', '.join(extra)}"] if extra else []
    )
    if place != sorted(place):
        notes.append("channels put into the model's order by their names")
    return matched, (*notes, *_differences(cubes, bundle))


def describe_wanted(bundle: CubeBundle) -> str:
    """Return what a model wants, in words."""
    _, h, w, t = bundle.shape
    return f"channels {', '.join(bundle.channels)} in windows of {h} x {w} cells and " + count(
        t, "date"
    )


def _channel_problems(cubes: Cubes, bundle: CubeBundle) -> list[str]:
    found = ", ".join(cubes.channels)
    problems = [
        f"channel {name!r} is missing: found {found}; the model wants {describe_wanted(bundle)}."
        f"{near(name, cubes.channels)} Extract the samples with it, or rename it."
        for name in bundle.channels
        if name not in cubes.channels
    ]
    problems += [
        f"channel {name!r} is there {cubes.channels.count(name)} times; want it once. Rename or "
        "drop the others."
        for name in bundle.channels
        if cubes.channels.count(name) > 1
    ]
    return problems


def _window_problems(cubes: Cubes, bundle: CubeBundle) -> list[str]:
    if cubes.shape[1:] == bundle.shape[1:]:
        return []
    found, wanted = (_window(shape) for shape in (cubes.shape, bundle.shape))
    _, h, w, t = bundle.shape
    flags = f"--window {h} --steps {t}" if h == w else f"that window and --steps {t}"
    return [
        f"windows of {found}; the model wants {wanted}, and nothing is resampled. Extract them "
        f"again: autospec cube extract ... {flags}"
    ]


def _window(shape: tuple[int, int, int, int]) -> str:
    _, h, w, t = shape
    return f"{h} x {w} cells and {count(t, 'date')}"


def _differences(cubes: Cubes, bundle: CubeBundle) -> tuple[str, ...]:
    """Say what differs that the model does not look at."""
    notes = []
    if cubes.crs != bundle.crs:
        notes.append(
            f"coordinates are in {cubes.crs}, those that the model learned from in {bundle.crs}: "
            "it does not look at them, but its cells should be of the same size on the ground"
        )
    step = usual_step_days(cubes)
    if abs(step - bundle.step_days) > STEP_TOLERANCE * bundle.step_days:
        notes.append(
            f"dates are {step:.3g} days apart, those that the model learned from "
            f"{bundle.step_days:.3g}: it takes them for the same"
        )
    if bundle.synthetic:
        notes.append("the model learned from SYNTHETIC samples: it knows nothing of real ones")
    if cubes.synthetic:
        notes.append("the samples are SYNTHETIC")
    return tuple(notes)
