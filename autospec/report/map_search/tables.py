"""The tables of a search on a stack as text, and its trials as figures take them; no HTML."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from autospec.nets.architecture import TABLE_COLUMNS
from autospec.nets.map_table import map_table_rows
from autospec.report.tables import TableFormat, layer_table
from autospec.report.views import ScoreWords
from autospec.report.words import count, scientific
from autospec.search.maps.result import MAP_RUN_VERSION, MapSearchResult
from autospec.search.result import TrialRecord
from autospec.training.map_result import MapTraining

UNIT = "of the targets' range"
WATCHED = ScoreWords(
    name="watched RMSE",
    each="a trial's lowest RMSE on the watched part",
    parts="Watched part",
    averaged="RMSE on the watched part",
    curve="watched RMSE",
    ring="its lowest smoothed epoch",
    where="on the watched part",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedTarget:
    """What the scores of the trials are of: all targets, in units of their range."""

    target_name: str
    target_unit: str = UNIT


@dataclass(frozen=True, slots=True, kw_only=True)
class MapStudy:
    """The trials of a search on a stack, as tables and figures of any study take them."""

    data: WatchedTarget
    trials: tuple[TrialRecord, ...]
    control_trials: tuple[TrialRecord, ...]
    winner_trial: int
    importance: dict[str, float]
    importance_note: str


def map_study(result: MapSearchResult) -> MapStudy:
    """Return the study of a result."""
    return MapStudy(
        data=WatchedTarget(target_name=", ".join(result.settings.aims.targets)),
        trials=result.trials,
        control_trials=result.control_trials,
        winner_trial=result.winner_trial,
        importance=result.importance,
        importance_note=result.importance_note,
    )


def with_others(result: MapSearchResult) -> MapTraining:
    """Return the winner's training with all networks of the search among the models."""
    return replace(result.final, models=(*result.final.models, *result.others))


def map_rows(result: MapSearchResult) -> list[dict[str, str]]:
    """Return the winner in the published columns, one row a layer."""
    return map_table_rows(result.winner.sizes, len(result.settings.aims.targets), result.name)


def map_architecture_table(result: MapSearchResult, fmt: TableFormat) -> str:
    """Return the best-architecture table in the published columns, one row a layer.

    Parameters
    ----------
    result : MapSearchResult
        Whose winner is shown.
    fmt : {"csv", "md", "tex", "json"}
        CSV for a spreadsheet, Markdown, LaTeX (booktabs), or JSON with the whole design.
    """
    rows = map_rows(result)
    if fmt != "json":
        caption = f"Best architecture for {result.name}. Training: {training_sentence(result)}"
        return layer_table(rows, caption, fmt)
    data = {
        "schema_version": MAP_RUN_VERSION,
        "site": result.name,
        "columns": list(TABLE_COLUMNS),
        "rows": rows,
        "design": asdict(result.winner),
        "epochs": result.final.best_epoch,
        "n_parameters": result.final.n_parameters,
    }
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def training_sentence(result: MapSearchResult) -> str:
    """Return how the winner was trained as one sentence."""
    terms, config = result.winner.terms, result.winner.config
    named = [name for name in ("pinball", "weighted", "edge") if getattr(terms, name)]
    loss = ", ".join(["squared error", *named])
    numbers = [f"τ {terms.tau:.3g}"] if terms.pinball or terms.weighted else []
    numbers += [f"γ {terms.gamma:.3g}"] if terms.weighted else []
    told = f" ({', '.join(numbers)})" if numbers else ""
    epoch = result.final.best_epoch
    weights = f"the weights of epoch {count(epoch)}" if epoch else "untrained: no epoch was better"
    gaps = {"mask": "masked", "sentinel": "taught as −0.01"}[terms.gaps]
    return (
        f"AdamW, learning rate {scientific(config.learning_rate)}, weight decay "
        f"{scientific(config.weight_decay)}, {config.schedule} schedule; {loss}{told}; cells "
        f"without a value are {gaps}; {weights}."
    )
