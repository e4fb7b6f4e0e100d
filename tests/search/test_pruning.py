"""Rules that give trials up: on made curves, where what each should say is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospec.search.pruning import (
    PruningRule,
    Seen,
    lead_epochs,
    lowest_so_far,
    why_given_up,
    why_lead_is_given_up,
)
from autospec.training.trainer import smooth

RULE = PruningRule()
CURVES = st.lists(st.floats(0.1, 100.0), min_size=1, max_size=40).map(np.array)


def falling(start: float, end: float, epochs: int = 40) -> np.ndarray:
    """A curve that falls evenly."""
    return np.linspace(start, end, epochs)


def seen(*curves: np.ndarray) -> Seen:
    lows = tuple(lowest_so_far(curve) for curve in curves)
    return Seen(leads=lows, complete=lows, scores=tuple(float(low[-1]) for low in lows))


SIX = seen(*(falling(10.0 + i, 3.0 + i) for i in range(6)))


@given(CURVES)
def test_the_lowest_so_far_is_that_of_the_curve_known_so_far(curve: np.ndarray) -> None:
    lows = lowest_so_far(curve)
    assert lows.shape == curve.shape
    assert lows[-1] == smooth(curve).min()
    for epoch in (1, len(curve) // 2 or 1):
        assert lows[epoch - 1] == lowest_so_far(curve[:epoch])[-1]


@pytest.mark.parametrize(
    ("folds", "members"), [(2, 1), (3, 1), (4, 2), (5, 2), (10, 4), (20, 8), (1, 1)]
)
def test_two_folds_of_five_lead(folds: int, members: int) -> None:
    assert RULE.lead_members(folds) == members


@pytest.mark.parametrize(("known", "epochs"), [(0, 0), (4, 0), (5, 8), (6, 8)])
def test_nobody_leads_before_there_is_enough_to_compare_with(known: int, epochs: int) -> None:
    assert lead_epochs(RULE, replace(SIX, leads=SIX.leads[:known])) == epochs


@pytest.mark.parametrize(("start", "given_up"), [(11.0, False), (12.4, False), (12.6, True)])
def test_a_lead_is_held_to_the_median_of_the_other_leads(start: float, given_up: bool) -> None:
    curve = falling(start, start - 7.0)[: RULE.lead_epochs]
    why = why_lead_is_given_up(RULE, SIX, curve)
    assert bool(why) == given_up
    assert not given_up or "the median of 6 trials there" in why


@pytest.mark.parametrize("epoch", [1, 4, 7, 9, 16])
def test_a_lead_is_looked_at_once(epoch: int) -> None:
    assert why_lead_is_given_up(RULE, SIX, np.full(epoch, 1e6)) == ""


@pytest.mark.parametrize("epoch", [1, 12, 15, 17, 19])
def test_all_folds_are_not_looked_at_before_the_warm_up_or_between_looks(epoch: int) -> None:
    assert why_given_up(RULE, SIX, np.full(epoch, 1e6)) == ""


@pytest.mark.parametrize("epoch", [16, 20, 36])
def test_what_is_above_the_median_is_given_up_at_each_look(epoch: int) -> None:
    assert "the median of 6 trials" in why_given_up(RULE, SIX, np.full(epoch, 1e6))


def test_too_few_trials_give_nothing_up() -> None:
    few = Seen(leads=SIX.leads[:4], complete=SIX.complete[:4], scores=SIX.scores[:4])
    assert why_lead_is_given_up(RULE, few, np.full(8, 1e6)) == ""
    assert why_given_up(RULE, few, np.full(16, 1e6)) == ""


FLAT = seen(
    *(np.concatenate([falling(9.0, level, 12), np.full(28, level)]) for level in range(2, 8))
)


@pytest.mark.parametrize(
    ("level", "margin", "given_up"),
    [
        (1.9, 0.0, False),
        (2.1, 0.0, True),
        (2.1, 0.1, False),
        (3.5, 0.5, True),
        (3.5, np.inf, False),
    ],
)
def test_what_cannot_become_the_best_any_more_is_given_up(
    level: float, margin: float, given_up: bool
) -> None:
    """All earlier curves had ended their fall; the median, 4.5, lets every level pass."""
    why = why_given_up(replace(RULE, margin=margin), FLAT, np.full(20, level))
    assert bool(why) == given_up
    assert not given_up or "none fell by more than 0.0 %" in why


def test_one_curve_that_fell_late_keeps_hope_alive() -> None:
    late = np.concatenate([np.full(25, 6.0), falling(6.0, 2.0, 15)])
    hopeful = seen(late, *(np.full(40, level) for level in (2.0, 3.0, 4.0, 5.0, 6.0)))
    assert why_given_up(RULE, hopeful, np.full(20, 3.9)) == ""
    assert why_given_up(RULE, FLAT, np.full(20, 3.9)) != ""


def test_a_curve_that_ended_early_stays_where_it_was() -> None:
    short = seen(*(np.full(5, level) for level in (1.0, 2.0, 3.0, 4.0, 5.0)))
    rule = replace(RULE, margin=np.inf)
    assert why_given_up(rule, short, np.full(24, 2.9)) == ""
    assert "there 3" in why_given_up(rule, short, np.full(24, 3.1))


@given(CURVES, st.floats(0.01, 100.0))
def test_the_unit_of_the_lab_values_decides_nothing(curve: np.ndarray, unit: float) -> None:
    scaled = Seen(
        leads=tuple(unit * low for low in SIX.leads),
        complete=tuple(unit * low for low in SIX.complete),
        scores=tuple(unit * score for score in SIX.scores),
    )
    curve = np.round(curve, 3) + 0.0123  # away from a tie, which rounding may turn
    for rule in (why_lead_is_given_up, why_given_up):
        assert bool(rule(RULE, SIX, curve)) == bool(rule(RULE, scaled, unit * curve))


def test_the_best_design_of_all_is_never_given_up_while_it_leads_everywhere() -> None:
    best = falling(9.0, 1.0)
    assert why_lead_is_given_up(RULE, SIX, best[:8]) == ""
    assert [why_given_up(RULE, SIX, best[:epoch]) for epoch in range(1, 41)] == [""] * 40
