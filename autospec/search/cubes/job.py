"""The main job on cubes, `search_cubes`: split, study, final evaluation, result."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.notes import notes_on_data
from autospec.data.cubes.splits import CubeSplitPlan, make_cube_split
from autospec.evaluate.cube_baselines import CubeBaseline, fit_cube_baselines
from autospec.search.candidates import best_trial, candidates
from autospec.search.cubes.final import CubesFinalEvaluation, best_baseline, verdict
from autospec.search.cubes.objective import CubeValidation
from autospec.search.cubes.result import CubeResult
from autospec.search.cubes.settings import CubeSettings
from autospec.search.cubes.summary import describe_places, describe_split, summarise_cubes
from autospec.search.execution import (
    SEEDS_APART,
    Clock,
    Execution,
    describe_work,
    notes_on_end,
    notes_on_trials,
    plan_study,
    run_control,
)
from autospec.search.importance import parameter_importance
from autospec.search.plan import StudyPlan
from autospec.search.progress import Progress
from autospec.search.result import TrialRecord
from autospec.search.study import open_study, run_study
from autospec.search.summary import describe_environment
from autospec.search.trials import trial_records
from autospec.training.trainer import resolve_device


def search_cubes(
    cubes: Cubes,
    *,
    name: str = "search",
    settings: CubeSettings | None = None,
    execution: Execution | None = None,
) -> CubeResult:
    """Search the best 3D-CNN for `cubes` and score it once on sealed test samples.

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
    """
    settings, execution = settings or CubeSettings(), execution or Execution()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    clock = Clock(
        started=time.monotonic(),
        budget_s=settings.budget_s,
        twin_sets=2 if settings.show_leakage else 1,
    )
    labelled = cubes.labelled()
    split = make_cube_split(labelled, settings.split)
    validation, plan = _study_plan(labelled, split, settings, execution, clock)
    _announce(plan, split, cubes, settings, execution)
    study = open_study(execution.storage, name, plan)
    baselines = _tune_baselines(validation, settings, execution, clock)
    stopped = run_study(study, plan)
    trials = trial_records(study)
    winner = best_trial(trials)  # raises if there is nothing to report
    control: tuple[TrialRecord, ...] = ()
    if settings.control == "random" and stopped != "interrupt":
        control = run_control(study, name, plan, execution, settings.budget_s)
    searched = time.monotonic()
    final = CubesFinalEvaluation(
        cubes=labelled,
        plan=split.plan,
        baselines=baselines,
        settings=settings,
        device=execution.device,
        on_step=execution.say,
    ).run(candidates(trials, control))
    if final.calibrated is not None and execution.on_model is not None:
        execution.on_model("winner", final.calibrated)
    importance, note = parameter_importance(study, settings.seed)
    rival = best_baseline(baselines).name
    assert winner.best_epoch is not None
    return CubeResult(
        name=name,
        settings=settings,
        data=summarise_cubes(cubes, validation.train),
        split=describe_split(settings.split, split),
        places=describe_places(labelled, split, final.out_of_fold),
        trials=trials,
        control_trials=control,
        winner=settings.space.decode(winner.params),
        winner_trial=winner.number,
        winner_epochs=winner.best_epoch,
        importance=importance,
        importance_note=note,
        test_ids=final.test.ids,
        observed=tuple(float(v) for v in final.test.target),
        in_domain=final.in_domain,
        baseline=rival,
        models=final.models,
        leakage=final.leakage,
        verdict=verdict(final.models, rival, labelled.target_unit),
        notes=(
            *notes_on_end(plan, trials, stopped),
            *notes_on_data(cubes, split, settings.split.buffer_km),
            *notes_on_trials(plan, trials),
            *final.notes,
        ),
        stopped=stopped,
        environment=describe_environment(
            execution.device,
            started=started,
            seconds_search=searched - clock.started,
            seconds_final=time.monotonic() - searched,
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
    baselines = fit_cube_baselines(validation.train, validation.folds, settings.seed)
    if settings.show_leakage:  # two refits a fold, where tuning had one for each of several numbers
        clock.baselines_s = time.monotonic() - started
    return baselines
