"""Losses by name, as torch functions of scaled predictions and targets; masked losses are not here.

Huber's function has its bend at 1, as in `autospec.training.config.TrainingConfig`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from autospec.training.config import Loss

LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
HUBER_BEND = 1.0  # standard deviations of the target, where it is standardised


def loss_function(name: Loss) -> LossFunction:
    """Return the function (predicted, wanted) of equal shapes -> their mean loss, a scalar.

    Parameters
    ----------
    name : {"mse", "l1", "huber"}
        The mean of e², of |e|, or of Huber's function: e²/2 up to |e| = 1, |e| − 1/2 beyond
        (https://doi.org/10.1214/aoms/1177703732).
    """
    if name == "mse":
        return functional.mse_loss
    if name == "l1":
        return functional.l1_loss
    return _huber


def _huber(predicted: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return functional.huber_loss(predicted, wanted, delta=HUBER_BEND)
