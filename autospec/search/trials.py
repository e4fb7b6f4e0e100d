"""One trial of a study: checked against the caps, trained or reused, told, and read back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from autospec.data.spectra import FloatArray
from autospec.errors import TrialFailed
from autospec.search.design import Design
from autospec.search.plan import StopSearch, StudyPlan
from autospec.search.progress import Progress
from autospec.search.result import TrialRecord
from autospec.training.trainer import EpochCallback, Training, smooth

REPORT_EVERY = 4  # epochs between two looks of the pruner


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
        reason=a.get("reason", ""),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunningTrial:
    """A proposal that has to be trained, wherever that is done.

    Parameters
    ----------
    study, trial : Study, Trial
        Whom its end is told, and what it is there.
    design : Design
        What to train.
    after_epoch : EpochCallback
        Must be called after each epoch: it may end the training, by its answer or by what it
        raises.
    curve : list of float
        The fold-averaged RMSE of the epochs so far.
    started : float
        When it began, by `time.perf_counter`.
    """

    study: Study
    trial: Trial
    design: Design
    after_epoch: EpochCallback
    curve: list[float]
    started: float

    def advance(self, train: Callable[[], Training | None]) -> bool:
        """Train on, and say whether the trial has ended: if so, the study was told how.

        `train` returns None as long as there is more to come. `StopSearch` leaves the trial untold.
        """
        trial = self.trial
        try:
            training = train()
        except optuna.TrialPruned:
            best = int(np.argmin(smooth(np.array(self.curve)))) + 1
            _note(trial, curve=_rounded(self.curve), best_epoch=best, seconds=self._seconds())
            self.study.tell(trial, state=TrialState.PRUNED)
        except TrialFailed as error:
            _note(trial, reason=str(error), curve=_rounded(self.curve), seconds=self._seconds())
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            if training is None:
                return False
            _note(trial, **_outcome(training), seconds=self._seconds())
            self.study.tell(trial, training.score)
        return True

    def _seconds(self) -> float:
        return time.perf_counter() - self.started


def begin_trial(study: Study, trial: Trial, plan: StudyPlan) -> RunningTrial | None:
    """Return a proposal to train; None if it ended here, over the caps or as known already."""
    started = time.perf_counter()
    design = plan.settings.space.decode(trial.params)
    label = trial.user_attrs.get("label", "")
    constraints = design.overrun(plan.axis, plan.settings.caps)
    if label:  # published designs are references: only what cannot be built is refused
        constraints |= {"parameters": 0.0, "multiply_adds": 0.0}
    for key, value in constraints.items():
        trial.set_constraint(key, value)
    if max(constraints.values()) > 0:
        _note(trial, reason=_infeasible(constraints))
        study.tell(trial, state=TrialState.PRUNED)
        return None
    _note_size(trial, design, plan.axis)
    twin = _twin(study, plan, design)
    if twin is not None:
        _reuse(study, trial, *twin)
        return None
    curve: list[float] = []
    return RunningTrial(
        study=study,
        trial=trial,
        design=design,
        after_epoch=_epoch_callback(study, trial, plan, curve),
        curve=curve,
        started=started,
    )


def _infeasible(constraints: dict[str, float]) -> str:
    if constraints["layers"] > 0:
        return "the network does not fit the spectrum"
    return "over the cap of: " + ", ".join(key for key, value in constraints.items() if value > 0)


def _outcome(training: Training) -> dict[str, object]:
    best = training.best_epoch
    smoothed = np.array([smooth(curve)[best - 1] for curve in training.fold_rmse])
    return {
        "curve": _rounded(training.fold_rmse.mean(axis=0).tolist()),
        "fold_rmse": _rounded(smoothed.tolist()),
        "best_epoch": best,
    }


def _rounded(numbers: list[float]) -> list[float]:
    return [float(f"{x:.6g}") for x in numbers]


def _note(trial: Trial, **facts: object) -> None:
    for key, value in facts.items():
        trial.set_user_attr(key, value)


def _note_size(trial: Trial, design: Design, axis: FloatArray) -> None:
    bands = design.bands(axis)
    _note(
        trial,
        digest=design.digest,
        n_parameters=design.architecture.n_parameters(bands),
        multiply_adds=design.architecture.multiply_adds(bands),
    )


def _twin(study: Study, plan: StudyPlan, design: Design) -> tuple[str, FrozenTrial] | None:
    """Return a completed trial of the identical design, and the name of its study."""
    for known in (study, plan.elder):
        if known is None:
            continue
        for trial in known.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            if trial.user_attrs.get("digest") == design.digest:
                return known.study_name, trial
    return None


def _reuse(study: Study, trial: Trial, where: str, twin: FrozenTrial) -> None:
    kept = ("curve", "fold_rmse", "best_epoch")
    _note(trial, **{key: twin.user_attrs[key] for key in kept}, reused=twin.number)
    _note(trial, reason=f"the same design as trial {twin.number} of {where}")
    assert twin.value is not None
    study.tell(trial, twin.value)


def _epoch_callback(
    study: Study, trial: Trial, plan: StudyPlan, curve: list[float]
) -> EpochCallback:
    """Return what happens after each epoch: stop, record, prune.

    While nothing is complete, a trial that would use up the time for its own refit is cut short
    and counts, so that a short budget still ends in a result.
    """
    started = time.perf_counter()
    first = not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    label = trial.user_attrs.get("label", "")
    name = f" ({label})" if label else ""

    def after_epoch(epoch: int, mean_rmse: float) -> bool:
        curve.append(mean_rmse)
        refit_s = (time.perf_counter() - started) * plan.refit_share
        if first and plan.seconds_left() < refit_s:
            _note(trial, reason="cut short by the time budget")
            return True
        text = f"trial {trial.number}{name}: epoch {epoch}, fold-averaged RMSE {mean_rmse:.3f}"
        plan.report(Progress(stage="epoch", message=text))
        why = plan.should_stop()
        if why is not None:
            raise StopSearch(why)
        if epoch % REPORT_EVERY == 0:
            trial.report(mean_rmse, epoch)
            if not label and trial.should_prune():
                raise optuna.TrialPruned
        return False

    return after_epoch
