"""The main job on cubes: honest end to end. Canaries fail if a sealed sample could ever speak."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.splits import CubeSplit, make_cube_split
from autospec.errors import DataError, StudyFailed, TrialFailed
from autospec.evaluate.cube_baselines import CubeBaseline, Halt
from autospec.evaluate.cube_trust import CalibratedCubes, cube_bounds
from autospec.evaluate.metrics import score
from autospec.search import execution as execution_module
from autospec.search.candidates import WINNER
from autospec.search.cubes import final, job
from autospec.search.cubes.final import verdict
from autospec.search.cubes.job import search_cubes
from autospec.search.cubes.result import CubeResult
from autospec.search.cubes.settings import CubeSettings
from autospec.search.cubes.space import CubeSpace
from autospec.search.execution import Execution
from autospec.search.progress import Progress
from autospec.search.result import TrialRecord
from tests.search.cubes.made_study import (
    SETTINGS,
    at_dates,
    comparable,
    made_cubes,
    quick_baselines,
    quick_refit,
)

CPU = Execution(device="cpu")


@pytest.fixture(autouse=True)
def _quick_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    make_quick(monkeypatch)


def make_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autospec.search.cubes.job.fit_cube_baselines", quick_baselines)
    monkeypatch.setattr("autospec.search.cubes.leakage.refit_baseline", quick_refit)


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    return {}


@pytest.fixture(scope="module")
def result(kept: dict[str, Any]) -> CubeResult:
    settings = replace(SETTINGS, control="random", show_leakage=True)
    execution = replace(CPU, on_model=kept.__setitem__)
    with pytest.MonkeyPatch.context() as patched:
        make_quick(patched)
        return search_cubes(made_cubes(), name="made", settings=settings, execution=execution)


def sealed_rows(cubes: Cubes, settings: CubeSettings = SETTINGS) -> np.ndarray:
    return make_cube_split(cubes, settings.split).plan.unseal()


def test_every_model_is_scored_on_the_same_sealed_samples(result: CubeResult) -> None:
    assert [m.name for m in result.models] == [WINNER, "random search", "ridge", "mean"]
    observed = np.array(result.observed)
    for model in result.models:
        assert model.scores == score(observed, np.array(model.predicted), seed=SETTINGS.seed)
    cubes = made_cubes()
    assert result.test_ids == cubes.rows(sealed_rows(cubes)).ids
    s = result.split
    assert s.n_train + s.n_test + s.n_dropped == cubes.n
    assert s.nearest_km is not None
    assert s.nearest_km >= s.buffer_km == 0.5


def test_the_best_baseline_is_chosen_by_the_folds_and_compared_with(result: CubeResult) -> None:
    errors = {m.name: m.cv_rmse for m in result.models if m.kind == "baseline"}
    assert result.baseline == min(errors, key=lambda name: errors[name] or 0.0)
    assert result.model(result.baseline).versus_baseline is None
    c = result.model(WINNER).versus_baseline
    assert c is not None
    words = {
        "first": f"the 3D-CNN beats {result.baseline} beyond noise",
        "second": f"{result.baseline} is better beyond noise",
        "cannot tell": "cannot be told",
    }
    assert words[c.better] in result.verdict
    assert result.verdict == verdict(result.models, result.baseline, "g/kg")


def test_a_signal_is_found_and_its_intervals_hold(result: CubeResult, kept: dict[str, Any]) -> None:
    winner = result.model(WINNER)
    assert winner.scores is not None
    assert (winner.scores.r2.value or 0.0) > 0.5
    calibrated = kept["winner"]
    assert isinstance(calibrated, CalibratedCubes)
    assert kept.keys() == {"winner"}
    test = made_cubes().rows(sealed_rows(made_cubes()))
    predicted = calibrated.model.predict(test)
    assert winner.predicted == tuple(float(p) for p in predicted)
    lower, upper = cube_bounds(calibrated, test, predicted, 0.9)
    np.testing.assert_array_equal([winner.lower, winner.upper], [lower, upper])
    assert winner.trust is not None
    assert winner.trust.covered > 0.7
    assert len(result.in_domain) == len(result.test_ids)


def test_every_labelled_sample_has_a_place_and_a_role(
    result: CubeResult, kept: dict[str, Any]
) -> None:
    cubes = made_cubes()
    split = make_cube_split(cubes, SETTINGS.split)
    roles = {place.id: place.role for place in result.places}
    assert list(roles) == list(cubes.ids)
    assert {i for i, role in roles.items() if role == "test"} == set(result.test_ids)
    assert list(roles.values()).count("dropped") == len(split.dropped)
    scored = [place for place in result.places if place.fold >= 0]
    assert {place.role for place in scored} == {"train"}
    assert len(scored) == result.split.n_train
    by_place = {place.id: place.out_of_fold for place in scored}
    calibration = kept["winner"].calibration
    train = cubes.rows(split.plan.train)
    assert [by_place[i] for i in train.ids] == list(calibration.out_of_fold)


def test_what_leaks_is_shown_for_every_model_on_the_same_samples(result: CubeResult) -> None:
    assert [row.name for row in result.leakage] == [WINNER, "ridge", "mean"]
    assert {(r.honest.n, r.leaky.n) for r in result.leakage} == {(result.split.n_train,) * 2}
    by_twins = [p.out_of_fold for p in result.places if p.out_of_fold is not None]
    observed = [p.target for p in result.places if p.out_of_fold is not None]
    expected = score(np.array(observed), np.array(by_twins), seed=SETTINGS.seed)
    assert result.leakage[0].honest == expected


def test_synthetic_samples_are_called_so(result: CubeResult) -> None:
    assert result.data.synthetic
    assert "The samples are synthetic: made up, not measured." in result.notes


def test_a_result_is_plain_values(result: CubeResult) -> None:
    text = json.dumps(asdict(result), allow_nan=False)
    assert json.loads(text)["data"]["channels"] == ["rain", "ndvi"]
    d = result.data
    assert d.shape == (2, 6, 6, 3)
    assert d.mean[0] == pytest.approx(10, abs=1.5)
    assert all(0.5 < percent < 5 for percent in d.invalid_percent)


def test_changed_test_samples_leave_the_choice_bitwise_equal() -> None:
    """Cubes and lab values of the sealed samples are replaced by rubbish."""
    cubes = made_cubes()
    sealed = sealed_rows(cubes)
    values, target = cubes.values.copy(), cubes.target.copy()
    values[sealed] = np.random.default_rng(1).normal(size=values[sealed].shape)
    # the order of the targets is kept, for the split is balanced by it
    target[sealed] += 1e-6
    changed = replace(cubes, values=values, target=target)
    first, second = (search_cubes(c, settings=SETTINGS, execution=CPU) for c in (cubes, changed))
    assert first.test_ids == second.test_ids
    assert [replace(t, seconds=0) for t in first.trials] == [
        replace(t, seconds=0) for t in second.trials
    ]
    assert first.winner == second.winner
    assert [m.cv_rmse for m in first.models] == [m.cv_rmse for m in second.models]
    assert first.model(WINNER).predicted != second.model(WINNER).predicted


def test_a_channel_equal_to_y_only_in_test_samples_does_not_help() -> None:
    """Had a test sample been seen, this channel would give the game away."""
    cubes = made_cubes()
    values = np.random.default_rng(0).normal(10, 1, cubes.values.shape).astype(np.float32)
    sealed = sealed_rows(cubes)
    values[sealed, 1] = cubes.target[sealed, None, None, None]
    changed = replace(cubes, values=values)
    winner = search_cubes(changed, settings=SETTINGS, execution=CPU).model(WINNER).scores
    assert winner is not None
    assert (winner.ccc.value or 0.0) < 0.5


def test_a_permuted_target_cannot_be_predicted() -> None:
    """Over three permutations: R2 on sealed samples stays at or below chance."""
    found = []
    for seed in range(3):
        cubes = made_cubes(seed=seed)
        target = np.random.default_rng(seed).permutation(cubes.target)
        result = search_cubes(replace(cubes, target=target), settings=SETTINGS, execution=CPU)
        scores = result.model(WINNER).scores
        assert scores is not None
        found.append(scores.r2.value or 0.0)
        assert "beats" not in result.verdict
    assert max(found) <= 0.05


@pytest.mark.parametrize("kind", ["forward", "random"])
def test_other_ways_to_hold_out_are_searched_and_told(kind: str) -> None:
    cubes = at_dates(made_cubes())
    split = CubeSplit(kind=kind, folds=3)  # type: ignore[arg-type]
    settings = replace(SETTINGS, trials=2, split=split, show_leakage=True)
    result = search_cubes(cubes, settings=settings, execution=CPU)
    assert result.split.kind == kind
    assert result.split.n_dropped == 0
    unscored = [p for p in result.places if p.role == "train" and p.fold < 0]
    assert all(p.out_of_fold is None for p in unscored)
    scored = result.split.n_train - len(unscored)
    assert {(r.honest.n, r.leaky.n) for r in result.leakage} == {(scored, scored)}
    told = any("random split leaks" in note for note in result.notes)
    assert (told, len(unscored) > 0) == (kind == "random", kind == "forward")
    assert result.model(WINNER).trust is not None


def test_unlabelled_and_dropped_samples_are_counted() -> None:
    cubes = made_cubes()
    target = cubes.target.copy()
    target[:5] = np.nan
    settings = replace(SETTINGS, trials=1, split=replace(SETTINGS.split, buffer_km=2.0))
    result = search_cubes(replace(cubes, target=target), settings=settings, execution=CPU)
    assert result.data.n_unlabelled == 5
    assert len(result.places) == 75
    assert "5 samples have no lab value and were left out." in result.notes
    dropped = result.split.n_dropped
    assert dropped > 0
    assert (
        f"{dropped} samples nearer than 2 km to a sealed one were left out of training."
        in result.notes
    )


def test_the_cost_is_said_before_the_first_trial() -> None:
    said: list[Progress] = []
    search_cubes(made_cubes(), settings=SETTINGS, execution=replace(CPU, progress=said.append))
    assert said[0].stage == "plan"
    assert said[0].message.startswith("80 samples, ")
    assert "5 trials × 3 folds = 15 networks on cpu" in said[0].message
    assert said[1].message.startswith("tuning gradient boosting, a random forest and ridge")


def test_an_interrupt_reports_what_there_is() -> None:
    done: list[int] = []

    def progress(p: Progress) -> None:
        if p.stage == "search":
            done.append(p.complete)

    execution = replace(CPU, progress=progress, interrupted=lambda: done[-1:] == [2])
    result = search_cubes(made_cubes(), settings=SETTINGS, execution=execution)
    assert result.stopped == "interrupt"
    assert len([t for t in result.trials if t.state != "infeasible"]) == 2
    assert result.model(WINNER).scores is not None


def test_a_search_interrupted_and_run_again_equals_one_that_ran_through(tmp_path: Path) -> None:
    storage, done = f"sqlite:///{tmp_path / 'study.db'}", list[int]()

    def progress(p: Progress) -> None:
        if p.stage == "search":
            done.append(p.complete)

    stored = replace(CPU, storage=storage)
    stopped = replace(stored, progress=progress, interrupted=lambda: done[-1:] == [3])
    cubes = made_cubes()
    first = search_cubes(cubes, name="made", settings=SETTINGS, execution=stopped)
    assert first.stopped == "interrupt"
    again = search_cubes(cubes, name="made", settings=SETTINGS, execution=stored)
    whole = search_cubes(cubes, name="made", settings=SETTINGS, execution=CPU)
    assert comparable(again.trials) == comparable(whole.trials)
    assert again.winner == whole.winner
    assert [m.predicted for m in again.models] == [m.predicted for m in whole.models]
    assert again.places == whole.places


def test_a_budget_that_is_used_up_ends_the_search_and_keeps_time_for_the_refit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The clock is made to run: each question moves it by a second."""
    now = iter(range(100_000))
    monkeypatch.setattr(execution_module.time, "monotonic", lambda: float(next(now)))
    settings = replace(SETTINGS, budget_s=30.0)
    result = search_cubes(made_cubes(), settings=settings, execution=CPU)
    assert result.stopped == "budget"
    assert result.notes[0].startswith("The time budget ended the search after ")
    assert 0 < len([t for t in result.trials if t.state != "infeasible"]) < SETTINGS.trials


def test_a_budget_too_short_for_one_trial_says_so() -> None:
    settings = replace(SETTINGS, budget_s=1e-6)
    with pytest.raises(StudyFailed, match="Give the search more time"):
        search_cubes(made_cubes(), settings=settings, execution=CPU)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(DataError, match="10 samples with a lab value"):
        search_cubes(made_cubes(n=10), settings=SETTINGS, execution=CPU)


def test_a_twin_that_cannot_be_trained_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise TrialFailed("the loss is not finite")

    monkeypatch.setattr(final, "train_twins", broken)
    settings = replace(SETTINGS, trials=1, show_leakage=True)
    kept: dict[str, Any] = {}
    execution = replace(CPU, on_model=kept.__setitem__)
    result = search_cubes(made_cubes(), settings=settings, execution=execution)
    assert not kept
    assert result.model(WINNER).scores is not None
    assert result.model(WINNER).trust is None
    assert result.leakage == ()
    why = "the loss is not finite."
    assert f"{WINNER} has no intervals and cannot be kept: {why}" in result.notes
    assert f"The scores under random folds are missing: {why}" in result.notes


def test_a_refit_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise TrialFailed("the loss is not finite")

    monkeypatch.setattr(final, "fit_cube_ensemble", broken)
    settings = replace(SETTINGS, trials=1)
    result = search_cubes(made_cubes(), settings=settings, execution=CPU)
    winner = result.model(WINNER)
    assert winner.scores is None
    assert winner.detail == "the refit failed: the loss is not finite"
    assert result.verdict.startswith("The winner could not be refitted")
    assert result.model("mean").scores is not None


def lost_control(*args: object) -> tuple[TrialRecord, ...]:
    return (TrialRecord(number=0, state="failed", value=None, params={}, reason="lost"),)


def test_a_random_control_without_a_complete_trial_has_no_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job, "run_control", lost_control)
    settings = replace(SETTINGS, trials=1, control="random")
    result = search_cubes(made_cubes(), settings=settings, execution=CPU)
    assert [m.name for m in result.models] == [WINNER, "ridge", "mean"]
    assert "The random control has no row: no trial of it was completed." in result.notes


def test_a_search_that_goes_on_says_that_the_samples_were_opened_before(tmp_path: Path) -> None:
    execution = replace(CPU, storage=f"sqlite:///{tmp_path / 'study.db'}")
    told = []
    for trials in (1, 2, 2):
        settings = replace(SETTINGS, trials=trials)
        result = search_cubes(made_cubes(), name="made", settings=settings, execution=execution)
        told.append([note for note in result.notes if "were opened" in note])
    assert [len(notes) for notes in told] == [0, 1, 1]
    assert told[1][0].startswith("The sealed rows were opened once before")
    assert told[2][0].startswith("The sealed rows were opened 2 times before")


def test_tuning_of_baselines_is_stopped_by_hand_and_hurried_by_a_third_of_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, heard, answers = [0.0], [False], list[Halt | None]()
    monkeypatch.setattr(job.time, "monotonic", lambda: now[0])

    def tune(*args: object, halt: Callable[[], Halt | None]) -> tuple[CubeBaseline, ...]:
        for moment, stop in ((9.0, False), (11.0, False), (11.0, True)):
            now[0], heard[0] = moment, stop
            answers.append(halt())
        heard[0] = False
        found = quick_baselines(*args)  # type: ignore[arg-type]
        return tuple(replace(b, cut=b.name == "ridge") for b in found)

    monkeypatch.setattr(job, "fit_cube_baselines", tune)
    settings = replace(SETTINGS, trials=1, budget_s=30.0)
    execution = replace(CPU, interrupted=lambda: heard[0])
    result = search_cubes(made_cubes(), settings=settings, execution=execution)
    assert answers == [None, "hurry", "stop"]
    assert any("gradient boosting and random forest have no row" in n for n in result.notes)
    assert any("settings were left out for ridge" in n for n in result.notes)
    assert len(result.trials) == 1


def test_a_baseline_that_was_not_tuned_is_not_what_others_are_compared_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def tune(*args: object, halt: object) -> tuple[CubeBaseline, ...]:
        found = quick_baselines(*args)  # type: ignore[arg-type]
        return tuple(replace(b, cv_rmse=None, cut=True) if b.name == "ridge" else b for b in found)

    monkeypatch.setattr(job, "fit_cube_baselines", tune)
    result = search_cubes(made_cubes(), settings=replace(SETTINGS, trials=1), execution=CPU)
    assert result.baseline == "mean"
    assert result.model("ridge").scores is not None
    assert any("default numbers were taken for ridge" in n for n in result.notes)


def test_windows_that_overlap_are_counted_and_a_wider_buffer_is_named() -> None:
    cubes = replace(made_cubes(), cell_size=300.0)  # windows of 1.8 km
    settings = replace(SETTINGS, trials=1)
    result = search_cubes(cubes, settings=settings, execution=CPU)
    n = result.split.n_overlapping
    assert n
    wanted = "pass --buffer-km of at least the window's diagonal, 2.55 km."
    told = f"{n} of {result.split.n_test} sealed windows share cells with one that is learned from"
    assert f"{told}: {wanted}" in result.notes
    apart = replace(settings, split=replace(settings.split, buffer_km=2.55))
    again = search_cubes(cubes, settings=apart, execution=CPU)
    assert again.split.n_overlapping == 0
    assert not any("share cells" in note for note in again.notes)


def test_small3d_says_that_it_was_not_trained_as_published() -> None:
    settings = replace(SETTINGS, trials=1, published=True, space=CubeSpace(max_epochs=2))
    cubes = made_cubes(shape=(2, 10, 10, 4))
    result = search_cubes(cubes, settings=settings, execution=CPU)
    assert "not as published" in result.model("published: small3d").detail


def test_mae_and_squared_correlation_are_those_of_the_predictions(result: CubeResult) -> None:
    observed = np.array(result.observed)
    for model in result.models:
        predicted = np.array(model.predicted)
        assert model.mae is not None
        assert model.mae.value == pytest.approx(np.abs(predicted - observed).mean())
    of_mean = result.model("mean").pearson_r2
    assert of_mean is not None
    assert of_mean.reason == "undefined: the predicted values are constant"
