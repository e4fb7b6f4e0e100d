"""What no localisation can run on is refused; draws in words."""

from __future__ import annotations

from typing import Any

import pytest

from autospec.errors import UsageError
from autospec.localisation.settings import LocaliseSettings, draw_words


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n": 9}, "n = 9; want at least 10"),
        ({"draws": 0}, "draws = 0; want at least 1"),
        ({"draws": 10, "first_draw": 10}, "first_draw = 10; want 0 to 9, below draws = 10"),
        ({"first_draw": -1}, "first_draw = -1; want 0 to 9"),
        ({"budget_s": 0.0}, "budget_s = 0.0; want seconds above 0"),
    ],
)
def test_numbers_that_no_study_can_run_on_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        LocaliseSettings(**changes)


def test_the_draws_that_run_keep_their_numbers() -> None:
    assert LocaliseSettings(draws=30, first_draw=28).numbers == range(28, 30)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (range(10), "10 draws"),
        ([0], "1 draw"),
        ([], "0 draws"),
        (range(10, 30), "20 draws (10 to 29)"),
        ([4], "1 draw (4)"),
    ],
)
def test_draws_in_words_tell_their_numbers_unless_they_begin_at_0(
    numbers: range | list[int], words: str
) -> None:
    assert draw_words(numbers) == words
