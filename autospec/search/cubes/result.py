"""`CubeResult`: all that a search on cubes found out, as plain values that go to JSON and back.

Reports, tables and run files are views of this one object; nothing here computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autospec.data.cubes.splits import SplitKind
from autospec.evaluate.metrics import Comparison, Estimate, Scores
from autospec.evaluate.trust import Trust
from autospec.search.cubes.design import CubeDesign
from autospec.search.cubes.settings import CubeSettings
from autospec.search.result import Environment, Stopped, TrialRecord

CUBE_SCHEMA_VERSION = 1
CubeModelKind = Literal["winner", "published", "control", "baseline"]
Role = Literal["train", "test", "dropped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CubesSummary:
    """What the cubes were, in numbers small enough to draw.

    Parameters
    ----------
    n, n_unlabelled : int
        Samples, and how many of them have no lab value.
    shape : tuple of 4 int
        (c, h, w, t) of one sample.
    channels : tuple of str
    mean, sd, invalid_percent : tuple of float, length c
        Of each channel over the training samples' cells with a value; share without, in percent.
    first_time, last_time : str
        Oldest and latest date, ISO 8601.
    crs : str
    synthetic : bool
    target_name, target_unit : str
    target_train : tuple of float
    provenance : tuple of str
    digest : str
    """

    n: int
    n_unlabelled: int
    shape: tuple[int, int, int, int]
    channels: tuple[str, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    invalid_percent: tuple[float, ...]
    first_time: str
    last_time: str
    crs: str
    synthetic: bool
    target_name: str
    target_unit: str
    target_train: tuple[float, ...]
    provenance: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRecord:
    """Where one labelled sample lies, and what it was used for.

    Parameters
    ----------
    id : str
    x, y : float
        In the crs of the cubes.
    target : float
    role : {"train", "test", "dropped"}
        "dropped": within the buffer of a test sample.
    block : int
        Its square or piece of time.
    fold : int
        The inner fold that scores it, from 0; −1 for none.
    out_of_fold : float or None
        The winner's prediction by the twin that missed it; None without one.
    """

    id: str
    x: float
    y: float
    target: float
    role: Role
    block: int
    fold: int
    out_of_fold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRecord:
    """The split in numbers.

    Parameters
    ----------
    nearest_km : float or None
        Distances are in km; None where there is none to measure.
    n_overlapping : int or None
        Sealed samples of a split by blocks whose window shares cells with that of a training
        sample; None for other splits, and where the size of a cell is not known.
    """

    kind: SplitKind
    buffer_km: float
    block_km: float
    n_blocks: int
    n_train: int
    n_test: int
    n_dropped: int
    dropped_in_folds: tuple[int, ...]
    nearest_km: float | None
    nearest_in_folds_km: tuple[float | None, ...]
    digest: str
    n_overlapping: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeModel:
    """One model's row: predictions of the sealed test samples and their scores.

    Parameters
    ----------
    name : str
        "autospec winner", "published: small3d", "random search", "gradient boosting", "random
        forest", "ridge", "mean".
    detail : str
        Sizes or tuned numbers in words.
    cv_rmse : float or None
        RMSE of the inner folds on the training samples; tuned, so optimistic.
    predicted : tuple of float, length n_test
        Empty if the model could not be fitted, with the reason in `detail`.
    scores : Scores or None
    versus_baseline : Comparison or None
        First model: this one; second: the baseline with the lowest `cv_rmse`.
    lower, upper : tuple of float, length n_test
        Bounds of the intervals; empty for a model without.
    trust : Trust or None
        How intervals and domain did; the winner only.
    mae, pearson_r2 : Estimate or None
        Mean absolute error, and the squared correlation, on the test samples; the latter is blind
        to bias and scale and is not the R2 of `scores`. None where `scores` is.
    """

    name: str
    kind: CubeModelKind
    detail: str
    cv_rmse: float | None
    predicted: tuple[float, ...]
    scores: Scores | None
    versus_baseline: Comparison | None = None
    epochs: int | None = None
    n_parameters: int | None = None
    trial: int | None = None
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()
    trust: Trust | None = None
    mae: Estimate | None = None
    pearson_r2: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakageRow:
    """One model under the honest folds and under random ones, same training samples.

    Parameters
    ----------
    honest, leaky : Scores
        Of the pooled out-of-fold predictions of the samples that both kinds of fold score.
    """

    name: str
    honest: Scores
    leaky: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeResult:
    """Everything a search on cubes found out.

    Parameters
    ----------
    name : str
        The study's name: the file's stem.
    baseline : str
        The baseline with the lowest `cv_rmse`, which models are compared with.
    verdict : str
        One sentence: whether the winner beats that baseline beyond noise, does not, or cannot be
        told.
    places : tuple of PlaceRecord
        All labelled samples.
    test_ids, observed : tuple
        The sealed test samples, opened at the end of each run.
    in_domain : tuple of bool, length n_test
        Whether each of them is inside the applicability domain; empty if it was not measured.
    models : tuple of CubeModel
        Winner, published, control, the baselines, the mean: on the same samples.
    leakage : tuple of LeakageRow
        Empty unless it was asked for.
    """

    schema_version: int = CUBE_SCHEMA_VERSION
    name: str
    settings: CubeSettings
    data: CubesSummary
    split: SplitRecord
    places: tuple[PlaceRecord, ...]
    trials: tuple[TrialRecord, ...]
    control_trials: tuple[TrialRecord, ...]
    winner: CubeDesign
    winner_trial: int
    winner_epochs: int
    importance: dict[str, float]
    importance_note: str
    test_ids: tuple[str, ...]
    observed: tuple[float, ...]
    in_domain: tuple[bool, ...] = ()
    baseline: str
    models: tuple[CubeModel, ...]
    leakage: tuple[LeakageRow, ...] = ()
    verdict: str
    notes: tuple[str, ...]
    stopped: Stopped
    environment: Environment

    def model(self, name: str) -> CubeModel:
        """Return the model called `name`."""
        return next(m for m in self.models if m.name == name)
