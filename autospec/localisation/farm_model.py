"""`FarmModel`: auto as one predictor of raw spectra, so that it can be kept and used elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_matrix

from autospec.data.bands import band_weights
from autospec.data.preprocess import BandAveraging, published_step
from autospec.data.spectra import FloatArray, Quantity
from autospec.localisation.auto import Auto


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FarmModel:
    """auto on the spectra as the farm's instrument gives them.

    Members of auto see the spectra averaged to about 216 bands: of the farm's own axis, or of the
    bands that the library has too, as `preparation.prepare` lays them.

    Parameters
    ----------
    axis : float64, shape (b,)
        The farm's bands, in the farm's unit.
    quantity : {"reflectance", "absorbance"}
        What its spectra are; the library was brought to it, so no member sees another.
    grid : float64, shape (b',)
        Bands that farm and library have in common, before they are averaged.
    auto : Auto
        Fitted on rows of the farm.
    """

    axis: FloatArray
    quantity: Quantity
    grid: FloatArray
    auto: Auto

    def predict(self, values: FloatArray) -> FloatArray:
        """Return predictions, shape (n,), for raw spectra of shape (n, b)."""
        aligned = values
        if not np.array_equal(self.axis, self.grid):
            aligned = values @ _weights(self.axis.tobytes(), self.grid.tobytes())
        seen = {"own": _narrow(values, self.axis), "aligned": _narrow(aligned, self.grid)}
        each = [member.fitted.predict(seen[member.sees]) for member in self.auto.members]
        return self.auto.mix(np.stack(each))


@lru_cache(maxsize=4)  # twins of one model predict in turn, on the same bands
def _weights(axis: bytes, grid: bytes) -> csr_matrix:
    return band_weights(np.frombuffer(axis), np.frombuffer(grid))


def _narrow(values: FloatArray, axis: FloatArray) -> FloatArray:
    return BandAveraging(axis, published_step(axis)).fit(values).transform(values)
