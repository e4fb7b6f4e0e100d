"""The main job, `search`: split, study, final evaluation, result; the report room writes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from optuna.study import Study

from autospec.data.spectra import Spectra
from autospec.data.splits import SplitPlan, make_split_plan
from autospec.evaluate.baselines import PLSRModel, fit_plsr
from autospec.evaluate.calibrated import CalibratedModel
from autospec.nets.architecture import PUBLISHED
from autospec.search.final import (
    FinalEvaluation,
    best_trial,
    candidates,
    refit_seconds,
    verdict,
)
from autospec.search.importance import parameter_importance
from autospec.search.objective import CrossValidation
from autospec.search.plan import StudyPlan
from autospec.search.progress import Progress, ProgressCallback, silent
from autospec.search.result import SearchResult, Stopped, TrialRecord
from autospec.search.settings import SearchSettings
from autospec.search.study import PUBLISHED_LABEL, open_study, reference_designs, run_study
from autospec.search.summary import describe_environment, summarise_spectra
from autospec.search.trials import trial_records
from autospec.search.twins import plsr_twins_seconds
from autospec.training.trainer import Device, resolve_device

CONTROL_SUFFIX = "-random"
SCORING_SECONDS = 5.0  # kept back for scores, domain, importance and the report
SEEDS_APART = 7919  # the folds' networks and the split draw from different streams of one seed


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How a search runs; but for `trials_at_once`, nothing here may change what it finds.

    Parameters
    ----------
    storage : str or None
        An Optuna storage URL; None keeps the study in memory.
    device : {"auto", "cpu", "cuda"}
        Where networks train.
    trials_at_once : int
        Above 1, so many trials are trained at once, each in a process of its own. They share the
        cores, or the GPU and its memory. What is proposed then depends on which trial ends first,
        so that the same seed no longer gives the same study; the score of a design stays the same.
        A script must begin such a search under ``if __name__ == "__main__":``.
    progress : callable (Progress) -> None
        Told how far the search is.
    interrupted : callable () -> bool
        Asked after each epoch; True ends the search, which is then scored as it stands.
    on_model : callable (str, CalibratedModel) -> None, optional
        Given "winner" and "plsr" with intervals and domain, after they were scored; one whose
        twins could not be trained is not given.
    """

    storage: str | None = None
    device: Device = "auto"
    trials_at_once: int = 1
    progress: ProgressCallback = silent
    interrupted: Callable[[], bool] = _never
    on_model: Callable[[str, CalibratedModel], None] | None = None


@dataclass(slots=True, kw_only=True)
class _Clock:
    """The time a search has, and how much of it is kept back for the end."""

    started: float
    budget_s: float
    baselines_s: float = 0.0
    refits_s: float = 0.0

    def seconds_left(self) -> float:
        """Return how long trials may still run."""
        kept_back = SCORING_SECONDS + self.baselines_s + self.refits_s
        return self.budget_s - (time.monotonic() - self.started) - kept_back


def search(
    spectra: Spectra,
    *,
    name: str = "search",
    settings: SearchSettings | None = None,
    execution: Execution | None = None,
) -> SearchResult:
    """Search the best 1D-CNN for `spectra` and score it once on sealed test rows.

    Parameters
    ----------
    spectra : Spectra
        Rows without a lab value are left out, and counted.
    name : str
        The study's name, as it stands in the storage and in the tables.
    settings : SearchSettings, optional
        What to search; by default 24 trials within five minutes.
    execution : Execution, optional
        Where and how; by default in memory, on whatever device there is.

    Returns
    -------
    SearchResult

    Raises
    ------
    DataError
        If there are too few rows for the split.
    SettingsDiffer, StorageError
        If the storage holds another study of that name, or cannot be used.
    StudyFailed
        If no trial could be completed.
    """
    settings, execution = settings or SearchSettings(), execution or Execution()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    clock = _Clock(started=time.monotonic(), budget_s=settings.budget_s)
    labelled = spectra.labelled()
    split = plan_split(labelled, settings)
    plan = _study_plan(labelled, split, settings, execution, clock)
    _announce(plan, split, spectra, execution)
    study = open_study(execution.storage, name, plan)
    plsr = _tune_plsr(plan, execution, clock)
    stopped = run_study(study, plan)
    trials = trial_records(study)
    winner = best_trial(trials)  # raises if there is nothing to report
    control: tuple[TrialRecord, ...] = ()
    if settings.control == "random" and stopped != "interrupt":
        control = _run_control(study, name, plan, execution)
    searched = time.monotonic()
    final = FinalEvaluation(
        spectra=labelled,
        plan=split,
        plsr=plsr,
        settings=settings,
        device=execution.device,
        on_step=lambda text: execution.progress(Progress(stage="final", message=text)),
    ).run(candidates(trials, control))
    for key, model in final.calibrated.items():
        if execution.on_model is not None:
            execution.on_model(key, model)
    importance, note = parameter_importance(study, settings.seed)
    design = settings.space.decode(winner.params)
    assert winner.best_epoch is not None
    return SearchResult(
        name=name,
        settings=settings,
        data=summarise_spectra(spectra, plan.validation.train),
        n_train=len(split.train),
        n_test=split.n_test,
        split_digest=split.digest,
        trials=trials,
        control_trials=control,
        winner=design,
        winner_trial=winner.number,
        winner_epochs=winner.best_epoch,
        winner_bands=design.bands(labelled.axis),
        importance=importance,
        importance_note=note,
        test_ids=final.test.ids,
        test_fields=final.test.fields,
        observed=tuple(float(v) for v in final.test.target),
        in_domain=final.in_domain,
        models=final.models,
        verdict=verdict(final.models, labelled.target_unit),
        notes=(*_notes(plan, trials, stopped, spectra.n - labelled.n), *final.notes),
        stopped=stopped,
        environment=describe_environment(
            execution.device,
            started=started,
            seconds_search=searched - clock.started,
            seconds_final=time.monotonic() - searched,
        ),
    )


def plan_split(labelled: Spectra, settings: SearchSettings) -> SplitPlan:
    """Lay the split that `settings` ask for, on rows that all have a lab value.

    Raises
    ------
    DataError
        If there are too few rows or groups.
    """
    return make_split_plan(
        labelled,
        test_fraction=settings.test_fraction,
        n_folds=settings.folds,
        repeats=settings.repeats,
        seed=settings.seed,
    )


def _study_plan(
    labelled: Spectra,
    split: SplitPlan,
    settings: SearchSettings,
    execution: Execution,
    clock: _Clock,
) -> StudyPlan:
    """Bind data, settings and the stop rule; the time for the final models is kept back."""
    validation = CrossValidation(
        train=labelled.rows(split.train),
        folds=split.folds,
        seed=settings.seed + SEEDS_APART,
        device=execution.device,
    )
    return StudyPlan(
        validation=validation,
        settings=settings,
        fingerprint={"data_digest": labelled.digest, "split_digest": split.digest},
        should_stop=_stop_rule(execution, clock.seconds_left),
        seconds_left=clock.seconds_left,
        report=_Reporter(settings, len(split.folds), clock, execution.progress),
        trials_at_once=execution.trials_at_once,
    )


def _tune_plsr(plan: StudyPlan, execution: Execution, clock: _Clock) -> PLSRModel:
    """Tune PLSR before the first trial: how long it takes tells how long its twins will take."""
    execution.progress(Progress(stage="epoch", message="tuning PLSR on the same folds"))
    train, started = plan.validation.train, time.monotonic()
    plsr = fit_plsr(train, plan.validation.folds)
    tuning_s = time.monotonic() - started
    clock.baselines_s = plsr_twins_seconds(tuning_s, train.n, plan.settings)
    return plsr


@dataclass(frozen=True, slots=True)
class _Reporter:
    """Passes progress on, and keeps the time the refits will take."""

    settings: SearchSettings
    n_folds: int
    clock: _Clock
    progress: ProgressCallback

    def __call__(self, progress: Progress) -> None:
        """Take in the trials so far, then tell the caller."""
        if progress.stage == "search":
            seconds = refit_seconds(progress.records, self.settings, self.n_folds)
            self.clock.refits_s = seconds
        self.progress(progress)


def _stop_rule(
    execution: Execution, seconds_left: Callable[[], float]
) -> Callable[[], Stopped | None]:
    def should_stop() -> Stopped | None:
        if execution.interrupted():
            return "interrupt"
        return "budget" if seconds_left() < 0 else None

    return should_stop


def _run_control(
    study: Study, name: str, plan: StudyPlan, execution: Execution
) -> tuple[TrialRecord, ...]:
    """Run random search with as many trained trials as the study has, and its own time."""
    trained = [t for t in trial_records(study) if t.state != "infeasible"]
    settings = replace(plan.settings, sampler="random", trials=len(trained))
    clock = time.monotonic()

    def seconds_left() -> float:
        return settings.budget_s - (time.monotonic() - clock)

    control_plan = replace(
        plan,
        settings=settings,
        should_stop=_stop_rule(execution, seconds_left),
        seconds_left=seconds_left,
        report=execution.progress,
        elder=study,
    )
    control = open_study(execution.storage, name + CONTROL_SUFFIX, control_plan)
    run_study(control, control_plan)
    return trial_records(control)


def _announce(plan: StudyPlan, split: SplitPlan, spectra: Spectra, execution: Execution) -> None:
    s = plan.settings
    networks = s.trials * len(split.folds)
    at_once = f", {plan.trials_at_once} trials at once" if plan.trials_at_once > 1 else ""
    control = " The random control doubles that." if s.control == "random" else ""
    execution.progress(
        Progress(
            stage="plan",
            total=s.trials,
            message=(
                f"{spectra.n} spectra, {len(split.train)} to train on, {split.n_test} sealed as "
                f"the test set. Up to {s.trials} trials × {len(split.folds)} folds = {networks} "
                f"networks on {resolve_device(execution.device)}{at_once}, then the refits of "
                f"{s.members} networks each and {s.folds} twins of the best; it ends within "
                f"{s.budget_s / 60:.3g} minutes whatever is left.{control} Stop early with "
                "Ctrl-C: what is done is reported."
            ),
        )
    )


def _notes(
    plan: StudyPlan, trials: tuple[TrialRecord, ...], stopped: Stopped, unlabelled: int
) -> tuple[str, ...]:
    notes: list[str] = []
    if stopped in ("budget", "interrupt"):
        trained = sum(t.state != "infeasible" for t in trials)
        cause = "The time budget" if stopped == "budget" else "Ctrl-C"
        notes.append(
            f"{cause} ended the search after {trained} of {plan.settings.trials} trials. "
            "Run the same command again to go on from there, with a longer --budget if you can."
        )
    if plan.trials_at_once > 1:
        notes.append(
            f"{plan.trials_at_once} trials were trained at once: what was proposed depended on "
            "which ended first. Each score is what it would be alone."
        )
    if unlabelled:
        notes.append(f"{unlabelled} rows have no lab value and were left out.")
    if plan.settings.published:
        tried = {t.label for t in trials if t.value is not None}
        wanted = [f"{PUBLISHED_LABEL}{name}" for name in PUBLISHED]
        missing = [label for label in wanted if label not in tried]
        held = reference_designs(plan)
        for label in missing:
            why = (
                "was not reached or failed" if label in held else "lies outside this study's space"
            )
            notes.append(f"The design '{label}' {why}; it has no row.")
    reused = sum(t.reused is not None for t in trials)
    if reused:
        notes.append(f"{reused} proposals repeated a design and took over its score.")
    return tuple(notes)
