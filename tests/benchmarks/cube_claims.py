"""What the search on cubes finds where the truth is known: three made-up samples, several seeds.

    python tests/benchmarks/cube_claims.py --seeds 0 1 2 --trials 24 --budget 4m

"planted": a pattern in space and time moves the target, wherever in the window it lies; a forest on
flattened patches cannot see it. "permuted": the same samples, their targets shuffled. "position":
the target follows a smooth field of its own, so that only neighbours tell, and random folds leak.

Of the first two the map is wide, and the buffer longer than the diagonal of a window: no sealed
window shares a cell with one that is learned from. The third wants its samples close together.
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
SIDE = 160  # cells of 1 km
METRES = "EPSG:32633"  # where cells are squares
BLOCK_KM = 40.0  # 16 squares: smaller ones would leave few samples between the buffers
BUFFER_KM = 15.0  # the diagonal of a window of 10 x 10 cells is 14.1 km


def made(case: str, seed: int) -> Cubes:
    """Make up the samples of a case."""
    if case == "position":
        return synthesise(SyntheticSettings(effect="autocorrelated", n=600), seed)[1]
    _, cubes = synthesise(SyntheticSettings(n=600, height=SIDE, width=SIDE, crs=METRES), seed)
    if case == "permuted":
        shuffled = np.random.default_rng(seed).permutation(cubes.target)
        return replace(cubes, target=shuffled)
    return cubes


def held_out(case: str, seed: int) -> CubeSplit:
    """Return what is held out: in the case of position, samples dense enough to tell."""
    if case == "position":
        return CubeSplit(seed=seed)
    return CubeSplit(buffer_km=BUFFER_KM, block_km=BLOCK_KM, seed=seed)


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
        f"{result.split.n_overlapping} of them overlapping, "
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
            settings = CubeSettings(
                trials=given.trials,
                budget_s=given.budget,
                seed=seed,
                show_leakage=case == "position",
                split=held_out(case, seed),
            )
            show(case, seed, search_cubes(made(case, seed), name=case, settings=settings))


if __name__ == "__main__":
    main()
