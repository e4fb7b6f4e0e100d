"""How a search runs, whatever it searches: `Execution`, its clock, stop rule and control."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.study import Study

from autospec.errors import ReportedElsewhere
from autospec.search.candidates import published_seconds, refit_seconds
from autospec.search.claims import Crew, worker_name
from autospec.search.origin import Origin, origin_words
from autospec.search.plan import StudyPlan, no_limit
from autospec.search.progress import Progress, ProgressCallback, silent
from autospec.search.report_turn import ReportTurn
from autospec.search.result import Stopped, TrialRecord
from autospec.search.searched import Settings, Validation
from autospec.search.storage import open_shared, storage_errors
from autospec.search.study import open_study, run_study
from autospec.search.trials import trial_records
from autospec.training.trainer import Device

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
    on_model : callable (str, model) -> None, optional
        Given what can be kept with intervals and domain, after it was scored: "winner" and "plsr"
        (`CalibratedModel`) of spectra, "winner" (`CalibratedCubes`) of cubes; one whose twins could
        not be trained is not given.
    shared : bool
        Whether other processes, on whatever hosts, run the same study in the same storage at the
        same time. Trials are then counted over all of them; what is proposed depends on which ends
        first, and the score of a design stays the same.
    turn : ReportTurn
        Of a shared study: with `shared`, search within it, and write the report before it ends.
    report : bool
        Whether this worker of a shared study makes the report if it is the one to.
    threads : int or None
        Stacks of networks trained at once on a CPU; by default one a core.
    started : float or None
        When the budget began, by `time.monotonic`; by default when the search does.
    origin : Origin or None
        Where the rows are from: a shared study then tells its workers.
    """

    storage: str | None = None
    device: Device = "auto"
    trials_at_once: int = 1
    progress: ProgressCallback = silent
    interrupted: Callable[[], bool] = _never
    on_model: Callable[[str, Any], None] | None = None
    shared: bool = False
    turn: ReportTurn = field(default_factory=ReportTurn)
    report: bool = True
    threads: int | None = None
    started: float | None = None
    origin: Origin | None = None

    def say(self, message: str) -> None:
        """Tell what is under way at the end of a search."""
        self.progress(Progress(stage="final", message=message))


@dataclass(slots=True, kw_only=True)
class Clock:
    """The time a search has, and how much of it is kept back for the end.

    Parameters
    ----------
    started, budget_s : float
        When it began, by `time.monotonic`, and how long it may take.
    baselines_s, refits_s : float
        What the baselines' and the networks' final work will take.
    published_s : float
        What of the latter is for the published designs.
    twin_sets : int
        How many times a network a fold is trained of the winner.
    """

    started: float
    budget_s: float
    baselines_s: float = 0.0
    refits_s: float = 0.0
    published_s: float = 0.0
    twin_sets: int = 1

    def seconds_left(self) -> float:
        """Return how long trials may still run."""
        kept_back = SCORING_SECONDS + self.baselines_s + self.refits_s
        return self.budget_s - (time.monotonic() - self.started) - kept_back

    def seconds_for_winner(self) -> float:
        """Return how long refit and twins of a new best trial may take."""
        return self.seconds_left() + self.refits_s - self.published_s

    def take_in(
        self, trials: tuple[TrialRecord, ...], settings: Settings, folds_total: int
    ) -> None:
        """Learn from finished trials how long the refits will take."""
        self.refits_s = refit_seconds(trials, settings, folds_total, twin_sets=self.twin_sets)
        self.published_s = published_seconds(trials, settings, folds_total)


def plan_study(
    validation: Validation,
    settings: Settings,
    fingerprint: dict[str, str],
    execution: Execution,
    clock: Clock,
) -> StudyPlan:
    """Bind rows, settings and the stop rule; the time for the final models is kept back."""
    folds_total = len(validation.folds)

    def report(progress: Progress) -> None:
        if progress.stage == "search":
            clock.take_in(progress.records, settings, folds_total)
        execution.progress(progress)

    return StudyPlan(
        validation=validation,
        settings=settings,
        fingerprint=fingerprint,
        should_stop=_stop_rule(execution, clock.seconds_left),
        seconds_left=clock.seconds_left,
        seconds_for_winner=clock.seconds_for_winner,
        report=report,
        trials_at_once=execution.trials_at_once,
        crew=form_crew(execution),
        origin=None if execution.origin is None else origin_words(execution.origin),
    )


def take_turn(execution: Execution, study: Study, plan: StudyPlan) -> None:
    """Go on to the report of a shared study, if this worker is the one to make it.

    Raises
    ------
    ReportedElsewhere
        If it is not.
    """
    if plan.crew is not None and not execution.report:
        raise ReportedElsewhere(f"study {study.study_name!r}: this worker leaves the report.")
    with storage_errors(None):
        execution.turn.take(study, plan.crew)


def form_crew(execution: Execution) -> Crew | None:
    """Return this worker, if the storage is shared.

    Raises
    ------
    UsageError, StorageError
        If the storage cannot be shared, or not be opened.
    """
    if not execution.shared:
        return None

    def say(text: str) -> None:
        execution.progress(Progress(stage="epoch", message=text))

    storage = open_shared(execution.storage, say, execution.interrupted)
    return Crew(name=worker_name(), storage=storage)


def _stop_rule(
    execution: Execution, seconds_left: Callable[[], float]
) -> Callable[[], Stopped | None]:
    def should_stop() -> Stopped | None:
        if execution.interrupted():
            return "interrupt"
        return "budget" if seconds_left() < 0 else None

    return should_stop


def run_control(
    study: Study, name: str, plan: StudyPlan, execution: Execution, stopped: Stopped
) -> tuple[TrialRecord, ...]:
    """Run random search, if it was asked for, with the study's trained trials and its own time.

    Nothing is run after a study that was interrupted.
    """
    if plan.settings.control != "random" or stopped == "interrupt":
        return ()
    trained = [t for t in trial_records(study) if t.state != "infeasible"]
    settings = replace(plan.settings, sampler="random", trials=len(trained))
    clock = time.monotonic()

    def seconds_left() -> float:
        return plan.settings.budget_s - (time.monotonic() - clock)

    control_plan = replace(
        plan,
        settings=settings,
        should_stop=_stop_rule(execution, seconds_left),
        seconds_left=seconds_left,
        seconds_for_winner=no_limit,
        report=execution.progress,
        elder=study,
        origin=None,
    )
    control = open_study(execution.storage, name + CONTROL_SUFFIX, control_plan)
    run_study(control, control_plan)
    return trial_records(control)


def describe_work(plan: StudyPlan, n_folds: int, device: str, budget_s: float, control: str) -> str:
    """Say what a search will cost, before its first trial."""
    s = plan.settings
    at_once = f", {plan.trials_at_once} trials at once" if plan.trials_at_once > 1 else ""
    doubled = " The random control doubles that." if control == "random" else ""
    return (
        f"Up to {s.trials} trials × {n_folds} folds = {s.trials * n_folds} "
        f"networks on {device}{at_once}, then the refits of "
        f"{s.members} networks each and {s.folds} twins of the best; it ends within "
        f"{budget_s / 60:.3g} minutes whatever is left.{doubled} Stop early with "
        "Ctrl-C: what is done is reported."
    )


def notes_on_end(
    plan: StudyPlan, trials: tuple[TrialRecord, ...], stopped: Stopped
) -> tuple[str, ...]:
    """Say what ended a search before its trials, and what depended on the machine's speed."""
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
    if plan.crew is not None:
        notes.append(
            "The study was open to several workers: what was proposed depended on which trial "
            "ended first. Each score is what it would be alone."
        )
    return tuple(notes)


def notes_on_trials(plan: StudyPlan, trials: tuple[TrialRecord, ...]) -> tuple[str, ...]:
    """Say which published designs have no row, and which proposals were not trained again."""
    notes: list[str] = []
    if plan.settings.published:
        tried = {t.label for t in trials if t.value is not None}
        held = plan.references
        wanted = plan.settings.space.references(plan.validation.seen)
        for label in (label for label in wanted if label not in tried):
            why = (
                "was not reached or failed" if label in held else "lies outside this study's space"
            )
            notes.append(f"The design '{label}' {why}; it has no row.")
    reused = sum(t.reused is not None for t in trials)
    if reused:
        notes.append(f"{reused} proposals repeated a design and took over its score.")
    return tuple(notes)


def notes_on_control(control: tuple[TrialRecord, ...], asked: str) -> tuple[str, ...]:
    """Say why a random control that was asked for has no row."""
    if asked != "random" or any(t.value is not None for t in control):
        return ()
    why = "no trial of it was completed" if control else "Ctrl-C ended the search before it"
    return (f"The random control has no row: {why}.",)


def notes_on_openings(before: int) -> tuple[str, ...]:
    """Say that sealed rows were opened by earlier runs of this search."""
    if not before:
        return ()
    times = "once" if before == 1 else f"{before} times"
    return (
        f"The sealed rows were opened {times} before, at the end of earlier runs of this search. "
        "No choice of autospec saw them; whoever went on because of those scores has chosen by "
        "them.",
    )
