"""Learning rates: closed forms of the steps taken, and the plateau rule. No torch here.

A rate is a function of numbers that a checkpoint holds, so a training that is taken up again goes
on with the same rates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

Schedule = Literal["plateau", "cosine", "constant"]
WARM_UP = 0.1  # share of all steps
FACTOR = 0.5
PLATEAU_PATIENCE = 5
THRESHOLD = 1e-4  # a metric falls if it is lower by this share


def cosine_rate(step: int, steps: int, *, rate: float, lowest: float, restarts: int) -> float:
    """Return the learning rate of a step: a linear warm-up, then cosines that begin anew.

    rate·s/Sw below Sw = max(1, 0.1·S), then rate·max(lowest/rate, (1 + cos(π·((c·P) mod 1)))/2)
    with P = (s − Sw)/(S − Sw) (https://arxiv.org/abs/1608.03983, cycles of equal length). At s = 0
    that is no step at all, and with S = 1 no training: there we take the rate of s = 1.

    Parameters
    ----------
    step : int
        s, the optimiser steps taken before, 0 to S − 1.
    steps : int
        S, the optimiser steps of the whole training, as they are really taken.
    rate, lowest : float
        Above 0; 0 to `rate`.
    restarts : int
        c, cosines in all, at least 1.
    """
    warm_up = max(1.0, WARM_UP * steps)
    if step < warm_up:
        return rate * max(step, 1) / warm_up
    gone = (step - warm_up) / (steps - warm_up)
    return max(lowest, rate * 0.5 * (1.0 + math.cos(math.pi * ((restarts * gone) % 1.0))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau:
    """Halves the rate when a metric has not fallen for more than five epochs.

    Parameters
    ----------
    share : float
        Of the first learning rate, now.
    best : float or None
        Lowest metric so far; None before the first.
    waited : int
        Epochs since then, or since the rate was halved.
    """

    share: float = 1.0
    best: float | None = None
    waited: int = 0

    def after(self, metric: float) -> Plateau:
        """Return the state after an epoch that ended at `metric`, lower being better."""
        if self.best is None or metric < self.best * (1.0 - THRESHOLD):
            return replace(self, best=metric, waited=0)
        if self.waited < PLATEAU_PATIENCE:
            return replace(self, waited=self.waited + 1)
        return replace(self, share=self.share * FACTOR, waited=0)
