"""What a study does between two trials, alone or with a crew: sampler, progress, end of hope."""

from __future__ import annotations

import numpy as np
import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial

from autospec.errors import StudyFailed
from autospec.search.plan import StudyPlan
from autospec.search.progress import Progress
from autospec.search.searched import Settings
from autospec.search.trials import state_of, trial_records

PROPOSALS_PER_TRIAL = 20  # how often an infeasible proposal may be followed by another


def make_sampler(settings: Settings, number: int) -> optuna.samplers.BaseSampler:
    """Return the sampler of the proposal that follows `number` others."""
    seed = int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0])
    if settings.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if settings.sampler == "gp":
        return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
    # running trials, which there are with several at once only, count as poor: none is made twice
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def tell_progress(study: Study, plan: StudyPlan) -> None:
    """Tell how far a study is."""
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


def fail_hopeless(trained: list[FrozenTrial]) -> None:
    """End a study whose first trials all failed.

    Raises
    ------
    StudyFailed
        If not one of at least ten could be trained.
    """
    if len(trained) >= 10 and all(state_of(t) == "failed" for t in trained):
        raise StudyFailed(
            f"the first {len(trained)} trials all failed; the last said: "
            f"{trained[-1].user_attrs.get('reason', '')}"
        )
