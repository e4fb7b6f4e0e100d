"""`Predictions` and how blocks of them are made, for spectra and for cubes alike; no files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from autospec.data.spectra import FloatArray
from autospec.evaluate.conformal import Calibration
from autospec.evaluate.domain import Distances
from autospec.evaluate.trust import holding_bounds
from autospec.training.trainer import one_thread

NO_NUMBER = "the model has no number for it"
Block = TypeVar("Block")
Measured = tuple[FloatArray, list[str]]  # numbers (6, n) as of `measure_rows`, and reasons


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """What a model says of n samples.

    Parameters
    ----------
    ids : tuple of str, length n
    predicted : float64, shape (n,)
        In the unit of the model; NaN for a row that is no spectrum, or a window without values.
    lower, upper : float64, shape (n,)
        Interval at `level`; NaN without one.
    level : float or None
        Share of lab values that the intervals are made to hold; None: none were asked for.
    in_domain : bool, shape (n,)
        Whether the sample is like those that the model learned from.
    q, t2, nearest : float64, shape (n,)
        Distances of `autospec.evaluate.domain`.
    reasons : tuple of str, length n
        Why a row is not in the domain; empty where it is.
    notes : tuple of str
        How the samples were brought onto the model's bands or channels.
    """

    ids: tuple[str, ...]
    predicted: FloatArray
    lower: FloatArray
    upper: FloatArray
    level: float | None
    in_domain: NDArray[np.bool_]
    q: FloatArray
    t2: FloatArray
    nearest: FloatArray
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()


def measure_rows(
    each: FloatArray, distances: Distances, calibration: Calibration, level: float | None
) -> Measured:
    """Put the predictions of n rows together with their intervals and distances.

    Parameters
    ----------
    each : float64, shape (1 + K, n) or, without a level, (1, n)
        Predictions by the model, then by its K twins.
    distances : Distances
        Of these rows.
    calibration : Calibration
    level : float or None
        Of the intervals.

    Returns
    -------
    float64, shape (6, n)
        Prediction, lower and upper bound, Q, T² and nearest distance; NaN where there is none.
    list of str, length n
        Why a row is not in the domain.
    """
    predicted, *by_twin = each
    lower = upper = np.full(len(predicted), np.nan)
    if level is not None:
        lower, upper = holding_bounds(calibration, np.stack(by_twin), predicted, level)
    known = np.isfinite(predicted)
    reasons = [
        reason if ok else NO_NUMBER
        for reason, ok in zip(distances.reasons, known.tolist(), strict=True)
    ]
    rows = (predicted, lower, upper, distances.q, distances.t2, distances.nearest)
    numbers = np.stack(rows)
    numbers[:3, ~known] = np.nan
    return numbers, reasons


def measure_good(good: NDArray[np.bool_], bad: str, measure: Callable[[], Measured]) -> Measured:
    """Give the rows (n,) that are not `good` NaN and the reason `bad`; `measure` has the others."""
    numbers = np.full((6, len(good)), np.nan)
    reasons = [bad] * len(good)
    if good.any():
        numbers[:, good], told = measure()
        for row, reason in zip(np.flatnonzero(good).tolist(), told, strict=True):
            reasons[row] = reason
    return numbers, reasons


def measure_blocks(
    measure: Callable[[Block], Measured], blocks: Sequence[Block], workers: int
) -> Measured:
    """Measure one or more blocks side by side, one thread each."""
    with one_thread_each(workers) as pool:
        first = measure(blocks[0])  # alone, so that what is set up is set up once
        found = [first, *pool.map(measure, blocks[1:])]
    numbers = np.concatenate([part[0] for part in found], axis=1)
    return numbers, [reason for _, part in found for reason in part]


def as_predictions(
    measured: Measured, ids: Sequence[str], level: float | None, notes: tuple[str, ...]
) -> Predictions:
    """Name what was measured of n rows."""
    (predicted, lower, upper, q, t2, nearest), reasons = measured
    return Predictions(
        ids=tuple(ids),
        predicted=predicted,
        lower=lower,
        upper=upper,
        level=level,
        in_domain=np.array([not reason for reason in reasons], dtype=bool),
        q=q,
        t2=t2,
        nearest=nearest,
        reasons=tuple(reasons),
        notes=notes,
    )


@contextmanager
def one_thread_each(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool whose workers use one thread each in matrix products and in networks."""
    with (
        threadpool_limits(1, "blas"),
        one_thread(),
        ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        yield pool
