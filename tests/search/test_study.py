"""A study: what it proposes, what it counts, and that a stopped one goes on as if it never had."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from autospec.data.spectra import Spectra
from autospec.data.splits import make_folds
from autospec.errors import SettingsDiffer, StorageError, StudyFailed, TrialFailed
from autospec.search.crew import SETTINGS_KEY
from autospec.search.design import Caps
from autospec.search.objective import CrossValidation
from autospec.search.plan import StudyPlan
from autospec.search.progress import Progress, silent
from autospec.search.pruning import Seen
from autospec.search.result import Stopped, TrialRecord
from autospec.search.settings import SearchSettings
from autospec.search.storage import hide_password
from autospec.search.study import open_study, run_study
from autospec.search.trials import RULE, seen_in, trial_records
from tests.conftest import made_spectra


def plan_for(spectra: Spectra, settings: SearchSettings, **changes: object) -> StudyPlan:
    folds = make_folds(spectra, settings.folds, settings.repeats, settings.seed)
    plan = StudyPlan(
        validation=CrossValidation(train=spectra, folds=folds, seed=settings.seed, device="cpu"),
        settings=settings,
        fingerprint={"data_digest": spectra.digest},
        should_stop=lambda: None,
        report=silent,
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


def run(plan: StudyPlan, storage: str | None = None) -> tuple[TrialRecord, ...]:
    study = open_study(storage, "s", plan)
    run_study(study, plan)
    return trial_records(study)


def without_time(records: tuple[TrialRecord, ...]) -> list[TrialRecord]:
    return [replace(r, seconds=0.0) for r in records]


def comparable(records: tuple[TrialRecord, ...]) -> list[TrialRecord]:
    """Trials without what an interruption may change: seconds, and numbers of lost trials."""
    return [replace(r, seconds=0.0, number=i) for i, r in enumerate(records)]


@pytest.mark.parametrize("sampler", ["tpe", "gp", "random"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_same_seed_same_study(
    spectra: Spectra, small_settings: SearchSettings, sampler: str
) -> None:
    settings = replace(small_settings, sampler=sampler, trials=14)  # type: ignore[arg-type]
    plan = plan_for(spectra, settings)
    first, second = run(plan), run(plan)
    assert without_time(first) == without_time(second)
    other = run(plan_for(spectra, replace(settings, seed=4)))
    assert without_time(other) != without_time(first)


def test_a_study_ends_at_its_trials_and_infeasible_ones_do_not_count(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    settings = replace(small_settings, caps=Caps(multiply_adds=3_000))
    records = run(plan_for(spectra, settings))
    infeasible = [r for r in records if r.state == "infeasible"]
    assert infeasible, "the cap is meant to bite"
    assert {r.reason for r in infeasible} <= {
        "over the cap of: multiply_adds",
        "the network does not fit the spectrum",
    }
    assert all(r.curve == () for r in infeasible)
    assert len(records) - len(infeasible) == settings.trials


def test_a_space_of_infeasible_designs_ends(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    settings = replace(small_settings, trials=2, caps=Caps(multiply_adds=1))
    plan = plan_for(spectra, settings)
    study = open_study(None, "s", plan)
    assert run_study(study, plan) == "proposals"


def test_published_designs_come_first_and_are_not_held_to_the_caps(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    settings = SearchSettings(trials=4, seed=1, folds=2, caps=Caps(multiply_adds=50_000), members=1)
    settings = replace(settings, space=replace(settings.space, max_epochs=2))
    records = run(plan_for(spectra, settings))
    labels = [r.label for r in records[:3]]
    assert labels == ["published: china", "published: sweden", "published: usa"]
    assert [r.state for r in records[:3]] == ["complete"] * 3


def test_the_score_is_the_smoothed_fold_mean_at_the_best_epoch(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    for r in run(plan_for(spectra, small_settings)):
        if r.value is not None and r.best_epoch is not None:
            e = r.best_epoch - 1
            window = r.curve[max(e - 2, 0) : e + 3]
            # the curve is kept to six digits
            assert r.value == pytest.approx(sum(window) / len(window), rel=1e-5)
            assert r.value == pytest.approx(sum(r.fold_rmse) / len(r.fold_rmse), rel=1e-5)


def test_an_identical_design_is_not_trained_twice(
    spectra: Spectra, small_settings: SearchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = {"conv_blocks": (1, 1), "filters": (4, 4), "kernel": (3, 3), "stride": (1, 1)}
    one |= {"fc_blocks": (0, 0), "batch_size": (16, 16), "step": (10, 10)}
    space = replace(
        small_settings.space,
        **one,  # type: ignore[arg-type]
        padding=("same",),
        pooling=("none",),
        regulariser=("none",),
        activation=("ReLU",),
        optimiser=("adam",),
        learning_rate=(1e-3, 1e-3),
        weight_decay=(1e-6, 1e-6),
        quantity=("absorbance",),
        scatter=("none", "snv"),
        savgol=(False,),
        target=("z-score",),
    )
    calls: list[str] = []
    evaluate = CrossValidation.evaluate

    def counted(self: CrossValidation, design, *watch):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN002, ANN202
        calls.append(design.digest)
        return evaluate(self, design, *watch)

    monkeypatch.setattr(CrossValidation, "evaluate", counted)
    records = run(plan_for(spectra, replace(small_settings, space=space)))
    assert len(calls) == len(set(calls)) == 2
    reused = [r for r in records if r.reused is not None]
    assert len(reused) == len(records) - 2
    by_number = {r.number: r for r in records}
    assert [r.value for r in reused] == [by_number[r.reused].value for r in reused]  # type: ignore[index]


def test_a_failed_trial_is_recorded_and_the_study_goes_on(
    spectra: Spectra, small_settings: SearchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = CrossValidation.evaluate
    calls: list[int] = []

    def flaky(self: CrossValidation, design, *watch):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN002, ANN202
        calls.append(1)
        if len(calls) == 2:
            raise TrialFailed("made to fail")
        return evaluate(self, design, *watch)

    monkeypatch.setattr(CrossValidation, "evaluate", flaky)
    records = run(plan_for(spectra, small_settings))
    assert [(r.state, r.reason) for r in records if r.state == "failed"] == [
        ("failed", "made to fail")
    ]
    assert len([r for r in records if r.state != "infeasible"]) == small_settings.trials
    assert all(math.isfinite(r.value) for r in records if r.value is not None)


def test_a_study_whose_trials_all_fail_stops(
    spectra: Spectra, small_settings: SearchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: CrossValidation, design, *watch):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN002, ANN202
        raise TrialFailed("always")

    monkeypatch.setattr(CrossValidation, "evaluate", broken)
    with pytest.raises(StudyFailed, match="first 10 trials all failed; the last said: always"):
        run(plan_for(spectra, replace(small_settings, trials=50)))


def test_our_own_bug_is_not_swallowed_and_leaves_nothing_running(
    spectra: Spectra, small_settings: SearchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(self: CrossValidation, design, *watch):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN002, ANN202
        raise ZeroDivisionError

    monkeypatch.setattr(CrossValidation, "evaluate", bug)
    plan = plan_for(spectra, small_settings)
    study = open_study(None, "s", plan)
    with pytest.raises(ZeroDivisionError):
        run_study(study, plan)
    assert not study.get_trials(states=(TrialState.RUNNING,))


def stopping_after(n: int, why: Stopped) -> Iterator[Stopped | None]:
    """None for the first n questions, then `why`."""
    yield from [None] * n
    while True:
        yield why


@pytest.mark.parametrize("questions", [1, 9, 25, 40])
def test_a_study_stopped_and_resumed_equals_one_that_ran_through(
    spectra: Spectra, small_settings: SearchSettings, tmp_path: Path, questions: int
) -> None:
    """The stop falls between trials or inside one, wherever the n-th question is asked."""
    whole = run(plan_for(spectra, small_settings))
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    answers = stopping_after(questions, "interrupt")
    plan = plan_for(spectra, small_settings, should_stop=lambda: next(answers))
    study = open_study(storage, "s", plan)
    assert run_study(study, plan) == "interrupt"
    resumed = run(plan_for(spectra, small_settings), storage)
    assert comparable(resumed) == comparable(whole)


def test_a_short_budget_cuts_the_first_trial_short_and_only_the_first(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    records = run(plan_for(spectra, small_settings, seconds_left=lambda: 0.0))
    complete = [r for r in records if r.state == "complete"]
    assert complete[0].reason == "cut short by the time budget"
    assert len(complete[0].curve) == 1
    assert all(len(r.curve) > 1 for r in complete[1:])
    assert [r.reason for r in complete[1:]] == [""] * (len(complete) - 1)


def test_a_study_stores_the_settings_it_always_did(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    """What else were stored would refuse every study that was begun before."""
    study = open_study(None, "s", plan_for(spectra, small_settings))
    assert study.user_attrs[SETTINGS_KEY].keys() == {
        *("trials", "budget_s", "seed", "sampler", "control", "test_fraction", "folds", "repeats"),
        *("members", "published", "space", "caps", "data_digest"),
    }


def test_a_trial_that_becomes_the_best_leaves_time_for_its_own_refit(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    settings = replace(small_settings, seed=2)
    whole = run(plan_for(spectra, settings))
    records = run(plan_for(spectra, settings, seconds_for_winner=lambda: 0.0))
    assert replace(records[0], seconds=0.0) == replace(whole[0], seconds=0.0)
    cut = [r for r in records if r.reason == "cut short by the time budget"]
    assert cut, "some trial is better than the first"
    for r in cut:
        earlier = [o.value for o in records if o.value is not None and o.number < r.number]
        assert r.value is not None
        assert r.value < min(earlier)


def test_a_study_can_be_extended(
    spectra: Spectra, small_settings: SearchSettings, tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    run(plan_for(spectra, replace(small_settings, trials=3)), storage)
    extended = run(plan_for(spectra, small_settings), storage)
    assert without_time(extended) == without_time(run(plan_for(spectra, small_settings)))


def test_other_settings_or_data_are_refused_with_each_difference(
    spectra: Spectra, small_settings: SearchSettings, tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    open_study(storage, "s", plan_for(spectra, small_settings))
    other = replace(small_settings, seed=9, space=replace(small_settings.space, kernel=(2, 5)))
    with pytest.raises(SettingsDiffer) as caught:
        open_study(storage, "s", plan_for(made_spectra(seed=5), other))
    message = str(caught.value)
    assert "seed: there 3, here 9" in message
    assert "space.kernel: there [2, 6], here [2, 5]" in message
    assert "data_digest" in message
    assert "another --out" in message


@pytest.mark.parametrize("url", ["sqlite:////no/such/folder/study.db", "nonsense://x"])
def test_a_storage_that_cannot_be_opened_is_one_line_with_exit_69(
    spectra: Spectra, small_settings: SearchSettings, url: str
) -> None:
    with pytest.raises(StorageError) as caught:
        open_study(url, "s", plan_for(spectra, small_settings))
    assert caught.value.exit_code == 69
    assert "cannot be used" in str(caught.value)


def test_a_file_that_is_no_database_is_refused(
    spectra: Spectra, small_settings: SearchSettings, tmp_path: Path
) -> None:
    path = tmp_path / "study.db"
    path.write_text("not a database, but long enough to be read as one " * 30)
    with pytest.raises(StorageError):
        open_study(f"sqlite:///{path}", "s", plan_for(spectra, small_settings))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://ann:s3cret@db:5432/x", "postgresql+psycopg://ann:***@db:5432/x"),
        ("postgresql+psycopg://ann:s3c%40ret@db/x", "postgresql+psycopg://ann:***@db/x"),
        ("sqlite:///runs/a.db", "sqlite:///runs/a.db"),
        ("s3cret", "(not a URL)"),
    ],
)
def test_passwords_are_hidden(url: str, shown: str) -> None:
    assert hide_password(url) == shown


def test_progress_counts_what_the_study_holds(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    said: list[Progress] = []
    records = run(plan_for(spectra, small_settings, report=said.append))
    last = said[-1]
    states = [r.state for r in records]
    assert (last.complete, last.pruned, last.failed, last.infeasible) == tuple(
        states.count(s) for s in ("complete", "pruned", "failed", "infeasible")
    )
    values = [r.value for r in records if r.value is not None]
    assert last.best == min(values)
    assert last.eta_s == 0.0


@pytest.fixture
def pruning_settings(small_settings: SearchSettings) -> SearchSettings:
    """Enough trials and epochs that every rule prunes."""
    space = replace(small_settings.space, max_epochs=20)
    return replace(small_settings, trials=16, space=space)


def test_a_pruned_trial_says_how_far_it_came_and_why(
    spectra: Spectra, pruning_settings: SearchSettings
) -> None:
    records = run(plan_for(spectra, pruning_settings))
    pruned = [r for r in records if r.state == "pruned"]
    led = [r for r in pruned if len(r.curve) == RULE.lead_epochs]
    rest = [r for r in pruned if len(r.curve) >= RULE.warm_up]
    assert led and rest and len(led) + len(rest) == len(pruned)
    assert all(r.value is None and r.seconds > 0 and r.best_epoch for r in pruned)
    assert all(r.reason.startswith("pruned after 8 epochs on 1 of 3 folds: its ") for r in led)
    assert all(
        r.reason.startswith(f"pruned after {len(r.curve)} epochs on all 3 folds: its RMSE")
        for r in rest
    )


def test_a_trial_is_compared_with_the_trained_ones_before_it(
    spectra: Spectra, pruning_settings: SearchSettings
) -> None:
    plan = plan_for(spectra, pruning_settings)
    study = open_study(None, "s", plan)
    run_study(study, plan)
    records = trial_records(study)
    seen = seen_in(study)
    complete = [r for r in records if r.state == "complete"]
    assert seen.scores == tuple(r.value for r in complete)
    assert [len(c) for c in seen.complete] == [len(r.curve) for r in complete]
    assert len(seen.leads) == len([r for r in records if r.state in ("complete", "pruned")])
    for trial in study.get_trials(states=(TrialState.COMPLETE,)):
        assert len(trial.user_attrs["lead_curve"]) == RULE.lead_epochs


def test_no_rule_prunes_a_published_design_and_pruning_changes_no_complete_trial(
    spectra: Spectra, pruning_settings: SearchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = replace(pruning_settings, sampler="random")  # proposals that no score moves
    pruning = run(plan_for(spectra, random))
    monkeypatch.setattr("autospec.search.trials.RULE", replace(RULE, at_least=100))
    whole = {r.number: r for r in without_time(run(plan_for(spectra, random)))}
    complete = [r for r in without_time(pruning) if r.state == "complete"]
    assert complete == [whole[r.number] for r in complete]
    assert len(complete) < len(whole)
    hopeless = Seen(leads=(np.zeros(1),), complete=(np.full(1, 1e-6),), scores=(1e-6,))
    monkeypatch.setattr("autospec.search.trials.RULE", replace(RULE, at_least=1, warm_up=1))
    monkeypatch.setattr("autospec.search.trials.seen_in", lambda study: hopeless)
    space = replace(SearchSettings().space, max_epochs=9)
    settings = SearchSettings(trials=4, seed=1, folds=2, space=space, caps=random.caps)
    records = [r for r in run(plan_for(spectra, settings)) if r.state != "infeasible"]
    assert [r.state for r in records] == ["complete"] * 3 + ["pruned"]
    assert [bool(r.label) for r in records] == [True] * 3 + [False]


@pytest.mark.parametrize("questions", [110, 200])
def test_a_study_that_prunes_goes_on_as_if_it_never_stopped(
    spectra: Spectra, pruning_settings: SearchSettings, tmp_path: Path, questions: int
) -> None:
    whole = run(plan_for(spectra, pruning_settings))
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    answers = stopping_after(questions, "interrupt")
    plan = plan_for(spectra, pruning_settings, should_stop=lambda: next(answers))
    assert run_study(open_study(storage, "s", plan), plan) == "interrupt"
    resumed = run(plan_for(spectra, pruning_settings), storage)
    assert comparable(resumed) == comparable(whole)


def test_a_trial_killed_while_it_was_pruned_does_not_count(
    spectra: Spectra, pruning_settings: SearchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is kept before the study is told: a kill falls between the two."""
    plan = plan_for(spectra, pruning_settings)
    whole = run(plan)
    study = open_study(None, "s", plan)
    tell = optuna.Study.tell

    def killed(self: optuna.Study, trial, values=None, state=None, **kwargs):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN003, ANN202
        if state == TrialState.PRUNED and "pruned" in trial.user_attrs:
            raise KeyError("killed")
        return tell(self, trial, values, state, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(optuna.Study, "tell", killed)
        with pytest.raises(KeyError, match="killed"):
            run_study(study, plan)
    run_study(study, plan)
    assert comparable(trial_records(study)) == comparable(whole)


KILLED = """
import sys
from tests.search.test_study import plan_for, run
from tests.conftest import made_spectra
from dataclasses import replace
from autospec.search.settings import SearchSettings
from autospec.search.design import Caps
from autospec.search.space import SearchSpace
space = SearchSpace(conv_blocks=(1, 2), filters=(4, 8), kernel=(2, 6), stride=(1, 3),
    fc_blocks=(0, 1), nodes=(8, 16), batch_size=(16, 32), step=(10, 20), savgol_window=(5, 7),
    max_epochs=20, patience=6)
settings = SearchSettings(trials=16, seed=3, folds=3, members=2, published=False, space=space,
    caps=Caps(multiply_adds=200_000))
run(plan_for(made_spectra(), settings), sys.argv[1])
"""


@pytest.mark.slow
def test_a_killed_study_loses_nothing_and_goes_on_the_same(
    spectra: Spectra, pruning_settings: SearchSettings, tmp_path: Path
) -> None:
    """R1 and R5 on SQLite: a real process, killed twice while trials are under way."""
    settings = pruning_settings
    whole = run(plan_for(spectra, settings))
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    for kill_after in (1, 12):  # the second among trials that are pruned
        process = subprocess.Popen([sys.executable, "-c", KILLED, storage])
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and _finished(storage) < kill_after:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    study = open_study(storage, "s", plan_for(spectra, settings))
    before = [r for r in trial_records(study) if r.state == "complete"]
    resumed = run(plan_for(spectra, settings), storage)
    assert comparable(resumed) == comparable(whole)
    assert before == [r for r in resumed if r.state == "complete"][: len(before)]
    assert not study.get_trials(states=(TrialState.RUNNING,))


def _finished(storage: str) -> int:
    try:
        study = optuna.load_study(study_name="s", storage=storage)
        return len(trial_records(study))
    except Exception:  # the other process has not made its tables yet
        return 0
