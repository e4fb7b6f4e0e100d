"""Runs side by side: ranked only on the same test rows, drawn only in the same unit."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autospec.errors import OutputError, UsageError
from autospec.evaluate.metrics import compare, score
from autospec.report.compare import RunsComparison, compare_runs
from autospec.report.compare_page import (
    by_target,
    comparison_csv,
    comparison_html,
    intervals_figure,
    write_comparison,
)
from autospec.report.folder import dump_result
from autospec.report.train_folder import write_training
from autospec.search.cubes.result import CubeResult, PlaceRecord
from autospec.search.result import SearchResult
from autospec.training.cube_training import (
    MEAN,
    NETWORK,
    RIDGE,
    TrainData,
    TrainEpoch,
    TrainModel,
    TrainResult,
    TrainSettings,
    TrainSplit,
)
from tests.report.conftest import HOSTILE
from tests.report.cubes.made_cube_result import make_cube_result
from tests.report.test_html import Page


def put(folder: Path, result: CubeResult | SearchResult) -> Path:
    folder.mkdir()
    file = "cube-run.json" if isinstance(result, CubeResult) else "run.json"
    (folder / file).write_text(dump_result(result), encoding="utf-8")
    return folder


def training(result: CubeResult) -> TrainResult:
    """Return a training on the same sealed samples as a search on cubes."""
    observed = np.array(result.observed)
    guesses = {
        NETWORK: np.array(result.models[1].predicted),
        RIDGE: np.array(result.model("ridge").predicted),
        MEAN: np.array(result.model("mean").predicted),
    }
    data, split = result.data, result.split
    return TrainResult(
        name="samples",
        settings=TrainSettings(split=result.settings.split),
        data=TrainData(
            n=data.n,
            n_unlabelled=0,
            shape=data.shape,
            channels=data.channels,
            crs=data.crs,
            synthetic=data.synthetic,
            target_name=data.target_name,
            target_unit=data.target_unit,
            provenance=(),
            digest=data.digest,
        ),
        split=TrainSplit(
            n_fit=split.n_train - 10,
            n_watch=10,
            n_test=split.n_test,
            n_dropped=split.n_dropped,
            nearest_km=split.nearest_km,
            digest=split.digest,
        ),
        n_parameters=37_873,
        epochs=(TrainEpoch(epoch=1, learning_rate=1e-4, loss=1.0, watched_rmse=5.0, seconds=1.0),),
        best_epoch=1,
        steps=1,
        test_ids=result.test_ids,
        observed=result.observed,
        models=tuple(
            TrainModel(
                name=name,
                detail="",
                predicted=tuple(guess.tolist()),
                scores=score(observed, guess),
            )
            for name, guess in guesses.items()
        ),
        versus_ridge=compare(observed, guesses[NETWORK], guesses[RIDGE]),
        verdict="",
        notes=(),
        ended="complete",
        device="cpu",
        precision="float32",
        torch="2",
        processes=1,
    )


def worse(result: CubeResult) -> CubeResult:
    """Return the same run with a winner that errs as the mean does."""
    mean = result.model("mean")
    winner = replace(result.models[0], predicted=mean.predicted, scores=mean.scores, trust=None)
    winner = replace(winner, lower=(), upper=())
    return replace(result, models=(winner, *result.models[1:]))


def turned(result: CubeResult) -> CubeResult:
    """Return the same run with its test samples in the opposite order."""
    models = tuple(
        replace(m, predicted=m.predicted[::-1], lower=m.lower[::-1], upper=m.upper[::-1])
        for m in result.models
    )
    return replace(
        result,
        test_ids=result.test_ids[::-1],
        observed=result.observed[::-1],
        in_domain=result.in_domain[::-1],
        models=models,
    )


def moved(place: PlaceRecord, by: float) -> PlaceRecord:
    return replace(place, target=place.target + by) if place.role == "test" else place


def other_lab_values(result: CubeResult) -> CubeResult:
    places = tuple(moved(place, 0.5) for place in result.places)
    return replace(result, observed=tuple(v + 0.5 for v in result.observed), places=places)


@pytest.fixture(scope="module")
def made() -> CubeResult:
    return make_cube_result(synthetic=False)


def letters(compared: RunsComparison) -> list[str]:
    return [run.rows for run in compared.runs]


def test_every_model_of_every_run_is_there(
    made: CubeResult, result: SearchResult, tmp_path: Path
) -> None:
    runs = [put(tmp_path / "cubes", made), put(tmp_path / "spectra", result)]
    compared = compare_runs(runs)
    assert [run.name for run in compared.runs] == ["cubes", "spectra"]
    assert {m.name for m in compared.runs[0].models} == {m.name for m in made.models}
    assert {m.name for m in compared.runs[1].models} == {m.name for m in result.models}


def test_runs_on_the_same_rows_are_paired(made: CubeResult, tmp_path: Path) -> None:
    other = worse(made)
    compared = compare_runs([put(tmp_path / "a", made), put(tmp_path / "b", other)])
    assert letters(compared) == ["A", "A"]
    (pair,) = compared.pairs
    observed, first, second = (
        np.array(v) for v in (made.observed, made.models[0].predicted, other.models[0].predicted)
    )
    by_hand = compare(observed, first, second)
    assert pair.versus.difference == pytest.approx(by_hand.difference)
    assert pair.versus.better == "first"
    assert any("beats autospec winner of b" in remark for remark in compared.remarks)


def test_a_training_is_paired_with_a_search_on_its_rows(made: CubeResult, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    write_training(training(made), tmp_path / "t")
    compared = compare_runs([put(tmp_path / "s", made), tmp_path / "t"])
    assert letters(compared) == ["A", "A"]
    (pair,) = compared.pairs
    assert (pair.first_model, pair.second_model) == ("autospec winner", NETWORK)
    kinds = {model.name: model.kind for model in compared.runs[1].models}
    assert kinds == {NETWORK: "network", RIDGE: "baseline", MEAN: "baseline"}


def test_the_order_of_test_rows_does_not_matter(made: CubeResult, tmp_path: Path) -> None:
    compared = compare_runs([put(tmp_path / "a", made), put(tmp_path / "b", turned(made))])
    (pair,) = compared.pairs
    assert pair.versus.difference == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda r: make_cube_result(synthetic=False, random=True),
        other_lab_values,
        lambda r: replace(r, data=replace(r.data, target_unit="%")),
        lambda r: replace(r, data=replace(r.data, target_name="clay")),
    ],
    ids=["other samples", "other lab values", "other unit", "other target"],
)
def test_runs_on_other_rows_are_not_ranked(
    made: CubeResult,
    tmp_path: Path,
    change: object,
) -> None:
    assert callable(change)
    compared = compare_runs([put(tmp_path / "a", made), put(tmp_path / "b", change(made))])
    assert letters(compared) == ["A", "B"]
    assert compared.pairs == ()
    assert "must not be ranked against each other" in compared.remarks[0]


def test_units_have_panels_of_their_own(made: CubeResult, tmp_path: Path) -> None:
    percent = replace(made, data=replace(made.data, target_unit="%"))
    compared = compare_runs([put(tmp_path / "a", made), put(tmp_path / "b", percent)])
    assert list(by_target(compared)) == ["soc in g/kg", "soc in %"]
    text = comparison_html(compared, "0")
    assert len(re.findall(r'id="figure-\d+-compare-\d-rmse"', text)) == 2


def test_synthetic_and_random_runs_are_named(tmp_path: Path) -> None:
    runs = [put(tmp_path / "a", make_cube_result(random=True))]
    said = " ".join(compare_runs(runs).remarks)
    assert "a is on synthetic data" in said
    assert "a was split at random, which leaks" in said


def test_folders_of_the_same_name_are_told_apart(made: CubeResult, tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
    runs = [put(tmp_path / name / "out", made) for name in ("x", "y")]
    assert [run.name for run in compare_runs(runs).runs] == [str(run) for run in runs]


def test_a_run_named_twice_is_refused(made: CubeResult, tmp_path: Path) -> None:
    run = put(tmp_path / "a", made)
    with pytest.raises(UsageError, match="named twice"):
        compare_runs([run, run])


def test_a_folder_without_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"Want a folder with one of run\.json"):
        compare_runs([tmp_path])


def test_a_localisation_is_sent_to_its_own_report(tmp_path: Path) -> None:
    (tmp_path / "localisation.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="compared in its own report"):
        compare_runs([tmp_path])


def test_the_table_has_one_row_a_model(made: CubeResult, tmp_path: Path) -> None:
    compared = compare_runs([put(tmp_path / "a", made)])
    rows = list(csv.DictReader(io.StringIO(comparison_csv(compared))))
    assert len(rows) == len(made.models)
    known = {m.name: m.scores for m in made.models}
    for metric in ("rmse", "me", "ccc", "r2", "rpiq"):
        values = [getattr(known[row["model"]], metric).value for row in rows]
        assert [float(row[metric]) for row in rows] == pytest.approx(values)


def test_a_model_without_scores_is_listed_and_not_drawn(
    result: SearchResult, tmp_path: Path
) -> None:
    compared = compare_runs([put(tmp_path / "a", result)])
    assert compared.runs[0].models[-1].name == "published: usa"
    figure = intervals_figure(compared.runs, "rmse", "RMSE")
    assert figure is not None
    assert len(figure.data) == sum(m.scores is not None for m in result.models)


def test_nothing_is_drawn_where_a_metric_is_undefined(made: CubeResult, tmp_path: Path) -> None:
    flat = score(np.ones(5), np.ones(5) * 2)
    models = tuple(replace(m, scores=flat) for m in made.models)
    compared = compare_runs([put(tmp_path / "a", replace(made, models=models))])
    assert intervals_figure(compared.runs, "r2", "R²") is None


def test_the_page_is_well_formed_and_runs_nothing_of_data(made: CubeResult, tmp_path: Path) -> None:
    models: Sequence[object] = made.models
    hostile = replace(made, models=(*made.models[:-1], replace(made.models[-1], detail=HOSTILE)))
    assert len(hostile.models) == len(models)
    text = comparison_html(compare_runs([put(tmp_path / "a", hostile)]), "0")
    assert HOSTILE not in text
    assert Page(text).open == []


def test_the_files_are_written(made: CubeResult, tmp_path: Path) -> None:
    compared = compare_runs([put(tmp_path / "a", made)])
    paths = write_comparison(compared, tmp_path / "out", "0")
    assert [p.name for p in paths] == ["compare.json", "compare.csv", "compare.html"]
    assert (tmp_path / "out/assets/plotly.min.js").is_file()
