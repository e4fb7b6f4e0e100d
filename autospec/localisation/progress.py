"""What a localisation says while it runs: plain values through one callback; no drawing here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["plan", "draws", "intervals", "networks", "final"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocaliseProgress:
    """How far a localisation is.

    Parameters
    ----------
    stage : {"plan", "draws", "intervals", "networks", "final"}
        The cost is announced; baselines and auto; auto's intervals; searched networks; the final
        model.
    message : str
        A sentence to show, or empty.
    done, total : int
        Pieces of work of this stage.
    eta_s : float or None
        Seconds the rest of this stage will take; None before anything is known.
    best : str
        Best so far in words, such as "auto: RMSE 3.1 g/kg over 4 draws"; or empty.
    """

    stage: Stage
    message: str = ""
    done: int = 0
    total: int = 0
    eta_s: float | None = None
    best: str = ""


LocaliseCallback = Callable[[LocaliseProgress], None]


def silent(progress: LocaliseProgress) -> None:
    """Ignore progress."""
