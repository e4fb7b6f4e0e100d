"""`RunsComparison`: finished runs, their models, and the pairs that were set against each other.

Nothing here reads or computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autospec.evaluate.metrics import Comparison, Scores

COMPARE_SCHEMA_VERSION = 1
RunJob = Literal["search", "search on cubes", "training", "training on maps"]
RunModelKind = Literal["winner", "network", "published", "control", "baseline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunModel:
    """One model of a run.

    Parameters
    ----------
    name, detail : str
    kind : {"winner", "network", "published", "control", "baseline"}
        "winner" of a search and "network" of a training lead their run.
    scores : Scores or None
        On the run's test rows; None if it could not be fitted.
    cv_rmse : float or None
        Tuned, so optimistic.
    """

    name: str
    detail: str
    kind: RunModelKind
    scores: Scores | None
    cv_rmse: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """One run.

    Parameters
    ----------
    name : str
        The folder's name, or its path where two have the same name.
    job : {"search", "search on cubes", "training", "training on maps"}
    target, unit : str
        What its models predict; a raster's unit is not known, and empty.
    n_test : int
        Test rows; of maps, sealed cells and dates with a value.
    rows : str
        A letter for its test rows: runs with the same letter were tested on the same ones.
        A training on maps has an entry a target.
    split : str
        How the test rows were held out.
    synthetic : bool
        Made-up data.
    models : tuple of RunModel
        Lowest RMSE first.
    """

    name: str
    job: RunJob
    target: str
    unit: str
    n_test: int
    rows: str
    split: str
    synthetic: bool
    models: tuple[RunModel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPair:
    """The leading models of two runs on the same test rows; `versus`: the first against the second.

    Parameters
    ----------
    first, second : str
        Names of runs.
    first_model, second_model : str
    versus : Comparison
    """

    first: str
    first_model: str
    second: str
    second_model: str
    versus: Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsComparison:
    """compare.json: all models of all runs.

    Parameters
    ----------
    runs : tuple of RunEntry
        In the order they were named.
    pairs : tuple of RunPair
        Of all runs with the same test rows.
    remarks : tuple of str
        What may be ranked, what not, and why.
    """

    schema_version: int = COMPARE_SCHEMA_VERSION
    runs: tuple[RunEntry, ...]
    pairs: tuple[RunPair, ...]
    remarks: tuple[str, ...]
