"""`LocaliseExecution`: how a localisation runs, and whom it tells; nothing of what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from autospec.evaluate.calibrated import CalibratedModel
from autospec.localisation.pieces import PieceStore
from autospec.localisation.progress import LocaliseCallback, silent
from autospec.search.report_turn import ReportTurn
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
    shared : bool
        Whether other processes, on whatever hosts, run the same localisation in the same storage
        at the same time. Pieces are then kept there, and `pieces` is not used.
    turn : ReportTurn
        Of a shared localisation: with `shared`, localise within it, and write the report before it
        ends.
    report : bool
        Whether this worker of a shared localisation makes the report if it is the one to.
    started : float or None
        When the budget began, by `time.monotonic`; by default when the localisation does.
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
    shared: bool = False
    turn: ReportTurn = field(default_factory=ReportTurn)
    report: bool = True
    started: float | None = None
    device: Device = "auto"
    progress: LocaliseCallback = silent
    on_model: Callable[[CalibratedModel], None] | None = None
    interrupted: Callable[[], bool] = _never
