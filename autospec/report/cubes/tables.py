"""The tables of a search on cubes as text: architecture, predictions, folds, metrics; no HTML."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd

from autospec.evaluate.metrics import BOOTSTRAPS, LEVEL, METRICS, Comparison, Estimate
from autospec.evaluate.trust import Trust
from autospec.nets.architecture import TABLE_COLUMNS
from autospec.report.tables import TableFormat, csv_text, layer_table
from autospec.report.words import training_words
from autospec.search.cubes.result import (
    CUBE_SCHEMA_VERSION,
    CubeModel,
    CubeModelKind,
    CubeResult,
    LeakageRow,
    SplitRecord,
)

JobName = Literal["search on cubes"]


def cube_architecture_table(result: CubeResult, fmt: TableFormat) -> str:
    """Return the best-architecture table in the published columns, one row a layer.

    Parameters
    ----------
    result : CubeResult
        Whose winner is shown.
    fmt : {"csv", "md", "tex", "json"}
        CSV for a spreadsheet, Markdown, LaTeX (booktabs), or JSON with the whole design.
    """
    rows = result.winner.architecture.table_rows(site=result.name)
    if fmt != "json":
        recipe = f"Best architecture for {result.name}. Preprocessing: {preprocessing(result)}"
        return layer_table(rows, f"{recipe} Training: {training(result)}", fmt)
    architecture, arriving = result.winner.architecture, arriving_shape(result)
    data = {
        "schema_version": CUBE_SCHEMA_VERSION,
        "site": result.name,
        "columns": list(TABLE_COLUMNS),
        "rows": rows,
        "design": asdict(result.winner),
        "epochs": result.winner_epochs,
        "shape": arriving,
        "volumes": architecture.volumes(arriving),
        "n_parameters": architecture.n_parameters(arriving),
        "multiply_adds": architecture.multiply_adds(arriving),
    }
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def arriving_shape(result: CubeResult) -> tuple[int, int, int, int]:
    """Return (c, h, w, t) of what reaches the winner's network."""
    return result.winner.preprocessing.arriving(result.data.shape)


def preprocessing(result: CubeResult) -> str:
    """Return the winner's preprocessing as one sentence."""
    more = (
        "; one more channel says which share of the others has a value there"
        if result.winner.preprocessing.mask_channel
        else ""
    )
    return (
        "Each channel standardised on the training samples; cells without a value take the "
        f"channel's mean{more}."
    )


def training(result: CubeResult) -> str:
    """Return how the winner was trained as one sentence."""
    return training_words(result.winner.training, result.winner_epochs, result.settings.members)


def cube_predictions(result: CubeResult) -> str:
    """Return the sealed test samples as CSV: id, observed, domain, and each model's columns.

    A model with intervals has its bounds beside its prediction.
    """
    frame = pd.DataFrame({"id": result.test_ids, "observed": result.observed})
    if result.in_domain:
        frame["in_domain"] = result.in_domain
    for model in result.models:
        if model.predicted:
            frame[model.name] = model.predicted
        if model.trust:
            frame[f"{model.name} lower {model.trust.level:.0%}"] = model.lower
            frame[f"{model.name} upper {model.trust.level:.0%}"] = model.upper
    return csv_text(frame)


def folds_table(result: CubeResult) -> str:
    """Return every labelled sample as CSV: where it lies and what it was used for."""
    return csv_text(pd.DataFrame([asdict(place) for place in result.places], dtype=object))


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeModelMetrics:
    """One model's scores on the sealed samples; the metrics are None if it could not be fitted.

    Parameters
    ----------
    r2, pearson_r2 : Estimate or None
        1 − SSE/SST, also called NSE; and the squared correlation, blind to bias and scale.
    cv_rmse : float or None
        Tuned on the training samples, so optimistic: never an accuracy.
    versus_baseline : Comparison or None
        First: this model; second: the baseline of the file, on the same samples.
    trust : Trust or None
        How its intervals and the applicability domain did, for a model that has them.
    """

    name: str
    kind: CubeModelKind
    detail: str
    rmse: Estimate | None
    me: Estimate | None
    sde: Estimate | None
    ccc: Estimate | None
    r2: Estimate | None
    rpiq: Estimate | None
    mae: Estimate | None
    pearson_r2: Estimate | None
    cv_rmse: float | None
    versus_baseline: Comparison | None
    trust: Trust | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeMetricsFile:
    """metrics.json of a search on cubes.

    Parameters
    ----------
    synthetic : bool
        Made-up data: the scores are no accuracy on earth.
    target, unit : str
        What was predicted; RMSE, ME, SDE and MAE are in this unit.
    n : int
        Sealed test samples.
    level : float
        Of the intervals.
    bootstraps : int
        Bootstrap draws over the samples.
    baseline : str
        The model that others are compared with.
    """

    schema_version: int
    job: JobName
    name: str
    synthetic: bool
    target: str
    unit: str
    n: int
    level: float
    bootstraps: int
    split: SplitRecord
    baseline: str
    verdict: str
    models: tuple[CubeModelMetrics, ...]
    leakage: tuple[LeakageRow, ...]


def cube_metrics_json(result: CubeResult) -> str:
    """Return metrics.json: the verdict, the split, all metrics of every model, and leakage."""
    data = CubeMetricsFile(
        schema_version=CUBE_SCHEMA_VERSION,
        job="search on cubes",
        name=result.name,
        synthetic=result.data.synthetic,
        target=result.data.target_name,
        unit=result.data.target_unit,
        n=result.split.n_test,
        level=LEVEL,
        bootstraps=BOOTSTRAPS,
        split=result.split,
        baseline=result.baseline,
        verdict=result.verdict,
        models=tuple(_model(model) for model in result.models),
        leakage=result.leakage,
    )
    return json.dumps(asdict(data), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _model(model: CubeModel) -> CubeModelMetrics:
    metrics: dict[str, Estimate | None] = {
        name: getattr(model.scores, name) if model.scores else None for name in METRICS
    }
    return CubeModelMetrics(
        name=model.name,
        kind=model.kind,
        detail=model.detail,
        cv_rmse=model.cv_rmse,
        versus_baseline=model.versus_baseline,
        trust=model.trust,
        mae=model.mae,
        pearson_r2=model.pearson_r2,
        **metrics,
    )
