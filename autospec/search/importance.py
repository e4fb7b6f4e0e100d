"""How much each parameter mattered, by functional ANOVA, with what that number leaves out."""

from __future__ import annotations

from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.study import Study
from optuna.trial import TrialState

MIN_TRIALS = 8


def parameter_importance(study: Study, seed: int) -> tuple[dict[str, float], str]:
    """Return each parameter's share of the variance of the score, and a note on its limits.

    Functional ANOVA of Hutter et al. 2014 (https://proceedings.mlr.press/v32/hutter14.html), by
    Optuna, on complete trials.

    Parameters
    ----------
    study : optuna Study
        A finished study.
    seed : int
        Fixes the forest.

    Returns
    -------
    dict of str to float, str
        Highest first, summing to 1; empty with fewer than 8 complete trials or equal scores.
    """
    trials = study.get_trials(deepcopy=False)
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    left_out = sum(t.state in (TrialState.PRUNED, TrialState.FAIL) for t in trials)
    values = {t.value for t in complete}
    if len(complete) < MIN_TRIALS or len(values) < 2:
        return {}, (
            f"{len(complete)} complete trials are too few for a parameter importance; "
            f"want at least {MIN_TRIALS}."
        )
    importance = get_param_importances(
        study, evaluator=FanovaImportanceEvaluator(seed=seed % 2**32)
    )
    return {name: float(share) for name, share in importance.items()}, (
        f"fANOVA on {len(complete)} complete trials; it omits {left_out} pruned, infeasible and "
        "failed ones, effects of several parameters together, and whether a block was used at "
        "all: in a static space the parameters of unused blocks count as noise. With so few "
        "trials read it as a hint."
    )
