"""Learning rates: the published closed form, and torch's own plateau rule as a twin."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.training.schedule import Plateau, cosine_rate


def by_formula(s: int, steps: int, rate: float, lowest: float, cycles: int) -> float:
    """Formula of the specification, written down a second time; s = 0 is taken as 1."""
    s = max(s, 1)
    warm_up = max(1, 0.1 * steps)
    if s < warm_up:
        return rate * s / warm_up
    if steps == 1:
        return rate
    p = (s - warm_up) / (steps - warm_up)
    return rate * max(lowest / rate, 0.5 * (1 + math.cos(math.pi * ((cycles * p) % 1))))


@given(
    steps=st.integers(1, 500),
    share=st.floats(0, 1, exclude_max=True),
    lowest=st.floats(0, 1e-3),
    cycles=st.integers(1, 5),
)
def test_cosine_is_the_closed_form(steps: int, share: float, lowest: float, cycles: int) -> None:
    step = int(share * steps)
    found = cosine_rate(step, steps, rate=1e-3, lowest=lowest, restarts=cycles)
    wanted = by_formula(step, steps, 1e-3, lowest, cycles)
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-15)


def rates(steps: int, restarts: int, lowest: float = 0.0) -> np.ndarray:
    each = [cosine_rate(s, steps, rate=1.0, lowest=lowest, restarts=restarts) for s in range(steps)]
    return np.array(each)


def test_cosine_warms_up_in_a_straight_line_to_the_highest_rate() -> None:
    np.testing.assert_allclose(rates(200, 1)[1:21], np.arange(1, 21) / 20, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 3, 16, 200])
def test_cosine_takes_no_first_step_of_nothing(steps: int) -> None:
    assert rates(steps, 1)[0] == min(1.0, 1.0 / (0.1 * steps))


def test_cosine_ends_near_nothing_when_all_steps_are_taken() -> None:
    assert rates(1000, 1)[-1] < 1e-5


@pytest.mark.parametrize("restarts", [1, 2, 4])
def test_cosine_jumps_back_to_the_highest_rate_at_each_restart(restarts: int) -> None:
    found = rates(1000, restarts)
    jumps = np.flatnonzero(np.diff(found) > 0.5)
    assert len(jumps) == restarts - 1
    assert (found[jumps + 1] > 0.99).all()


def test_cosine_never_falls_below_the_lowest_rate_after_the_warm_up() -> None:
    assert rates(300, 3, lowest=0.25)[30:].min() == 0.25


@settings(deadline=None)  # torch loads its schedulers at the first call
@given(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=60))
def test_plateau_halves_as_torch_does(metrics: list[float]) -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([weight], lr=1.0)
    twin = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=5)
    plateau, found, wanted = Plateau(), [], []
    for metric in metrics:
        plateau = plateau.after(metric)
        twin.step(metric)
        found.append(plateau.share)
        wanted.append(optimiser.param_groups[0]["lr"])
    assert found == wanted
