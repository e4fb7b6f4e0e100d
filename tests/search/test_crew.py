"""A study run by several workers: the count is exact, nothing is tried twice or left out."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from optuna.trial import TrialState, create_trial

from autospec.data.spectra import Spectra
from autospec.errors import ReportedElsewhere, RetryLater, SettingsDiffer
from autospec.search import crew as room
from autospec.search.claims import WORKER, Crew, worker_of
from autospec.search.crew import create_or_load
from autospec.search.design import Caps
from autospec.search.execution import Execution
from autospec.search.job import search
from autospec.search.plan import StudyPlan
from autospec.search.settings import SearchSettings
from autospec.search.study import open_study, run_study
from autospec.search.trials import RULE, is_finished, state_of, trial_records
from autospec.training.lead import Lead
from tests.search.test_claims import stop_heartbeat
from tests.search.test_study import plan_for

WORKERS = 3

# warnings are filtered for a whole process, and these workers are threads of one
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "POLL_S", 0.05)


def run_together(plans: list[StudyPlan], url: str, name: str) -> list[str]:
    """Run one worker a plan at the same time; return how each stopped."""
    stopped: list[str] = []

    def work(plan: StudyPlan) -> None:
        stopped.append(run_study(open_study(url, name, plan), plan))

    threads = [threading.Thread(target=work, args=(plan,)) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return stopped


def test_the_count_of_trials_is_exact_over_all_workers(
    spectra: Spectra,
    small_settings: SearchSettings,
    new_crew: Callable[[], Crew],
    shared_url: str,
    study_name: str,
) -> None:
    settings = replace(small_settings, trials=7)
    plans = [plan_for(spectra, settings, crew=new_crew()) for _ in range(WORKERS)]
    assert run_together(plans, shared_url, study_name) == ["trials"] * WORKERS
    study, _ = create_or_load(study_name, new_crew())
    counted = [t for t in study.trials if is_finished(t) and state_of(t) != "infeasible"]
    assert len(counted) == 7
    assert not {TrialState.RUNNING, TrialState.WAITING} & {t.state for t in study.trials}
    assert {worker_of(t) for t in counted} <= {p.crew.name for p in plans if p.crew}


def test_each_published_design_is_tried_once(
    spectra: Spectra, new_crew: Callable[[], Crew], shared_url: str, study_name: str
) -> None:
    settings = SearchSettings(trials=5, seed=1, folds=2, caps=Caps(multiply_adds=50_000), members=1)
    settings = replace(settings, space=replace(settings.space, max_epochs=2))
    plans = [plan_for(spectra, settings, crew=new_crew()) for _ in range(WORKERS)]
    run_together(plans, shared_url, study_name)
    study, _ = create_or_load(study_name, new_crew())
    labels = Counter(r.label for r in trial_records(study) if r.label)
    assert labels == {"published: china": 1, "published: sweden": 1, "published: usa": 1}


def test_a_score_is_what_it_would_be_alone(
    spectra: Spectra,
    small_settings: SearchSettings,
    new_crew: Callable[[], Crew],
    shared_url: str,
    study_name: str,
) -> None:
    plan = plan_for(spectra, small_settings, crew=new_crew())
    run_together([plan, replace(plan, crew=new_crew())], shared_url, study_name)
    study, _ = create_or_load(study_name, new_crew())
    best = min((r for r in trial_records(study) if r.value is not None), key=lambda r: r.value or 0)
    design = small_settings.space.decode(best.params)
    lead = Lead(members=RULE.lead_members(3), epochs=0, on_epoch=lambda epoch, rmse: None)
    again = plan.validation.evaluate(design, lambda epoch, rmse: False, lead)
    assert again.score == best.value


def test_a_worker_that_stops_gives_its_trial_back(
    spectra: Spectra, new_crew: Callable[[], Crew], shared_url: str, study_name: str
) -> None:
    settings = SearchSettings(trials=4, seed=1, folds=2, caps=Caps(multiply_adds=50_000), members=1)
    asked = itertools.count()
    plan = plan_for(
        spectra,
        settings,
        crew=new_crew(),
        should_stop=lambda: "interrupt" if next(asked) > 1 else None,
    )
    study = open_study(shared_url, study_name, plan)
    assert run_study(study, plan) == "interrupt"
    assert [t.state for t in study.trials] == [TrialState.FAIL]
    assert trial_records(study) == ()
    again = replace(plan, crew=new_crew(), should_stop=lambda: None)
    run_study(open_study(shared_url, study_name, again), again)
    assert study.trials[1].user_attrs["label"] == study.trials[0].user_attrs["label"]


def test_other_settings_are_refused(
    spectra: Spectra,
    small_settings: SearchSettings,
    new_crew: Callable[[], Crew],
    shared_url: str,
    study_name: str,
) -> None:
    open_study(shared_url, study_name, plan_for(spectra, small_settings, crew=new_crew()))
    other = plan_for(spectra, replace(small_settings, seed=99), crew=new_crew())
    with pytest.raises(SettingsDiffer, match="seed"):
        open_study(shared_url, study_name, other)


def test_more_trials_are_written_down_and_the_budget_is_not(
    spectra: Spectra,
    small_settings: SearchSettings,
    new_crew: Callable[[], Crew],
    shared_url: str,
    study_name: str,
) -> None:
    open_study(shared_url, study_name, plan_for(spectra, small_settings, crew=new_crew()))
    more = replace(small_settings, trials=9, budget_s=1.0)
    study = open_study(shared_url, study_name, plan_for(spectra, more, crew=new_crew()))
    assert study.user_attrs[room.SETTINGS_KEY]["trials"] == 9
    assert study.user_attrs[room.SETTINGS_KEY]["budget_s"] == small_settings.budget_s


def test_one_worker_makes_the_report_and_the_others_are_done(
    spectra: Spectra, small_settings: SearchSettings, shared_url: str, study_name: str
) -> None:
    settings = replace(small_settings, trials=4)
    reports: list[str] = []
    left: list[str] = []

    def work() -> None:
        execution = Execution(storage=shared_url, shared=True, device="cpu")
        try:
            with execution.turn:
                result = search(spectra, name=study_name, settings=settings, execution=execution)
                reports.append(result.name)
        except ReportedElsewhere as error:
            left.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reports == [study_name]
    assert len(left) == 1


def test_a_worker_that_is_to_leave_the_report_leaves_it(
    spectra: Spectra, small_settings: SearchSettings, shared_url: str, study_name: str
) -> None:
    settings = replace(small_settings, trials=2)
    leaving = Execution(storage=shared_url, shared=True, device="cpu", report=False)
    with pytest.raises(ReportedElsewhere), leaving.turn:
        search(spectra, name=study_name, settings=settings, execution=leaving)
    making = Execution(storage=shared_url, shared=True, device="cpu")
    with making.turn:
        result = search(spectra, name=study_name, settings=settings, execution=making)
    assert any("several workers" in note for note in result.notes)


def test_a_run_alone_is_refused_while_a_worker_is_at_the_study(
    spectra: Spectra,
    small_settings: SearchSettings,
    new_crew: Callable[[], Crew],
    shared_url: str,
    study_name: str,
) -> None:
    crew = new_crew()
    study = open_study(shared_url, study_name, plan_for(spectra, small_settings, crew=crew))
    template = create_trial(state=TrialState.RUNNING, user_attrs={WORKER: crew.name})
    trial_id = crew.storage.create_new_trial(study._study_id, template)
    alone = plan_for(spectra, small_settings)
    with pytest.raises(RetryLater, match=r"is at it\. .* again in (8\d|90) s") as told:
        open_study(new_crew().storage, study_name, alone)
    assert crew.name.rpartition("-")[0] in str(told.value)
    assert study.trials[0].state == TrialState.RUNNING
    stop_heartbeat(crew, trial_id)
    open_study(new_crew().storage, study_name, alone)
    assert study.trials[0].state == TrialState.FAIL
