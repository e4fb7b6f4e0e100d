"""The tables of a search on cubes agree with the result, and no cell runs."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from autospec.nets.architecture import TABLE_COLUMNS
from autospec.report.cubes.tables import (
    cube_architecture_table,
    cube_metrics_json,
    cube_predictions,
    folds_table,
)
from autospec.report.tables import leaderboard
from tests.report.cubes.made_cube_result import SHAPE, WINNER, make_cube_result


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_architecture_is_in_the_published_columns() -> None:
    table = rows(cube_architecture_table(make_cube_result(), "csv"))
    assert tuple(table[0]) == TABLE_COLUMNS
    assert table == WINNER.architecture.table_rows("samples")


def test_the_json_of_the_architecture_has_sizes_and_counts() -> None:
    data = json.loads(cube_architecture_table(make_cube_result(), "json"))
    assert data["volumes"] == [list(v) for v in WINNER.architecture.volumes(SHAPE)]
    assert data["n_parameters"] == WINNER.architecture.n_parameters(SHAPE)


@pytest.mark.parametrize("fmt", ["md", "tex"])
def test_the_architecture_is_also_for_papers(fmt: str) -> None:
    assert "3 x 3 x 2" in cube_architecture_table(make_cube_result(), fmt)  # type: ignore[arg-type]


def test_predictions_give_the_scores_again() -> None:
    result = make_cube_result()
    table = rows(cube_predictions(result))
    error = [float(r["autospec winner"]) - float(r["observed"]) for r in table]
    scores = result.models[0].scores
    assert scores is not None
    assert np.sqrt(np.mean(np.square(error))) == pytest.approx(scores.rmse.value)
    assert {"autospec winner lower 90%", "autospec winner upper 90%"} <= set(table[0])


def test_folds_name_every_labelled_sample_with_its_place() -> None:
    result = make_cube_result()
    table = rows(folds_table(result))
    head = ["id", "x", "y", "target", "role", "block", "fold", "out_of_fold"]
    assert list(table[0]) == head
    assert [float(r["x"]) for r in table] == [p.x for p in result.places]
    assert [r["out_of_fold"] == "" for r in table] == [p.out_of_fold is None for p in result.places]


def test_no_cell_of_data_runs_in_a_spreadsheet() -> None:
    ids = [row["id"] for row in rows(folds_table(make_cube_result()))]
    assert not [i for i in ids if i.startswith(("=", "+", "-", "@"))]


def test_the_leaderboard_has_every_trial_of_both_studies() -> None:
    result = make_cube_result()
    table = rows(leaderboard(result))
    assert len(table) == len(result.trials) + len(result.control_trials)
    assert "conv1_kernel_time" in table[0]


def test_metrics_carry_baselines_split_and_leakage() -> None:
    data = json.loads(cube_metrics_json(make_cube_result()))
    assert data["synthetic"] is True
    assert {"mean", "ridge", "random forest", "gradient boosting"} <= {
        model["name"] for model in data["models"]
    }
    assert data["split"]["kind"] == "blocks"
    assert data["leakage"][0]["leaky"]["r2"]["value"] > data["leakage"][0]["honest"]["r2"]["value"]
    assert 0 < data["models"][0]["mae"]["value"] < data["models"][0]["rmse"]["value"]
    assert 0 < data["models"][0]["pearson_r2"]["value"] < 1
