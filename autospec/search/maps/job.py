"""The main job on a stack, `search_maps`: split, study, final evaluation, result."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps.asking import pose
from autospec.data.maps.facts import StackFacts, stack_facts
from autospec.data.maps.problem import MapProblem
from autospec.data.maps.resident import held
from autospec.data.maps.scaling import fit_map_scaler
from autospec.data.maps.splits import make_map_split
from autospec.data.maps.times import say_step
from autospec.errors import UsageError
from autospec.evaluate.map_baselines import MapBaseline, fit_map_baselines
from autospec.nets.map_shape import MapShape
from autospec.search.candidates import best_trial, candidates
from autospec.search.execution import (
    SEEDS_APART,
    Clock,
    Execution,
    notes_on_control,
    notes_on_end,
    notes_on_openings,
    notes_on_trials,
    plan_study,
    run_control,
    take_turn,
)
from autospec.search.importance import parameter_importance
from autospec.search.maps.design import MapSeen
from autospec.search.maps.final import MapsEvaluated, MapsFinalEvaluation, watched_scores
from autospec.search.maps.objective import Kept, MapValidation, never
from autospec.search.maps.result import MapSearchResult
from autospec.search.maps.settings import MapSearchSettings
from autospec.search.plan import StudyPlan
from autospec.search.progress import Progress, ProgressCallback
from autospec.search.result import Stopped, TrialRecord
from autospec.search.study import count_opening, open_study, run_study
from autospec.search.summary import describe_environment
from autospec.search.trials import trial_records
from autospec.training.map_fit import baseline_names
from autospec.training.map_trial import MapGround
from autospec.training.trainer import resolve_device

MAPPED_EPOCHS = 1.0  # what the sealed maps of a network take, in its epochs: about a half was seen


def search_maps(
    stack: RasterStack,
    *,
    name: str = "search",
    settings: MapSearchSettings,
    execution: Execution | None = None,
) -> MapSearchResult:
    """Search the best network of maps for `stack` and score it on what is sealed in the end.

    Parameters
    ----------
    stack : RasterStack
        Read into memory if it is small; else read tile by tile.
    name : str
        The study's name, as it stands in the storage and in the tables.
    settings : MapSearchSettings
        What is asked of the stack, and what to search.
    execution : Execution, optional
        Where and how; by default in memory, on whatever device there is. `on_model` is given
        "winner" and its `WatchedTraining`, and "frames" and its `MapFrames`.

    Returns
    -------
    MapSearchResult

    Raises
    ------
    UsageError, DataError
        If the stack has not what is asked for, or too little for the split.
    SettingsDiffer, StorageError
        If the storage holds another study of that name, or cannot be used.
    StudyFailed
        If no trial could be completed.
    ReportedElsewhere
        If the study is shared, and another worker makes the report.
    """
    execution = execution or Execution()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    clock = Clock(
        started=execution.started or time.monotonic(), budget_s=settings.budget_s, twin_sets=0
    )
    stack = held(stack)
    _refuse_apart(stack, execution)
    facts = stack_facts(stack, settings.aims.targets)
    validation = lay_ground(stack, settings, execution)
    plan = _study_plan(validation, facts, execution, clock)
    _announce(plan, validation, execution)
    study = open_study(execution.storage, name, plan)
    baselines, watched = _fit_baselines(validation, execution, clock)
    stopped = run_study(study, plan)
    trials = trial_records(study)
    best_trial(trials)  # raises if there is nothing to report
    control = run_control(study, name, plan, execution, stopped)
    take_turn(execution, study, plan)
    job = _Job(
        name=name,
        settings=settings,
        plan=plan,
        validation=validation,
        facts=facts,
        baselines=baselines,
        watched=watched,
        trials=trials,
        control=control,
        stopped=stopped,
        opened=count_opening(study),
        started=started,
        clock=clock,
        searched=time.monotonic(),
    )
    final = _evaluate(job, execution)
    return _result(job, final, parameter_importance(study, settings.seed))


def found_map_search(
    stack: RasterStack, *, name: str, settings: MapSearchSettings, execution: Execution
) -> None:
    """Create a shared study, unless it is there, so that workers find it; run nothing.

    Raises
    ------
    UsageError, DataError, SettingsDiffer, StorageError
        As `search_maps`.
    """
    clock = Clock(started=time.monotonic(), budget_s=settings.budget_s, twin_sets=0)
    stack = held(stack)
    facts = stack_facts(stack, settings.aims.targets)
    plan = _study_plan(lay_ground(stack, settings, execution), facts, execution, clock)
    open_study(execution.storage, name, plan)


def _refuse_apart(stack: RasterStack, execution: Execution) -> None:
    """Refuse to hand a stack that is read from its file to other processes."""
    if execution.trials_at_once > 1 and not isinstance(stack.dynamic, np.ndarray):
        raise UsageError(
            f"{execution.trials_at_once} trials at once: this stack is too large to be in memory "
            "once for each. Leave --trials-per-device out."
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    """All that the search came to, before what is sealed is opened."""

    name: str
    settings: MapSearchSettings
    plan: StudyPlan
    validation: MapValidation
    facts: StackFacts
    baselines: tuple[MapBaseline, ...]
    watched: dict[str, float]
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
        return (
            *notes_on_end(self.plan, self.trials, self.stopped),
            *notes_on_openings(self.opened),
            *notes_on_trials(self.plan, self.trials),
            *notes_on_control(self.control, self.settings.control),
        )


def lay_ground(
    stack: RasterStack, settings: MapSearchSettings, execution: Execution
) -> MapValidation:
    """Split the stack, and return the part on which every design is scored.

    Raises
    ------
    UsageError, DataError
        If the stack has not what is asked for, or too little for the split.
    """
    problem = pose(stack, settings.aims)
    plan = make_map_split(problem, settings.split)
    scaler = fit_map_scaler(problem, plan)
    seen = MapSeen(shape=_sample_shape(problem, settings.tile), gappy=scaler.gappy)
    space = settings.space.narrowed(seen, horizon=settings.aims.horizon)
    return MapValidation(
        ground=MapGround(problem=problem, plan=plan, scaler=scaler),
        settings=replace(settings, space=space),
        seen=seen,
        seed=settings.seed + SEEDS_APART,
        device=execution.device,
        # a process for trials hears of Ctrl-C after an epoch
        interrupted=execution.interrupted if execution.trials_at_once == 1 else never,
        kept=Kept(named=frozenset({space.reference_design().digest})),
    )


def _sample_shape(problem: MapProblem, tile: int) -> MapShape:
    h, w = problem.stack.shape
    return MapShape(
        channels=len(problem.inputs),
        static_channels=len(problem.stack.static_channels),
        targets=len(problem.targets),
        length=problem.aims.length,
        height=min(tile, h),
        width=min(tile, w),
        causal=problem.aims.horizon > 0,
    )


def _study_plan(
    validation: MapValidation, facts: StackFacts, execution: Execution, clock: Clock
) -> StudyPlan:
    """Bind stack, settings and the stop rule; the time for the final scores is kept back."""
    digests = {"data_digest": facts.digest, "split_digest": validation.ground.plan.digest}
    told = replace(execution, progress=_keeping_back(clock, execution.progress))
    return plan_study(validation, validation.settings, digests, told, clock)


def _keeping_back(clock: Clock, tell: ProgressCallback) -> ProgressCallback:
    """Return a callback that learns from the trials how long the sealed maps will take."""
    seen = [0.0]

    def told(progress: Progress) -> None:
        epochs = [t.seconds / len(t.curve) for t in progress.records if t.curve]
        longest = MAPPED_EPOCHS * max(epochs, default=0.0)
        clock.baselines_s += longest - seen[0]
        seen[0] = longest
        tell(progress)

    def only_trials(progress: Progress) -> None:
        (told if progress.stage == "search" else tell)(progress)

    return only_trials


def _announce(plan: StudyPlan, validation: MapValidation, execution: Execution) -> None:
    """Say what the search will cost, before its first trial."""
    s, seen = validation.settings, validation.seen.shape
    device = str(resolve_device(execution.device))
    parameters, work = s.space.reference_design().size(validation.seen)
    at_once = f", {plan.trials_at_once} at once" if plan.trials_at_once > 1 else ""
    doubled = " The random control doubles that." if s.control == "random" else ""
    fold = validation.folds[0]
    what = "cells" if s.split.kind == "blocks" else "dates"
    message = (
        f"{len(fold.fit)} {what} to learn from, {len(fold.score)} watched, the rest sealed or left "
        f"out. Up to {s.trials} networks on {device}{at_once}, of at most {s.space.max_epochs} "
        f"epochs each, tiles of {seen.length} dates × {seen.height} × {seen.width} cells; the "
        f"preset tiny has {parameters:,} parameters and takes {work / 1e9:.2g} G multiply–adds a "
        f"tile. It ends within about {say_step(s.budget_s)} whatever is left.{doubled} Stop "
        "early with Ctrl-C: what is done is reported."
    )
    execution.progress(Progress(stage="plan", total=s.trials, message=message))


def _fit_baselines(
    validation: MapValidation, execution: Execution, clock: Clock
) -> tuple[tuple[MapBaseline, ...], dict[str, float]]:
    """Fit the simpler models before the first trial, so that their time is known."""
    ground, settings = validation.ground, validation.settings
    execution.progress(Progress(stage="epoch", message="fitting simpler models on the same part"))
    seed = settings.split.seed
    names = baseline_names(settings.training(settings.space.reference_design()))
    baselines = fit_map_baselines(ground.problem, ground.plan, ground.scaler, names, seed)
    begun = time.monotonic()
    watched = watched_scores(validation, baselines)
    share = settings.split.test_fraction / settings.split.watch_fraction
    clock.baselines_s = (time.monotonic() - begun) * share
    return baselines, watched


def _evaluate(job: _Job, execution: Execution) -> MapsEvaluated:
    """Fetch the networks, open what is sealed, and hand the winner on."""
    final = MapsFinalEvaluation(
        name=job.name,
        validation=job.validation,
        facts=job.facts,
        baselines=job.baselines,
        on_step=execution.say,
    ).run(candidates(job.trials, job.control))
    if execution.on_model is not None:
        execution.on_model("winner", final.winner)
        execution.on_model("frames", final.frames)
    return final


def _result(
    job: _Job, final: MapsEvaluated, importance: tuple[dict[str, float], str]
) -> MapSearchResult:
    winner = best_trial(job.trials)
    return MapSearchResult(
        name=job.name,
        settings=job.settings,
        final=final.training,
        others=final.others,
        watched=job.watched,
        trials=job.trials,
        control_trials=job.control,
        winner=job.settings.space.decode(winner.params),
        winner_trial=winner.number,
        importance=importance[0],
        importance_note=importance[1],
        notes=(*job.notes, *final.notes),
        stopped=job.stopped,
        environment=describe_environment(
            job.validation.device,
            started=job.started,
            seconds_search=job.searched - job.clock.started,
            seconds_final=time.monotonic() - job.searched,
        ),
    )
