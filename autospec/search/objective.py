"""The score of a design: preprocessing and network fitted in every inner fold; no study here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from autospec.data.preprocess import make_pipeline
from autospec.data.spectra import FloatArray, Spectra
from autospec.data.splits import Fold
from autospec.search.cubes.design import CubeDesign
from autospec.search.design import Design
from autospec.training.ensemble import fit_transform
from autospec.training.lead import Lead
from autospec.training.members import Member
from autospec.training.trainer import Device, EpochCallback, Training, resolve_device, train_members


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CrossValidation:
    """The fixed rows on which every design is scored.

    Parameters
    ----------
    train : Spectra
        Training rows only; the sealed rows never come here.
    folds : tuple of Fold
        Positions within `train`.
    seed : int
        Fixes the networks of each fold, the same for every design, so that designs are compared
        on common random numbers and equal designs score equally.
    device : {"auto", "cpu", "cuda"}
        Where networks train.
    threads : int, optional
        Stacks of networks trained at once on a CPU; by default one a core.
    """

    train: Spectra
    folds: tuple[Fold, ...]
    seed: int
    device: Device = "auto"
    threads: int | None = None

    @property
    def sample(self) -> str:
        """What one row is, in a word."""
        return "spectrum"

    @property
    def seen(self) -> FloatArray:
        """Band positions of the spectra: what designs are asked with."""
        return self.train.axis

    def evaluate(
        self,
        design: Design,
        on_epoch: EpochCallback | None = None,
        lead: Lead | None = None,
    ) -> Training:
        """Train `design` on all folds in step; preprocessing is fitted inside each fold.

        The first folds may lead; designs with the same number of leading folds are compared to
        the last bit, however long these learn alone.

        Raises
        ------
        TrialFailed
            If preprocessing or training fails.
        """
        return train_folds(self, design, partial(self._member, design), on_epoch, lead)

    def _member(self, design: Design, fold: Fold, seed: int) -> Member:
        pipeline = make_pipeline(design.preprocessing, self.train.axis, self.train.quantity)
        values, target = self.train.values, self.train.target
        return Member(
            x_fit=fit_transform(pipeline, values[fold.fit]),
            y_fit=target[fold.fit],
            x_score=np.asarray(pipeline.transform(values[fold.score])),
            y_score=target[fold.score],
            seed=seed,
        )


class Folds(Protocol):
    """What is the same for all designs: the folds, their seeds, and where they are trained."""

    @property
    def folds(self) -> tuple[Fold, ...]:
        """Positions within the training rows."""

    @property
    def seed(self) -> int:
        """Fixes the networks of each fold, the same for every design."""

    @property
    def device(self) -> Device:
        """Where networks train."""

    @property
    def threads(self) -> int | None:
        """Stacks of networks trained at once on a CPU."""


def train_folds(
    validation: Folds,
    design: Design | CubeDesign,
    member: Callable[[Fold, int], Member],
    on_epoch: EpochCallback | None,
    lead: Lead | None,
) -> Training:
    """Train a design on all folds in step; `member` makes the network of a fold and its seed."""
    seeds = np.random.SeedSequence(validation.seed).generate_state(len(validation.folds))
    return train_members(
        design.architecture,
        [member(fold, int(s)) for fold, s in zip(validation.folds, seeds, strict=True)],
        design.training,
        device=resolve_device(validation.device),
        on_epoch=on_epoch,
        lead=lead,
        threads=validation.threads,
    )
