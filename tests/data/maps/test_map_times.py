"""Steps and moments of time in words: the largest unit, and no more digits than there are."""

from __future__ import annotations

import numpy as np
import pytest

from autospec.data.maps.times import say_step, say_time


@pytest.mark.parametrize(
    ("step_s", "words"),
    [
        (86_400 * 16, "16 days"),
        (86_400 * 1234.5678, "1234.57 days"),
        (3600, "1 hour"),
        (5400, "1.5 hours"),
        (900, "15 minutes"),
        (60, "1 minute"),
        (5, "5 seconds"),
        (1, "1 second"),
        (0, "0 seconds"),
    ],
)
def test_steps_are_said_in_their_unit(step_s: float, words: str) -> None:
    assert say_step(step_s) == words


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ("2020-02-01T00:00:00", "2020-02-01"),
        ("2020-02-01T06:30:00", "2020-02-01T06:30"),
        ("2020-02-01T06:00:00", "2020-02-01T06:00"),
        ("2020-02-01T00:00:30", "2020-02-01T00:00:30"),
    ],
)
def test_moments_are_said_with_the_time_of_day_where_there_is_one(time: str, words: str) -> None:
    assert say_time(np.datetime64(time)) == words
    assert say_time(time) == words == say_time(words), "as text, and said again"
