"""metrics.json: the scores of every model on the sealed test rows, for programs to read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from autospec.evaluate.metrics import BOOTSTRAPS, LEVEL, Comparison, Estimate, Scores
from autospec.search.result import SCHEMA_VERSION, ModelKind, ModelResult, SearchResult


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetrics:
    """One model's scores on the test rows; the metrics are None if it could not be fitted.

    Parameters
    ----------
    cv_rmse : float or None
        Tuned on the training rows, so optimistic: never an accuracy.
    versus_plsr : Comparison or None
        First: this model; second: PLSR, on the same rows.
    """

    name: str
    kind: ModelKind
    detail: str
    rmse: Estimate | None
    me: Estimate | None
    sde: Estimate | None
    ccc: Estimate | None
    r2: Estimate | None
    rpiq: Estimate | None
    cv_rmse: float | None
    versus_plsr: Comparison | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsFile:
    """metrics.json.

    Parameters
    ----------
    target, unit : str
        What was predicted; RMSE, ME and SDE are in this unit.
    n : int
        Sealed test rows.
    level : float
        Of the intervals.
    bootstraps : int
        Bootstrap draws over the rows.
    """

    schema_version: int
    name: str
    target: str
    unit: str
    n: int
    level: float
    bootstraps: int
    verdict: str
    models: tuple[ModelMetrics, ...]


def metrics_json(result: SearchResult) -> str:
    """Return metrics.json: the sentence of the verdict, and all six metrics of every model."""
    data = MetricsFile(
        schema_version=SCHEMA_VERSION,
        name=result.name,
        target=result.data.target_name,
        unit=result.data.target_unit,
        n=result.n_test,
        level=LEVEL,
        bootstraps=BOOTSTRAPS,
        verdict=result.verdict,
        models=tuple(_model(model) for model in result.models),
    )
    return json.dumps(asdict(data), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _model(model: ModelResult) -> ModelMetrics:
    s: Scores | None = model.scores
    return ModelMetrics(
        name=model.name,
        kind=model.kind,
        detail=model.detail,
        rmse=s.rmse if s else None,
        me=s.me if s else None,
        sde=s.sde if s else None,
        ccc=s.ccc if s else None,
        r2=s.r2 if s else None,
        rpiq=s.rpiq if s else None,
        cv_rmse=model.cv_rmse,
        versus_plsr=model.versus_plsr,
    )
