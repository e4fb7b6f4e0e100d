"""The score of a 3D-CNN: scaling and network fitted in every inner fold; no study here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.scaling import ChannelScaler, CubePreprocessing, fit_scaler
from autospec.data.splits import Fold
from autospec.nets.cube_architecture import Shape
from autospec.search.cubes.design import CubeDesign
from autospec.search.objective import train_folds
from autospec.training.lead import Lead
from autospec.training.members import Member
from autospec.training.trainer import Device, EpochCallback, Training


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CubeValidation:
    """The fixed samples on which every design is scored.

    Parameters
    ----------
    train : Cubes
        Training samples only; the sealed ones never come here.
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

    train: Cubes
    folds: tuple[Fold, ...]
    seed: int
    device: Device = "auto"
    threads: int | None = None

    @property
    def sample(self) -> str:
        """What one row is, in a word."""
        return "cube"

    @property
    def seen(self) -> Shape:
        """(c, h, w, t) of the cubes: what designs are asked with."""
        return self.train.shape

    def evaluate(
        self,
        design: CubeDesign,
        on_epoch: EpochCallback | None = None,
        lead: Lead | None = None,
    ) -> Training:
        """Train `design` on all folds in step; channels are scaled inside each fold.

        The first folds may lead; designs with the same number of leading folds are compared to
        the last bit, however long these learn alone.

        Raises
        ------
        TrialFailed
            If training fails.
        """
        member = partial(scored_member, design.preprocessing, self.train)
        return train_folds(self, design, member, on_epoch, lead)


def scored_member(recipe: CubePreprocessing, train: Cubes, fold: Fold, seed: int) -> Member:
    """Return the network of one fold, with the rows that score it after each epoch."""
    scaler, fit = fitted_rows(recipe, train, fold)
    score = train.rows(fold.score)
    return Member(
        x_fit=scaler.transform(fit),
        y_fit=fit.target,
        x_score=scaler.transform(score),
        y_score=score.target,
        seed=seed,
    )


def fitted_rows(recipe: CubePreprocessing, train: Cubes, fold: Fold) -> tuple[ChannelScaler, Cubes]:
    """Return the samples that a fold learns from, and the scaler fitted to them."""
    rows = train.rows(fold.fit)
    return fit_scaler(recipe, rows), rows
