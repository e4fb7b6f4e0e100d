"""The tables of a training on maps hold every number of it, and no formula of a spreadsheet."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from autospec.report.maps.tables import edge_ratio, edges_csv, epochs_csv, scores_csv, seasons_csv
from autospec.training.map_result import MapTraining
from tests.report.maps.made_map_training import TARGETS, make_map_training


@pytest.fixture(scope="module")
def made() -> MapTraining:
    return make_map_training(targets=TARGETS)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("metric", ["rmse", "me", "ccc", "rpiq"])
def test_scores_have_a_row_a_target_and_model(made: MapTraining, metric: str) -> None:
    found = [float(row[metric]) for row in rows(scores_csv(made))]
    wanted = [
        getattr(model.scores[place].pooled, metric).value
        for place in range(len(TARGETS))
        for model in made.models
    ]
    assert found == pytest.approx(wanted)


def test_undefined_scores_are_empty(made: MapTraining) -> None:
    mean = next(row for row in rows(scores_csv(made)) if row["model"] == "mean")
    assert (mean["pearson_r2"], mean["pearson_r2_low"]) == ("", "")


def test_seasons_edges_and_epochs_have_all_rows(made: MapTraining) -> None:
    assert len(rows(seasons_csv(made))) == sum(len(model.seasons) for model in made.models)
    assert len(rows(edges_csv(made))) == len(TARGETS) * len(made.models)
    assert [int(row["epoch"]) for row in rows(epochs_csv(made))] == list(range(1, 25))


@pytest.mark.parametrize(
    ("edge", "interior", "ratio"),
    [(2.0, 1.0, 2.0), (None, 1.0, None), (2.0, None, None), (2.0, 0.0, None)],
)
def test_a_ratio_needs_both_errors(
    edge: float | None, interior: float | None, ratio: float | None
) -> None:
    assert edge_ratio(edge, interior) == ratio


def test_no_cell_runs_as_a_formula() -> None:
    made = make_map_training(targets=("=1+1",))
    hostile = replace(made, models=(replace(made.models[0], detail="@SUM(A1)"), *made.models[1:]))
    cells = [cell for row in rows(scores_csv(hostile)) for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "@"))]
