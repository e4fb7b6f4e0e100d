"""``autospec status``: what it says of a study, and that it writes nothing."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import asdict, replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from rich.console import Console

from autospec.cli.status_show import StatusDisplay, failure_lines, status_line
from autospec.data.spectra import Spectra
from autospec.errors import UsageError
from autospec.search.claims import WORKER, Crew, withdraw, worker_name
from autospec.search.report_turn import ReportTurn
from autospec.search.settings import SearchSettings
from autospec.search.status import OpenStudy, StudyStatus, open_to_read, read_status
from autospec.search.storage import open_shared
from autospec.search.study import open_study, run_study
from tests.cli.test_cli import autospec_command
from tests.search.test_study import plan_for

pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


@pytest.fixture
def crew(url: str) -> Crew:
    return Crew(name=worker_name(), storage=open_shared(url))


def look(url: str, name: str = "farm") -> StudyStatus:
    opened = open_to_read(url, name)
    try:
        return read_status(opened)
    finally:
        close(opened)


def close(opened: OpenStudy) -> None:
    opened.storage.scoped_session.remove()
    opened.storage.engine.dispose()


def run(url: str, spectra: Spectra, settings: SearchSettings, crew: Crew) -> None:
    plan = plan_for(spectra, settings, crew=crew)
    study = open_study(url, "farm", plan)
    run_study(study, plan)


def test_a_study_is_counted_and_its_workers_are_named(
    url: str, spectra: Spectra, small_settings: SearchSettings, crew: Crew
) -> None:
    run(url, spectra, replace(small_settings, trials=2), crew)
    plan = plan_for(spectra, small_settings, crew=crew)
    study = open_study(url, "farm", plan)
    template = create_trial(state=TrialState.RUNNING, user_attrs={WORKER: crew.name})
    trial_id = crew.storage.create_new_trial(study._study_id, template)
    seen = look(url)
    assert (seen.trained, seen.total, seen.running) == (2, 6, 1)
    assert seen.best == min(t.value for t in study.trials if t.value is not None)
    assert seen.eta_s is not None and seen.eta_s > 0
    (at_work,) = seen.under_way
    assert crew.name.startswith(at_work.worker + "-")
    assert at_work.trial == study.trials[-1].number
    assert at_work.heartbeat_s is not None and at_work.heartbeat_s < 60
    assert not seen.ended
    withdraw(crew, trial_id)
    after = look(url)
    assert (after.running, after.failed, after.under_way, after.eta_s) == (0, 0, (), None)


def test_the_report_is_none_under_way_and_made(
    url: str, spectra: Spectra, small_settings: SearchSettings, crew: Crew
) -> None:
    plan = plan_for(spectra, replace(small_settings, trials=1), crew=crew)
    study = open_study(url, "farm", plan)
    run_study(study, plan)
    assert look(url).report == "none"
    with ReportTurn() as turn:
        turn.take(study, crew)
        assert look(url).report == "under way"
    assert look(url).report == "made"
    assert look(url).ended


def contents(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.usefixtures("crew")
def test_a_name_that_is_not_there_is_told_with_a_near_one_and_nothing_is_made(
    url: str, spectra: Spectra, small_settings: SearchSettings, crew: Crew, tmp_path: Path
) -> None:
    open_study(url, "farm", plan_for(spectra, small_settings, crew=crew))
    before = contents(tmp_path / "study.db")
    with pytest.raises(UsageError, match="Did you mean 'farm'"):
        open_to_read(url, "fram")
    assert look(url).trained == 0
    assert contents(tmp_path / "study.db") == before


def test_a_storage_without_studies_is_left_as_it_is(tmp_path: Path) -> None:
    missing, empty = tmp_path / "missing.db", tmp_path / "empty.db"
    sqlite3.connect(empty).close()
    empty.touch()
    for path in (missing, empty):
        with pytest.raises(UsageError, match="no stud"):
            open_to_read(f"sqlite:///{path}", "farm")
    assert not missing.exists()
    assert empty.stat().st_size == 0


def test_the_folder_of_a_run_has_one_study_and_its_companions(
    url: str, spectra: Spectra, small_settings: SearchSettings, crew: Crew
) -> None:
    for name in ("farm", "farm-random", "farm-report"):
        open_study(url, name, plan_for(spectra, small_settings, crew=crew))
    opened = open_to_read(url)
    close(opened)
    assert opened.name == "farm"
    open_study(url, "field", plan_for(spectra, small_settings, crew=crew))
    with pytest.raises(UsageError, match="one study"):
        open_to_read(url)


def test_a_study_that_is_none_of_ours_is_said(url: str, crew: Crew) -> None:
    optuna.create_study(storage=crew.storage, study_name="theirs")
    with pytest.raises(UsageError, match="not one of autospec"):
        look(url, "theirs")


def test_why_trials_failed_is_said_in_a_few_lines(
    url: str, spectra: Spectra, small_settings: SearchSettings, crew: Crew
) -> None:
    run(url, spectra, replace(small_settings, trials=1), crew)
    seen = look(url)
    assert failure_lines(seen) == ()
    reasons = {"its worker died 3 times at it": 4, "b": 2, "c": 2, "d": 1, "e": 1}
    lines = failure_lines(replace(seen, why_failed=reasons))
    assert lines[0] == "4 failed: its worker died 3 times at it"
    assert lines[3:] == ("2 failed for other reasons",)


def test_off_a_terminal_it_is_one_line_and_json_holds_everything(
    url: str, spectra: Spectra, small_settings: SearchSettings, crew: Crew, tmp_path: Path
) -> None:
    run(url, spectra, replace(small_settings, trials=1), crew)
    text = autospec_command("status", "farm", "--storage", url)
    assert text.returncode == 0, text.stderr
    assert "\x1b" not in text.stdout
    assert text.stdout.startswith("farm: 1 of 1 trials: ")
    told = json.loads(autospec_command("status", tmp_path, "--json").stdout)
    assert told == json.loads(json.dumps(asdict(look(url))))


@pytest.mark.parametrize("words", [["runs/none"], ["farm", "--storage", "sqlite:///none.db"]])
def test_a_wrong_place_is_a_message(words: list[str], tmp_path: Path) -> None:
    done = autospec_command("status", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_table_on_a_terminal_names_workers_and_the_line_the_rest(
    url: str, spectra: Spectra, small_settings: SearchSettings, crew: Crew
) -> None:
    study = open_study(url, "farm", plan_for(spectra, small_settings, crew=crew))
    template = create_trial(state=TrialState.RUNNING, user_attrs={WORKER: crew.name})
    crew.storage.create_new_trial(study._study_id, template)
    seen = look(url)
    display = StatusDisplay()
    display.last = seen
    console = Console(record=True, width=200, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(display.draw())
    drawn = console.export_text()
    assert seen.under_way[0].worker in drawn
    assert status_line(seen) in drawn
    console.file.close()
