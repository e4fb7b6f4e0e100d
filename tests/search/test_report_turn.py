"""The report of a shared study: made by one worker, once, and never by none."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from autospec.errors import ReportedElsewhere
from autospec.search.claims import WORKER, Crew, withdraw
from autospec.search.crew import create_or_load
from autospec.search.report_turn import ReportTurn

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


def test_a_study_of_one_process_needs_no_turn() -> None:
    study = optuna.create_study()
    with ReportTurn() as turn:
        turn.take(study, None)
    assert study.user_attrs == {}
