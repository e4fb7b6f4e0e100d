"""One trial of a study: checked against the caps, trained or reused, told, and read back.

When a trial is given up is said in `autospec.search.pruning`; what it is compared with is read from
the study when it begins, so that nothing but the finished trials decides.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from autospec.data.spectra import FloatArray
from autospec.errors import TrialFailed
from autospec.search.plan import StopSearch, StudyPlan
from autospec.search.progress import Progress
from autospec.search.pruning import (
    PruningRule,
    Seen,
    lead_epochs,
    lowest_so_far,
    why_given_up,
    why_lead_is_given_up,
)
from autospec.search.result import TrialRecord
from autospec.search.searched import Searched
from autospec.training.lead import Lead
from autospec.training.trainer import Training, smooth

RULE = PruningRule()


def is_finished(trial: FrozenTrial) -> bool:
    """Say whether a trial counts: not running, waiting, or left behind by a stop or a kill."""
    if trial.state == TrialState.FAIL:
        return "reason" in trial.user_attrs
    return trial.state.is_finished()


def state_of(trial: FrozenTrial) -> str:
    """Return "complete", "pruned", "infeasible" or "failed"."""
    if trial.state == TrialState.COMPLETE:
        return "complete"
    if trial.state == TrialState.FAIL:
        return "failed"
    return "infeasible" if any(v > 0 for v in trial.constraints.values()) else "pruned"


def trial_records(study: Study) -> tuple[TrialRecord, ...]:
    """Return the finished trials of a study, in order."""
    return tuple(_record(t) for t in study.get_trials(deepcopy=False) if is_finished(t))


def _record(trial: FrozenTrial) -> TrialRecord:
    a = trial.user_attrs
    state = state_of(trial)
    return TrialRecord(
        number=trial.number,
        state=state,  # type: ignore[arg-type]
        value=trial.value if state == "complete" else None,
        params=trial.params,
        fold_rmse=tuple(a.get("fold_rmse", ())),
        curve=tuple(a.get("curve", ())),
        best_epoch=a.get("best_epoch"),
        n_parameters=a.get("n_parameters"),
        multiply_adds=a.get("multiply_adds"),
        seconds=float(a.get("seconds", 0.0)),
        label=a.get("label", ""),
        reused=a.get("reused"),
        reason=a.get("reason", a.get("pruned", "")),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunningTrial:
    """A proposal that has to be trained, wherever that is done.

    Parameters
    ----------
    study, trial : Study, Trial
        Whom its end is told, and what it is there.
    design : Searched
        What to train.
    size : dict
        What is known of it before: its digest, parameters and multiply–adds.
    watch : Watch
        Its callbacks must be called after each epoch: they may end the training, by their answer
        or by what they raise.
    started : float
        When it began, by `time.perf_counter`.
    """

    study: Study
    trial: Trial
    design: Searched
    size: dict[str, object]
    watch: Watch
    started: float

    def advance(self, train: Callable[[], Training | None]) -> bool:
        """Train on, and say whether the trial has ended: if so, the study was told how.

        `train` returns None as long as there is more to come. `StopSearch` leaves the trial untold.
        """
        watch = self.watch
        try:
            training = train()
        except _GivenUp as given_up:
            curve = watch.curve or watch.lead_curve
            best = int(np.argmin(smooth(np.array(curve)))) + 1
            self._end(
                TrialState.PRUNED,
                curve=_rounded(curve),
                best_epoch=best,
                lead_curve=_rounded(watch.lead_curve),
                pruned=str(given_up),
            )
        except TrialFailed as error:
            curve = watch.curve or watch.lead_curve
            self._end(TrialState.FAIL, curve=_rounded(curve), reason=str(error))
        else:
            if training is None:
                return False
            self._end(TrialState.COMPLETE, training.score, **_outcome(training), **watch.note)
        return True

    def _end(self, state: TrialState, value: float | None = None, **facts: object) -> None:
        facts |= self.size | {"seconds": time.perf_counter() - self.started}
        _end(self.study, self.trial, self.watch.plan, state, value, facts)


def begin_trial(
    study: Study, trial: Trial, plan: StudyPlan, earlier: list[FrozenTrial] | None = None
) -> RunningTrial | None:
    """Return a proposal to train; None if it ended here, over the caps or as known already.

    `earlier` are the trials of the study, where they have just been read: that is dear where
    workers share it.
    """
    started = time.perf_counter()
    design: Searched = plan.settings.space.decode(trial.params)
    label = trial.user_attrs.get("label", "")
    constraints = design.overrun(plan.validation.seen, plan.settings.caps)
    if label:  # published designs are references: only what cannot be built is refused
        constraints |= {"parameters": 0.0, "multiply_adds": 0.0}
    _set_constraints(trial, plan, constraints)
    if max(constraints.values()) > 0:
        reason = _infeasible(constraints, plan.validation.sample)
        _end(study, trial, plan, TrialState.PRUNED, None, {"reason": reason})
        return None
    parameters, work = design.size(plan.validation.seen)
    size = {"digest": design.digest, "n_parameters": parameters, "multiply_adds": work}
    earlier = study.get_trials(deepcopy=False) if earlier is None else earlier
    twin = _twin(study.study_name, earlier, plan, design)
    if twin is not None:
        where, known = twin
        facts = size | _taken_over(where, known)
        _end(study, trial, plan, TrialState.COMPLETE, known.value, facts)
        return None
    watch = Watch(earlier, trial, plan)
    return RunningTrial(
        study=study, trial=trial, design=design, size=size, watch=watch, started=started
    )


def _set_constraints(trial: Trial, plan: StudyPlan, constraints: dict[str, float]) -> None:
    if plan.crew is not None:
        plan.crew.storage.set_constraints(trial._trial_id, constraints)
        return
    for key, value in constraints.items():
        trial.set_constraint(key, value)


def _end(
    study: Study,
    trial: Trial,
    plan: StudyPlan,
    state: TrialState,
    value: float | None,
    facts: dict[str, object],
) -> None:
    """Tell a study how a trial ended; where workers share it, in one transaction.

    Elsewhere what makes a trial without an end count, its reason, is written last.
    """
    if plan.crew is not None:
        plan.crew.storage.end_trial(trial._trial_id, state, value, facts)
        return
    for key in sorted(facts, key=lambda key: key == "reason"):
        trial.set_user_attr(key, facts[key])
    study.tell(trial, value, state=state)


def _infeasible(constraints: dict[str, float], sample: str) -> str:
    if constraints["layers"] > 0:
        return f"the network does not fit the {sample}"
    return "over the cap of: " + ", ".join(key for key, value in constraints.items() if value > 0)


def _outcome(training: Training) -> dict[str, object]:
    best = training.best_epoch
    smoothed = np.array([smooth(curve)[best - 1] for curve in training.fold_rmse])
    return {
        "curve": _rounded(training.fold_rmse.mean(axis=0).tolist()),
        "lead_curve": _rounded(_leading(training).tolist()),
        "fold_rmse": _rounded(smoothed.tolist()),
        "best_epoch": best,
    }


def _leading(training: Training) -> FloatArray:
    """Return the averaged curve of the folds that lead, while they do."""
    folds = RULE.lead_members(len(training.fold_rmse))
    return np.asarray(training.fold_rmse[:folds, : RULE.lead_epochs].mean(axis=0))


def _rounded(numbers: list[float]) -> list[float]:
    return [float(f"{x:.6g}") for x in numbers]


def _twin(
    name: str, earlier: list[FrozenTrial], plan: StudyPlan, design: Searched
) -> tuple[str, FrozenTrial] | None:
    """Return a completed trial of the identical design, and the name of its study."""
    known = [(name, earlier)]
    if plan.elder is not None:
        known.append((plan.elder.study_name, plan.elder.get_trials(deepcopy=False)))
    for where, trials in known:
        for trial in trials:
            same = trial.user_attrs.get("digest") == design.digest
            if same and trial.state == TrialState.COMPLETE:
                return where, trial
    return None


def _taken_over(where: str, twin: FrozenTrial) -> dict[str, object]:
    kept = {key: twin.user_attrs[key] for key in ("curve", "fold_rmse", "best_epoch")}
    reason = f"the same design as trial {twin.number} of {where}"
    return kept | {"reused": twin.number, "reason": reason}


def seen_in(study: Study) -> Seen:
    """Return what the trained trials of a study came down to; reused scores were not trained."""
    return _seen(study.get_trials(deepcopy=False))


def _seen(known: list[FrozenTrial]) -> Seen:
    trials = [t for t in known if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    leads = [t.user_attrs["lead_curve"] for t in trials if t.user_attrs.get("lead_curve")]
    trained = [t for t in trials if "reused" not in t.user_attrs]
    complete = [  # a pruned trial has a value too: what it last reported
        (t.user_attrs["curve"], t.value)
        for t in trained
        if t.state == TrialState.COMPLETE and t.value is not None
    ]
    return Seen(
        leads=tuple(lowest_so_far(np.array(curve)) for curve in leads),
        complete=tuple(lowest_so_far(np.array(curve)) for curve, _ in complete),
        scores=tuple(score for _, score in complete),
    )


class _GivenUp(Exception):
    """Raised inside a training to prune its trial, with the reason."""


class Watch:
    """What happens after each epoch of a trial: stop, record, report, give up.

    The first trial, and any that is the best so far, is cut short where it would use up the time
    for its own refit, and counts: a short budget still ends in a result, and in time. Published
    designs are never given up.
    """

    def __init__(self, earlier: list[FrozenTrial], trial: Trial, plan: StudyPlan) -> None:
        self.trial, self.plan = trial, plan
        self.started = time.perf_counter()
        self.seen = _seen(earlier)
        self.first = all(t.state != TrialState.COMPLETE for t in earlier)
        self.label = trial.user_attrs.get("label", "")
        self.folds = len(plan.validation.folds)
        self.leading = RULE.lead_members(self.folds)
        self.curve: list[float] = []
        self.lead_curve: list[float] = []
        self.note: dict[str, object] = {}

    def lead(self) -> Lead:
        """Return which folds learn alone, and how long."""
        epochs = 0 if self.label else lead_epochs(RULE, self.seen)
        return Lead(members=self.leading, epochs=epochs, on_epoch=self.after_lead_epoch)

    def after_lead_epoch(self, epoch: int, mean_rmse: float) -> None:
        """Take in an epoch of the folds that lead."""
        self.lead_curve.append(mean_rmse)
        whose = "" if self.folds == 1 else f" of the first {self.leading} folds"
        self._go_on(f"epoch {epoch}{whose}, RMSE {mean_rmse:.4g}")
        why = why_lead_is_given_up(RULE, self.seen, np.array(self.lead_curve))
        if why:  # the sampler ranks a pruned trial by its step: here, epochs of all folds
            self.trial.report(mean_rmse, max(1, epoch * self.leading // self.folds))
            where = "" if self.folds == 1 else f" on {self.leading} of {self.folds} folds"
            raise _GivenUp(f"pruned after {epoch} epochs{where}: {why}")

    def after_epoch(self, epoch: int, mean_rmse: float) -> bool:
        """Take in an epoch of all folds; True ends the training."""
        self.curve.append(mean_rmse)
        if self._out_of_time():
            self.note["reason"] = "cut short by the time budget"
            return True
        kind = "watched" if self.folds == 1 else "fold-averaged"
        self._go_on(f"epoch {epoch}, {kind} RMSE {mean_rmse:.4g}")
        if epoch % RULE.every == 0:
            self.trial.report(mean_rmse, epoch)
        why = "" if self.label else why_given_up(RULE, self.seen, np.array(self.curve))
        if why:
            where = "" if self.folds == 1 else f" on all {self.folds} folds"
            raise _GivenUp(f"pruned after {epoch} epochs{where}: {why}")
        return False

    def _out_of_time(self) -> bool:
        """Say whether there is just time left to refit this trial, if it is the best so far."""
        refit_s = (time.perf_counter() - self.started) * self.plan.refit_share
        if self.first:
            return self.plan.seconds_left() < refit_s
        best = min(self.seen.scores, default=math.inf)
        wins = float(smooth(np.array(self.curve)).min()) < best
        return wins and self.plan.seconds_for_winner() < refit_s

    def _go_on(self, text: str) -> None:
        """Tell how far it is, unless the search is to stop."""
        name = f" ({self.label})" if self.label else ""
        message = f"trial {self.trial.number}{name}: {text}"
        self.plan.report(Progress(stage="epoch", message=message))
        why = self.plan.should_stop()
        if why is not None:
            raise StopSearch(why)
