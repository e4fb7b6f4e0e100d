"""`LocaliseExecution`: how a localisation runs, and whom it tells; nothing of what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autospec.evaluate.calibrated import CalibratedModel
from autospec.localisation.pieces import PieceStore
from autospec.localisation.progress import LocaliseCallback, silent
from autospec.training.trainer import Device


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class LocaliseExecution:
    """How a localisation runs; nothing here changes what it finds, unless time runs short.

    Parameters
    ----------
    pieces : PieceStore or None
        Keeps finished draws, so that the same call takes up what was stopped.
    storage : str or None
        An Optuna storage URL for the searches; None keeps them in memory.
    device : {"auto", "cpu", "cuda"}
        Where networks train and RS-Local fits PLS.
    progress : callable (LocaliseProgress) -> None
        Told how far it is.
    on_model : callable (CalibratedModel) -> None, or None
        Given the final model; not called if it could not be calibrated.
    interrupted : callable () -> bool
        Asked between draws and after each epoch; True ends it, and what is finished is reported.
    """

    pieces: PieceStore | None = None
    storage: str | None = None
    device: Device = "auto"
    progress: LocaliseCallback = silent
    on_model: Callable[[CalibratedModel], None] | None = None
    interrupted: Callable[[], bool] = _never
