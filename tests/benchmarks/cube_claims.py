"""What the search on cubes finds where the truth is known: three made-up samples, several seeds.

    python tests/benchmarks/cube_claims.py --seeds 0 1 2 --trials 24 --budget 4m

"planted": a pattern in space and time moves the target, wherever in the window it lies; a forest on
flattened patches cannot see it. "permuted": the same samples, their targets shuffled. Both lie on a
map so wide that no sealed window shares a cell with one that is learned from. "position": the
target follows a smooth field of its own, so that only neighbours tell, and random folds leak.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.splits import CubeSplit
from autospec.data.cubes.synthetic import SyntheticSettings, synthesise
from autospec.evaluate.metrics import compare
from autospec.search.cubes.job import search_cubes
from autospec.search.cubes.result import CubeResult
from autospec.search.cubes.settings import CubeSettings
from autospec.search.settings import parse_duration

CASES = ("planted", "permuted", "position")
WIDE, N_WIDE, APART_KM = 400, 700, 15.0  # cells of 1 km; windows of 10 have a diagonal of 14.1 km


def made(case: str, seed: int) -> tuple[Cubes, CubeSplit]:
    """Make up the samples of a case, and say what holds them out."""
    if case == "position":
        _, cubes = synthesise(SyntheticSettings(effect="autocorrelated", n=600), seed)
        return cubes, CubeSplit(seed=seed)
    _, cubes = synthesise(SyntheticSettings(n=N_WIDE, height=WIDE, width=WIDE), seed)
    if case == "permuted":
        shuffled = np.random.default_rng(seed).permutation(cubes.target)
        cubes = replace(cubes, target=shuffled)
    return cubes, CubeSplit(seed=seed, buffer_km=APART_KM)


def show(case: str, seed: int, result: CubeResult) -> None:
    """Print the scores of the sealed samples, and those of the leaking folds."""
    observed = np.array(result.observed)
    told = {m.name: np.array(m.predicted) for m in result.models if m.predicted}
    winner, forest = told["autospec winner"], told["random forest"]
    against = compare(observed, winner, forest, seed=seed)
    scores = {m.name: m.scores for m in result.models if m.scores}
    r2 = ", ".join(f"{name} {s.r2.value:.2f}" for name, s in scores.items())
    env = result.environment
    print(
        f"{case}, seed {seed}: {result.split.n_train} to learn from, {result.split.n_test} sealed, "
        f"{len(result.trials)} trials, {env.seconds_search + env.seconds_final:.0f} s"
    )
    print(f"  R2 on the sealed samples: {r2}")
    print(
        f"  RMSE of the winner less the forest's: {against.difference:+.3f} "
        f"({against.low:+.3f} to {against.high:+.3f})"
    )
    for row in result.leakage:
        print(
            f"  {row.name}: R2 {row.honest.r2.value:.2f} under blocks, "
            f"{row.leaky.r2.value:.2f} under random folds"
        )


def main() -> None:
    """Run every case for every seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--budget", type=parse_duration, default=240.0)
    given = parser.parse_args()
    for case in given.cases:
        for seed in given.seeds:
            cubes, split = made(case, seed)
            settings = CubeSettings(
                trials=given.trials,
                budget_s=given.budget,
                seed=seed,
                show_leakage=case == "position",
                split=split,
            )
            show(case, seed, search_cubes(cubes, name=case, settings=settings))


if __name__ == "__main__":
    main()
