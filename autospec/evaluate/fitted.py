"""`Fitted`: what a tuned baseline is to its callers, and the scale of roots some learn on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from autospec.data.spectra import FloatArray

ROOT_WORDS = "on the cube root of y"  # of the scale some models learn on
ROUNDING = 1e-12  # share of the largest lab value below which a spread is that of rounding: none


class Predictor(Protocol):
    """Anything fitted that predicts raw spectra."""

    def predict(self, values: FloatArray) -> FloatArray:
        """Return predictions, shape (n,), for spectra of shape (n, b)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """A tuned and fitted model.

    Parameters
    ----------
    model : Predictor
        Predicts raw spectra, in the unit of the lab values.
    out_of_fold : float64, shape (n,)
        Prediction of each training row by the folds that do not hold it. The settings were
        chosen on the same folds or on all training rows, so their error is optimistic.
    detail : str
        What was chosen, in words.
    """

    model: Predictor
    out_of_fold: FloatArray
    detail: str

    def predict(self, values: FloatArray) -> FloatArray:
        """Return predictions, shape (n,), for spectra of shape (n, b)."""
        return self.model.predict(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLaw:
    """The scale a model learns on: standardised lab values, or their standardised cube roots.

    Lab values of soil are often skewed: on a scale of roots a model is not led by a few rich
    samples. The cube root makes gamma-distributed values nearly normal (Wilson & Hilferty 1931,
    https://doi.org/10.1073/pnas.17.12.684); it is between the square root and the logarithm.

    Parameters
    ----------
    root : bool
        Whether the cube root is taken.
    mean, sd : float
        Of the training rows, on that scale (ddof 0).
    low, high : float
        The range of the training rows on that scale, widened by one `sd`: what predictions are
        held to before the root is undone, because a cube grows fast. `low` is at least 0 where no
        lab value is negative.
    """

    root: bool
    mean: float
    sd: float
    low: float
    high: float

    def forward(self, y: FloatArray) -> FloatArray:
        """Return lab values on the scale of the model."""
        return np.asarray(((np.cbrt(y) if self.root else y) - self.mean) / self.sd)

    def inverse(self, z: FloatArray) -> FloatArray:
        """Return predictions in the unit of the lab values."""
        y = z * self.sd + self.mean
        return np.asarray(np.clip(y, self.low, self.high) ** 3 if self.root else y)


def fit_law(y: FloatArray, *, root: bool) -> TargetLaw:
    """Fit the scale to lab values of shape (n,)."""
    z = np.cbrt(y) if root else y
    sd = float(z.std())
    if sd <= ROUNDING * float(np.abs(z).max()):
        sd = 1.0
    low = float(z.min()) - sd
    return TargetLaw(
        root=root,
        mean=float(z.mean()),
        sd=sd,
        low=max(low, 0.0) if y.min() >= 0 else low,
        high=float(z.max()) + sd,
    )
