"""A study run by several workers at once: each proposes, trains and tells; the database counts.

Never more trials are trained than were asked for: a worker whose trial would be one too many, with
those under way, withdraws it. What is proposed depends on what has ended by then, and so on the
machines' speed; the score of a design does not.
"""

from __future__ import annotations

import time
import warnings
from functools import partial

from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.study import Study, create_study, load_study
from optuna.trial import FrozenTrial, Trial

from autospec.errors import RetryLater
from autospec.search.claims import Crew, beating, free_lost, under_way, withdraw
from autospec.search.plan import StopSearch, StudyPlan
from autospec.search.result import Stopped
from autospec.search.steps import (
    PROPOSALS_PER_TRIAL,
    fail_hopeless,
    make_sampler,
    tell_progress,
)
from autospec.search.trials import begin_trial, is_finished, state_of

POLL_S = 1.0  # between two looks at what the other workers are at
SETTINGS_KEY = "autospec"  # the attribute that says what a study is
FOUNDING_S = 60.0  # for the worker that created a study to write down what it is


def join_study(name: str, plan: StudyPlan, wanted: dict[str, object]) -> Study:
    """Create a study and queue the published designs, or wait until another worker has.

    Parameters
    ----------
    name : str
    plan : StudyPlan
        With a crew.
    wanted : dict
        What the study is, settings and digests: written down last.

    Raises
    ------
    RetryLater
        If the worker that created it never said what it is.
    """
    assert plan.crew is not None
    study, created = create_or_load(name, plan.crew)
    if created:
        for label, design in plan.references.items():
            study.enqueue_trial(plan.settings.space.encode(design), user_attrs={"label": label})
        study.set_user_attr(SETTINGS_KEY, wanted)
        return study
    until = time.monotonic() + FOUNDING_S
    while SETTINGS_KEY not in study.user_attrs:
        if time.monotonic() > until:
            raise RetryLater(
                f"study {name!r} was created by a worker that was gone before it could say what "
                "the study is. Choose another name, or delete it: "
                f"optuna delete-study --study-name {name}"
            )
        time.sleep(POLL_S)
    return study


def create_or_load(name: str, crew: Crew) -> tuple[Study, bool]:
    """Return a study, and whether it was created here: of several workers, by one."""
    try:
        return create_study(storage=crew.storage, study_name=name, direction="minimize"), True
    except DuplicatedStudyError:
        return load_study(storage=crew.storage, study_name=name), False


def run_shared(study: Study, plan: StudyPlan, crew: Crew) -> Stopped:
    """Run trials beside other workers until there are enough, or this one is to stop.

    Raises
    ------
    StudyFailed
        If not one trial of the first ten could be trained.
    """
    trials, proposals = plan.settings.trials, PROPOSALS_PER_TRIAL * plan.settings.trials
    while True:
        free_lost(study, crew)
        known = study.get_trials(deepcopy=False)
        finished = [t for t in known if is_finished(t)]
        trained = [t for t in finished if state_of(t) != "infeasible"]
        if len(trained) >= trials:
            return "trials"
        if len(finished) >= proposals:
            return "proposals"
        fail_hopeless(trained)
        why = plan.should_stop()
        if why is not None:
            return why
        if len(under_way(known)) >= trials - len(trained):
            time.sleep(POLL_S)  # the last ones are under way; one of them may be lost yet
            continue
        try:
            _run_one(study, plan, crew, len(known))
        except StopSearch as stop:
            return stop.why
        tell_progress(study, plan)


def _run_one(study: Study, plan: StudyPlan, crew: Crew, known: int) -> None:
    """Propose, train and tell one trial, unless it is one too many."""
    study.sampler = make_sampler(plan.settings, known ^ crew.seed)
    with warnings.catch_warnings():  # it cannot know that we keep the heartbeat ourselves
        warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")
        trial = study.ask(plan.settings.space.distributions())
    with beating(study, trial.number, crew):
        try:
            if _is_surplus(study.get_trials(deepcopy=False), trial, plan.settings.trials):
                _give_back(study, trial)
                return
            run = begin_trial(study, trial, plan)
            if run is not None:
                watch = run.watch
                evaluate = partial(plan.validation.evaluate, run.design)
                run.advance(partial(evaluate, watch.after_epoch, watch.lead()))
        except UpdateFinishedTrialError:
            return  # we were silent for so long that another worker was given this trial
        except BaseException:
            _give_back(study, trial)
            raise


def _give_back(study: Study, trial: Trial) -> None:
    """Withdraw a trial; a published design is queued again, for another worker or another day."""
    if "label" in trial.user_attrs:
        study.enqueue_trial(trial.params, user_attrs={"label": trial.user_attrs["label"]})
    withdraw(study, trial.number)


def _is_surplus(known: list[FrozenTrial], trial: Trial, trials: int) -> bool:
    """Say whether trials under way with lower numbers are already as many as are wanted."""
    trained = sum(is_finished(t) and state_of(t) != "infeasible" for t in known)
    before = sum(t.number < trial.number for t in under_way(known))
    return before >= trials - trained
