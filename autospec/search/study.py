"""A study: opened or resumed, and run trial by trial until its trials or its time are used up.

A study interrupted and resumed equals one that ran through: each proposal comes from a sampler
seeded by the study's seed and the number of trials proposed before it, so nothing but the finished
trials decides what comes next. Trials that a killed process left unfinished are marked as failed
and do not count.

With several trials at once a proposal also depends on which have ended by then, and so on the
machine's speed; the score of a design does not. The number of a proposal whose trial was lost is
given to the next one, so that neither a published design nor a draw is left out or made twice.
"""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import partial

import numpy as np
import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from autospec.errors import SettingsDiffer, StorageError, StudyFailed
from autospec.search.parallel import Workers
from autospec.search.plan import StopSearch, StudyPlan
from autospec.search.progress import Progress
from autospec.search.result import Stopped
from autospec.search.searched import Settings
from autospec.search.trials import begin_trial, is_finished, state_of, trial_records

SETTINGS_KEY = "autospec"
PROPOSALS_PER_TRIAL = 20  # how often an infeasible proposal may be followed by another
OPENED = "opened"  # the attribute that counts how often sealed rows were opened
PROPOSAL = "proposal"  # the attribute that holds which proposal a trial is, from 0

optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_study(storage: str | None, name: str, plan: StudyPlan) -> Study:
    """Open a new study, or the one of that name if its settings and data are the same.

    Parameters
    ----------
    storage : str or None
        An Optuna storage URL; None keeps the study in memory.
    name : str
        The study's name in the storage.
    plan : StudyPlan
        What it is to run.

    Raises
    ------
    SettingsDiffer
        If the storage holds a study of that name with other settings or data; names each.
    StorageError
        If the storage cannot be opened.
    """
    wanted = json.loads(json.dumps(asdict(plan.settings) | plan.fingerprint))
    with _storage_errors(storage):
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            load_if_exists=True,
            direction="minimize",
            pruner=optuna.pruners.NopPruner(),  # ours is in autospec.search.pruning
        )
        found = study.user_attrs.get(SETTINGS_KEY)
        if found is None:
            study.set_user_attr(SETTINGS_KEY, wanted)
        else:
            _refuse_differences(found, wanted, name, plan.settings.EXTENDABLE)
        _drop_running(study)  # left by a killed process
    return study


def run_study(study: Study, plan: StudyPlan) -> Stopped:
    """Run trials until there are enough, the time is up, or the user stops; say which.

    Raises
    ------
    StudyFailed
        If not one trial of the first ten could be trained.
    StorageError
        If the storage fails.
    """
    count = min(plan.trials_at_once, plan.settings.trials)
    pool = Workers(plan.validation, count) if count > 1 else nullcontext()
    with _storage_errors(None), pool as workers:
        try:
            return _run_trials(study, plan, workers)
        except StopSearch as stop:
            return stop.why
        finally:
            _drop_running(study)


def count_opening(study: Study) -> int:
    """Count, before it happens, that the sealed rows are opened; return how often they were before.

    Raises
    ------
    StorageError
        If the storage fails.
    """
    with _storage_errors(None):
        before = int(study.user_attrs.get(OPENED, 0))
        study.set_user_attr(OPENED, before + 1)
    return before


def _run_trials(study: Study, plan: StudyPlan, workers: Workers | None) -> Stopped:
    """Run trials in this process, or by the workers."""
    trials, proposals = plan.settings.trials, PROPOSALS_PER_TRIAL * plan.settings.trials
    while True:
        known = study.get_trials(deepcopy=False)
        under_way = [t for t in known if t.state == TrialState.RUNNING]
        finished = [t for t in known if is_finished(t)]
        trained = [t for t in finished if state_of(t) != "infeasible"]
        if len(trained) >= trials:
            return "trials"
        if len(finished) >= proposals:
            return "proposals"
        _fail_hopeless(trained)
        why = plan.should_stop()
        if why is not None:
            return why
        most = min(trials - len(trained), proposals - len(finished))
        if workers is not None and (len(under_way) >= most or not workers.free):
            if workers.wait():
                _tell_progress(study, plan)
            continue
        run = begin_trial(study, _propose(study, plan, _free_number(finished + under_way)), plan)
        if run is not None and workers is not None:
            workers.train(run)
            continue
        if run is not None:
            watch = run.watch
            evaluate = partial(plan.validation.evaluate, run.design)
            run.advance(partial(evaluate, watch.after_epoch, watch.lead()))
        _tell_progress(study, plan)


def _drop_running(study: Study) -> None:
    """Mark trials that have no end as failed; without a reason they do not count."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _free_number(known: list[FrozenTrial]) -> int:
    """Return the lowest number of a proposal that no finished or running trial has.

    Studies begun before trials had numbers have them in order.
    """
    taken = {trial.user_attrs.get(PROPOSAL, i) for i, trial in enumerate(known)}
    return next(number for number in itertools.count() if number not in taken)


def _propose(study: Study, plan: StudyPlan, number: int) -> Trial:
    references = list(plan.references.items())
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if number < len(references) and not waiting:
        label, design = references[number]
        attributes = {"label": label, PROPOSAL: number}
        study.enqueue_trial(plan.settings.space.encode(design), user_attrs=attributes)
    study.sampler = make_sampler(plan.settings, number)
    trial = study.ask(plan.settings.space.distributions())
    if PROPOSAL not in trial.user_attrs:
        trial.set_user_attr(PROPOSAL, number)
    return trial


def make_sampler(settings: Settings, number: int) -> optuna.samplers.BaseSampler:
    """Return the sampler of the proposal that follows `number` others."""
    seed = int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0])
    if settings.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if settings.sampler == "gp":
        return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
    # running trials, which there are with several at once only, count as poor: none is made twice
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def _tell_progress(study: Study, plan: StudyPlan) -> None:
    records = trial_records(study)
    states = [r.state for r in records]
    best = min(((r.value, r.number) for r in records if r.value is not None), default=None)
    plan.report(
        Progress(
            stage="search",
            study=study.study_name,
            total=plan.settings.trials,
            complete=states.count("complete"),
            pruned=states.count("pruned"),
            infeasible=states.count("infeasible"),
            failed=states.count("failed"),
            best=best and best[0],
            best_trial=best and best[1],
            records=records,
            at_once=plan.trials_at_once,
        )
    )


def _fail_hopeless(trained: list[FrozenTrial]) -> None:
    if len(trained) >= 10 and all(state_of(t) == "failed" for t in trained):
        raise StudyFailed(
            f"the first {len(trained)} trials all failed; the last said: "
            f"{trained[-1].user_attrs.get('reason', '')}"
        )


def _refuse_differences(
    found: dict[str, object], wanted: dict[str, object], name: str, extendable: frozenset[str]
) -> None:
    flat_found, flat_wanted = dict(_flat(found)), dict(_flat(wanted))
    lines = [
        f"  {key}: there {flat_found.get(key)!r}, here {flat_wanted.get(key)!r}"
        for key in sorted(flat_found.keys() | flat_wanted.keys())
        if flat_found.get(key) != flat_wanted.get(key) and key not in extendable
    ]
    if lines:
        raise SettingsDiffer(
            f"study {name!r} was begun with other settings:\n"
            + "\n".join(lines)
            + "\nUse the same settings to resume it, or another --out to begin anew."
        )


def _flat(tree: dict[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@contextmanager
def _storage_errors(storage: str | None) -> Iterator[None]:
    """Turn a database's errors into one line that names no password."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, ImportError) as error:
        cause = error.__cause__ or error
        kind = type(cause).__name__
        where = "" if storage is None else f" {hide_password(storage)}"
        raise StorageError(
            f"the study storage{where} cannot be used ({kind}). Check that it exists, can be "
            "written and is an Optuna storage, then run the same command again: finished "
            "trials are kept."
        ) from error


def hide_password(url: str) -> str:
    """Return a storage URL without its password; a text that is no URL is not repeated."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "(not a URL)"
