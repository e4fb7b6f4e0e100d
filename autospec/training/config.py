"""`TrainingConfig`: the numbers a network is trained with. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

Optimiser = Literal["adam", "adamw"]
TargetTransform = Literal["none", "log1p", "z-score"]
Loss = Literal["mse", "l1", "huber"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How a network learns.

    Parameters
    ----------
    optimiser : {"adam", "adamw"}
        Adam (https://arxiv.org/abs/1412.6980) or AdamW (https://arxiv.org/abs/1711.05101).
    learning_rate : float
        Constant, > 0.
    weight_decay : float
        L2 penalty (Adam) or decoupled decay (AdamW), at least 0.
    batch_size : int
        Wanted rows a step, at least 4; an epoch is cut into equal batches of at most that size.
    max_epochs : int
        Epochs at most.
    patience : int
        Stop when the fold-averaged curve has not fallen for so many epochs.
    target_transform : {"none", "log1p", "z-score"}
        "none" trains on the lab values as they are (the output bias starts at their mean),
        "z-score" on standardised values, "log1p" on standardised log(1 + y). Fitted on the
        training rows of each fold; predictions return in the unit of the lab values.
    loss : {"mse", "l1", "huber"}
        What is minimised, of the scaled targets: the mean of e², |e|, or Huber's function with
        its bend at 1 (https://doi.org/10.1214/aoms/1177703732).
    """

    optimiser: Optimiser = "adam"
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    weight_decay: Annotated[float, Ge(0)] = 0.0
    batch_size: Annotated[int, Ge(4)] = 32
    max_epochs: Annotated[int, Ge(1)] = 80
    patience: Annotated[int, Ge(1)] = 12
    target_transform: TargetTransform = "z-score"
    loss: Loss = "mse"

    def __post_init__(self) -> None:
        """Refuse numbers that cannot train."""
        if not self.learning_rate > 0 or self.weight_decay < 0:
            raise ValueError("learning_rate must be above 0, weight_decay at least 0")
        if self.batch_size < 4 or self.max_epochs < 1 or self.patience < 1:
            raise ValueError("want batch_size >= 4, max_epochs >= 1, patience >= 1")
