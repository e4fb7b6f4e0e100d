"""Moments and steps of time in words; nothing is read or checked here."""

from __future__ import annotations

import numpy as np

_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def say_step(step_s: float) -> str:
    """Return a step of time in the largest unit that it reaches: ``16 days``, ``1 hour``."""
    unit, seconds = next(((u, s) for u, s in _UNITS if step_s >= s), _UNITS[-1])
    number = round(step_s / seconds, 2)
    return f"{number:g} {unit}" + ("" if number == 1 else "s")


def say_time(time: np.datetime64 | str) -> str:
    """Return ``2020-05-01``, with the time of day only where there is one: ``2020-05-01T06:30``.

    Parameters
    ----------
    time : datetime64, or str
        A str is ISO 8601 to the second.
    """
    text = time if isinstance(time, str) else str(np.datetime_as_string(time, unit="s"))
    day, _, clock = text.partition("T")
    clock = clock.removesuffix(":00") if clock.count(":") > 1 else clock  # whole minutes
    return day if clock in ("", "00:00") else f"{day}T{clock}"
