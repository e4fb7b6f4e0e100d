"""The score of a design: preprocessing and network fitted in every inner fold; no study here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec.data.preprocess import make_pipeline
from autospec.data.spectra import FloatArray, Spectra
from autospec.data.splits import Fold
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
        seeds = np.random.SeedSequence(self.seed).generate_state(len(self.folds))
        members = [
            self._member(design, fold, int(seed))
            for fold, seed in zip(self.folds, seeds, strict=True)
        ]
        return train_members(
            design.architecture,
            members,
            design.training,
            device=resolve_device(self.device),
            on_epoch=on_epoch,
            lead=lead,
            threads=self.threads,
        )

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
