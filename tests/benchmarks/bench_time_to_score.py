"""Print how long a search takes to a score that plain Optuna, and a peer, reached.

    python tests/benchmarks/bench_time_to_score.py                     # 5 seeds of 120 s, Sweden
    python tests/benchmarks/bench_time_to_score.py --site china --seeds 2 --budget 60s
    python tests/benchmarks/bench_time_to_score.py --shared            # the same first proposals
    python tests/benchmarks/bench_time_to_score.py --peer nirs4all     # see bench_peer_nirs4all.py

"Plain" is Optuna's TPE sampler as it comes, without a pruner, over the loop of bench_training.py:
fold after fold, all threads that torch takes, each fold stopped early by the same patience. Ours is
the study that `autospec search` runs, once with and once without the published designs first; the
plain study has none. Data, sealed rows, folds, preprocessing, search space, caps, initial weights
and wall budget are the same for all; a seed fixes them and the proposals. Every study starts the
clock at its first proposal. Plain runs to the end of the budget; ours until it has a score as low,
or the budget is used up: that is "not reached", and counts as infinitely long in the medians. Where
the other completed "nothing", our first completed trial reaches as much. What ends mid-trial at the
end of the budget counts for nobody; neither refits.

The score is a cross-validated RMSE. By default ("common") it is the lowest point of the smoothed
curve that is the mean over folds, all at one common epoch, for both; a fold that stopped early
keeps its last RMSE. `--rule own` scores the plain trials more generously than ours, with each fold
at the epoch that is best for it; ours keeps its own rule. "of whole" is our time over all the time
that the other had, "of its best" over the time at which it found its best.

Designs of the space differ by orders of magnitude in what they cost, so luck in the first, random
proposals weighs much in a short study. `--shared` seeds each proposal of plain as ours is seeded:
both begin with the same ones, and the luck is the same.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import optuna
import torch
from bench_training import plain_epochs
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from autospec.data.sites import load_site
from autospec.data.spectra import Spectra
from autospec.errors import TrialFailed
from autospec.search.design import Design
from autospec.search.execution import SEEDS_APART
from autospec.search.job import plan_split
from autospec.search.objective import CrossValidation
from autospec.search.plan import StudyPlan
from autospec.search.progress import Progress
from autospec.search.result import Stopped
from autospec.search.settings import SearchSettings, parse_duration
from autospec.search.study import make_sampler, open_study, run_study
from autospec.training.trainer import SMOOTHING, smooth

NO_LIMIT = 100_000  # trials: only the time ends a study here
CHECKED = "china"  # the published design, without dropout, that shows both ways to score alike


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How the best score of a study fell.

    `marks` are (seconds since the start, best score so far), one a completed trial; `trained`
    counts the pruned and failed trials too.
    """

    marks: tuple[tuple[float, float], ...]
    trained: int
    wall_s: float

    @property
    def best(self) -> float:
        """The lowest score, infinite if no trial was completed."""
        return min((score for _, score in self.marks), default=math.inf)

    def time_to(self, goal: float) -> float:
        """Return after how many seconds a score of at most `goal` was there, or infinity."""
        return next((seconds for seconds, score in self.marks if score <= goal), math.inf)


Curves = Sequence[Sequence[float]]


def common_epoch(curves: Curves) -> float:
    """Score folds at one epoch, as ours does; one that stopped keeps its last RMSE."""
    longest = max(map(len, curves))
    kept = [np.pad(curve, (0, longest - len(curve)), mode="edge") for curve in curves]
    return float(smooth(np.mean(kept, axis=0)).min())


def own_epochs(curves: Curves) -> float:
    """Score each fold at the epoch that is best for it."""
    return float(np.mean([smooth(np.asarray(curve)).min() for curve in curves]))


RULES: dict[str, Callable[[Curves], float]] = {"common": common_epoch, "own": own_epochs}


def lay_folds(labelled: Spectra, settings: SearchSettings) -> CrossValidation:
    """Return what `search` scores its designs on."""
    split = plan_split(labelled, settings)
    return CrossValidation(
        train=labelled.rows(split.train),
        folds=split.folds,
        seed=settings.seed + SEEDS_APART,
        device="cpu",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How plain scores its trials, and whether its proposals are seeded as ours are."""

    rule: str = "common"
    shared: bool = False


class TimeIsUp(Exception):
    """Ends a plain trial at the end of the budget, as ours ends."""


def plain_curves(design: Design, validation: CrossValidation, until: float) -> list[list[float]]:
    """Train fold after fold; return the RMSE of each fold's held-out rows after each epoch."""
    curves = []
    seeds = np.random.SeedSequence(validation.seed).generate_state(len(validation.folds))
    for fold, seed in zip(validation.folds, seeds, strict=True):
        member = validation._member(design, fold, int(seed))
        curve: list[float] = []
        for predicted in plain_epochs(design.architecture, member, design.training):
            curve.append(float(np.sqrt(np.mean((predicted - member.y_score) ** 2))))
            if time.perf_counter() > until:
                raise TimeIsUp
            if not math.isfinite(curve[-1]):
                raise TrialFailed("a prediction is not finite")
            best = int(np.argmin(smooth(np.array(curve))))
            if len(curve) - best > design.training.patience + SMOOTHING // 2:
                break
        curves.append(curve)
    return curves


def suggest(trial: optuna.Trial, name: str, d: BaseDistribution) -> None:
    """Ask Optuna for one parameter, in the words of its manual."""
    if isinstance(d, CategoricalDistribution):
        trial.suggest_categorical(name, d.choices)
    elif isinstance(d, IntDistribution):
        trial.suggest_int(name, d.low, d.high, step=d.step, log=d.log)
    else:
        assert isinstance(d, FloatDistribution)
        trial.suggest_float(name, d.low, d.high, log=d.log)


def plain_search(
    validation: CrossValidation, settings: SearchSettings, budget_s: float, asked: Asked
) -> Course:
    """Run Optuna as it comes over the plain loop, for so many seconds."""
    torch.manual_seed(settings.seed)
    sampler = optuna.samplers.TPESampler(seed=settings.seed)
    study = optuna.create_study(sampler=sampler, pruner=optuna.pruners.NopPruner())
    started, best, trained = time.perf_counter(), math.inf, 0
    marks: list[tuple[float, float]] = []

    def seed_next(study: optuna.Study, _: object) -> None:
        study.sampler = make_sampler(settings, len(study.get_trials(deepcopy=False)))

    def objective(trial: optuna.Trial) -> float:
        nonlocal best, trained
        for name, distribution in settings.space.distributions().items():
            suggest(trial, name, distribution)
        design = settings.space.decode(trial.params)
        if max(design.overrun(validation.train.axis, settings.caps).values()) > 0:
            raise optuna.TrialPruned
        try:
            rmse = RULES[asked.rule](plain_curves(design, validation, started + budget_s))
        except TimeIsUp:
            study.stop()
            return math.nan
        except TrialFailed:
            rmse = math.nan
        trained += 1
        if not math.isnan(rmse):
            best = min(best, rmse)
            marks.append((time.perf_counter() - started, best))
        return rmse

    if asked.shared:
        seed_next(study, None)
    study.optimize(objective, timeout=budget_s, callbacks=[seed_next] if asked.shared else [])
    return Course(marks=tuple(marks), trained=trained, wall_s=time.perf_counter() - started)


def our_search(
    validation: CrossValidation, settings: SearchSettings, budget_s: float, goal: float
) -> Course:
    """Run the study of `autospec search`, until `goal` is reached or the time is used up."""
    marks: list[tuple[float, float]] = []
    trained = 0
    started = time.perf_counter()

    def elapsed() -> float:
        return time.perf_counter() - started

    def report(progress: Progress) -> None:
        nonlocal trained
        if progress.stage == "search":
            trained = progress.complete + progress.pruned + progress.failed
            if progress.best is not None:
                marks.append((elapsed(), progress.best))

    def should_stop() -> Stopped | None:
        reached = bool(marks) and marks[-1][1] <= goal
        return "budget" if reached or elapsed() > budget_s else None

    plan = StudyPlan(
        validation=validation,
        settings=settings,
        fingerprint={},
        should_stop=should_stop,
        report=report,
    )  # no time is kept back for refits: plain has none
    run_study(open_study(None, "ours", plan), plan)
    return Course(marks=tuple(marks), trained=trained, wall_s=elapsed())


def show_agreement(validation: CrossValidation, settings: SearchSettings) -> None:
    """Print one design's score both ways: no dropout, whole batches, so that only rounding is left.

    A fold is not stopped early either, since plain does so fold by fold.
    """
    design = settings.space.published_design(CHECKED, validation.train.axis)
    net, config = design.architecture, design.training
    net = replace(
        net,
        conv=tuple(replace(block, dropout=0.0) for block in net.conv),
        fc=tuple(replace(block, dropout=0.0) for block in net.fc),
    )
    config = replace(config, batch_size=validation.train.n, max_epochs=12, patience=12)
    design = replace(design, architecture=net, training=config)
    training = validation.evaluate(design)
    curves = plain_curves(design, validation, math.inf)
    off = np.abs(np.array(curves) / training.fold_rmse - 1)
    assert common_epoch(training.fold_rmse) == training.score  # one rule, twice written
    print(
        f"check: '{CHECKED}' without dropout and in whole batches scores {training.score:.6g} by "
        f"ours, {common_epoch(curves):.6g} by plain; RMSE of a fold after an epoch apart by "
        f"{off.max():.1e} of it at most",
        flush=True,
    )


def score(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "nothing"


def share(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "not reached"


def seconds(value: float) -> str:
    return f"{value:.1f} s" if math.isfinite(value) else "not reached"


def compare(
    name: str, other: Course, validation: CrossValidation, settings: SearchSettings, budget_s: float
) -> tuple[float, float]:
    """Let ours race to what another study reached; print and return both ratios."""
    ours = our_search(validation, settings, budget_s, other.best)
    needed, found = ours.time_to(other.best), other.time_to(other.best)
    # where the other completed nothing there is no time of its best; all its time stands for it
    found = found if math.isfinite(found) else other.wall_s
    ratios = needed / other.wall_s, needed / found
    print(
        f"  {name:28s} {score(other.best):>8s} after {found:6.1f} of {other.wall_s:.1f} s and "
        f"{other.trained:3d} trials; ours {score(ours.best)}, "
        f"{seconds(needed)}, {ours.trained} trials: of whole {share(ratios[0])}, "
        f"of its best {share(ratios[1])}",
        flush=True,
    )
    return ratios


def show_medians(rows: dict[str, list[tuple[float, float]]]) -> None:
    for name, ratios in rows.items():
        whole, best = ([r[i] for r in ratios] for i in (0, 1))
        missed = sum(math.isinf(value) for value in whole)
        print(
            f"median of {len(ratios)} seeds, {name}: of whole {share(statistics.median(whole))} "
            f"({share(min(whole))} to {share(max(whole))}), of its best "
            f"{share(statistics.median(best))} ({share(min(best))} to {share(max(best))}); "
            f"not reached in {missed}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Time to the same cross-validated RMSE.")
    parser.add_argument("--site", default="sweden")
    parser.add_argument("--budget", default="120s", help="wall clock of each study")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--rule", choices=sorted(RULES), default="common")
    parser.add_argument("--shared", action="store_true", help="begin with the same proposals")
    parser.add_argument("--peer", choices=["nirs4all"], help="race against it instead of plain")
    asked = parser.parse_args()
    budget_s = parse_duration(asked.budget)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    labelled = load_site(asked.site).labelled()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}, torch {torch.__version__} with {torch.get_num_threads()} "
        f"threads, optuna {optuna.__version__}; {asked.site}, {labelled.n} spectra, "
        f"{labelled.target_name} in {labelled.target_unit}, {budget_s:.0f} s, rule {asked.rule}"
        f"{', the same first proposals' if asked.shared else ''}"
    )
    rows: dict[str, list[tuple[float, float]]] = {}
    for seed in range(asked.first, asked.first + asked.seeds):
        settings = SearchSettings(seed=seed, trials=NO_LIMIT, published=False)
        validation = lay_folds(labelled, settings)
        if seed == asked.first:
            show_agreement(validation, settings)  # and warms both ways
        print(f"seed {seed}", flush=True)
        if asked.peer:
            from bench_peer_nirs4all import tune

            other = tune(validation, seed=seed, budget_s=budget_s)
        else:
            other = plain_search(
                validation, settings, budget_s, Asked(rule=asked.rule, shared=asked.shared)
            )
        for published in (False, True):
            name = f"{asked.peer or 'plain'}, {'published first' if published else 'none first'}"
            ours = replace(settings, published=published)
            ratios = compare(name, other, validation, ours, budget_s)
            rows.setdefault(name, []).append(ratios)
    show_medians(rows)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
