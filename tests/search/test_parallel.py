"""Trials at once: scores as alone, exact counts, and processes that end whatever happens."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.study import Study
from optuna.trial import TrialState

from autospec.data.spectra import Spectra
from autospec.search import parallel
from autospec.search.design import Caps
from autospec.search.parallel import Workers
from autospec.search.plan import StudyPlan
from autospec.search.progress import Progress
from autospec.search.result import TrialRecord
from autospec.search.settings import SearchSettings
from autospec.search.study import PROPOSAL, open_study, run_study
from autospec.search.trials import is_finished, trial_records
from tests.search.faults import Faulty
from tests.search.test_study import plan_for

END_S = 60  # for processes to be gone; they take a second, a busy machine more


def two_at_once(spectra: Spectra, settings: SearchSettings, **changes: object) -> StudyPlan:
    return plan_for(spectra, settings, trials_at_once=2, **changes)


def faulty(plan: StudyPlan, folder: Path, *faults: str) -> StudyPlan:
    validation = Faulty(sound=plan.validation, folder=folder, faults=faults)
    return replace(plan, validation=validation)  # type: ignore[arg-type]


def by_proposal(study: Study) -> dict[int, TrialRecord]:
    """Finished trials by the number of their proposal, without what time decides."""
    records = trial_records(study)
    finished = [t for t in study.get_trials() if is_finished(t)]
    numbers = [t.user_attrs[PROPOSAL] for t in finished]
    assert len(set(numbers)) == len(numbers), "no number is given twice"
    return {
        n: replace(r, number=n, seconds=0.0, reused=None, reason="")
        for n, r in zip(numbers, records, strict=True)
    }


def test_trials_score_at_once_what_they_score_alone(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    """Random proposals know nothing of each other, so that all trials can be compared."""
    settings = replace(small_settings, sampler="random")
    alone = open_study(None, "alone", plan_for(spectra, settings))
    run_study(alone, plan_for(spectra, settings))
    said: list[Progress] = []
    plan = two_at_once(spectra, settings, report=said.append)
    study = open_study(None, "at once", plan)
    assert run_study(study, plan) == "trials"
    found, expected = by_proposal(study), by_proposal(alone)
    common = found.keys() & expected.keys()  # the last may be others: an infeasible one is free
    assert {n: found[n] for n in common} == {n: expected[n] for n in common}
    assert len([n for n in common if found[n].value is not None]) >= settings.trials - 1
    assert [r.state for r in found.values()].count("complete") == settings.trials
    assert multiprocessing.active_children() == []
    assert (said[-1].trained, said[-1].at_once) == (settings.trials, 2)


def test_a_process_that_dies_loses_its_trial_alone(
    spectra: Spectra, small_settings: SearchSettings, tmp_path: Path
) -> None:
    plan = two_at_once(spectra, replace(small_settings, trials=8))
    plan = faulty(plan, tmp_path, "kill", "memory", "exit", "device memory")
    study = open_study(None, "s", plan)
    assert run_study(study, plan) == "trials"
    records = [r for r in trial_records(study) if r.state != "infeasible"]
    fewer = "with fewer trials at once (--trials-per-device) each has more memory"
    assert sorted(r.reason for r in records if r.state == "failed") == [
        "its process ended with exit code 3",
        f"its process was ended by signal 9 (Killed); if that was for want of memory: {fewer}",
        f"out of memory on cuda; {fewer}",
        f"out of memory; {fewer}",
    ]
    assert [r.state for r in records].count("complete") == 4
    assert all(r.curve == (50.0,) for r in records if r.state == "failed")
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_our_own_bug_in_a_process_is_raised_with_its_trace(
    spectra: Spectra, small_settings: SearchSettings, tmp_path: Path
) -> None:
    plan = faulty(two_at_once(spectra, small_settings), tmp_path, "bug")
    study = open_study(None, "s", plan)
    with pytest.raises(AssertionError, match=r"in go_wrong(?s:.*)ZeroDivisionError"):
        run_study(study, plan)
    assert not study.get_trials(states=(TrialState.RUNNING,))
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_what_is_lost_to_a_stop_is_proposed_again(spectra: Spectra, tmp_path: Path) -> None:
    """One trial never ends, the others do; then comes the stop, and one trial at a time."""
    settings = SearchSettings(trials=5, seed=1, folds=2, caps=Caps(multiply_adds=50_000), members=1)
    settings = replace(settings, space=replace(settings.space, max_epochs=2))
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    plan = faulty(two_at_once(spectra, settings), tmp_path, "endless")
    study = open_study(storage, "s", plan)

    def should_stop() -> str | None:
        done = [r for r in trial_records(study) if r.state != "infeasible"]
        return "interrupt" if len(done) == 4 else None

    stopped = replace(plan, should_stop=should_stop)  # type: ignore[arg-type]
    assert run_study(study, stopped) == "interrupt"
    assert multiprocessing.active_children() == []
    lost = [t for t in study.get_trials() if not is_finished(t)]
    assert [(t.state, t.user_attrs[PROPOSAL] in (0, 1)) for t in lost] == [(TrialState.FAIL, True)]
    assert len(trial_records(study)) == len(study.get_trials()) - 1
    plan = plan_for(spectra, settings)
    study = open_study(storage, "s", plan)
    assert run_study(study, plan) == "trials"
    records = by_proposal(study)
    assert sorted(records) == list(range(len(records)))
    assert sorted(r.label for r in records.values() if r.label) == [
        "published: china",
        "published: sweden",
        "published: usa",
    ]
    assert len([r for r in records.values() if r.state != "infeasible"]) == settings.trials


@pytest.mark.slow
def test_a_first_trial_cut_short_counts_though_the_budget_stops_the_others(
    spectra: Spectra, small_settings: SearchSettings, tmp_path: Path
) -> None:
    asked: list[bool] = []

    def seconds_left() -> float:
        asked.append(True)
        return -1.0

    plan = two_at_once(
        spectra,
        small_settings,
        seconds_left=seconds_left,
        should_stop=lambda: "budget" if asked else None,
    )
    study = open_study(None, "s", plan)
    assert run_study(study, plan) == "budget"
    records = [r for r in trial_records(study) if r.state != "infeasible"]
    assert {(r.state, r.reason) for r in records} == {("complete", "cut short by the time budget")}


@pytest.mark.parametrize(("cores", "count", "threads"), [(2, 2, 1), (16, 3, 5), (2, 4, 1)])
def test_workers_share_the_cores(
    spectra: Spectra,
    small_settings: SearchSettings,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    count: int,
    threads: int,
) -> None:
    monkeypatch.setattr(parallel, "thread_count", lambda: cores)
    workers = Workers(plan_for(spectra, small_settings).validation, count)
    assert workers.validation.threads == threads


def test_the_time_to_go_is_shared_by_trials_at_once() -> None:
    record = TrialRecord(number=0, state="complete", value=1.0, params={}, seconds=10.0)
    progress = Progress(stage="search", total=5, complete=1, records=(record,), at_once=2)
    assert progress.eta_s == 20.0
    assert replace(progress, at_once=1).eta_s == 40.0


ENDLESS = """
import sys
from dataclasses import replace
from pathlib import Path
from tests.conftest import made_spectra
from tests.search.faults import Faulty
from tests.search.test_study import plan_for
from autospec.search.settings import SearchSettings
from autospec.search.study import open_study, run_study
{guard}
    plan = plan_for(made_spectra(), SearchSettings(trials=4, folds=2), trials_at_once=2)
    faults = ("endless", "endless")
    validation = Faulty(sound=plan.validation, folder=Path(sys.argv[1]), faults=faults)
    plan = replace(plan, validation=validation)
    run_study(open_study(None, "s", plan), plan)
"""


def started(folder: Path, guard: str) -> subprocess.Popen[str]:
    """Start a script whose two trials never end."""
    script = folder / "script.py"
    script.write_text(ENDLESS.format(guard=guard))
    return subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


@pytest.mark.slow
def test_processes_end_when_the_main_process_is_killed(tmp_path: Path) -> None:
    """Whoever lives holds the script's output open."""
    process = started(tmp_path, 'if __name__ == "__main__":')
    deadline = time.monotonic() + 2 * END_S
    while time.monotonic() < deadline and len(list(tmp_path.glob("fault-*"))) < 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate(timeout=END_S)
    assert len(list(tmp_path.glob("fault-*"))) == 2
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_script_that_begins_a_search_when_imported_is_told(tmp_path: Path) -> None:
    process = started(tmp_path, "if True:")
    _, said = process.communicate(timeout=2 * END_S)
    assert process.returncode == 1
    assert "StudyFailed: no process for trials could be started" in said
    assert 'under `if __name__ == "__main__":`' in said


@pytest.mark.slow
def test_ctrl_c_ends_all_trials_and_reports(tmp_path: Path) -> None:
    """A terminal sends Ctrl-C to every process of the command."""
    study = tmp_path / "small.toml"
    study.write_text(
        '[data]\nsite = "germany-rp"\n[search]\ntrials = 500\nfolds = 3\nmembers = 2\n'
        "published = false\n[search.space]\nfilters = [4, 8]\nnodes = [8, 16]\nmax_epochs = 10\n"
    )
    words = ["search", "--study", study, "--budget", "20m", "--out", tmp_path / "run"]
    process = subprocess.Popen(
        [sys.executable, "-m", "autospec", *map(str, words), "--trials-per-device", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    storage = f"sqlite:///{tmp_path / 'run' / 'study.db'}"
    deadline = time.monotonic() + 2 * END_S
    while time.monotonic() < deadline and completed(storage) < 2:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    out, said = process.communicate(timeout=2 * END_S)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "2 trials at once" in said
    assert "Note: 2 trials were trained at once" in out.replace("\n", " ")
    known = optuna.load_study(study_name="germany-rp", storage=storage).get_trials()
    assert not [t for t in known if t.state == TrialState.RUNNING]


def completed(storage: str) -> int:
    try:
        study = optuna.load_study(study_name="germany-rp", storage=storage)
    except Exception:  # the other process has not made its tables yet
        return 0
    return len(study.get_trials(states=(TrialState.COMPLETE,)))
