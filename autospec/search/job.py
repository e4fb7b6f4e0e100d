"""The main job, `search`: split, study, final evaluation, result; the report room writes it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from autospec.data.spectra import Spectra
from autospec.data.splits import SplitPlan, make_split_plan
from autospec.evaluate.baselines import PLSRModel, fit_plsr
from autospec.search.candidates import best_trial, candidates
from autospec.search.execution import (
    SEEDS_APART,
    Clock,
    describe_work,
    notes_on_control,
    notes_on_end,
    notes_on_openings,
    notes_on_trials,
    plan_study,
    run_control,
    take_turn,
)
from autospec.search.execution import Execution as Execution  # it is given to `search`
from autospec.search.final import Evaluated, FinalEvaluation, verdict
from autospec.search.importance import parameter_importance
from autospec.search.objective import CrossValidation
from autospec.search.plan import StudyPlan
from autospec.search.progress import Progress
from autospec.search.result import SearchResult, Stopped, TrialRecord
from autospec.search.settings import SearchSettings
from autospec.search.study import count_opening, open_study, run_study
from autospec.search.summary import describe_environment, summarise_spectra
from autospec.search.trials import trial_records
from autospec.search.twins import plsr_twins_seconds
from autospec.training.trainer import Device, resolve_device


def search(
    spectra: Spectra,
    *,
    name: str = "search",
    settings: SearchSettings | None = None,
    execution: Execution | None = None,
) -> SearchResult:
    """Search the best 1D-CNN for `spectra` and score it on sealed test rows in the end.

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
    ReportedElsewhere
        If the study is shared, and another worker makes the report.
    """
    settings, execution = settings or SearchSettings(), execution or Execution()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    clock = Clock(started=execution.started or time.monotonic(), budget_s=settings.budget_s)
    labelled = spectra.labelled()
    split = plan_split(labelled, settings)
    validation, plan = _study_plan(labelled, split, settings, execution, clock)
    _announce(plan, split, spectra, settings, execution)
    study = open_study(execution.storage, name, plan)
    plsr = _tune_plsr(validation, settings, execution, clock)
    stopped = run_study(study, plan)
    trials = trial_records(study)
    best_trial(trials)  # raises if there is nothing to report
    control = run_control(study, name, plan, execution, stopped)
    take_turn(execution, study, plan)
    job = _Job(
        name=name,
        settings=settings,
        spectra=spectra,
        labelled=labelled,
        split=split,
        plan=plan,
        plsr=plsr,
        trials=trials,
        control=control,
        stopped=stopped,
        opened=count_opening(study),
        started=started,
        clock=clock,
        searched=time.monotonic(),
    )
    final = _evaluate(job, execution)
    return _result(job, final, parameter_importance(study, settings.seed), execution.device)


def found_search(
    spectra: Spectra, *, name: str, settings: SearchSettings, execution: Execution
) -> None:
    """Create a shared study, unless it is there, so that workers find it; run nothing.

    Raises
    ------
    DataError, SettingsDiffer, StorageError
        As `search`.
    """
    labelled = spectra.labelled()
    clock = Clock(started=time.monotonic(), budget_s=settings.budget_s)
    _, plan = _study_plan(labelled, plan_split(labelled, settings), settings, execution, clock)
    open_study(execution.storage, name, plan)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    """All that the search came to, before the sealed rows are opened."""

    name: str
    settings: SearchSettings
    spectra: Spectra
    labelled: Spectra
    split: SplitPlan
    plan: StudyPlan
    plsr: PLSRModel
    trials: tuple[TrialRecord, ...]
    control: tuple[TrialRecord, ...]
    stopped: Stopped
    opened: int
    started: str
    clock: Clock
    searched: float

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of how it went."""
        unlabelled = self.spectra.n - self.labelled.n
        left_out = f"{unlabelled} rows have no lab value and were left out."
        return (
            *notes_on_end(self.plan, self.trials, self.stopped),
            *notes_on_openings(self.opened),
            *((left_out,) if unlabelled else ()),
            *notes_on_trials(self.plan, self.trials),
            *notes_on_control(self.control, self.settings.control),
        )


def _evaluate(job: _Job, execution: Execution) -> Evaluated:
    """Refit, open the sealed rows, and hand the models on."""
    final = FinalEvaluation(
        spectra=job.labelled,
        plan=job.split,
        plsr=job.plsr,
        settings=job.settings,
        device=execution.device,
        on_step=execution.say,
    ).run(candidates(job.trials, job.control))
    for key, model in final.calibrated.items():
        if execution.on_model is not None:
            execution.on_model(key, model)
    return final


def _result(
    job: _Job, final: Evaluated, importance: tuple[dict[str, float], str], device: Device
) -> SearchResult:
    winner = best_trial(job.trials)
    design = job.settings.space.decode(winner.params)
    assert winner.best_epoch is not None
    return SearchResult(
        name=job.name,
        settings=job.settings,
        data=summarise_spectra(job.spectra, job.labelled.rows(job.split.train)),
        n_train=len(job.split.train),
        n_test=job.split.n_test,
        split_digest=job.split.digest,
        trials=job.trials,
        control_trials=job.control,
        winner=design,
        winner_trial=winner.number,
        winner_epochs=winner.best_epoch,
        winner_bands=design.bands(job.labelled.axis),
        importance=importance[0],
        importance_note=importance[1],
        test_ids=final.test.ids,
        test_fields=final.test.fields,
        observed=tuple(float(v) for v in final.test.target),
        in_domain=final.in_domain,
        models=final.models,
        verdict=verdict(final.models, job.labelled.target_unit),
        notes=(*job.notes, *final.notes),
        stopped=job.stopped,
        environment=describe_environment(
            device,
            started=job.started,
            seconds_search=job.searched - job.clock.started,
            seconds_final=time.monotonic() - job.searched,
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
    clock: Clock,
) -> tuple[CrossValidation, StudyPlan]:
    validation = CrossValidation(
        train=labelled.rows(split.train),
        folds=split.folds,
        seed=settings.seed + SEEDS_APART,
        device=execution.device,
        threads=execution.threads,
    )
    digests = {"data_digest": labelled.digest, "split_digest": split.digest}
    return validation, plan_study(validation, settings, digests, execution, clock)


def _tune_plsr(
    validation: CrossValidation, settings: SearchSettings, execution: Execution, clock: Clock
) -> PLSRModel:
    """Tune PLSR before the first trial: how long it takes tells how long its twins will take."""
    execution.progress(Progress(stage="epoch", message="tuning PLSR on the same folds"))
    started = time.monotonic()
    plsr = fit_plsr(validation.train, validation.folds)
    tuning_s = time.monotonic() - started
    clock.baselines_s = plsr_twins_seconds(tuning_s, validation.train.n, settings)
    return plsr


def _announce(
    plan: StudyPlan,
    split: SplitPlan,
    spectra: Spectra,
    settings: SearchSettings,
    execution: Execution,
) -> None:
    device, n_folds = str(resolve_device(execution.device)), len(split.folds)
    work = describe_work(plan, n_folds, device, settings.budget_s, settings.control)
    execution.progress(
        Progress(
            stage="plan",
            total=settings.trials,
            message=(
                f"{spectra.n} spectra, {len(split.train)} to train on, {split.n_test} sealed as "
                f"the test set. {work}"
            ),
        )
    )
