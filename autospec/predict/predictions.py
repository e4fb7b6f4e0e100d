"""Predictions from a kept model, with intervals and domain, in blocks of bounded memory; no files.

Blocks are computed side by side, one thread each, so that the last bit of a prediction does not
depend on how many cores there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from autospec.data.onto_axis import fit_onto
from autospec.data.spectra import FloatArray, Spectra, row_name
from autospec.errors import UsageError
from autospec.evaluate.conformal import DEFAULT_LEVEL, check_level
from autospec.evaluate.trust import holding_bounds
from autospec.predict.document import ModelBundle
from autospec.predict.running import Runner
from autospec.training.trainer import Device, one_thread, resolve_device, thread_count

BLOCK_ROWS = 2048
LARGEST = 1e3  # reflectance and absorbance are far below; beyond, squares would lose all digits
BAD, NO_NUMBER = "flat, or no spectrum", "the model has no number for it"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """What a model says of n spectra.

    Parameters
    ----------
    ids : tuple of str, length n
    predicted : float64, shape (n,)
        In the unit of the model; NaN for a row that is no spectrum.
    lower, upper : float64, shape (n,)
        Interval at `level`; NaN without one.
    level : float or None
        Share of lab values that the intervals are made to hold; None: none were asked for.
    in_domain : bool, shape (n,)
        Whether the spectrum is like those that the model learned from.
    q, t2, nearest : float64, shape (n,)
        Distances of `autospec.evaluate.domain`.
    reasons : tuple of str, length n
        Why a row is not in the domain; empty where it is.
    notes : tuple of str
        How the spectra were brought onto the model's bands.
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


def predict(
    bundle: ModelBundle,
    spectra: Spectra,
    *,
    level: float | None = DEFAULT_LEVEL,
    device: Device = "cpu",
) -> Predictions:
    """Predict spectra with a kept model.

    Parameters
    ----------
    bundle : ModelBundle
        From `load_model` or `make_bundle`.
    spectra : Spectra
        Brought onto the model's bands and quantity by value; their lab values are not read.
    level : float or None
        Of the intervals, between 0 and 1; None for none, which takes less time.
    device : {"auto", "cpu", "cuda"}
        Where networks run.

    Raises
    ------
    DataError
        If the spectra do not cover the model's bands.
    UsageError
        If the model's calibration cannot support the level, or an argument is of another kind.
    """
    if not isinstance(bundle, ModelBundle) or not isinstance(spectra, Spectra):
        raise UsageError(
            f"predict({type(bundle).__name__}, {type(spectra).__name__}): want a ModelBundle, from "
            "load_model(FILE), and Spectra, from read_spectra(FILE, "
            "ReadOptions(need_target=False))."
        )
    onto = fit_onto(
        spectra.axis,
        spectra.axis_unit,
        spectra.quantity,
        bundle.axis,
        bundle.axis_unit,
        bundle.quantity,
    )
    runner = open_runner(bundle, level=level, device=device)
    return runner.predict_values(onto.transform(spectra.values), spectra.ids, notes=onto.notes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BundleRunner:
    """A kept model ready to predict block after block; its networks are built once.

    Made by `open_runner`.
    """

    bundle: ModelBundle
    level: float | None
    runner: Runner
    workers: int = field(default_factory=thread_count)

    def predict_values(
        self,
        values: FloatArray,
        ids: Sequence[str] | None = None,
        *,
        notes: tuple[str, ...] = (),
    ) -> Predictions:
        """Predict spectra that are on the model's own bands and in its quantity.

        Parameters
        ----------
        values : float64, shape (n, b)
            A row that is flat, or not finite, is predicted NaN, and says why.
        ids : sequence of str, length n, optional
            By default row numbers from 1.
        notes : tuple of str
            Passed on.
        """
        assert values.ndim == 2 and values.shape[1] == len(self.bundle.axis), "the model's bands"
        starts = range(0, max(len(values), 1), BLOCK_ROWS)
        blocks = [np.ascontiguousarray(values[start : start + BLOCK_ROWS]) for start in starts]
        with one_thread_each(self.workers) as pool:
            first = self.measure_block(blocks[0])  # alone, so that what is set up is set up once
            found = [first, *pool.map(self.measure_block, blocks[1:])]
        numbers = np.concatenate([part[0] for part in found], axis=1)
        reasons = tuple(reason for _, part in found for reason in part)
        names = [row_name(i + 1) for i in range(len(values))] if ids is None else ids
        predicted, lower, upper, q, t2, nearest = numbers
        return Predictions(
            ids=tuple(names),
            predicted=predicted,
            lower=lower,
            upper=upper,
            level=self.level,
            in_domain=np.array([not reason for reason in reasons], dtype=bool),
            q=q,
            t2=t2,
            nearest=nearest,
            reasons=reasons,
            notes=notes,
        )

    def measure_block(self, values: FloatArray) -> tuple[FloatArray, list[str]]:
        """Predict a few thousand spectra on the calling thread, as `predict_values` does.

        Returns
        -------
        float64, shape (6, n)
            Prediction, lower and upper bound, Q, T² and nearest distance; NaN as there.
        list of str, length n
            Reasons.
        """
        with np.errstate(all="ignore"):
            good = (np.ptp(values, axis=1) > 0) & (np.abs(values).max(axis=1) < LARGEST)
        numbers = np.full((6, len(values)), np.nan)
        reasons = [BAD] * len(values)
        if good.any():
            numbers[:, good], told = self._measure(values[good])
            for row, reason in zip(np.flatnonzero(good).tolist(), told, strict=True):
                reasons[row] = reason
        return numbers, reasons

    def _measure(self, values: FloatArray) -> tuple[FloatArray, list[str]]:
        bundle = self.bundle
        nodes = (bundle.model,) if self.level is None else (bundle.model, *bundle.twins)
        with np.errstate(all="ignore"):
            predicted, *by_twin = self.runner.predict(nodes, values)
            lower = upper = np.full(len(values), np.nan)
            if self.level is not None:
                lower, upper = holding_bounds(
                    bundle.calibration, np.stack(by_twin), predicted, self.level
                )
            distances = bundle.domain.measure(values)
        known = np.isfinite(predicted)
        reasons = [
            reason if ok else NO_NUMBER
            for reason, ok in zip(distances.reasons, known.tolist(), strict=True)
        ]
        rows = (predicted, lower, upper, distances.q, distances.t2, distances.nearest)
        numbers = np.stack(rows)
        numbers[:3, ~known] = np.nan
        return numbers, reasons


def open_runner(
    bundle: ModelBundle, *, level: float | None = DEFAULT_LEVEL, device: Device = "cpu"
) -> BundleRunner:
    """Set a kept model up to predict block after block.

    Parameters
    ----------
    bundle, level, device
        As for `predict`.

    Raises
    ------
    UsageError
        If the model's calibration cannot support the level, or CUDA is asked for and not there.
    """
    if level is not None:
        check_level(bundle.calibration.n, level)
    place = resolve_device(device)
    workers = thread_count() if place.type == "cpu" else 1
    return BundleRunner(bundle=bundle, level=level, runner=Runner(device=place), workers=workers)


@contextmanager
def one_thread_each(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool whose workers use one thread each in matrix products and in networks."""
    with (
        threadpool_limits(1, "blas"),
        one_thread(),
        ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        yield pool
