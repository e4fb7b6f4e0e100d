"""`PatientStorage`: the database that workers share; it may be away, and no write is ever halved.

A restart of the server costs its workers time, not trials: what could not be asked is asked again.
An answer that was lost is not a question that was lost, so what must happen once carries a mark by
which a second attempt knows the first. A trial's end and all that is known of it are one
transaction: a worker that is killed leaves a trial ended or under way.

Optuna's own storage is used below its public surface where many small writes are made one: the
making of a trial, its parameters, its constraints, its end; and to found a study once.
"""

from __future__ import annotations

import json
import logging
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import lru_cache, partial, wraps
from types import MappingProxyType, SimpleNamespace
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.study._constrained_optimization import _CONSTRAINTS_KEY
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from autospec.errors import RetryLater
from autospec.search.engines import engine_options, is_away

PATIENCE_S = 900.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
PARTS = (  # of a trial in the database, but for its parameters
    *("number", "state", "values", "datetime_start", "datetime_complete", "trial_id"),
    *("user_attributes", "system_attributes", "intermediate_values"),
)

Say = Callable[[str], None]


class PatientStorage(RDBStorage):
    """Optuna's storage in a database; what fails because it is away is asked again.

    Every method that asks the database is patient (see the loop below the class). Only the first
    connection fails at once: an address or a password may be wrong.

    Parameters
    ----------
    url : str
        Of the database.
    heartbeat_s, grace_s : int
        How often a trial under way is marked as alive, and after how long without it counts as
        lost.
    say : callable (str) -> None
        Told once when the database is away, and when it is back.
    interrupted : callable () -> bool
        Asked while it is away; True ends the wait.
    patience_s : float
        How long it is waited for.
    """

    def __init__(
        self,
        url: str,
        *,
        heartbeat_s: int,
        grace_s: int,
        say: Say = lambda text: None,
        interrupted: Callable[[], bool] = lambda: False,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.say, self.interrupted, self.patience_s = say, interrupted, patience_s
        self.heartbeat_s, self.grace_s = heartbeat_s, grace_s
        self.template: FrozenTrial | None = None  # of the next trial that a study asks for
        # it would print the questions that a restart cut off; what we do about it is said by `say`
        logging.getLogger("optuna.storages._rdb.storage").setLevel(logging.ERROR)
        self.params: list[dict[str, Any]] | None = None  # to be written together
        self.last_away = -math.inf  # by `time.monotonic`
        super().__init__(
            url,
            engine_kwargs=engine_options(make_url(url)),
            heartbeat_interval=heartbeat_s,
            grace_period=grace_s,
        )

    def wait_for(self, ask: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Return what the database answers, however often it must be asked; not beyond patience.

        Raises
        ------
        RetryLater
            If it is still away then, or the wait was interrupted.
        """
        begun, pause = time.monotonic(), FIRST_PAUSE_S
        while True:
            try:
                answer = ask()
            except (SQLAlchemyError, StorageInternalError) as error:
                if not is_away(error):
                    raise
                self.last_away = time.monotonic()
                if self.interrupted() or self.last_away - begun > self.patience_s:
                    raise RetryLater(
                        f"the study storage {self.engine.url.render_as_string()} has been away "
                        f"for {(self.last_away - begun) / 60:.0f} minutes. Finished trials are "
                        "kept: run the same command again when it is back."
                    ) from error
                if pause == FIRST_PAUSE_S:
                    self.say("the study storage does not answer; waiting for it")
                time.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                if pause > FIRST_PAUSE_S:
                    self.say("the study storage answers again")
                return answer

    def beat(self, trial_id: int) -> None:
        """Mark a trial as alive, if the database can be had now; another beat follows."""
        try:
            RDBStorage.record_heartbeat(self, trial_id)
        except Exception:  # the trial's own next question says what is wrong
            self.last_away = time.monotonic()

    def stale_trials(self, study_id: int) -> frozenset[int]:
        """Return the ids of trials whose heartbeat has stopped.

        None for a while after the database was away: nobody could leave a mark then.
        """
        if time.monotonic() - self.last_away < self.grace_s:
            return frozenset()
        return frozenset(self._get_stale_trial_ids(study_id))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write the parameters that the block sets in one transaction, when it ends.

        A design has some sixty, and a transaction each would cost more than all else.
        """
        rows: list[dict[str, Any]] = []
        self.params = rows
        try:
            yield
        finally:
            self.params = None
        if rows:
            self.wait_for(partial(self._write_params, rows))

    def _write_params(self, rows: list[dict[str, Any]]) -> None:
        with suppress(IntegrityError), self.scoped_session() as session, session.begin():
            trial_id = rows[0]["trial_id"]
            trial: Any = models.TrialModel.find_or_raise_by_id(trial_id, session)
            self.check_trial_is_updatable(trial_id, trial.state)
            session.add_all(models.TrialParamModel(**row) for row in rows)

    def _set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
        previous_distribution: BaseDistribution | None = None,
    ) -> None:
        words = (trial_id, param_name, param_value_internal, distribution)
        if self.params is None:
            write = partial(RDBStorage._set_trial_param, self, *words, previous_distribution)
            self.wait_for(write)
            return
        kind = distribution_to_json(distribution)
        names = ("trial_id", "param_name", "param_value", "distribution_json")
        self.params.append(dict(zip(names, (*words[:3], kind), strict=True)))

    def end_trial(
        self,
        trial_id: int,
        state: TrialState,
        value: float | None = None,
        facts: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """Write a trial's end and what is known of it: all or nothing, and once.

        Raises
        ------
        UpdateFinishedTrialError
            If it had ended already.
        """
        asked = 0

        def ask() -> None:
            nonlocal asked
            asked += 1
            try:
                self.try_to_end(trial_id, state, value, facts)
            except UpdateFinishedTrialError:
                # it may have been written, and only the answer did not come through
                if asked == 1 or not self._has(trial_id, state, facts):
                    raise

        self.wait_for(ask)

    def try_to_end(
        self, trial_id: int, state: TrialState, value: float | None, facts: Mapping[str, object]
    ) -> None:
        """Do what `end_trial` does, but ask once."""
        with self.scoped_session() as session, session.begin():
            if self.engine.name == "sqlite":  # which has no lock of a row, but one of its own
                session.connection().exec_driver_sql("BEGIN IMMEDIATE")
            trial: Any = models.TrialModel.find_or_raise_by_id(trial_id, session, for_update=True)
            self.check_trial_is_updatable(trial_id, trial.state)
            for key, fact in facts.items():
                kind = models.TrialUserAttributeModel
                self._set_trial_attr_without_commit(session, kind, trial_id, key, fact)
            if value is not None:
                self._set_trial_value_without_commit(session, trial, 0, value)
            trial.state, trial.datetime_complete = state, datetime.now()

    def set_constraints(self, trial_id: int, constraints: Mapping[str, float]) -> None:
        """Set all constraints of a trial under way, in one transaction; above 0 is infeasible."""

        def ask() -> None:
            with self.scoped_session() as session, session.begin():
                kind = models.TrialSystemAttributeModel
                for name, value in constraints.items():
                    key = f"{_CONSTRAINTS_KEY}:{name}"
                    self._set_trial_attr_without_commit(session, kind, trial_id, key, value)

        self.wait_for(ask)

    def _has(self, trial_id: int, state: TrialState, facts: Mapping[str, object]) -> bool:
        trial = self.get_trial(trial_id)
        wanted = json.loads(json.dumps(dict(facts)))
        return trial.state == state and wanted.items() <= trial.user_attrs.items()

    def set_once(self, study_id: int, key: str, value: object) -> None:
        """Set an attribute of a study; of several workers, and of several times, the first."""

        def ask() -> None:
            with suppress(IntegrityError), self.scoped_session() as session, session.begin():
                kind = models.StudyUserAttributeModel
                session.add(kind(study_id=study_id, key=key, value_json=json.dumps(value)))

        self.wait_for(ask)

    def set_trial_state_values(self, trial_id: int, *args: Any, **kwargs: Any) -> bool:  # noqa: ANN401
        """Set a trial's state; an end is written once."""

        def write(state: TrialState, values: tuple[float, ...] | None = None) -> bool:
            if state.is_finished():
                self.end_trial(trial_id, state, values[0] if values else None)
                return True
            ask = partial(RDBStorage.set_trial_state_values, self, trial_id, state, values)
            return bool(self.wait_for(ask))

        return write(*args, **kwargs)

    def _create_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None = None
    ) -> FrozenTrial:
        """Make a trial as the template says; `ask` of a study gives none, and gets ours."""
        template = template_trial or self.template
        ask = partial(RDBStorage._create_new_trial, self, study_id, template)
        made: FrozenTrial = self.wait_for(ask)
        return made

    def _get_prepared_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None, session: Session
    ) -> models.TrialModel:
        """Make a trial and, in the same transaction, its first heartbeat."""
        trial = super()._get_prepared_new_trial(study_id, template_trial, session)
        if trial.state == TrialState.RUNNING:
            session.add(models.TrialHeartbeatModel(trial_id=trial.trial_id))
        return trial

    def _build_frozen_trial_from_trial_model(self, trial: Any) -> FrozenTrial:  # noqa: ANN401
        """Read a trial; its sixty distributions, the same for all, are parsed once.

        Trials under way are read again at each look, and this was most of what a look took.
        """
        bare: Any = SimpleNamespace(**{name: getattr(trial, name) for name in PARTS}, params=())
        frozen = super()._build_frozen_trial_from_trial_model(bare)
        rows = sorted(trial.params, key=lambda row: row.param_id)
        kinds = {row.param_name: _distribution(row.distribution_json) for row in rows}
        frozen.distributions = dict(kinds)
        frozen.params = {
            row.param_name: kinds[row.param_name].to_external_repr(row.param_value) for row in rows
        }
        return frozen


_distribution = lru_cache(maxsize=1024)(json_to_distribution)


def _patient(name: str) -> Callable[..., Any]:
    method = getattr(RDBStorage, name)

    @wraps(method)
    def call(self: PatientStorage, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return self.wait_for(partial(method, self, *args, **kwargs))

    return call


for _name in (
    *("create_new_study", "delete_study", "get_all_studies", "get_study_directions"),
    *("get_study_id_from_name", "get_study_name_from_id", "get_study_system_attrs"),
    *("get_study_user_attrs", "set_study_system_attr", "set_study_user_attr"),
    *("_get_trials", "_get_stale_trial_ids", "get_trial"),
    *("get_trial_id_from_study_id_trial_number", "record_heartbeat", "set_trial_user_attr"),
    *("set_trial_intermediate_value", "set_trial_system_attr", "_get_best_trial_id"),
    *("get_trial_user_attrs", "get_trial_system_attrs", "get_trial_param"),
):
    setattr(PatientStorage, _name, _patient(_name))
