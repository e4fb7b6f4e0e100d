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
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from autospec.search.claims import (
    ERRAND,
    LOST,
    WORKER,
    Crew,
    beating,
    errand_of,
    free_lost,
    under_way,
    withdraw,
)
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


def join_study(name: str, plan: StudyPlan, wanted: dict[str, object]) -> Study:
    """Create a study, or join it.

    Parameters
    ----------
    name : str
    plan : StudyPlan
        With a crew.
    wanted : dict
        What the study is, settings and digests: written down by whichever worker is the first.
    """
    assert plan.crew is not None
    study, _ = create_or_load(name, plan.crew)
    if SETTINGS_KEY not in study.user_attrs:
        plan.crew.storage.set_once(study._study_id, SETTINGS_KEY, wanted)
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
        known = free_lost(study, crew)
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
            _run_one(study, plan, crew, known)
        except UpdateFinishedTrialError:
            continue  # we were silent for so long that another worker was given this trial
        except StopSearch as stop:
            return stop.why
        tell_progress(study, plan)


def _run_one(study: Study, plan: StudyPlan, crew: Crew, known: list[FrozenTrial]) -> None:
    """Propose, train and tell one trial, unless it is one too many.

    Raises
    ------
    UpdateFinishedTrialError
        If this worker counted as gone before it had told the end.
    """
    trial = _ask(study, plan, crew, known)
    with beating(study, trial.number, crew):
        try:
            others = study.get_trials(deepcopy=False)
            if _is_surplus(others, trial, plan.settings.trials) or _is_taken(others, trial):
                withdraw(crew, trial._trial_id)
                return
            run = begin_trial(study, trial, plan, others)
            if run is not None:
                watch = run.watch
                evaluate = partial(plan.validation.evaluate, run.design)
                run.advance(partial(evaluate, watch.after_epoch, watch.lead()))
        except BaseException:
            withdraw(crew, trial._trial_id)
            raise


def _ask(study: Study, plan: StudyPlan, crew: Crew, known: list[FrozenTrial]) -> Trial:
    """Begin a trial: one that was lost, a published design, or what the sampler proposes.

    There is no queue: what is still to be done is seen from what there is, so that nothing is left
    in it when a study ends, and nothing is lost with a worker that took it out.
    """
    study.sampler = make_sampler(plan.settings, len(known) ^ crew.seed)
    params, marks = _still_to_do(known, plan)
    crew.storage.template = create_trial(
        state=TrialState.RUNNING,
        user_attrs={WORKER: crew.name} | marks,
        system_attrs={"fixed_params": params},  # as Optuna's own queue names them
    )
    try:
        with warnings.catch_warnings(), crew.storage.together():
            # it cannot know that we keep the heartbeat ourselves
            warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")
            return study.ask(plan.settings.space.distributions())
    finally:
        crew.storage.template = None


def _still_to_do(
    known: list[FrozenTrial], plan: StudyPlan
) -> tuple[dict[str, object], dict[str, str]]:
    """Return the parameters and marks of what nobody has done, or is at; both may be empty."""
    taken = _errands(known)
    for lost in known:
        if LOST in lost.user_attrs and errand_of(lost) not in taken:
            label = lost.user_attrs.get("label")
            return dict(lost.params), {"label": label} if label else {ERRAND: errand_of(lost)}
    for label, design in plan.references.items():
        if f"design {label}" not in taken:
            return dict(plan.settings.space.encode(design)), {"label": label}
    return {}, {}


def _errands(known: list[FrozenTrial]) -> set[str]:
    """Return what is done, or being done."""
    return {errand_of(t) for t in known if is_finished(t) or t.state == TrialState.RUNNING}


def _is_taken(known: list[FrozenTrial], trial: Trial) -> bool:
    """Say whether another worker is at the same, or has done it."""
    mine = errand_of(known[trial.number])
    return mine in _errands([t for t in known if is_finished(t) or t.number < trial.number])


def _is_surplus(known: list[FrozenTrial], trial: Trial, trials: int) -> bool:
    """Say whether trials under way with lower numbers are already as many as are wanted.

    Numbers follow the order in which trials began, for none ever waits: whoever has a lower one
    was there before, and is seen.
    """
    trained = sum(is_finished(t) and state_of(t) != "infeasible" for t in known)
    before = sum(t.number < trial.number for t in under_way(known))
    return before >= trials - trained
