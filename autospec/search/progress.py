"""What a long search says while it runs: plain values through one callback; no drawing here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from autospec.search.result import TrialRecord

Stage = Literal["plan", "epoch", "search", "final"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a search is.

    Parameters
    ----------
    stage : {"plan", "epoch", "search", "final"}
        The cost is announced; a trial, or PLSR before the first, is under way; a trial has ended;
        the refits are under way.
        Only "search" carries counts and records.
    message : str
        A sentence to show, or empty.
    total, complete, pruned, infeasible, failed : int
        Trials wanted, and by state so far.
    best, best_trial : float or None, int or None
        Lowest mean fold RMSE so far and its trial.
    records : tuple of TrialRecord
        The finished trials.
    at_once : int
        How many are trained at once.
    """

    stage: Stage
    message: str = ""
    study: str = ""
    total: int = 0
    complete: int = 0
    pruned: int = 0
    infeasible: int = 0
    failed: int = 0
    best: float | None = None
    best_trial: int | None = None
    records: tuple[TrialRecord, ...] = ()
    at_once: int = 1

    @property
    def trained(self) -> int:
        """Trials that count towards the total."""
        return self.complete + self.pruned + self.failed

    @property
    def eta_s(self) -> float | None:
        """Seconds the remaining trials will take, from the mean so far; None before the first.

        The published designs do not enter: they are larger than most.
        """
        searched = [t.seconds for t in self.records if t.seconds > 0 and not t.label]
        if not searched:
            return None
        return max(self.total - self.trained, 0) * sum(searched) / len(searched) / self.at_once


ProgressCallback = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Ignore progress."""
