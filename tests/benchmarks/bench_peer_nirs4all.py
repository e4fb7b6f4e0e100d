"""Print what nirs4all's Optuna tuning of its CNN reaches on the rows and folds of a search.

    pip install nirs4all                                               # the user's own choice
    python tests/benchmarks/bench_peer_nirs4all.py --site sweden --budget 120s
    python tests/benchmarks/bench_time_to_score.py --peer nirs4all     # and ours beside it

nirs4all (https://github.com/GBeurier/nirs4all) is used through its documented API: one pipeline of
SNV, min-max scaling, our folds and `customizable_nicon`, with ``finetune_params``: TPE, all folds a
trial, mean RMSE. Its filters, kernels, strides, activations, dropout, learning rate and batch size
are tuned over the values in its own examples; epochs and patience are those of our space. Each fold
is scored at the epoch that is best for it, the more generous of the two rules in
bench_time_to_score.py. Targets reach it scaled to 0.05 to 0.95, because the network ends in a
sigmoid, and its scores are scaled back; spectra are averaged to about the published 216 bands, so
that its networks are no larger than need be. Proposals whose kernels do not fit count as trials.

It runs by ``engine="legacy"``: its newer engines split the rows of each fold anew, and refuse folds
that are given. It has no time limit, so it runs in a process of its own that writes to an SQLite
study and is ended with the budget; time counts from its first proposal.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import math
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from bench_time_to_score import Course, lay_folds
from optuna.trial import TrialState

from autospec.data.preprocess import BandAveraging, published_step
from autospec.data.sites import load_site
from autospec.data.spectra import FloatArray, IntArray
from autospec.search.objective import CrossValidation
from autospec.search.settings import SearchSettings, parse_duration
from autospec.search.space import SearchSpace

LOW, HIGH = 0.05, 0.95  # of the scaled targets
STARTUP_S = 120.0  # for its imports; not counted
STUDY, NO_LIMIT = "peer", 100_000
FILTERS, KERNELS, STRIDES = [4, 8, 16, 32, 64], [3, 5, 7, 9, 11, 13, 15], [1, 2, 3, 4, 5]
ACTIVATIONS = ["relu", "selu", "elu", "swish", "sigmoid", "tanh"]


def require_peer() -> None:
    """Say in one line what to install, and end, where nirs4all is missing."""
    if importlib.util.find_spec("nirs4all") is None:
        sys.exit("nirs4all is not installed here. Run: pip install nirs4all")


def tune(validation: CrossValidation, *, seed: int, budget_s: float) -> Course:
    """Let nirs4all tune its CNN on the rows and folds of `validation`, for so many seconds."""
    require_peer()
    train = validation.train
    fold_of = np.empty(train.n, dtype=np.int64)
    for number, fold in enumerate(validation.folds):
        fold_of[fold.score] = number
    low, high = float(train.target.min()), float(train.target.max())
    unit = (high - low) / (HIGH - LOW)
    scaled = LOW + (train.target - low) / unit
    averaged = BandAveraging(train.axis, published_step(train.axis)).fit_transform(train.values)
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{folder}/study.db"
        arguments = (averaged, scaled, fold_of, storage, seed)
        process = multiprocessing.get_context("spawn").Process(target=_tune, args=arguments)
        process.start()
        try:
            begun = _first_trial(process, storage)
            while process.is_alive() and time.time() < begun + budget_s:
                time.sleep(0.2)
        finally:
            process.kill()
            process.join()
        return _course(storage, budget_s, unit)


def pipeline(fold_of: IntArray, storage: str, seed: int) -> list[Any]:
    """Return what nirs4all is asked to do."""
    from nirs4all.operators.models.pytorch.nicon import customizable_nicon
    from nirs4all.operators.transforms import StandardNormalVariate
    from sklearn.model_selection import PredefinedSplit
    from sklearn.preprocessing import MinMaxScaler

    space = SearchSpace()
    sizes: dict[str, Any] = {}
    for i in (1, 2, 3):
        sizes |= {f"filters{i}": FILTERS, f"kernel_size{i}": KERNELS, f"strides{i}": STRIDES}
        sizes[f"activation{i}"] = ACTIVATIONS
    fixed = {"epochs": space.max_epochs, "patience": space.patience, "verbose": 0}
    tuned = {
        "n_trials": NO_LIMIT,
        "sampler": "tpe",
        "seed": seed,
        "approach": "grouped",
        "eval_mode": "mean",
        "metric": "rmse",
        "verbose": 0,
        "storage": storage,
        "study_name": STUDY,
        "model_params": sizes
        | {
            "spatial_dropout": ("float", 0.01, 0.5),
            "dropout_rate": ("float", 0.01, 0.5),
            "dense_units": [8, 16, 32, 64],
        },
        "train_params": fixed
        | {"batch_size": [16, 32, 64], "learning_rate": ("float_log", 1e-4, 1e-2)},
    }
    return [
        StandardNormalVariate(),
        MinMaxScaler(),
        PredefinedSplit(fold_of),
        {"model": customizable_nicon, "name": "NICON", "finetune_params": tuned},
    ]


def _tune(x: FloatArray, y: FloatArray, fold_of: IntArray, storage: str, seed: int) -> None:
    """Run in a process of its own, in a folder where nirs4all may leave its workspace."""
    import nirs4all
    import torch

    torch.manual_seed(seed)
    os.chdir(storage.removeprefix("sqlite:///").removesuffix("study.db"))
    steps = pipeline(fold_of, storage, seed)
    nirs4all.run(steps, (x, y), verbose=0, engine="legacy", save_charts=False)


def _trials(storage: str) -> list[optuna.trial.FrozenTrial]:
    if not Path(storage.removeprefix("sqlite:///")).exists():
        return []
    try:
        return optuna.load_study(study_name=STUDY, storage=storage).get_trials(deepcopy=False)
    except (KeyError, optuna.exceptions.StorageInternalError):
        return []  # its tables are being made


def _first_trial(process: multiprocessing.process.BaseProcess, storage: str) -> float:
    """Return when (seconds of the epoch) the first proposal was made."""
    until = time.time() + STARTUP_S
    while process.is_alive() and time.time() < until:
        for trial in _trials(storage):
            assert trial.datetime_start is not None
            return trial.datetime_start.timestamp()
        time.sleep(0.2)
    sys.exit("nirs4all made no proposal; what it said stands above.")


def _course(storage: str, budget_s: float, unit: float) -> Course:
    trials = _trials(storage)
    begun = min(t.datetime_start for t in trials if t.datetime_start is not None)
    marks: list[tuple[float, float]] = []
    best = math.inf
    done = [t for t in trials if t.state == TrialState.COMPLETE and t.datetime_complete]
    for trial in done:
        assert trial.value is not None and trial.datetime_complete is not None
        best = min(best, unit * trial.value)
        if math.isfinite(best):  # a fold that failed scores infinity
            marks.append(((trial.datetime_complete - begun).total_seconds(), best))
    return Course(marks=tuple(marks), trained=len(done), wall_s=budget_s)


def main() -> None:
    parser = argparse.ArgumentParser(description="nirs4all's tuning of its CNN, on our folds.")
    parser.add_argument("--site", default="sweden")
    parser.add_argument("--budget", default="120s")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    require_peer()
    settings = SearchSettings(seed=asked.seed)
    labelled = load_site(asked.site).labelled()
    course = tune(
        lay_folds(labelled, settings), seed=asked.seed, budget_s=parse_duration(asked.budget)
    )
    print(
        f"nirs4all {importlib.metadata.version('nirs4all')} on {asked.site}, seed {asked.seed}: "
        f"{course.trained} trials in {course.wall_s:.0f} s, best CV RMSE {course.best:.4g} "
        f"{labelled.target_unit} after {course.time_to(course.best):.1f} s"
    )


if __name__ == "__main__":
    main()
