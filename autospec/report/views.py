"""What tables and figures ask of a result, whichever search found it; nothing is computed here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

from autospec.evaluate.metrics import Scores
from autospec.search.result import TrialRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreWords:
    """How a report calls what a search minimised; plain text.

    Parameters
    ----------
    name : str
        In axes, tables and hover texts.
    each : str
        What a point of the history is.
    parts : str
        What it is the mean of.
    averaged, curve : str
        What a learning curve is, at the start of a sentence and on an axis.
    ring : str
        What the ring on the winner's curve marks.
    where : str
        Which rows the scores are of.
    """

    name: str = "CV RMSE"
    each: str = "a trial's mean fold RMSE on the training rows"
    parts: str = "Fold RMSE"
    averaged: str = "RMSE averaged over the folds"
    curve: str = "fold-averaged RMSE"
    ring: str = "the epoch that the final networks were trained to"
    where: str = "on the training rows"


BY_FOLDS = ScoreWords()


class TargetView(Protocol):
    """Data with lab values of one kind."""

    @property
    def target_name(self) -> str:
        """What was predicted."""

    @property
    def target_unit(self) -> str:
        """Its unit."""


class LabValuesView(TargetView, Protocol):
    """The same, with the lab values of the training rows."""

    @property
    def target_train(self) -> tuple[float, ...]:
        """In the unit."""


class ModelView(Protocol):
    """One model's row of a result."""

    @property
    def name(self) -> str:
        """Of the model, the same in every table and figure."""

    @property
    def kind(self) -> str:
        """Winner, published, control or baseline."""

    @property
    def scores(self) -> Scores | None:
        """On the test rows; None if it could not be fitted."""


class StudyView(Protocol):
    """The trials of a search and what they say."""

    @property
    def data(self) -> TargetView:
        """What was searched on."""

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """Of the study."""

    @property
    def control_trials(self) -> tuple[TrialRecord, ...]:
        """Of the random control."""

    @property
    def winner_trial(self) -> int:
        """The trial that found the winner."""

    @property
    def importance(self) -> dict[str, float]:
        """Of each parameter; empty if unknown."""

    @property
    def importance_note(self) -> str:
        """What it leaves out, or why there is none."""


M = TypeVar("M", bound=ModelView)
M_co = TypeVar("M_co", bound=ModelView, covariant=True)


class ModelsView(Protocol[M_co]):
    """A result with models on the same test rows."""

    @property
    def models(self) -> tuple[M_co, ...]:
        """All of them."""


class ModelsOnTarget(ModelsView[M_co], Protocol[M_co]):
    """The same, with what they predict."""

    @property
    def data(self) -> TargetView:
        """What they were fitted on."""
