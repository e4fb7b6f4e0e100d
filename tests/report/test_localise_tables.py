"""The tables of a localisation parse back to its numbers, and no cell from data runs."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from autospec.localisation.result import FinalModel, LocalisationResult
from autospec.nets.architecture import TABLE_COLUMNS
from autospec.report.localise_tables import (
    architectures_table,
    comparison_table,
    draws_table,
    final_predictions,
    predictions_table,
    selected_rows,
)
from autospec.report.tables import TableFormat
from autospec.report.words import signed


def frame(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""])


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_comparison_has_a_row_a_model_with_every_digit(localisation: LocalisationResult) -> None:
    table = frame(comparison_table(localisation, "csv")).set_index("model")
    assert list(table.index) == [m.name for m in localisation.models]
    auto = localisation.model("auto")
    assert auto.versus_plsr is not None
    row = table.loc["auto"]
    assert row["rmse"] == auto.rmse.value
    assert row["rmse_low"] == auto.rmse.low
    assert row["reduction_percent_plsr_local"] == auto.versus_plsr.reduction_percent
    assert row["wins_plsr_local"] == auto.versus_plsr.wins
    assert table.loc["DTL-R_g", "failures"] == "draw 2: every epoch's loss was not finite"


def test_comparison_counts_are_whole_numbers(localisation: LocalisationResult) -> None:
    rows = cells(comparison_table(localisation, "csv"))
    wins = [row[rows[0].index("wins_local")] for row in rows[1:]]
    assert all(w == "" or w.isdigit() for w in wins)
    assert wins[2] == ""  # Local against itself


def test_without_networks_there_is_no_local_reference(quick: LocalisationResult) -> None:
    table = frame(comparison_table(quick, "csv"))
    assert table["verdict_local"].isna().all()
    assert set(table["kind"]) == {"auto", "baseline"}


def test_markdown_has_one_row_a_model(localisation: LocalisationResult) -> None:
    text = comparison_table(replace(localisation, name="a|b"), "md")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(localisation.models)
    assert {line.replace("\\|", "").count("|") for line in lines} == {18}
    assert localisation.verdict in text


def test_latex_has_as_many_columns_as_cells(localisation: LocalisationResult) -> None:
    text = comparison_table(localisation, "tex")
    columns = re.search(r"begin\{tabular\}\{(\w+)\}", text)
    assert columns is not None
    body = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert {line.count(" & ") + 1 for line in body} == {len(columns[1])}
    assert r"DTL-IR (library$\rightarrow$K$\cup$m)" in text


def test_json_holds_the_verdicts_and_the_comparisons(localisation: LocalisationResult) -> None:
    data = json.loads(comparison_table(localisation, "json"))
    assert data["verdict"] == localisation.verdict
    assert data["strategy_verdicts"] == list(localisation.strategy_verdicts)
    assert (data["draws"], data["n_train"], data["unit"]) == (10, 30, "g/kg")
    auto = localisation.model("auto").versus_plsr
    assert auto is not None
    assert data["models"][0]["versus_plsr"]["high"] == auto.high


@pytest.mark.parametrize("fmt", ["csv", "md", "tex", "json"])
def test_comparison_is_deterministic(localisation: LocalisationResult, fmt: TableFormat) -> None:
    text = comparison_table(localisation, fmt)
    assert text == comparison_table(replace(localisation), fmt)
    assert text.endswith("\n") and not text.endswith("\n\n")


def test_draws_have_a_row_a_model_and_draw(localisation: LocalisationResult) -> None:
    table = frame(draws_table(localisation))
    assert len(table) == sum(len(m.outcomes) for m in localisation.models)
    assert set(table["n_train"]) == {30}
    mbl = table[table["model"] == "MBL"]
    assert list(mbl["rmse"]) == [o.rmse for o in localisation.model("MBL").outcomes]


def test_predictions_give_the_scores_again(localisation: LocalisationResult) -> None:
    table = frame(predictions_table(localisation))
    first = table[table["draw"] == 1]
    error = np.sqrt(np.mean((first["Local"] - first["observed"]) ** 2))
    assert error == pytest.approx(localisation.model("Local").outcomes[1].rmse, rel=1e-12)
    assert len(table) == sum(len(d.test) for d in localisation.draws)
    assert list(first["id"][5:]) == [
        localisation.farm_ids[i] for i in localisation.draws[1].test[5:]
    ]


def test_predictions_of_a_draw_without_result_are_empty(localisation: LocalisationResult) -> None:
    table = frame(predictions_table(localisation))
    assert table.loc[table["draw"] >= 3, "Local"].isna().all()
    assert table.loc[table["draw"] < 3, "Local"].notna().all()
    assert table.loc[table["draw"] == 2, "DTL-R_g"].isna().all()


def test_ids_never_run_in_a_spreadsheet(localisation: LocalisationResult) -> None:
    ids = [row[0] for row in cells(predictions_table(localisation))]
    assert "'=1+1" in ids and "=1+1" not in ids
    final = cells(final_predictions(localisation))
    wanted = ["id", "soc (g/kg)", "lower", "upper", "level", "in_domain", "reason"]
    assert final[0] == wanted
    assert final[2][0] == "'=cmd|' /C calc'!A0"
    assert [float(row[1]) for row in final[1:]] == list(localisation.final.predicted)


def test_rows_without_a_lab_value_carry_their_interval_and_domain(
    localisation: LocalisationResult,
) -> None:
    final, table = localisation.final, frame(final_predictions(localisation))
    assert table["lower"].tolist() == list(final.lower)
    assert table["upper"].tolist() == list(final.upper)
    assert table["level"].tolist() == [0.9] * 5
    assert table["in_domain"].tolist() == list(final.inside)
    assert table["reason"].fillna("").tolist() == list(final.reasons)


def test_without_intervals_and_domain_their_columns_are_empty(
    localisation: LocalisationResult,
) -> None:
    plain = FinalModel(
        detail="", weights={}, ids=localisation.final.ids, predicted=localisation.final.predicted
    )
    table = frame(final_predictions(replace(localisation, final=plain)))
    assert table[["lower", "upper", "level", "in_domain", "reason"]].isna().all(axis=None)


def test_bounds_stand_beside_the_test_rows_of_the_draws_that_have_them(
    localisation: LocalisationResult,
) -> None:
    table = frame(predictions_table(localisation))
    first = table[table["draw"] == 0]
    assert first["auto, lower"].tolist() == list(localisation.intervals[0].lower)
    assert first["auto, upper"].tolist() == list(localisation.intervals[0].upper)
    assert first["auto, in_domain"].tolist() == list(localisation.intervals[0].inside)
    assert table.loc[table["draw"] >= 3, "auto, lower"].isna().all()


def test_predictions_before_any_draw_are_a_header(localisation: LocalisationResult) -> None:
    assert cells(predictions_table(replace(localisation, draws=(), models=()))) == [
        ["id", "field", "draw", "observed"]
    ]


def test_selected_rows_name_draw_library_and_field(localisation: LocalisationResult) -> None:
    table = frame(selected_rows(localisation))
    assert list(table.columns) == ["draw", "library", "id", "field"]
    assert list(dict.fromkeys(table["draw"])) == ["0", "1", "2", "3", "final"]
    tally = table[table["draw"] == "final"]["field"].value_counts().to_dict()
    wanted = localisation.selections[-1].sources
    assert tally == {field: n for field, n in wanted.items() if n}


def test_architectures_have_the_published_columns(localisation: LocalisationResult) -> None:
    rows = cells(architectures_table(localisation, "csv"))
    assert tuple(rows[0]) == ("Strategy", "Draw", *TABLE_COLUMNS)
    layers = sum(len(n.design.architecture.table_rows("x")) for n in localisation.networks)
    assert len(rows) == 1 + layers
    assert {row[1] for row in rows if row[0] == "Global"} == {"all"}


def test_no_networks_is_a_table_of_headings(quick: LocalisationResult) -> None:
    assert len(cells(architectures_table(quick, "csv"))) == 1
    assert "| Strategy |" in architectures_table(quick, "md")


@pytest.mark.parametrize(
    ("percent", "written"),
    [(13.24, "+13.2"), (-4.0, "−4.0"), (0.01, "0"), (-0.04, "0"), (-173.84, "−174")],
)
def test_percentages_carry_their_sign(percent: float, written: str) -> None:
    assert signed(percent) == written
