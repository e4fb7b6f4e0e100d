"""Predictions of cubes from a kept model, with intervals and domain, in blocks; no files."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from autospec.data.cubes.cubes import Cubes
from autospec.evaluate.conformal import DEFAULT_LEVEL, check_level
from autospec.predict.answers import (
    Measured,
    Predictions,
    as_predictions,
    measure_blocks,
    measure_good,
    measure_rows,
)
from autospec.predict.cube_matching import fit_cubes
from autospec.predict.cube_running import CubeRunner
from autospec.predict.document import CubeBundle
from autospec.training.trainer import Device, resolve_device, thread_count

BLOCK_CELLS = 1_000_000  # of the samples of one block
BLOCK_ROWS = 2048  # of them at most
EMPTY = "no cell of it has a value"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CubeBundleRunner:
    """A kept model of cubes ready to predict block after block; its networks are built once.

    Made by `open_cube_runner`.
    """

    bundle: CubeBundle
    level: float | None
    runner: CubeRunner
    workers: int = field(default_factory=thread_count)

    def predict_cubes(self, cubes: Cubes, *, notes: tuple[str, ...] = ()) -> Predictions:
        """Predict n cubes of the model's own channels, in its order, and of its window.

        A sample without any value is predicted NaN, and says why; so is one that the networks have
        no number for.
        """
        measured = measure_blocks(self.measure_block, blocks_of(cubes), self.workers)
        return as_predictions(measured, cubes.ids, self.level, notes)

    def measure_block(self, cubes: Cubes) -> Measured:
        """Predict some cubes on the calling thread, as `predict_cubes` does.

        Returns
        -------
        float64, shape (6, n)
            Prediction, lower and upper bound, Q, T² and nearest distance; NaN as there.
        list of str, length n
            Reasons.
        """
        good = np.asarray(cubes.valid.any(axis=(1, 2, 3, 4)))
        return measure_good(good, EMPTY, lambda: self._measure(cubes.rows(np.flatnonzero(good))))

    def _measure(self, cubes: Cubes) -> Measured:
        bundle = self.bundle
        nodes = (bundle.model,) if self.level is None else (bundle.model, *bundle.twins)
        with np.errstate(all="ignore"):
            each = self.runner.predict(nodes, cubes)
            distances = bundle.domain.measure(cubes)
            return measure_rows(each, distances, bundle.calibration, self.level)


def blocks_of(cubes: Cubes) -> list[Cubes]:
    """Cut n cubes into blocks, at least one, that are computed side by side."""
    rows = min(max(BLOCK_CELLS // math.prod(cubes.shape), 1), BLOCK_ROWS)
    starts = range(0, max(cubes.n, 1), rows)
    return [cubes.rows(range(start, min(start + rows, cubes.n))) for start in starts]


def predict_cubes(
    bundle: CubeBundle,
    cubes: Cubes,
    *,
    level: float | None = DEFAULT_LEVEL,
    device: Device = "cpu",
) -> Predictions:
    """Predict cubes with a kept model; see `autospec.predict.predictions.predict`."""
    matched, notes = fit_cubes(cubes, bundle)
    return open_cube_runner(bundle, level=level, device=device).predict_cubes(matched, notes=notes)


def open_cube_runner(
    bundle: CubeBundle, *, level: float | None = DEFAULT_LEVEL, device: Device = "cpu"
) -> CubeBundleRunner:
    """Set a kept model of cubes up to predict block after block.

    Parameters
    ----------
    bundle, level, device
        As for `autospec.predict.predictions.predict`.

    Raises
    ------
    UsageError
        If the model's calibration cannot support the level, or CUDA is asked for and not there.
    """
    if level is not None:
        check_level(bundle.calibration.n, level)
    place = resolve_device(device)
    workers = thread_count() if place.type == "cpu" else 1
    return CubeBundleRunner(
        bundle=bundle, level=level, runner=CubeRunner(device=place), workers=workers
    )
