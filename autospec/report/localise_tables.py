"""The tables of a localisation as text: comparison, draws, predictions, selection, architectures.

Every cell that came from data is escaped for the program that will open it, as in
`autospec.report.tables`, whose frames are used; no HTML.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import pandas as pd

from autospec.evaluate.metrics import LEVEL, Estimate
from autospec.localisation.result import (
    AUTO,
    LOCAL,
    PLSR_LOCAL,
    SCHEMA_VERSION,
    Kind,
    LocalisationResult,
    ModelRow,
    Paired,
    Uses,
)
from autospec.localisation.settings import draw_words
from autospec.nets.architecture import TABLE_COLUMNS
from autospec.report.tables import TableFormat, csv_text, latex_table, markdown_table
from autospec.report.words import interval, number, signed, target_label

FINAL = "final"
ALL_DRAWS = "all"
VERDICTS = {"first": "better", "second": "worse", "cannot tell": "cannot tell"}
USES = {"farm": "farm", "library": "library", "both": "farm and library"}
_HEAD = (
    "Model",
    "Kind",
    "Uses",
    "Draws",
    "RMSE",
    "95 % interval",
    "ME",
    "SDE",
    "CCC",
    "R²",
    "RPIQ",
    f"Reduction against {PLSR_LOCAL} (%)",
    "Wins",
    "Verdict",
    f"Reduction against {LOCAL} (%)",
    "Wins",
    "Verdict",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedModel:
    """One model's row in comparison.json; metrics are means over its draws, with 95 % intervals.

    Parameters
    ----------
    draws : int
        Draws with a result.
    failures : tuple of str
        Why other draws have none.
    versus_local, versus_plsr : Paired or None
        None for the reference itself, or where it was not run.
    """

    name: str
    kind: Kind
    uses: Uses
    about: str
    draws: int
    failures: tuple[str, ...]
    rmse: Estimate
    me: Estimate
    sde: Estimate
    ccc: Estimate
    r2: Estimate
    rpiq: Estimate
    versus_local: Paired | None
    versus_plsr: Paired | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonFile:
    """comparison.json.

    Parameters
    ----------
    target, unit : str
        What was predicted; RMSE, ME and SDE are in this unit.
    draws, n_train : int
        Draws of training rows, and rows in each.
    level : float
        Of the intervals.
    """

    schema_version: int
    name: str
    target: str
    unit: str
    draws: int
    n_train: int
    level: float
    verdict: str
    transfer_verdict: str
    strategy_verdicts: tuple[str, ...]
    models: tuple[ComparedModel, ...]


def comparison_table(result: LocalisationResult, fmt: TableFormat) -> str:
    """Return one row a model: metrics, and the paired comparisons with the two references.

    Parameters
    ----------
    result : LocalisationResult
        What to show.
    fmt : {"csv", "md", "tex", "json"}
        CSV and JSON with every digit; Markdown and LaTeX (booktabs) to read.
    """
    if fmt == "csv":
        return csv_text(pd.DataFrame([_plain_row(m) for m in result.models], dtype=object))
    if fmt == "json":
        return json.dumps(asdict(_file(result)), indent=1, ensure_ascii=False) + "\n"
    rows = [_words_row(model) for model in result.models]
    if fmt == "md":
        return markdown_table(_caption(result), _HEAD, rows)
    return latex_table(_caption(result), "tab:localisation", "lllrrrrrrrrrrlrrl", _HEAD, rows)


def _caption(result: LocalisationResult) -> str:
    rows = len(result.draws[0].train) if result.draws else 0
    draws = draw_words([draw.number for draw in result.draws])
    return (
        f"{result.name}, {target_label(result.farm)}: means over {draws} of "
        f"{rows} training rows, each tested on the other rows of the farm. {result.verdict} "
        f"{result.transfer_verdict}"
    )


def _file(result: LocalisationResult) -> ComparisonFile:
    shared = ("name", "kind", "uses", "about", "failures", "versus_local", "versus_plsr")
    metrics = ("rmse", "me", "sde", "ccc", "r2", "rpiq")
    models = (
        ComparedModel(
            draws=len(model.outcomes), **{f: getattr(model, f) for f in (*shared, *metrics)}
        )
        for model in result.models
    )
    return ComparisonFile(
        schema_version=SCHEMA_VERSION,
        name=result.name,
        target=result.farm.target_name,
        unit=result.farm.target_unit,
        draws=len(result.draws),
        n_train=len(result.draws[0].train) if result.draws else 0,
        level=LEVEL,
        verdict=result.verdict,
        transfer_verdict=result.transfer_verdict,
        strategy_verdicts=result.strategy_verdicts,
        models=tuple(models),
    )


def _plain_row(model: ModelRow) -> dict[str, object]:
    row: dict[str, object] = {
        "model": model.name,
        "kind": model.kind,
        "uses": model.uses,
        "draws": len(model.outcomes),
    }
    for name in ("rmse", "me", "sde", "ccc", "r2", "rpiq"):
        estimate: Estimate = getattr(model, name)
        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    for key, versus in (("plsr_local", model.versus_plsr), ("local", model.versus_local)):
        row |= {
            f"reduction_percent_{key}": versus.reduction_percent if versus else "",
            f"reduction_low_{key}": versus.low if versus else "",
            f"reduction_high_{key}": versus.high if versus else "",
            f"draws_{key}": versus.draws if versus else "",
            f"wins_{key}": versus.wins if versus else "",
            f"ties_{key}": versus.ties if versus else "",
            f"verdict_{key}": VERDICTS[versus.better] if versus else "",
        }
    return row | {"about": model.about, "failures": "; ".join(model.failures)}


def _words_row(model: ModelRow) -> list[str]:
    head = [model.name, model.kind, USES[model.uses], str(len(model.outcomes))]
    head += [number(model.rmse.value), interval(model.rmse)]
    metrics = [number(e.value) for e in (model.me, model.sde, model.ccc, model.r2, model.rpiq)]
    versus = [w for v in (model.versus_plsr, model.versus_local) for w in _versus_words(v)]
    return [*head, *metrics, *versus]


def _versus_words(versus: Paired | None) -> tuple[str, str, str]:
    if versus is None:
        return "", "", ""
    spread = f"{signed(versus.low)} to {signed(versus.high)}"
    head = f"{signed(versus.reduction_percent)} ({spread})"
    return head, f"{versus.wins} of {versus.draws}", VERDICTS[versus.better]


def draws_table(result: LocalisationResult) -> str:
    """Return one row a model and draw as CSV; inner_rmse chose something, so it is optimistic."""
    sizes = {draw.number: (len(draw.train), len(draw.test)) for draw in result.draws}
    rows = [
        {
            "model": model.name,
            "kind": model.kind,
            "uses": model.uses,
            "draw": outcome.draw,
            "n_train": sizes[outcome.draw][0],
            "n_test": sizes[outcome.draw][1],
            "rmse": outcome.rmse,
            "me": outcome.me,
            "sde": outcome.sde,
            "ccc": outcome.ccc,
            "r2": outcome.r2,
            "rpiq": outcome.rpiq,
            "inner_rmse_optimistic": outcome.inner_rmse,
            "seconds": round(outcome.seconds, 3),
            "detail": outcome.detail,
        }
        for model in result.models
        for outcome in model.outcomes
    ]
    return csv_text(pd.DataFrame(rows, dtype=object))


def predictions_table(result: LocalisationResult) -> str:
    """Return the test rows of every draw as CSV.

    Columns: id, field, draw, observed, one a model, then auto's lower and upper bound and whether
    the spectrum is in its domain: empty in draws on which intervals were not measured.
    """
    bounds = {trust.draw: trust for trust in result.intervals}
    parts = []
    for draw in result.draws:
        test = list(draw.test)
        columns: dict[str, object] = {
            "id": [result.farm_ids[i] for i in test],
            "field": [result.farm_fields[i] for i in test],
            "draw": [draw.number] * len(test),
            "observed": [result.observed[i] for i in test],
        }
        for model in result.models:
            found = [o.predicted for o in model.outcomes if o.draw == draw.number]
            columns[model.name] = list(found[0]) if found else [None] * len(test)
        trust = bounds.get(draw.number)
        columns[f"{AUTO}, lower"] = list(trust.lower) if trust else [None] * len(test)
        columns[f"{AUTO}, upper"] = list(trust.upper) if trust else [None] * len(test)
        columns[f"{AUTO}, in_domain"] = list(trust.inside) if trust else [None] * len(test)
        parts.append(pd.DataFrame(columns, dtype=object))
    return csv_text(pd.concat(parts)) if parts else "id,field,draw,observed\n"


def final_predictions(result: LocalisationResult) -> str:
    """Return auto's predictions of the farm's rows without a lab value as CSV.

    Columns: id, the target with its unit, lower and upper bound, the level of the interval,
    in_domain, and the reason where that is False. What could not be measured is empty.
    """
    final = result.final
    unit = f"{result.farm.target_name} ({result.farm.target_unit})"
    nothing = (None,) * len(final.ids)
    columns: dict[str, object] = {
        "id": final.ids,
        unit: final.predicted,
        "lower": final.lower or nothing,
        "upper": final.upper or nothing,
        "level": (final.level,) * len(final.ids) if final.lower else nothing,
        "in_domain": final.inside or nothing,
        "reason": final.reasons or nothing,
    }
    return csv_text(pd.DataFrame(columns, dtype=object))


def selected_rows(result: LocalisationResult) -> str:
    """Return every selected library row as CSV; draw "final": judged by all labelled rows."""
    rows = [
        (FINAL if record.draw is None else record.draw, record.library, name, field)
        for record in result.selections
        for name, field in zip(record.ids, record.fields, strict=True)
    ]
    return csv_text(pd.DataFrame(rows, columns=["draw", "library", "id", "field"], dtype=object))


def architectures_table(result: LocalisationResult, fmt: TableFormat) -> str:
    """Return every trained network in the published columns, after its strategy and draw.

    Parameters
    ----------
    result : LocalisationResult
        Whose networks are shown; draw "all" is a network found once, on the library alone.
    fmt : {"csv", "md"}
        CSV or Markdown.
    """
    head = ("Strategy", "Draw", *TABLE_COLUMNS)
    rows = [
        [n.strategy, ALL_DRAWS if n.draw is None else str(n.draw), *row.values()]
        for n in result.networks
        for row in n.design.architecture.table_rows(result.name)
    ]
    if fmt == "csv":
        return csv_text(pd.DataFrame(rows, columns=list(head)))
    caption = f"Architectures trained for {result.name}, by strategy and draw."
    return markdown_table(caption, head, rows)
