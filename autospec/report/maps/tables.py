"""The tables of a training on maps as CSV: scores, seasons, edges and epochs; no HTML."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from autospec.evaluate.metrics import METRICS, Estimate
from autospec.report.tables import csv_text
from autospec.training.map_result import MapTraining


def scores_csv(result: MapTraining) -> str:
    """Return one row a target and model: every metric with its interval; empty where undefined."""
    rows: list[dict[str, object]] = []
    for place, target in enumerate(result.data.targets):
        for model in result.models:
            scores = model.scores[place]
            row: dict[str, object] = {"target": target, "model": model.name}
            row |= {"detail": model.detail, "n": scores.pooled.n, "n_groups": scores.n_groups}
            for name in METRICS:
                row |= _with_interval(name, getattr(scores.pooled, name))
            row |= _with_interval("mae", scores.mae)
            row |= _with_interval("pearson_r2", scores.pearson_r2)
            rows.append(row | {"nse_median": scores.nse_median})
    return csv_text(pd.DataFrame(rows, dtype=object))


def seasons_csv(result: MapTraining) -> str:
    """Return one row a target, model and season."""
    rows = [
        (target, model.name, season, n, rmse)
        for model in result.models
        for season, target, n, rmse in model.seasons
    ]
    columns = ["target", "model", "season", "n", "rmse"]
    return csv_text(pd.DataFrame(rows, columns=columns, dtype=object))


def edges_csv(result: MapTraining) -> str:
    """Return one row a target and model: errors near the borders of tiles, and their pattern."""
    rows = [
        (target, model.name, edge, interior, edge_ratio(edge, interior), model.tile_pattern[place])
        for place, target in enumerate(result.data.targets)
        for model in result.models
        for edge, interior in [(model.edge_rmse[place], model.interior_rmse[place])]
    ]
    columns = ["target", "model", "edge_rmse", "interior_rmse", "ratio", "tile_pattern"]
    return csv_text(pd.DataFrame(rows, columns=columns, dtype=object))


def epochs_csv(result: MapTraining) -> str:
    """Return one row an epoch."""
    return csv_text(pd.DataFrame([asdict(epoch) for epoch in result.epochs], dtype=object))


def edge_ratio(edge: float | None, interior: float | None) -> float | None:
    """Return edge over interior; None where one is missing or the interior has no error."""
    return edge / interior if edge is not None and interior else None


def _with_interval(name: str, estimate: Estimate) -> dict[str, object]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
