"""A shared storage: what is asked again, what is written once, and what is never half written."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import TrialState
from sqlalchemy.exc import PendingRollbackError

from autospec.search import patience
from autospec.search.claims import (
    LOST,
    TRIES,
    WORKER,
    Crew,
    claimed,
    errand_of,
    free_lost,
    is_done,
    worker_of,
)
from autospec.search.engines import is_away
from autospec.search.patience import PatientStorage
from autospec.search.trials import is_finished

Join = Callable[[str], tuple[Study, Crew]]
pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed"),
]


@pytest.fixture
def join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Join:
    """Make a worker of that name, on the one study."""
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.01)

    def make(name: str) -> tuple[Study, Crew]:
        url = f"sqlite:///{tmp_path / 'study.db'}"
        storage = PatientStorage(url, heartbeat_s=10, grace_s=90)
        study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True)
        return study, Crew(name=name, storage=storage)

    return make


def begun(study: Study, crew: Crew) -> int:
    """Begin a trial as the crew; return its id."""
    template = optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={WORKER: crew.name})
    return crew.storage._create_new_trial(study._study_id, template)._trial_id


@contextmanager
def answer_lost(crew: Crew) -> Iterator[None]:
    """Let the next commit come through, and the answer to it not."""
    dialect = crew.storage.engine.dialect
    commit, left = dialect.do_commit, [1]

    def lose(connection: Any) -> None:
        commit(connection)
        if left:
            left.clear()
            raise sqlite3.OperationalError("database is locked")

    dialect.do_commit = lose  # type: ignore[method-assign]
    try:
        yield
    finally:
        dialect.do_commit = commit  # type: ignore[method-assign]


def silence(crew: Crew, trial_id: int) -> None:
    """Make a trial's heartbeat an old one."""
    with crew.storage.engine.begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE trial_heartbeats SET heartbeat = '2001-01-01' WHERE trial_id = {trial_id}"
        )


def test_an_end_whose_answer_was_lost_is_written_once(join: Join) -> None:
    study, crew = join("a")
    trial_id = begun(study, crew)
    with answer_lost(crew):
        crew.storage.end_trial(trial_id, TrialState.COMPLETE, 1.5, {"digest": "d"})
    assert (study.trials[0].value, study.trials[0].user_attrs["digest"]) == (1.5, "d")


def test_an_end_never_overwrites_another(join: Join) -> None:
    (study, crew), (_, other) = join("a"), join("b")
    trial_id = begun(study, crew)
    other.storage.end_trial(trial_id, TrialState.FAIL, facts={LOST: "b"})
    with pytest.raises(UpdateFinishedTrialError):
        crew.storage.end_trial(trial_id, TrialState.COMPLETE, 1.5, {"digest": "d"})
    with pytest.raises(UpdateFinishedTrialError):
        crew.storage.end_trial(trial_id, TrialState.FAIL, facts={LOST: "a"})
    assert study.trials[0].state == TrialState.FAIL
    assert study.trials[0].user_attrs == {WORKER: "a", LOST: "b"}


def test_an_end_is_written_whole_or_not_at_all(join: Join) -> None:
    study, crew = join("a")
    trial_id = begun(study, crew)
    with pytest.raises(TypeError):  # the second fact cannot be written
        crew.storage.end_trial(trial_id, TrialState.COMPLETE, 1.0, {"a": 1, "b": object()})
    assert study.trials[0].state == TrialState.RUNNING
    assert study.trials[0].user_attrs == {WORKER: "a"}


def test_a_trial_made_twice_for_want_of_an_answer_is_withdrawn(join: Join) -> None:
    study, crew = join("a")
    with answer_lost(crew):
        trial_id = begun(study, crew)
    assert len(study.trials) == 2
    crew.held.add(trial_id)
    free_lost(study, crew)
    states = {t._trial_id: t.state for t in study.trials}
    assert states.pop(trial_id) == TrialState.RUNNING
    assert list(states.values()) == [TrialState.FAIL]
    assert not any(is_finished(t) for t in study.trials)


def test_work_is_claimed_though_the_answer_was_lost(join: Join) -> None:
    study, crew = join("a")
    with answer_lost(crew), claimed(study, crew, "report") as mine:
        assert mine
    assert is_done(study, "report")
    assert sum(t.state == TrialState.COMPLETE for t in study.trials) == 1


def test_of_two_that_claim_the_same_one_has_it_and_nobody_again(join: Join) -> None:
    (study, crew), (same, other) = join("a"), join("b")
    with claimed(study, crew, "w") as first, claimed(same, other, "w") as second:
        assert (first, second) == (True, False)
    with claimed(same, other, "w") as third:
        assert not third


def test_work_that_failed_is_free_again(join: Join) -> None:
    (study, crew), (same, other) = join("a"), join("b")
    with pytest.raises(ZeroDivisionError), claimed(study, crew, "w"):
        raise ZeroDivisionError
    with claimed(same, other, "w") as mine:
        assert mine


def test_work_of_a_silent_worker_is_done_by_another_once(join: Join) -> None:
    (study, crew), (same, other) = join("a"), join("b")
    with claimed(study, crew, "w") as mine:
        assert mine
        silence(crew, study.trials[0]._trial_id)
        with claimed(same, other, "w") as taken_over:
            assert taken_over
    assert [t.state for t in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]


def test_work_that_a_silent_worker_ended_counts_where_nobody_took_it_over(join: Join) -> None:
    (study, crew), (same, other) = join("a"), join("b")
    with claimed(study, crew, "w"):
        silence(crew, study.trials[0]._trial_id)
        free_lost(same, other)
    assert is_done(same, "w")


def test_a_trial_has_a_heartbeat_from_its_first_moment(join: Join) -> None:
    (study, crew), (same, other) = join("a"), join("b")
    silence(crew, begun(study, crew))
    free_lost(same, other)
    assert study.trials[0].user_attrs == {WORKER: "a", LOST: "b"}


def test_nobody_is_lost_just_after_the_database_was_away(join: Join) -> None:
    (study, crew), (same, other) = join("a"), join("b")
    silence(crew, begun(study, crew))
    with answer_lost(other):
        same.set_user_attr("any", 1)
    free_lost(same, other)
    assert study.trials[0].state == TrialState.RUNNING


def test_a_trial_lost_again_and_again_counts_as_failed(join: Join) -> None:
    (study, crew), (same, other) = join("a"), join("b")
    for _ in range(TRIES):
        trial_id = begun(study, crew)
        crew.storage.set_trial_user_attr(trial_id, "errand", "trial 0")
        silence(crew, trial_id)
        free_lost(same, other)
    assert {errand_of(t) for t in study.trials} == {"trial 0"}
    assert [is_finished(t) for t in study.trials] == [False] * (TRIES - 1) + [True]


def test_what_a_process_without_a_crew_left_waiting_is_withdrawn(join: Join) -> None:
    study, crew = join("a")
    study.enqueue_trial({"x": 1})
    free_lost(study, crew)
    assert study.trials[0].state == TrialState.FAIL and worker_of(study.trials[0]) is None


def test_an_attribute_set_once_stays(join: Join) -> None:
    (study, crew), (same, other) = join("a"), join("b")
    crew.storage.set_once(study._study_id, "k", {"a": 1})
    other.storage.set_once(same._study_id, "k", {"a": 2})
    assert same.user_attrs["k"] == {"a": 1}


def test_parameters_are_written_together_and_only_while_the_trial_runs(join: Join) -> None:
    study, crew = join("a")
    uniform = {name: optuna.distributions.FloatDistribution(0, 1) for name in "xyz"}
    with crew.storage.together():
        trial = study.ask(uniform)
        assert study.get_trials()[0].params == {}
    assert study.get_trials()[0].params == trial.params


def test_parameters_of_a_trial_that_was_lost_meanwhile_are_refused(join: Join) -> None:
    study, crew = join("a")

    def ask_and_lose() -> None:
        with crew.storage.together():
            trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
            crew.storage.end_trial(trial._trial_id, TrialState.FAIL)

    with pytest.raises(UpdateFinishedTrialError):
        ask_and_lose()


def test_constraints_written_together_are_read_as_optuna_writes_them(join: Join) -> None:
    study, crew = join("a")
    limits = {"layers": 0.0, "parameters": 1.5}
    crew.storage.set_constraints(begun(study, crew), limits)
    other = study.ask()
    for key, value in limits.items():
        other.set_constraint(key, value)
    first, second = study.trials
    assert first.constraints == second.constraints == limits
    assert first.system_attrs == second.system_attrs


def test_a_transaction_that_optuna_went_on_with_after_it_was_cut_off_counts_as_away() -> None:
    """Its way out of a failed question asks again in the transaction that is broken."""
    error = StorageInternalError()
    error.__cause__ = PendingRollbackError("Can't reconnect until it is rolled back")
    assert is_away(error)


def test_a_trial_is_read_as_optuna_reads_it(join: Join) -> None:
    study, crew = join("a")
    kinds = optuna.distributions
    trial = study.ask(
        {
            "x": kinds.FloatDistribution(0, 1),
            "n": kinds.IntDistribution(1, 9),
            "c": kinds.CategoricalDistribution(("p", "q")),
        }
    )
    trial.report(2.0, 1)
    trial.set_user_attr("a", [1])
    study.tell(trial, 1.0)
    plain = optuna.load_study(study_name="s", storage=str(crew.storage.url))
    assert study.trials == plain.trials
