"""`SearchResult`: all that a search found out, as plain values that go to JSON and back.

Reports, tables and run files are views of this one object; nothing here computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autospec.data.spectra import AxisUnit, Quantity
from autospec.evaluate.metrics import Comparison, Scores
from autospec.evaluate.trust import Trust
from autospec.search.design import Design
from autospec.search.settings import SearchSettings

SCHEMA_VERSION = 2
TrialState = Literal["complete", "pruned", "infeasible", "failed"]
ModelKind = Literal["winner", "published", "control", "baseline"]
Stopped = Literal["trials", "budget", "interrupt", "proposals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectraSummary:
    """What the spectra were, in numbers small enough to draw.

    Parameters
    ----------
    axis : tuple of float, length b' (at most 400)
        Band positions of the envelope and the examples.
    envelope : tuple of 5 tuples of length b'
        Minimum, 25 %, median, 75 % and maximum of the values at each band.
    examples : tuple of tuples of length b'
        Up to 30 spectra, evenly spread over the target's order.
    example_targets : tuple of float
        Their lab values.
    """

    n: int
    n_unlabelled: int
    b: int
    axis_unit: AxisUnit
    axis_low: float
    axis_high: float
    quantity: Quantity
    fields: dict[str, int]
    n_groups: int
    target_name: str
    target_unit: str
    target_train: tuple[float, ...]
    axis: tuple[float, ...]
    envelope: tuple[tuple[float, ...], ...]
    examples: tuple[tuple[float, ...], ...]
    example_targets: tuple[float, ...]
    provenance: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """One trial of a study.

    Parameters
    ----------
    number : int
        The trial's number in the study.
    state : {"complete", "pruned", "infeasible", "failed"}
        Infeasible designs were not trained.
    value : float or None
        Mean fold RMSE at the best epoch (smoothed), unit of the lab values; complete trials only.
    fold_rmse : tuple of float
        Each fold's RMSE at that epoch.
    curve : tuple of float
        The fold-averaged RMSE after each epoch; of a trial that was pruned or failed while its
        first folds led, their average.
    best_epoch : int or None
        Where the smoothed curve is lowest, counted from 1.
    label : str
        "published: sweden" and the like; empty for searched designs.
    reused : int or None
        The trial whose score an identical design took over.
    reason : str
        Why it failed or was pruned, or which cap it broke.
    """

    number: int
    state: TrialState
    value: float | None
    params: dict[str, str | int | float | bool | None]
    fold_rmse: tuple[float, ...] = ()
    curve: tuple[float, ...] = ()
    best_epoch: int | None = None
    n_parameters: int | None = None
    multiply_adds: int | None = None
    seconds: float = 0.0
    label: str = ""
    reused: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResult:
    """One model's row in the result: predictions of the sealed test rows and their scores.

    Parameters
    ----------
    name : str
        "autospec winner", "published: sweden", "random search", "PLSR", "mean".
    detail : str
        Preprocessing, components or sizes in words.
    cv_rmse : float or None
        The tuned (so optimistic) mean fold RMSE on the training rows.
    predicted : tuple of float, length n_test
        Predictions of the test rows, in the order of `SearchResult.test_ids`; empty if the
        model could not be fitted, with the reason in `detail`.
    scores : Scores or None
    versus_plsr : Comparison or None
        First model: this one; second: PLSR.
    lower, upper : tuple of float, length n_test
        Bounds of the intervals of the test rows; empty for a model without intervals.
    trust : Trust or None
        How the intervals and the domain did; the winner and PLSR only, None where `notes` of the
        result say why.
    """

    name: str
    kind: ModelKind
    detail: str
    cv_rmse: float | None
    predicted: tuple[float, ...]
    scores: Scores | None
    versus_plsr: Comparison | None = None
    epochs: int | None = None
    n_parameters: int | None = None
    trial: int | None = None
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()
    trust: Trust | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where and when it ran."""

    autospec: str
    python: str
    packages: dict[str, str]
    platform: str
    processor: str
    cpu_count: int
    threads: int
    device: str
    started: str
    seconds_search: float
    seconds_final: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """Everything a search found out.

    Parameters
    ----------
    name : str
        The study's name: the site, or the file's stem.
    verdict : str
        One sentence: whether the winner beats PLSR beyond noise, does not, or cannot be told.
    trials, control_trials : tuple of TrialRecord
        Of the study, and of the random control if one was asked for.
    winner, winner_trial, winner_epochs, winner_bands : Design, int, int, int
        The best design, the trial that found it, epochs of its refit, bands after averaging.
    importance : dict of str to float
        fANOVA importance of each parameter, highest first; empty if it could not be computed.
    importance_note : str
        What the importance leaves out, or why there is none.
    test_ids, test_fields, observed
        The sealed test rows, opened at the end of each run.
    in_domain : tuple of bool, length n_test
        Whether each of them is inside the applicability domain of the training rows; empty if it
        was not measured.
    models : tuple of ModelResult
        Winner, published, control, PLSR, mean: on the same rows.
    split_digest : str
        SHA-256 of the split plan.
    stopped : {"trials", "budget", "interrupt", "proposals"}
        Why the search ended.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    settings: SearchSettings
    data: SpectraSummary
    n_train: int
    n_test: int
    split_digest: str
    trials: tuple[TrialRecord, ...]
    control_trials: tuple[TrialRecord, ...]
    winner: Design
    winner_trial: int
    winner_epochs: int
    winner_bands: int
    importance: dict[str, float]
    importance_note: str
    test_ids: tuple[str, ...]
    test_fields: tuple[str, ...]
    observed: tuple[float, ...]
    in_domain: tuple[bool, ...] = ()
    models: tuple[ModelResult, ...]
    verdict: str
    notes: tuple[str, ...]
    stopped: Stopped
    environment: Environment

    def model(self, name: str) -> ModelResult:
        """Return the model called `name`."""
        return next(m for m in self.models if m.name == name)
