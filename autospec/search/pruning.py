"""Which trials are given up early: rules on curves alone; no torch, no Optuna and no study here.

A trial climbs two rungs. All designs share folds and seeds, so that two curves at the same epoch
differ by their designs alone: comparisons are paired.

1. *The lead*: the first folds learn alone. The trial is given up where their averaged curve has not
   come down to the median of what the same folds of earlier trials had come down to.
2. *All folds*, averaged. It is given up where that curve has not come down to the median of the
   complete trials (the median rule), or where it can no longer become the best: if it yet fell by
   the largest factor by which any complete trial fell from that epoch to its end, it would still
   stay above the best score.

That the start of a learning curve tells when to end it is the idea of Domhan, Springenberg & Hutter
2015 (IJCAI, http://www.ijcai.org/Abstract/15/487); they fit parametric curves, where we take the
falls that this very study has seen. Curves are smoothed before their lowest value is taken: a
single epoch is noise (Prechelt 1998, https://doi.org/10.1016/S0893-6080(98)00010-0). The numbers
were chosen with `tests/benchmarks/replay_pruning.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec.data.spectra import FloatArray
from autospec.training.trainer import smooth


@dataclass(frozen=True, slots=True, kw_only=True)
class PruningRule:
    """The numbers of the rules.

    Parameters
    ----------
    lead_share : float
        Share of the folds that lead, above 0 and below 1; rounded, and at least one fold.
    lead_epochs : int
        How long they learn alone, at least 0; with 0 there is no first rung.
    warm_up, every : int
        All folds are looked at after every `every`-th epoch, from `warm_up` on.
    at_least : int
        With how many trials a trial is compared, at least 1.
    margin : float
        Share by which it must stay above the best score, at least 0; infinite for the median alone.
    """

    lead_share: float = 0.4
    lead_epochs: int = 8
    warm_up: int = 16
    every: int = 4
    at_least: int = 5
    margin: float = 0.05

    def lead_members(self, folds: int) -> int:
        """Return how many of so many folds lead."""
        return max(1, round(self.lead_share * folds))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What earlier trials of a study came down to.

    Parameters
    ----------
    leads : tuple of arrays (epochs,)
        `lowest_so_far` of the lead of every trained trial.
    complete : tuple of arrays (epochs,)
        `lowest_so_far` of all folds, averaged, of every complete trial.
    scores : tuple of float
        The scores of those, above 0.
    """

    leads: tuple[FloatArray, ...]
    complete: tuple[FloatArray, ...]
    scores: tuple[float, ...]


def lowest_so_far(curve: FloatArray) -> FloatArray:
    """Return, for each epoch of a curve (epochs,), the lowest value of its smoothed start."""
    return np.array([smooth(curve[:epoch]).min() for epoch in range(1, len(curve) + 1)])


def lead_epochs(rule: PruningRule, seen: Seen) -> int:
    """Return how long the lead is to learn alone: not at all if there is too little to compare."""
    return rule.lead_epochs if len(seen.leads) >= rule.at_least else 0


def why_lead_is_given_up(rule: PruningRule, seen: Seen, curve: FloatArray) -> str:
    """Return why a lead of this averaged curve (epochs,) is given up now; empty if it goes on."""
    epoch = len(curve)
    if epoch != rule.lead_epochs or len(seen.leads) < rule.at_least:
        return ""
    return _above_median(float(smooth(curve).min()), _at(seen.leads, epoch))


def why_given_up(rule: PruningRule, seen: Seen, curve: FloatArray) -> str:
    """Return why a trial of this averaged curve (epochs,) is given up now; empty if it goes on."""
    epoch = len(curve)
    if epoch < rule.warm_up or epoch % rule.every or len(seen.complete) < rule.at_least:
        return ""
    lowest, others = float(smooth(curve).min()), _at(seen.complete, epoch)
    return _above_median(lowest, others) or _beyond_reach(rule, seen.scores, lowest, others)


def _at(curves: tuple[FloatArray, ...], epoch: int) -> list[float]:
    """Return the values at an epoch; a curve that ended before stays where it was."""
    return [float(curve[min(epoch, len(curve)) - 1]) for curve in curves]


def _above_median(lowest: float, others: list[float]) -> str:
    median = float(np.median(others))
    if lowest <= median:
        return ""
    return f"its RMSE was {lowest:.4g}, the median of {len(others)} trials there {median:.4g}"


def _beyond_reach(
    rule: PruningRule, scores: tuple[float, ...], lowest: float, others: list[float]
) -> str:
    factor = min(score / other for score, other in zip(scores, others, strict=True))
    best = min(scores)
    if lowest * factor <= best * (1.0 + rule.margin):
        return ""
    return (
        f"its RMSE was {lowest:.4g}, the best score {best:.4g}, and of {len(others)} trials none "
        f"fell by more than {100.0 * (1.0 - factor):.1f} % from there on"
    )
