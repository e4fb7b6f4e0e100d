"""A study: opened or resumed, and run trial by trial until its trials or its time are used up.

A study interrupted and resumed equals one that ran through: each proposal comes from a sampler
seeded by the study's seed and the number of trials proposed before it, so nothing but the finished
trials decides what comes next. Trials that a killed process left unfinished are marked as failed
and do not count.

A study that workers share is run by `autospec.search.crew`.

With several trials at once a proposal also depends on which have ended by then, and so on the
machine's speed; the score of a design does not. The number of a proposal whose trial was lost is
given to the next one, so that neither a published design nor a draw is left out or made twice.
"""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial

import optuna
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from autospec.errors import RetryLater, SettingsDiffer
from autospec.search.claims import heartbeat_ages, host_and_process, worker_of
from autospec.search.crew import SETTINGS_KEY, join_study, run_shared
from autospec.search.origin import ORIGIN_KEY
from autospec.search.parallel import Workers
from autospec.search.patience import PatientStorage
from autospec.search.plan import StopSearch, StudyPlan
from autospec.search.result import Stopped
from autospec.search.steps import (
    PROPOSALS_PER_TRIAL,
    fail_hopeless,
    make_sampler,
    tell_progress,
)
from autospec.search.storage import GRACE_S, make_tables, storage_errors
from autospec.search.trials import begin_trial, is_finished, state_of, trial_records

OPENED = "opened"  # the attribute that counts how often sealed rows were opened
PROPOSAL = "proposal"  # the attribute that holds which proposal a trial is, from 0

optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_study(storage: str | PatientStorage | None, name: str, plan: StudyPlan) -> Study:
    """Open a new study, or the one of that name if its settings and data are the same.

    Parameters
    ----------
    storage : str, PatientStorage or None
        An Optuna storage URL, or a storage that is open; None keeps the study in memory.
    name : str
        The study's name in the storage.
    plan : StudyPlan
        What it is to run.

    Raises
    ------
    SettingsDiffer
        If the storage holds a study of that name with other settings or data; names each.
    RetryLater
        If it is to be run alone, and workers are at it.
    StorageError
        If the storage cannot be opened.
    """
    wanted = json.loads(json.dumps(asdict(plan.settings) | plan.fingerprint))
    with storage_errors(storage if isinstance(storage, str) else None):
        if plan.crew is None:
            study = _open_alone(storage, name)
            _refuse_crew(study)
        else:
            study = join_study(name, plan, wanted)
        found = study.user_attrs.get(SETTINGS_KEY)
        if found is None:
            study.set_user_attr(SETTINGS_KEY, wanted)
        else:
            _refuse_differences(found, wanted, name, plan.settings.EXTENDABLE)
            _extend(study, found, wanted, plan.settings.EXTENDABLE)
        if plan.crew is None:
            _drop_running(study)  # left by a killed process
        elif plan.origin is not None and ORIGIN_KEY not in study.user_attrs:
            plan.crew.storage.set_once(study._study_id, ORIGIN_KEY, plan.origin)
    return study


def _extend(
    study: Study,
    found: dict[str, object],
    wanted: dict[str, object],
    extendable: frozenset[str],
) -> None:
    """Write down how many trials are wanted now; the budget is each process' own."""
    changed = {key: wanted[key] for key in extendable - {"budget_s"} if key in wanted}
    if any(found.get(key) != value for key, value in changed.items()):
        study.set_user_attr(SETTINGS_KEY, found | changed)


def _open_alone(storage: str | PatientStorage | None, name: str) -> Study:
    return make_tables(
        lambda: optuna.create_study(
            storage=storage,
            study_name=name,
            load_if_exists=True,
            direction="minimize",
            pruner=optuna.pruners.NopPruner(),  # ours is in autospec.search.pruning
        )
    )


def _refuse_crew(study: Study) -> None:
    """Refuse to run a study alone, and to end its trials under way, while workers are at it."""
    storage = getattr(study._storage, "_backend", None)
    if not isinstance(storage, RDBStorage):
        return  # in memory: nobody else sees it
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    theirs = {t._trial_id: host_and_process(t) for t in running if worker_of(t) is not None}
    ages = heartbeat_ages(storage, theirs) if theirs else {}
    alive = {number: age for number, age in ages.items() if age < GRACE_S}
    if alive:
        raise RetryLater(
            f"study {study.study_name!r}: another worker ({theirs[min(alive)]}) is at it. Work "
            "beside it with --storage and the address of its database, or wait for it to end; if "
            f"it is gone, run the same command again in {GRACE_S - min(alive.values()):.0f} s."
        )


def run_study(study: Study, plan: StudyPlan) -> Stopped:
    """Run trials until there are enough, the time is up, or the user stops; say which.

    Raises
    ------
    StudyFailed
        If not one trial of the first ten could be trained.
    StorageError
        If the storage fails.
    """
    if plan.crew is not None:
        with storage_errors(None):
            if trial_records(study):  # what a trial takes tells this worker's clock of the refits
                tell_progress(study, plan)
            return run_shared(study, plan, plan.crew)
    count = min(plan.trials_at_once, plan.settings.trials)
    pool = Workers(plan.validation, count) if count > 1 else nullcontext()
    with storage_errors(None), pool as workers:
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
    with storage_errors(None):
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
        fail_hopeless(trained)
        why = plan.should_stop()
        if why is not None:
            return why
        most = min(trials - len(trained), proposals - len(finished))
        if workers is not None and (len(under_way) >= most or not workers.free):
            if workers.wait():
                tell_progress(study, plan)
            continue
        run = begin_trial(study, _propose(study, plan, _free_number(finished + under_way)), plan)
        if run is not None and workers is not None:
            workers.train(run)
            continue
        if run is not None:
            watch = run.watch
            evaluate = partial(plan.validation.evaluate, run.design)
            run.advance(partial(evaluate, watch.after_epoch, watch.lead()))
        tell_progress(study, plan)


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
    with warnings.catch_warnings():  # a study of one process has no use for heartbeats
        warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")
        trial = study.ask(plan.settings.space.distributions())
    if PROPOSAL not in trial.user_attrs:
        trial.set_user_attr(PROPOSAL, number)
    return trial


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
            + "\nUse the same settings to resume it, or another --out (in a shared storage another "
            "--name) to begin anew."
        )


def _flat(tree: dict[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
