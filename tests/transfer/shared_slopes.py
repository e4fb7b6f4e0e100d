"""Made fields of one law of spectra and lab values, at levels of their own; no tests here."""

from __future__ import annotations

import numpy as np

from autospec.data.spectra import FloatArray, Spectra, join_spectra
from tests.transfer.planted import as_table

B = 60


def shared_slopes(
    *, fields: int = 4, rows: int = 40, farm_rows: int = 120, seed: int = 0, slope: float = 1.0
) -> tuple[Spectra, Spectra]:
    """Return a library of several fields, and a farm.

    Six broad absorbers, smooth scatter and noise. The lab value is the amount of the first
    absorber, less half of the second's, plus a level of the field and noise of 2 % of the spread;
    in the farm the amounts count `slope` times.
    """
    rng = np.random.default_rng(seed)
    axis = np.linspace(400.0, 2500.0, B)
    centres, widths = rng.uniform(500.0, 2400.0, (2, 6)) * [[1.0], [0.1]]
    bands = np.exp(-0.5 * ((axis[:, None] - centres) / (widths + 60.0)) ** 2)

    def make(size: int, name: str, by: float) -> Spectra:
        amounts = rng.lognormal(0.0, 0.4, (size, 6)) * 0.1
        tilt = 0.05 * rng.normal(size=(size, 1)) * np.linspace(0.0, 1.0, B)
        noise = 1e-3 * rng.normal(size=(size, B))
        values: FloatArray = 0.3 + amounts @ bands.T + tilt + noise
        target = by * (200.0 * amounts[:, 0] - 100.0 * amounts[:, 1]) + rng.uniform(30.0, 60.0)
        return as_table(values, target + 0.3 * rng.normal(size=size), axis, name)

    library = join_spectra([make(rows, f"field-{i}", 1.0) for i in range(fields)])
    return library, make(farm_rows, "farm", slope)
