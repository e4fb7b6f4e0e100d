"""`FitConfig`: how one network is trained on its own, told in numbers. No torch here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from autospec.training.config import Loss, Optimiser
from autospec.training.schedule import WARM_UP, Schedule

Precision = Literal["auto", "float32", "bfloat16", "float16"]
PUBLISHED_STEP = 2048  # samples
STEPS_AN_EPOCH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """How one network learns; the defaults are those of Small3DCNN, but for small sets.

    Parameters
    ----------
    loss : {"mse", "l1", "huber"}
        What is minimised, of the scaled targets.
    optimiser : {"adam", "adamw"}
        Adam (https://arxiv.org/abs/1412.6980) or AdamW (https://arxiv.org/abs/1711.05101).
    learning_rate : float
        The highest, > 0.
    weight_decay : float
        L2 penalty (Adam) or decoupled decay (AdamW), at least 0.
    batch_size : int
        Samples that pass the network at once, at most.
    accumulate_to : int
        Samples an optimiser step: gradients are summed over batches and divided by the samples
        in the window. An epoch is cut into equal windows of at most that size. None: the
        published 2,048, or fewer where an epoch would have less than sixteen steps, but a batch at
        least: a set of some hundred samples would else take one step an epoch, and learn nothing.
    max_epochs, patience : int
        Epochs at most, and without a better one.
    min_delta : float
        By how much the watched metric must fall to count as better, in its unit.
    clip : float
        The gradient's norm at most, > 0.
    schedule : {"plateau", "cosine", "constant"}
        Halved when the watched metric stays (`Plateau`); warm-up and cosines (`cosine_rate`).
    lowest_rate, restarts : float, int
        Of the cosine schedule.
    warm_up_counts : bool
        Whether patience counts the epochs of the cosine's warm-up, whose rates are lower.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Of the products in training. "auto": on CUDA bfloat16, or float16 where the GPU has no
        bfloat16; float32 on a CPU. Weights and the watched metric are float32 always.
    seed : int
        Fixes the initial weights, the order of the samples and the dropout masks.
    """

    loss: Loss = "mse"
    optimiser: Optimiser = "adam"
    learning_rate: Annotated[float, Gt(0)] = 1e-4
    weight_decay: Annotated[float, Ge(0)] = 0.0
    batch_size: Annotated[int, Ge(1)] = 32
    accumulate_to: Annotated[int, Ge(1)] | None = None
    max_epochs: Annotated[int, Ge(1)] = 200
    patience: Annotated[int, Ge(1)] = 10
    min_delta: Annotated[float, Ge(0)] = 0.0
    clip: Annotated[float, Gt(0)] = 1.0
    schedule: Schedule = "plateau"
    lowest_rate: Annotated[float, Ge(0)] = 0.0
    restarts: Annotated[int, Ge(1)] = 1
    warm_up_counts: bool = True
    precision: Precision = "auto"
    seed: Annotated[int, Ge(0)] = 0

    def __post_init__(self) -> None:
        """Refuse numbers that contradict each other."""
        if self.accumulate_to is not None and self.batch_size > self.accumulate_to:
            raise ValueError("want batch_size of at most accumulate_to")
        if self.lowest_rate > self.learning_rate:
            raise ValueError("want lowest_rate of at most learning_rate")

    def samples_a_step(self, n: int) -> int:
        """Return the samples of an optimiser step at most, of n in an epoch."""
        if self.accumulate_to is not None:
            return self.accumulate_to
        return max(self.batch_size, min(PUBLISHED_STEP, n // STEPS_AN_EPOCH))

    @property
    def patient_from(self) -> int:
        """Epochs after which patience begins to count."""
        if self.warm_up_counts or self.schedule != "cosine":
            return 0
        return math.ceil(WARM_UP * self.max_epochs)

    def windows(self, n: int) -> int:
        """Return how many optimiser steps an epoch of n samples takes."""
        return -(-n // self.samples_a_step(n))
