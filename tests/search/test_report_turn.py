"""The report of a shared study: made by one worker, once, and never by none."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from autospec.errors import ReportedElsewhere
from autospec.search.claims import WORKER, Crew, withdraw
from autospec.search.crew import create_or_load
from autospec.search.report_turn import REPORT_SUFFIX, ReportTurn
from tests.search.test_claims import stop_heartbeat

# trials are asked for here by hand, as in `autospec.search.crew`, and kept alive by `beating`
pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed")


@pytest.fixture
def crew(new_crew: Callable[[], Crew]) -> Crew:
    return new_crew()


@pytest.fixture
def study(crew: Crew, study_name: str) -> optuna.Study:
    """With one finished trial."""
    study, _ = create_or_load(study_name, crew)
    study.tell(study.ask(), 1.0)
    return study


def take(study: optuna.Study, crew: Crew) -> bool:
    try:
        with ReportTurn() as turn:
            turn.take(study, crew)
    except ReportedElsewhere:
        return False
    return True


def test_the_report_is_made_once(
    study: optuna.Study, crew: Crew, new_crew: Callable[[], Crew]
) -> None:
    assert take(study, crew)
    assert not take(study, new_crew())
    assert not take(study, crew)


def test_while_one_makes_it_the_others_do_not(
    study: optuna.Study, crew: Crew, new_crew: Callable[[], Crew]
) -> None:
    with ReportTurn() as turn:
        turn.take(study, crew)
        assert not take(study, new_crew())


def test_a_report_that_failed_is_made_by_the_next(
    study: optuna.Study, crew: Crew, new_crew: Callable[[], Crew]
) -> None:
    def make_in_vain() -> None:
        with ReportTurn() as turn:
            turn.take(study, crew)
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        make_in_vain()
    assert take(study, new_crew())


def test_while_others_are_at_trials_nobody_makes_it(
    study: optuna.Study, crew: Crew, new_crew: Callable[[], Crew]
) -> None:
    other = new_crew()
    template = create_trial(state=TrialState.RUNNING, user_attrs={WORKER: other.name})
    trial_id = other.storage.create_new_trial(study._study_id, template)
    with pytest.raises(ReportedElsewhere, match=other.name), ReportTurn() as turn:
        turn.take(study, crew)
    withdraw(other, trial_id)
    assert take(study, crew)


def test_more_trials_have_a_report_of_their_own(study: optuna.Study, crew: Crew) -> None:
    assert take(study, crew)
    study.tell(study.ask(), 0.5)
    assert take(study, crew)


def refused(study: optuna.Study, crew: Crew) -> str:
    with pytest.raises(ReportedElsewhere) as told, ReportTurn() as turn:
        turn.take(study, crew)
    return str(told.value)


def test_a_report_that_is_lost_is_made_again_by_who_comes_long_after(
    study: optuna.Study, crew: Crew, new_crew: Callable[[], Crew]
) -> None:
    assert take(study, crew)
    text = refused(study, new_crew())
    assert "1 trials was made by another worker" in text and "that report is lost" in text
    assert re.search(r"makes it in (8\d|90) s\.", text)
    turns, _ = create_or_load(study.study_name + REPORT_SUFFIX, crew)
    stop_heartbeat(crew, turns.trials[0]._trial_id)
    assert take(study, new_crew())
    assert "was made by another worker" in refused(study, new_crew())  # the new one


def test_a_worker_that_was_there_when_it_was_made_does_not_make_it_again(
    study: optuna.Study, crew: Crew, new_crew: Callable[[], Crew]
) -> None:
    early = replace(new_crew(), began=time.monotonic() - 3600)
    early.storage.grace_s = 0
    assert take(study, crew)
    assert not take(study, early)


def test_while_its_maker_may_live_it_is_said_how_long_to_wait(
    study: optuna.Study, crew: Crew, new_crew: Callable[[], Crew]
) -> None:
    with ReportTurn() as turn:
        turn.take(study, crew)
        text = refused(study, new_crew())
    assert crew.name.rpartition("-")[0] in text
    assert "If that worker is gone" in text and re.search(r"makes it in (8\d|90) s\.", text)


def test_a_study_of_one_process_needs_no_turn() -> None:
    study = optuna.create_study()
    with ReportTurn() as turn:
        turn.take(study, None)
    assert study.user_attrs == {}
