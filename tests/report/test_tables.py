"""Published columns exactly; no cell from data runs anywhere; the order of the leaderboard."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospec.data.cells import FORMULA_STARTS, spreadsheet_cell
from autospec.nets.architecture import architecture_from_json
from autospec.report.tables import (
    TableFormat,
    architecture_table,
    latex_cell,
    leaderboard,
    markdown_cell,
    metrics_json,
    predictions,
)
from autospec.search.result import SearchResult

PUBLISHED_COLUMNS = [
    "Site",
    "Block",
    "Layer",
    "Kernel/Pool size",
    "Filters/Nodes",
    "Padding",
    "Strides",
    "Activation",
]


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_csv_has_the_published_columns(result: SearchResult) -> None:
    table = rows(architecture_table(result, "csv"))
    assert table[0] == PUBLISHED_COLUMNS
    assert table[1] == ["sweden", "Conv block 1", "Convolutional", "11", "64", "same", "2", "Swish"]
    assert table[-1] == ["sweden", "Output block", "Fully connected", "", "1", "", "", "Linear"]
    assert len(table) == 1 + 11


def test_markdown_has_one_column_too_many_nowhere(result: SearchResult) -> None:
    text = architecture_table(replace(result, name="a|b"), "md")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in lines} == {9}
    assert lines[0] == f"| {' | '.join(PUBLISHED_COLUMNS)} |"


def test_latex_is_a_booktabs_table_with_a_caption(result: SearchResult) -> None:
    text = architecture_table(result, "tex")
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"\caption{Best architecture for"):
        assert part in text
    assert "learning rate 8.4 $\\times$ 10$^{-4}$" in text
    body = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert {line.count(" & ") for line in body} == {7}


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b & 50 %", r"a\_b \& 50 \%"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("$x^2$ #~", r"\$x\textasciicircum{}2\$ \#\textasciitilde{}"),
        ("10⁻⁴", "10$^{-4}$"),
        ("cm⁻¹", "cm$^{-1}$"),
        ("two\nlines", "two lines"),
    ],
)
def test_latex_escapes(text: str, escaped: str) -> None:
    assert latex_cell(text) == escaped


@given(st.text())
def test_latex_cell_never_lets_a_command_through(text: str) -> None:
    cell = latex_cell(text)
    for known in (r"\textbackslash{}", r"\textasciitilde{}", r"\textasciicircum{}", r"\times"):
        cell = cell.replace(known, "")
    cell = cell.replace(r"\rightarrow", "")
    for known in (r"\textless{}", r"\textgreater{}", r"\textbar{}", r"\textquotedbl{}"):
        cell = cell.replace(known, "")
    for known in (r"\&", r"\%", r"\$", r"\#", r"\_", r"\{", r"\}", r"\,"):
        cell = cell.replace(known, "")
    assert "\\" not in cell
    assert "%" not in cell


@given(st.text())
def test_markdown_cell_is_one_cell_of_one_line(text: str) -> None:
    cell = markdown_cell(text)
    assert "\n" not in cell
    assert "|" not in cell.replace("\\\\", "").replace("\\|", "")


@given(st.sampled_from(FORMULA_STARTS), st.text())
def test_formulas_are_quoted(start: str, rest: str) -> None:
    assert spreadsheet_cell(start + rest) == f"'{start}{rest}"


def test_json_table_holds_the_whole_design(result: SearchResult) -> None:
    data = json.loads(architecture_table(result, "json"))
    assert data["columns"] == PUBLISHED_COLUMNS
    assert [list(row) for row in data["rows"]] == [PUBLISHED_COLUMNS] * 11
    design = data["design"]
    assert architecture_from_json(design["architecture"]) == result.winner.architecture
    assert set(design) == {"preprocessing", "architecture", "training"}
    architecture = result.winner.architecture
    assert data["n_parameters"] == architecture.n_parameters(data["bands"])
    assert data["multiply_adds"] == architecture.multiply_adds(data["bands"])


@pytest.mark.parametrize("fmt", ["csv", "md", "tex", "json"])
def test_table_is_deterministic_and_ends_in_one_newline(
    result: SearchResult, fmt: TableFormat
) -> None:
    text = architecture_table(result, fmt)
    assert text == architecture_table(result, fmt)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_leaderboard_is_sorted_and_complete(result: SearchResult) -> None:
    frame = pd.read_csv(io.StringIO(leaderboard(result)))
    assert list(frame.columns[:12]) == [
        "rank",
        "study",
        "trial",
        "state",
        "cv_rmse",
        "best_epoch",
        "n_parameters",
        "multiply_adds",
        "seconds",
        "label",
        "reused",
        "reason",
    ]
    assert len(frame) == len(result.trials) + len(result.control_trials)
    order = frame["state"].map({"complete": 0, "pruned": 1, "infeasible": 2, "failed": 3})
    assert order.is_monotonic_increasing
    assert frame.loc[frame.state == "complete", "cv_rmse"].is_monotonic_increasing
    assert set(frame["study"]) == {"search", "random control"}
    assert set(result.trials[0].params) <= set(frame.columns)
    assert frame.loc[0, "trial"] == result.winner_trial


def test_leaderboard_of_nothing_trained(result: SearchResult) -> None:
    alone = replace(result, trials=result.trials[5:6], control_trials=())
    assert len(rows(leaderboard(alone))) == 2


def test_predictions_keep_every_digit_and_escape_ids(result: SearchResult) -> None:
    table = rows(predictions(result))
    fitted = [model.name for model in result.models if model.predicted]
    head = ["id", "field", "observed", "in_domain"]
    for name in fitted:
        bounds = [f"{name} {side} 90%" for side in ("lower", "upper")]
        head += [name, *bounds] if name in ("autospec winner", "PLSR") else [name]
    assert table[0] == head
    assert [row[0] for row in table[1:]][:2] == ["<script>alert(1)</script>", "'=1+1"]
    written = np.array([[float(cell) for cell in row[4:7]] for row in table[1:]]).T
    winner = result.models[0]
    np.testing.assert_array_equal(written, [winner.predicted, winner.lower, winner.upper])
    assert [row[3] == "True" for row in table[1:]] == list(result.in_domain)


def test_predictions_without_intervals_have_no_columns_for_them(result: SearchResult) -> None:
    bare = tuple(replace(m, lower=(), upper=(), trust=None) for m in result.models)
    table = rows(predictions(replace(result, models=bare, in_domain=())))
    fitted = [model.name for model in result.models if model.predicted]
    assert table[0] == ["id", "field", "observed", *fitted]


def test_metrics_name_every_model_and_why_one_has_none(result: SearchResult) -> None:
    data = json.loads(metrics_json(result))
    assert (data["unit"], data["n"], data["level"], data["bootstraps"]) == ("g/kg", 61, 0.95, 2000)
    assert data["verdict"] == result.verdict
    assert [m["name"] for m in data["models"]] == [m.name for m in result.models]
    first = data["models"][0]
    for name in ("rmse", "me", "sde", "ccc", "r2", "rpiq"):
        assert set(first[name]) == {"value", "low", "high", "reason"}
    assert first["versus_plsr"]["better"] == "first"
    assert first["trust"]["level"] == 0.9
    assert data["models"][-1]["rmse"] is None
