"""`TrainRun`: how the training of one network runs; nothing here changes what is learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autospec.training.distributed import Processes
from autospec.training.fit_state import FitState


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRun:
    """How the training runs.

    Parameters
    ----------
    processes : Processes
        This one, and those beside it.
    checkpoint : Path or None
        Where how far it is is kept, and taken up from.
    on_epoch : callable (FitState) -> None
        Called after every epoch.
    say : callable (str) -> None
        Told in a sentence what begins now, where it may take long.
    interrupted : callable () -> bool
        True ends the training before its next step; the best weights so far are scored.
    budget_s : float or None
        Likewise, after so many seconds.
    """

    processes: Processes
    checkpoint: Path | None = None
    on_epoch: Callable[[FitState], None] = lambda state: None
    say: Callable[[str], None] = lambda line: None
    interrupted: Callable[[], bool] = lambda: False
    budget_s: float | None = None
