"""What cubes and split a result came from, in numbers small enough to keep and draw."""

from __future__ import annotations

import math

import numpy as np

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.overlaps import count_overlapping
from autospec.data.cubes.splits import CubeSplit, CubeSplitPlan
from autospec.data.spectra import FloatArray
from autospec.search.cubes.result import CubesSummary, PlaceRecord, Role, SplitRecord


def summarise_cubes(cubes: Cubes, train: Cubes) -> CubesSummary:
    """Summarise `cubes`; what is counted of channels and targets is of `train`, all labelled."""
    mean, sd = zip(*(_spread(train, i) for i in range(len(train.channels))), strict=True)
    missing = 100.0 * (1.0 - train.valid.mean(axis=(0, 2, 3, 4)))
    return CubesSummary(
        n=cubes.n,
        n_unlabelled=int(np.isnan(cubes.target).sum()),
        shape=cubes.shape,
        channels=cubes.channels,
        mean=mean,
        sd=sd,
        invalid_percent=tuple(_short(v) for v in missing),
        first_time=str(cubes.times.min()),
        last_time=str(cubes.times.max()),
        crs=cubes.crs,
        synthetic=cubes.synthetic,
        target_name=cubes.target_name,
        target_unit=cubes.target_unit,
        target_train=tuple(_short(v) for v in train.target),
        provenance=cubes.provenance,
        digest=cubes.digest,
    )


def _spread(cubes: Cubes, channel: int) -> tuple[float, float]:
    """Return mean and standard deviation of a channel's cells with a value; 0 without any."""
    values = cubes.values[:, channel][cubes.valid[:, channel]].astype(np.float64)
    return (_short(values.mean()), _short(values.std())) if len(values) else (0.0, 0.0)


def describe_split(labelled: Cubes, split: CubeSplit, plan: CubeSplitPlan) -> SplitRecord:
    """Return the split of `labelled` in numbers."""
    return SplitRecord(
        kind=plan.kind,
        buffer_km=split.buffer_km if plan.kind == "blocks" else 0.0,
        block_km=plan.block_km,
        n_blocks=0 if plan.kind == "random" else len(np.unique(plan.block_of)),
        n_train=len(plan.plan.train),
        n_test=plan.plan.n_test,
        n_dropped=len(plan.dropped),
        dropped_in_folds=plan.dropped_in_folds,
        nearest_km=_measured(plan.nearest_km),
        nearest_in_folds_km=tuple(_measured(km) for km in plan.nearest_in_folds_km),
        digest=plan.plan.digest,
        n_overlapping=_overlapping(labelled, plan),
    )


def _overlapping(labelled: Cubes, plan: CubeSplitPlan) -> int | None:
    """Count sealed windows that share cells with training ones; None where it is not asked."""
    if plan.kind != "blocks":
        return None
    used = np.concatenate([plan.plan.train, plan.dropped])
    sealed = np.setdiff1d(np.arange(labelled.n), used)
    return count_overlapping(labelled, plan.plan.train, sealed)


def describe_places(
    labelled: Cubes, plan: CubeSplitPlan, out_of_fold: FloatArray | None
) -> tuple[PlaceRecord, ...]:
    """Return where each labelled sample lies, and what it was used for.

    Parameters
    ----------
    labelled : Cubes
        All labelled samples.
    plan : CubeSplitPlan
        Their split.
    out_of_fold : float64, shape (n_train,), or None
        Of the training samples; NaN where there is none.
    """
    roles: list[Role] = ["test"] * labelled.n
    fold_of, predicted = np.full(labelled.n, -1), np.full(labelled.n, np.nan)
    train = plan.plan.train
    for row in train:
        roles[row] = "train"
    for row in plan.dropped:
        roles[row] = "dropped"
    for number, fold in enumerate(plan.plan.folds):
        fold_of[train[fold.score]] = number
    if out_of_fold is not None:
        predicted[train] = out_of_fold
    return tuple(
        PlaceRecord(
            id=labelled.ids[i],
            x=float(labelled.x[i]),
            y=float(labelled.y[i]),
            target=float(labelled.target[i]),
            role=roles[i],
            block=int(plan.block_of[i]),
            fold=int(fold_of[i]),
            out_of_fold=_measured(float(predicted[i])),
        )
        for i in range(labelled.n)
    )


def _measured(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _short(value: float) -> float:
    return float(f"{value:.6g}")
