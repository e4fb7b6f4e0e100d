"""The main job: honest end to end. Canaries fail if a sealed row could ever speak."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autospec.data.sites import load_site
from autospec.data.spectra import Spectra
from autospec.data.splits import make_split_plan
from autospec.errors import DataError, StudyFailed
from autospec.evaluate.metrics import score
from autospec.search import job
from autospec.search.candidates import MEAN, WINNER
from autospec.search.design import Caps
from autospec.search.final import PLSR, verdict
from autospec.search.job import Execution, search
from autospec.search.progress import Progress
from autospec.search.result import SearchResult, TrialRecord
from autospec.search.settings import SearchSettings
from autospec.search.space import SearchSpace
from tests.conftest import made_spectra

CPU = Execution(device="cpu")


@pytest.fixture(scope="module")
def result() -> SearchResult:
    space = SearchSpace(
        conv_blocks=(1, 2), filters=(4, 8), fc_blocks=(0, 1), nodes=(8, 16), max_epochs=25
    )
    settings = SearchSettings(
        trials=8,
        folds=3,
        members=3,
        published=False,
        control="random",
        space=space,
        caps=Caps(multiply_adds=300_000),
        budget_s=600,
    )
    return search(load_site("germany-rp"), name="germany-rp", settings=settings, execution=CPU)


def test_every_model_is_scored_on_the_same_sealed_rows(result: SearchResult) -> None:
    assert [m.name for m in result.models] == [WINNER, "random search", PLSR, MEAN]
    observed = np.array(result.observed)
    for model in result.models:
        assert model.scores == score(observed, np.array(model.predicted), seed=0)
    spectra = load_site("germany-rp")
    plan = make_split_plan(spectra, n_folds=3)
    assert result.test_ids == spectra.rows(plan.unseal()).ids
    assert result.n_train + result.n_test == spectra.n


def test_the_winner_is_the_lowest_score_and_the_control_has_as_many_trials(
    result: SearchResult,
) -> None:
    values = {t.number: t.value for t in result.trials if t.value is not None}
    assert values[result.winner_trial] == min(values.values())
    trained = [
        [t for t in trials if t.state != "infeasible"]
        for trials in (result.trials, result.control_trials)
    ]
    assert len(trained[0]) == len(trained[1]) == 8


def test_the_verdict_says_what_the_interval_says(result: SearchResult) -> None:
    c = result.model(WINNER).versus_plsr
    assert c is not None
    words = {
        "first": "the CNN beats PLSR beyond noise",
        "second": "PLSR is better beyond noise",
        "cannot tell": "cannot be told",
    }
    assert words[c.better] in result.verdict
    assert result.verdict == verdict(result.models, "g/kg")


def test_changed_test_rows_leave_the_choice_bitwise_equal(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    """R18: spectra and lab values of the sealed rows are replaced by rubbish."""
    plan = make_split_plan(spectra, n_folds=3, seed=small_settings.seed)
    sealed = plan.unseal()
    rng = np.random.default_rng(1)
    values, target = spectra.values.copy(), spectra.target.copy()
    values[sealed] = rng.normal(size=(len(sealed), spectra.b))
    # the order of the targets is kept, for the split is stratified by it
    target[sealed] = target[sealed] + 1e-6
    changed = replace(spectra, values=values, target=target)
    first, second = (search(s, settings=small_settings, execution=CPU) for s in (spectra, changed))
    assert first.test_ids == second.test_ids
    assert [replace(t, seconds=0) for t in first.trials] == [
        replace(t, seconds=0) for t in second.trials
    ]
    assert first.winner == second.winner
    assert first.model(WINNER).predicted != second.model(WINNER).predicted


def test_a_band_equal_to_y_only_in_test_rows_does_not_help(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    """R18: had a test row been seen, this band would give the game away."""
    plan = make_split_plan(spectra, n_folds=3, seed=small_settings.seed)
    values = np.random.default_rng(0).normal(0.5, 0.01, spectra.values.shape)
    values[plan.unseal(), 7] = spectra.target[plan.unseal()]
    result = search(replace(spectra, values=values), settings=small_settings, execution=CPU)
    winner = result.model(WINNER).scores
    assert winner is not None
    assert winner.ccc.value is not None
    assert winner.ccc.value < 0.5


def test_a_permuted_target_cannot_be_predicted(small_settings: SearchSettings) -> None:
    """R18: over three permutations the mean CCC on sealed rows stays near 0."""
    found = []
    for seed in range(3):
        s = made_spectra(n=80)
        rng = np.random.default_rng(seed)
        s = replace(s, target=rng.permutation(s.target))
        r = search(s, settings=replace(small_settings, seed=seed), execution=CPU)
        scores = r.model(WINNER).scores
        assert scores is not None
        found.append(scores.ccc.value or 0.0)
    # CCC of chance has a standard error of about 1/sqrt(20 rows x 3 seeds) = .13 here
    assert abs(np.mean(found)) < 0.35


def test_rows_without_a_lab_value_are_left_out_and_counted(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    target = spectra.target.copy()
    target[:5] = np.nan
    r = search(replace(spectra, target=target), settings=small_settings, execution=CPU)
    assert r.data.n_unlabelled == 5
    assert r.n_train + r.n_test == 55
    assert "5 rows have no lab value and were left out." in r.notes


def test_the_cost_is_said_before_the_first_trial(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    said: list[Progress] = []
    search(spectra, settings=small_settings, execution=replace(CPU, progress=said.append))
    assert said[0].stage == "plan"
    assert "6 trials × 3 folds = 18 networks on cpu" in said[0].message
    assert "within 10 minutes" in said[0].message
    assert said[1].message == "tuning PLSR on the same folds"
    assert said[2].stage in ("epoch", "search")


def test_an_interrupt_reports_what_there_is(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    done: list[int] = []

    def progress(p: Progress) -> None:
        if p.stage == "search":
            done.append(p.complete)

    r = search(
        spectra,
        settings=small_settings,
        execution=replace(CPU, progress=progress, interrupted=lambda: done[-1:] == [2]),
    )
    assert r.stopped == "interrupt"
    assert len([t for t in r.trials if t.state != "infeasible"]) == 2
    assert r.model(WINNER).scores is not None


def test_a_budget_that_is_used_up_ends_the_search_and_keeps_time_for_the_refit(
    spectra: Spectra, small_settings: SearchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is made to run: each question moves it by a second."""
    now = iter(range(100_000))
    monkeypatch.setattr(job.time, "monotonic", lambda: float(next(now)))
    r = search(spectra, settings=replace(small_settings, budget_s=40.0), execution=CPU)
    assert r.stopped == "budget"
    assert r.notes[0].startswith("The time budget ended the search after ")
    assert 0 < len([t for t in r.trials if t.state != "infeasible"]) < 6


def test_a_budget_too_short_for_one_trial_says_so(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    with pytest.raises(StudyFailed, match="Give the search more time"):
        search(spectra, settings=replace(small_settings, budget_s=1e-6), execution=CPU)


def test_too_few_rows_are_refused(small_settings: SearchSettings) -> None:
    with pytest.raises(DataError, match="12 labelled rows"):
        search(made_spectra(n=12), settings=small_settings, execution=CPU)


def test_a_random_control_without_a_complete_trial_has_no_row(
    spectra: Spectra, small_settings: SearchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = TrialRecord(number=0, state="failed", value=None, params={}, reason="lost")
    monkeypatch.setattr(job, "run_control", lambda *args: (lost,))
    settings = replace(small_settings, trials=1, control="random", published=False)
    result = search(spectra, settings=settings, execution=CPU)
    assert [m.name for m in result.models] == [WINNER, PLSR, MEAN]
    assert "The random control has no row: no trial of it was completed." in result.notes


def test_a_search_that_goes_on_says_that_the_rows_were_opened_before(
    spectra: Spectra, small_settings: SearchSettings, tmp_path: Path
) -> None:
    execution = replace(CPU, storage=f"sqlite:///{tmp_path / 'study.db'}")
    told = []
    for trials in (1, 2):
        settings = replace(small_settings, trials=trials, published=False)
        result = search(spectra, settings=settings, execution=execution)
        told.append([note for note in result.notes if "were opened" in note])
    assert [len(notes) for notes in told] == [0, 1]
    assert told[1][0].startswith("The sealed rows were opened once before")
