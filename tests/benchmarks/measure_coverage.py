"""Measure how often auto's intervals hold on the embedded farms: docs/results.md, "Intervals".

    python tests/benchmarks/measure_coverage.py runs/coverage --seed 0 --twins 5 --draws 0 10
    python tests/benchmarks/measure_coverage.py runs/coverage

The first line fits auto and its twins on draws 0 to 9 of every farm, and keeps of each draw what
the intervals are made of; it goes on where it was stopped. The second prints, for each number of
twins and each scale of the residuals, means over the farms of what is kept: the share of test rows
held, the mean width, and the mean interval score (width + 20 times what the lab value lies outside;
Gneiting & Raftery 2007, https://doi.org/10.1198/016214506000001437), both in standard deviations of
the farm's test rows.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from threadpoolctl import threadpool_limits

from autospec.cli.localise_data import farm_sites, site_case
from autospec.evaluate.conformal import DEFAULT_LEVEL, Calibration
from autospec.evaluate.trust import holding_bounds
from autospec.localisation import twins
from autospec.localisation.candidates import learn_library
from autospec.localisation.preparation import prepare
from autospec.localisation.protocol import lay_draws
from autospec.localisation.settings import LocaliseSettings
from autospec.search.settings import DataSource

Kept = dict[str, NDArray[np.float64]]
MISS = 2 / (1 - DEFAULT_LEVEL)


def measure_site(folder: Path, site: str, seed: int, numbers: range) -> None:
    """Keep what the intervals of a farm's draws are made of."""
    paths = {i: folder / f"{site}_{seed}_{twins.TWINS}_{i}.npz" for i in numbers}
    missing = [i for i, path in paths.items() if not path.exists()]
    if not missing:
        return
    case = site_case(site, DataSource(site=site))
    settings = LocaliseSettings(seed=seed, quick=True)
    prepared = prepare(case.library, case.farm, settings, case.country)
    plans = lay_draws(case.farm.labelled(), settings)
    models = learn_library(prepared.narrow, seed)
    for i in missing:
        plan = plans[i]
        model, _ = twins.fit_auto(prepared, models, plan.train, plan.folds)
        laid = twins.lay_twins(prepared, models, plan.train, seed)
        calibrated = twins.calibrate_auto(model, laid)
        test = prepared.raw.rows(plan.unseal())
        np.savez(
            paths[i],
            observed=calibrated.calibration.observed,
            held=calibrated.calibration.out_of_fold,
            twin_of=calibrated.calibration.twin_of,
            by_twin=np.stack([twin.predict(test.values) for twin in calibrated.twins]),
            predicted=model.predict(test.values),
            truth=test.target,
            inside=calibrated.domain.measure(test.values).inside,
        )
    print(f"{site}: {len(missing)} draws", flush=True)


def figures(kept: Kept, log: bool) -> tuple[float, float, float, float]:
    """Return coverage, mean width, interval score and mean width in the unit of the lab values."""
    calibration = Calibration(
        observed=kept["observed"],
        out_of_fold=kept["held"],
        twin_of=tuple(int(t) for t in kept["twin_of"]),
        log=log and float(kept["observed"].min()) >= 0,
    )
    lower, upper = holding_bounds(calibration, kept["by_twin"], kept["predicted"], DEFAULT_LEVEL)
    truth, sd = kept["truth"], float(kept["truth"].std())
    beyond = np.maximum(lower - truth, 0) + np.maximum(truth - upper, 0)
    width = float(np.mean(upper - lower))
    score = float(np.mean(upper - lower + MISS * beyond))
    held = float(np.mean((lower <= truth) & (truth <= upper)))
    return held, width / sd, score / sd, width


def report(folder: Path) -> None:
    """Print a line for each seed, number of twins, half of the draws and scale; then the farms."""
    found: dict[tuple[str, str, str, bool], list[tuple[float, ...]]] = defaultdict(list)
    for path in sorted(folder.glob("*_*_*_*.npz")):
        site, seed, number, draw = path.stem.split("_")
        kept: Kept = dict(np.load(path, allow_pickle=False))
        for log in (False, True):
            for part in ("0-4" if int(draw) < 5 else "5-9", "all"):
                found[f"{seed} | {number} | {part}", site, part, log].append(figures(kept, log))
    print("| Seed | Twins | Draws | Residuals | Farms | Held | Farm by farm | Width | Score |")
    print("|---|---|---|---|---|---|---|---|---|")
    for head in sorted({key[0] for key in found}):
        for log in (False, True):
            means = [np.mean(v, axis=0) for k, v in found.items() if k[0] == head and k[3] == log]
            held, width, score, _ = np.transpose(means)
            print(
                f"| {head} | {'log(1 + y)' if log else 'y'} | {len(means)} | {held.mean():.1%} | "
                f"{held.min():.0%} to {held.max():.0%} | {width.mean():.2f} | {score.mean():.2f} |"
            )
    print("\n| Farm | Seed, twins, draws | Held, y | Width | Held, log | Width |")
    print("|---|---|---|---|---|---|")
    for head, site in dict.fromkeys((k[0], k[1]) for k in found if k[2] == "all"):
        plain, log = (np.mean(found[head, site, "all", scale], axis=0) for scale in (False, True))
        print(
            f"| {site} | {head.replace(' |', ',')} | {plain[0]:.1%} | {plain[3]:.3g} | "
            f"{log[0]:.1%} | {log[3]:.3g} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="See the module's docstring.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--twins", type=int, default=twins.TWINS)
    parser.add_argument("--draws", type=int, nargs=2, default=(0, 10))
    options = parser.parse_args()
    if options.seed is None:
        report(options.folder)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    twins.TWINS = options.twins
    with threadpool_limits(1), config_context(assume_finite=True, skip_parameter_validation=True):
        for site in farm_sites():
            measure_site(options.folder, site, options.seed, range(*options.draws))


if __name__ == "__main__":
    main()
