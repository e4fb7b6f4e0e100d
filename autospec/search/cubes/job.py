"""The main job on cubes, `search_cubes`: split, study, final evaluation, result."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.notes import notes_on_data
from autospec.data.cubes.overlaps import window_diagonal_km
from autospec.data.cubes.splits import CubeSplitPlan, make_cube_split
from autospec.evaluate.cube_baselines import BASELINES, CubeBaseline, Halt, fit_cube_baselines
from autospec.search.candidates import best_trial, candidates
from autospec.search.cubes.final import CubesEvaluated, CubesFinalEvaluation, best_baseline, verdict
from autospec.search.cubes.objective import CubeValidation
from autospec.search.cubes.result import CubeResult, SplitRecord
from autospec.search.cubes.settings import CubeSettings
from autospec.search.cubes.summary import describe_places, describe_split, summarise_cubes
from autospec.search.execution import (
    SEEDS_APART,
    Clock,
    Execution,
    describe_work,
    notes_on_control,
    notes_on_end,
    notes_on_openings,
    notes_on_trials,
    plan_study,
    run_control,
    take_turn,
)
from autospec.search.importance import parameter_importance
from autospec.search.plan import StudyPlan
from autospec.search.progress import Progress
from autospec.search.result import Stopped, TrialRecord
from autospec.search.study import count_opening, open_study, run_study
from autospec.search.summary import describe_environment
from autospec.search.trials import trial_records
from autospec.training.trainer import Device, resolve_device

BASELINES_SHARE = 1 / 3  # of the budget: the trials are to have the most of it


def search_cubes(
    cubes: Cubes,
    *,
    name: str = "search",
    settings: CubeSettings | None = None,
    execution: Execution | None = None,
) -> CubeResult:
    """Search the best 3D-CNN for `cubes` and score it on sealed test samples in the end.

    Parameters
    ----------
    cubes : Cubes
        Samples without a lab value are left out, and counted.
    name : str
        The study's name, as it stands in the storage and in the tables.
    settings : CubeSettings, optional
        What to search; by default 24 trials within five minutes, held out by blocks.
    execution : Execution, optional
        Where and how; by default in memory, on whatever device there is. `on_model` is given
        "winner" and its `CalibratedCubes`.

    Returns
    -------
    CubeResult

    Raises
    ------
    DataError
        If there are too few samples or squares for the split.
    SettingsDiffer, StorageError
        If the storage holds another study of that name, or cannot be used.
    StudyFailed
        If no trial could be completed.
    ReportedElsewhere
        If the study is shared, and another worker makes the report.
    """
    settings, execution = settings or CubeSettings(), execution or Execution()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    sets = 2 if settings.show_leakage else 1
    clock = Clock(
        started=execution.started or time.monotonic(), budget_s=settings.budget_s, twin_sets=sets
    )
    labelled = cubes.labelled()
    split = make_cube_split(labelled, settings.split)
    validation, plan = _study_plan(labelled, split, settings, execution, clock)
    _announce(plan, split, cubes, settings, execution)
    study = open_study(execution.storage, name, plan)
    baselines = _tune_baselines(validation, settings, execution, clock)
    stopped = run_study(study, plan)
    trials = trial_records(study)
    best_trial(trials)  # raises if there is nothing to report
    control = run_control(study, name, plan, execution, stopped)
    take_turn(execution, study, plan)
    job = _Job(
        name=name,
        settings=settings,
        cubes=cubes,
        labelled=labelled,
        split=split,
        plan=plan,
        baselines=baselines,
        trials=trials,
        control=control,
        stopped=stopped,
        opened=count_opening(study),
        started=started,
        clock=clock,
        searched=time.monotonic(),
        record=describe_split(labelled, settings.split, split),
    )
    final = _evaluate(job, execution)
    return _result(job, final, parameter_importance(study, settings.seed), execution.device)


def found_cube_search(
    cubes: Cubes, *, name: str, settings: CubeSettings, execution: Execution
) -> None:
    """Create a shared study, unless it is there, so that workers find it; run nothing.

    Raises
    ------
    DataError, SettingsDiffer, StorageError
        As `search_cubes`.
    """
    labelled = cubes.labelled()
    clock = Clock(started=time.monotonic(), budget_s=settings.budget_s)
    split = make_cube_split(labelled, settings.split)
    _, plan = _study_plan(labelled, split, settings, execution, clock)
    open_study(execution.storage, name, plan)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    """All that the search came to, before the sealed samples are opened."""

    name: str
    settings: CubeSettings
    cubes: Cubes
    labelled: Cubes
    split: CubeSplitPlan
    plan: StudyPlan
    baselines: tuple[CubeBaseline, ...]
    trials: tuple[TrialRecord, ...]
    control: tuple[TrialRecord, ...]
    stopped: Stopped
    opened: int
    started: str
    clock: Clock
    searched: float
    record: SplitRecord

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of how it went."""
        return (
            *notes_on_end(self.plan, self.trials, self.stopped),
            *notes_on_openings(self.opened),
            *notes_on_data(self.cubes, self.split, self.settings.split.buffer_km),
            *_notes_on_overlap(self.labelled, self.record),
            *_notes_on_baselines(self.baselines),
            *notes_on_trials(self.plan, self.trials),
            *notes_on_control(self.control, self.settings.control),
        )


def _evaluate(job: _Job, execution: Execution) -> CubesEvaluated:
    """Refit, open the sealed samples, and hand the winner on."""
    final = CubesFinalEvaluation(
        cubes=job.labelled,
        plan=job.split.plan,
        baselines=job.baselines,
        settings=job.settings,
        device=execution.device,
        on_step=execution.say,
    ).run(candidates(job.trials, job.control))
    if final.calibrated is not None and execution.on_model is not None:
        execution.on_model("winner", final.calibrated)
    return final


def _result(
    job: _Job, final: CubesEvaluated, importance: tuple[dict[str, float], str], device: Device
) -> CubeResult:
    winner, rival = best_trial(job.trials), best_baseline(job.baselines).name
    assert winner.best_epoch is not None
    return CubeResult(
        name=job.name,
        settings=job.settings,
        data=summarise_cubes(job.cubes, job.labelled.rows(job.split.plan.train)),
        split=job.record,
        places=describe_places(job.labelled, job.split, final.out_of_fold),
        trials=job.trials,
        control_trials=job.control,
        winner=job.settings.space.decode(winner.params),
        winner_trial=winner.number,
        winner_epochs=winner.best_epoch,
        importance=importance[0],
        importance_note=importance[1],
        test_ids=final.test.ids,
        observed=tuple(float(v) for v in final.test.target),
        in_domain=final.in_domain,
        baseline=rival,
        models=final.models,
        leakage=final.leakage,
        verdict=verdict(final.models, rival, job.labelled.target_unit),
        notes=(*job.notes, *final.notes),
        stopped=job.stopped,
        environment=describe_environment(
            device,
            started=job.started,
            seconds_search=job.searched - job.clock.started,
            seconds_final=time.monotonic() - job.searched,
        ),
    )


def _study_plan(
    labelled: Cubes,
    split: CubeSplitPlan,
    settings: CubeSettings,
    execution: Execution,
    clock: Clock,
) -> tuple[CubeValidation, StudyPlan]:
    validation = CubeValidation(
        train=labelled.rows(split.plan.train),
        folds=split.plan.folds,
        seed=settings.seed + SEEDS_APART,
        device=execution.device,
        threads=execution.threads,
    )
    digests = {"data_digest": labelled.digest, "split_digest": split.plan.digest}
    return validation, plan_study(validation, settings, digests, execution, clock)


def _announce(
    plan: StudyPlan,
    split: CubeSplitPlan,
    cubes: Cubes,
    settings: CubeSettings,
    execution: Execution,
) -> None:
    device, n_folds = str(resolve_device(execution.device)), len(split.plan.folds)
    work = describe_work(plan, n_folds, device, settings.budget_s, settings.control)
    dropped = f", {len(split.dropped)} left out between them" if len(split.dropped) else ""
    execution.progress(
        Progress(
            stage="plan",
            total=settings.trials,
            message=(
                f"{cubes.n} samples, {len(split.plan.train)} to train on, {split.plan.n_test} "
                f"sealed as the test set{dropped}. {work}"
            ),
        )
    )


def _tune_baselines(
    validation: CubeValidation, settings: CubeSettings, execution: Execution, clock: Clock
) -> tuple[CubeBaseline, ...]:
    """Tune the baselines before the first trial, so that their time is known."""
    names = "gradient boosting, a random forest and ridge"
    execution.progress(Progress(stage="epoch", message=f"tuning {names} on the same folds"))
    started = time.monotonic()

    def halt() -> Halt | None:
        if execution.interrupted():
            return "stop"
        used = time.monotonic() - started
        return "hurry" if used > BASELINES_SHARE * settings.budget_s else None

    train, folds = validation.train, validation.folds
    baselines = fit_cube_baselines(train, folds, settings.seed, halt=halt)
    if settings.show_leakage:  # two refits a fold, where tuning had one for each of several numbers
        clock.baselines_s = time.monotonic() - started
    return baselines


def _notes_on_overlap(labelled: Cubes, split: SplitRecord) -> tuple[str, ...]:
    """Say that windows overlap although places are apart, and which buffer would do."""
    diagonal = window_diagonal_km(labelled)
    if not split.n_overlapping or diagonal is None:
        return ()
    wanted = math.ceil(diagonal * 100) / 100  # rounded up, so that it is enough
    return (
        f"{split.n_overlapping} of {split.n_test} sealed windows share cells with one that is "
        "learned from: pass --buffer-km of at least the window's diagonal, "
        f"{wanted:g} km.",
    )


def _notes_on_baselines(baselines: tuple[CubeBaseline, ...]) -> tuple[str, ...]:
    """Say which baselines are missing, and which had no time to be tuned."""
    notes = []
    missing = [name for name in BASELINES if name not in {b.name for b in baselines}]
    if missing:
        notes.append(
            f"Ctrl-C ended the tuning of the baselines: {_listed(missing)} "
            f"{'has' if len(missing) == 1 else 'have'} no row. Run the same command again for it."
        )
    hurried = [b for b in baselines if b.cut]
    for words, names in (
        ("settings were left out for", [b.name for b in hurried if b.cv_rmse is not None]),
        ("default numbers were taken for", [b.name for b in hurried if b.cv_rmse is None]),
    ):
        if names:
            notes.append(
                f"The baselines had used a third of the budget: {words} {_listed(names)}. "
                "A longer --budget tunes them better."
            )
    return tuple(notes)


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
