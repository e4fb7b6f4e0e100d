"""The study design: repeated draws of training samples, every model on the same rows, and scores.

Here, and nowhere else in a localisation, the test rows of a draw are opened (`SplitPlan.unseal`):
after all models of the draw have been fitted. Nothing is fitted in this file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from autospec.data.sampling import SamplingMethod, choose_samples
from autospec.data.spectra import FloatArray, IntArray, Spectra
from autospec.data.splits import SplitPlan, make_folds
from autospec.errors import DataError
from autospec.evaluate.metrics import METRICS, metric_table
from autospec.localisation.result import Draw, Outcome
from autospec.localisation.settings import LocaliseSettings

MIN_LABELLED = 10
TRAIN_SHARE = 0.75  # of the samples at most: the rest must be enough to test on
POOL_SHARE = 0.8  # of the samples from which a method without chance of its own chooses in a draw
INNER_FOLDS = 5


def lay_draws(farm: Spectra, settings: LocaliseSettings) -> tuple[SplitPlan, ...]:
    """Draw training samples, lay inner folds over them, and seal the rest, draw by draw.

    Parameters
    ----------
    farm : Spectra
        The farm's rows with a lab value, on its own bands.
    settings : LocaliseSettings
        How many samples and draws, by which method, from which seed.

    Returns
    -------
    tuple of SplitPlan
        One a draw. Replicates of a sample stay together.

    Raises
    ------
    DataError
        If there are too few samples, or all have the same lab value.
    """
    names, group = np.unique(np.asarray(farm.groups), return_inverse=True)
    if len(names) < MIN_LABELLED:
        raise DataError(
            f"the farm has {len(names)} samples with {farm.target_name}; want at least "
            f"{MIN_LABELLED}, better 30 or more. Add lab values (autospec plan says which samples "
            "to send to the lab)."
        )
    if np.ptp(farm.target) == 0:
        raise DataError(
            f"all {len(names)} samples of the farm have {farm.target_name} = "
            f"{farm.target[0]:g} {farm.target_unit}; want values that differ. Check the column."
        )
    means = np.stack([farm.values[group == i].mean(axis=0) for i in range(len(names))])
    n = training_samples(len(names), settings.n)
    seeds = np.random.SeedSequence(settings.seed).spawn(settings.draws)
    return tuple(_seal(farm, group, _choose(means, n, settings.method, seed)) for seed in seeds)


def training_samples(samples: int, wanted: int) -> int:
    """Return how many samples of a farm train in a draw: `wanted`, or three quarters of all."""
    return min(wanted, int(TRAIN_SHARE * samples))


def inner_folds(train: Spectra, seed: int) -> SplitPlan:
    """Lay inner folds over training rows that have no test rows: for the final model."""
    everything = np.arange(train.n)
    return SplitPlan(
        train=everything,
        folds=make_folds(train, _fold_count(train), 1, seed),
        n_folds=_fold_count(train),
        repeats=1,
        sealed=np.empty(0, dtype=np.int64),
    )


def _choose(
    means: FloatArray, n: int, method: SamplingMethod, seed: np.random.SeedSequence
) -> IntArray:
    first, second = (int(s) for s in seed.generate_state(2))
    if method == "random":
        return choose_samples(means, n, "random", first)
    size = max(n, round(POOL_SHARE * len(means)))
    pool = np.sort(choose_samples(means, size, "random", first))
    return np.asarray(pool[choose_samples(means[pool], n, method, second)])


def _seal(farm: Spectra, group: IntArray, chosen: IntArray) -> SplitPlan:
    inside = np.isin(group, chosen)
    train = np.flatnonzero(inside)
    plan = inner_folds(farm.rows(train), int(chosen.sum()))
    return replace(plan, train=train, sealed=np.flatnonzero(~inside))


def _fold_count(train: Spectra) -> int:
    return min(INNER_FOLDS, len(set(train.groups)))


def open_draw(
    plan: SplitPlan,
    number: int,
    predict: Sequence[tuple[str, Callable[[IntArray], FloatArray]]],
) -> tuple[Draw, dict[str, FloatArray]]:
    """Open a draw's test rows and let every fitted model predict them.

    Parameters
    ----------
    plan : SplitPlan
        The draw.
    number : int
        Its number.
    predict : sequence of (name, callable)
        Each takes row numbers of the farm and returns predictions.

    Returns
    -------
    Draw, and predictions by name
    """
    test = plan.unseal()
    draw = Draw(
        number=number,
        train=tuple(int(i) for i in plan.train),
        test=tuple(int(i) for i in test),
    )
    return draw, {name: call(test) for name, call in predict}


def score_outcome(
    draw: Draw,
    observed: FloatArray,
    predicted: FloatArray,
    *,
    inner_rmse: float | None,
    detail: str,
    seconds: float,
) -> Outcome:
    """Score one model's predictions of a draw's test rows."""
    table = metric_table(observed[list(draw.test)], predicted)
    values = {name: float(table[name]) for name in METRICS}
    return Outcome(
        draw=draw.number,
        predicted=tuple(float(p) for p in predicted),
        rmse=values["rmse"],
        me=values["me"],
        sde=values["sde"],
        ccc=_defined(values["ccc"]),
        r2=_defined(values["r2"]),
        rpiq=_defined(values["rpiq"]),
        inner_rmse=inner_rmse,
        detail=detail,
        seconds=round(seconds, 4),
    )


def _defined(value: float) -> float | None:
    return value if np.isfinite(value) else None
