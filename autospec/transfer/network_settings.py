"""What the network strategies are told: what to search and train, and where and how long."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Le

from autospec.search.claims import Crew
from autospec.search.design import Caps, Design
from autospec.search.settings import SearchSettings
from autospec.search.space import SearchSpace
from autospec.training.trainer import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """What every network strategy is given; the same settings and seed train the same networks.

    Parameters
    ----------
    trials : int
        Designs a search trains (infeasible ones do not count).
    seconds : float
        Wall-clock seconds of a search; it ends at whichever comes first, and goes on with the
        best design so far. The clock is asked after each epoch; a first trial that is slow is cut
        short and counts. The networks trained in the end come on top.
    folds : int
        Inner folds over the local rows; fewer where there are too few rows.
    members : int
        Networks (seeds) of each ensemble.
    seed : int
        Fixes folds, proposals and networks.
    fixed : Design, optional
        Skips every search; its epochs are still chosen by the inner folds.
    space, caps : SearchSpace, Caps
        What is searched, and what a design may cost. The published architectures lie within the
        default space but are not tried first: with 0.5 to 16 million parameters they would use
        up a search's seconds.
    """

    trials: Annotated[int, Ge(1)] = 24
    seconds: Annotated[float, Gt(0)] = 40.0
    folds: Annotated[int, Ge(2), Le(20)] = 5
    members: Annotated[int, Ge(1), Le(100)] = 3
    seed: Annotated[int, Ge(0)] = 0
    fixed: Design | None = None
    space: SearchSpace = field(default_factory=SearchSpace)
    caps: Caps = field(default_factory=Caps)

    def as_search(self) -> SearchSettings:
        """Return the same as settings of a search."""
        return SearchSettings(
            trials=self.trials,
            budget_s=self.seconds,
            seed=self.seed,
            folds=self.folds,
            members=self.members,
            published=False,
            space=self.space,
            caps=self.caps,
        )


def _never() -> bool:
    return False


def _quiet(message: str) -> None:
    """Say nothing."""


def _no_limit() -> float:
    return math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Where and how networks train; nothing here changes what comes out, unless time runs short.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        Where networks train.
    storage : str or None
        An Optuna storage URL; None keeps studies in memory.
    crew : Crew or None
        This worker, where several share a storage; it then stands for `storage`. What is not
        finished in time is given up with `StopSearch`, and not cut short: the studies are kept, so
        that another worker, or another day, goes on from there.
    together : bool
        Whether all workers of the crew take part in each search; else this one searches alone.
    study : str
        What the names of the studies in the storage begin with: one for each draw.
    interrupted : callable () -> bool
        Asked after each epoch; True ends everything with `StopSearch`.
    on_step : callable (str) -> None
        Told what is under way.
    seconds_left : callable () -> float
        Seconds the whole job has left; without any, no strategy is begun.
    """

    device: Device = "auto"
    storage: str | None = None
    crew: Crew | None = None
    together: bool = False
    study: str = "transfer"
    interrupted: Callable[[], bool] = _never
    on_step: Callable[[str], None] = _quiet
    seconds_left: Callable[[], float] = _no_limit
