"""`StudyPlan`: what one study runs on, and how it is told to stop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optuna.study import Study

from autospec.search.claims import Crew
from autospec.search.progress import ProgressCallback
from autospec.search.result import Stopped
from autospec.search.searched import Searched, Settings, Validation


def no_limit() -> float:
    """Return the seconds left where time does not matter."""
    return math.inf


class StopSearch(Exception):
    """Raised inside a trial to end the search at once; the trial does not count."""

    def __init__(self, why: Stopped) -> None:
        super().__init__(why)
        self.why: Stopped = why


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """What one study runs on.

    Parameters
    ----------
    validation : Validation
        Scores a design.
    settings : Settings
        Trials, sampler, seed, space, caps.
    fingerprint : dict of str to str
        Digests of data and split; a study is resumed only where they are the same.
    should_stop : callable () -> Stopped or None
        Asked before each trial and after each epoch.
    report : callable (Progress) -> None
        Told how far it is.
    seconds_left : callable () -> float
        Seconds the trials still have, the time for the refits taken off.
    seconds_for_winner : callable () -> float
        Seconds that refit and twins of a trial may take that would be the best if it ended now.
    elder : Study or None
        Another study on the same rows, whose scores of identical designs are taken over.
    trials_at_once : int
        Above 1, so many are trained at once, each in a process of its own.
    crew : Crew or None
        This worker, where several share the storage.
    origin : dict or None
        Where the rows are from: written into a study that is shared.
    """

    validation: Validation
    settings: Settings
    fingerprint: dict[str, str]
    should_stop: Callable[[], Stopped | None]
    report: ProgressCallback
    elder: Study | None = None
    seconds_left: Callable[[], float] = no_limit
    seconds_for_winner: Callable[[], float] = no_limit
    trials_at_once: int = 1
    crew: Crew | None = None
    origin: dict[str, Any] | None = None

    @property
    def refit_share(self) -> float:
        """Seconds that refit and twins take a second of their trial.

        A refit has more networks, on all training rows; the twins are the networks of one repeat.
        """
        members_a_fold = self.settings.members / (self.settings.folds - 1)
        return (members_a_fold + 1) / self.settings.repeats

    @property
    def references(self) -> dict[str, Searched]:
        """The published designs to try first, by label; those that the space can hold."""
        if not self.settings.published:
            return {}
        space = self.settings.space
        designs = space.references(self.validation.seen)
        return {label: design for label, design in designs.items() if space.holds(design)}
