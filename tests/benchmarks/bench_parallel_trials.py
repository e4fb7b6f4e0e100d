"""Print how two trials at once, one thread each, compare with one trial on two threads.

    python tests/benchmarks/bench_parallel_trials.py
    python tests/benchmarks/bench_parallel_trials.py --at-once 4 --device cuda

The same random designs of the default space are scored on the same folds of the site sweden, in
turn: in this process, and by `Workers` that were started before the clock. A ratio above 1 says
that trials at once are faster. What starting the processes takes is printed apart: it is paid once
a search. Every score must be the same both ways.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import optuna
import torch

from autospec.data.sites import load_site
from autospec.data.spectra import FloatArray
from autospec.data.splits import make_split_plan
from autospec.search.design import Caps, Design
from autospec.search.objective import CrossValidation
from autospec.search.parallel import Workers
from autospec.search.space import SearchSpace
from autospec.training.lead import Lead
from autospec.training.trainer import Training, thread_count


@dataclass(kw_only=True)
class Run:
    """Takes the place of a `RunningTrial`: keeps the score, and has no study to tell."""

    design: Design
    score: list[float] = field(default_factory=list)

    @property
    def watch(self) -> Run:
        return self

    def lead(self) -> Lead:
        return Lead(members=2, epochs=0, on_epoch=self.after_epoch)

    def after_epoch(self, *told: object) -> bool:
        return False

    def advance(self, train: Callable[[], Training | None]) -> bool:
        training = train()
        if training is not None:
            self.score.append(training.score)
        return training is not None


def designs(axis: FloatArray, count: int, epochs: int) -> list[Design]:
    """Return random designs that a search would train, small and medium: a fifth of the caps."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space, found = SearchSpace(max_epochs=epochs), []
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    caps = Caps(parameters=Caps().parameters // 5, multiply_adds=Caps().multiply_adds // 5)
    while len(found) < count:
        design = space.decode(study.ask(space.distributions()).params)
        if max(design.overrun(axis, caps).values()) <= 0:
            found.append(design)
    return found


def alone(validation: CrossValidation, runs: list[Run]) -> None:
    for run in runs:
        run.advance(lambda run=run: validation.evaluate(run.design, run.after_epoch, run.lead()))


def at_once(workers: Workers, runs: list[Run]) -> None:
    waiting, left = list(runs), len(runs)
    while left:
        if waiting and workers.free:
            workers.train(waiting.pop(0))  # type: ignore[arg-type]
        else:
            left -= workers.wait()


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--designs", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    asked = parser.parse_args()
    spectra = load_site("sweden")
    plan = make_split_plan(spectra)
    validation = CrossValidation(
        train=spectra.rows(plan.train), folds=plan.folds, seed=0, device=asked.device
    )
    what = designs(spectra.axis, asked.designs, asked.epochs)
    print(
        f"{thread_count()} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}, "
        f"{asked.device}; {len(what)} designs, {len(plan.train)} rows, {len(plan.folds)} folds, "
        f"at most {asked.epochs} epochs, n = {asked.rounds} pairs",
        flush=True,
    )
    with Workers(validation, asked.at_once) as workers:
        started = time.perf_counter()
        while not all(worker.free for worker in workers.workers) or not workers.workers:
            workers.wait()
        print(f"{asked.at_once} processes started in {time.perf_counter() - started:.1f} s")
        runs = {way: [Run(design=design) for design in what] for way in ("alone", "at once")}
        ways: dict[str, Callable[[], None]] = {
            "alone": lambda: alone(validation, runs["alone"]),
            "at once": lambda: at_once(workers, runs["at once"]),
        }
        for work in ways.values():
            work()  # what is set up once is not what is measured
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(asked.rounds):
            for way in list(ways)[:: 1 if turn % 2 else -1]:
                seconds[way].append(timed(ways[way]))
            print(
                f"pair {turn + 1}: alone {seconds['alone'][-1]:.2f} s, at once "
                f"{seconds['at once'][-1]:.2f} s, load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
    for one, other in zip(runs["alone"], runs["at once"], strict=True):
        assert len({*one.score, *other.score}) == 1, "a score differs"
    ratios = [a / b for a, b in zip(seconds["alone"], seconds["at once"], strict=True)]
    print(
        f"one at a time {statistics.median(seconds['alone']):.2f} s, {asked.at_once} at once "
        f"{statistics.median(seconds['at once']):.2f} s; ratio {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
