"""Predictions from a kept model, with intervals and domain, in blocks of bounded memory; no files.

Blocks are computed side by side, one thread each, so that the last bit of a prediction does not
depend on how many cores there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from autospec.data.cubes.cubes import Cubes
from autospec.data.onto_axis import fit_onto
from autospec.data.spectra import FloatArray, Spectra, row_name
from autospec.errors import UsageError
from autospec.evaluate.conformal import DEFAULT_LEVEL, check_level
from autospec.predict.answers import (
    Measured,
    Predictions,
    as_predictions,
    measure_blocks,
    measure_good,
    measure_rows,
)
from autospec.predict.cube_predictions import predict_cubes
from autospec.predict.document import Bundle, CubeBundle, MapBundle, ModelBundle
from autospec.predict.running import Runner
from autospec.training.trainer import Device, resolve_device, thread_count

BLOCK_ROWS = 2048
LARGEST = 1e3  # reflectance and absorbance are far below; beyond, squares would lose all digits
BAD = "flat, or no spectrum"


def predict(
    bundle: Bundle,
    samples: Spectra | Cubes,
    *,
    level: float | None = DEFAULT_LEVEL,
    device: Device = "cpu",
) -> Predictions:
    """Predict samples with a kept model.

    Parameters
    ----------
    bundle : ModelBundle or CubeBundle
        From `load_model`, `make_bundle` or `make_cube_bundle`.
    samples : Spectra or Cubes
        Of the model's kind. Spectra are brought onto its bands and quantity by value, channels of
        cubes into its order by name; lab values are not read.
    level : float or None
        Of the intervals, between 0 and 1; None for none, which takes less time.
    device : {"auto", "cpu", "cuda"}
        Where networks run.

    Raises
    ------
    DataError
        If the spectra do not cover the model's bands, or the cubes lack a channel of the model or
        have another window.
    UsageError
        If the model's calibration cannot support the level, or an argument is of another kind.
    """
    if isinstance(bundle, CubeBundle) and isinstance(samples, Cubes):
        return predict_cubes(bundle, samples, level=level, device=device)
    if isinstance(bundle, MapBundle):
        raise UsageError(
            f"{bundle.name}: a model of maps predicts whole rasters, not samples. Use autospec "
            "map, or autospec.predict.map_running.map_stack in Python."
        )
    if not isinstance(bundle, ModelBundle) or not isinstance(samples, Spectra):
        raise UsageError(
            f"predict({type(bundle).__name__}, {type(samples).__name__}): want a ModelBundle, from "
            "load_model(FILE), and Spectra, from read_spectra(FILE, "
            "ReadOptions(need_target=False)); or a CubeBundle and Cubes, from read_cubes(FILE)."
        )
    onto = fit_onto(
        samples.axis,
        samples.axis_unit,
        samples.quantity,
        bundle.axis,
        bundle.axis_unit,
        bundle.quantity,
    )
    runner = open_runner(bundle, level=level, device=device)
    return runner.predict_values(onto.transform(samples.values), samples.ids, notes=onto.notes)


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
        measured = measure_blocks(self.measure_block, blocks, self.workers)
        names = [row_name(i + 1) for i in range(len(values))] if ids is None else ids
        return as_predictions(measured, names, self.level, notes)

    def measure_block(self, values: FloatArray) -> Measured:
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
        return measure_good(good, BAD, lambda: self._measure(values[good]))

    def _measure(self, values: FloatArray) -> Measured:
        bundle = self.bundle
        nodes = (bundle.model,) if self.level is None else (bundle.model, *bundle.twins)
        with np.errstate(all="ignore"):
            each = self.runner.predict(nodes, values)
            distances = bundle.domain.measure(values)
            return measure_rows(each, distances, bundle.calibration, self.level)


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
