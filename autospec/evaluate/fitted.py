"""`Fitted`: what a tuned baseline is to its callers, and the log scale some of them learn on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from autospec.data.spectra import FloatArray


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
    """The scale a model learns on: standardised lab values, or standardised log(1 + y).

    Lab values of soil are often skewed: on the log scale a model is not led by a few rich samples.

    Parameters
    ----------
    log : bool
        Whether the logarithm is taken.
    mean, sd : float
        Of the training rows, on that scale (ddof 0).
    low, high : float
        The range of the training rows on that scale, widened by one `sd`: what predictions are
        held to before the logarithm is undone, because its inverse grows without end.
    """

    log: bool
    mean: float
    sd: float
    low: float
    high: float

    def forward(self, y: FloatArray) -> FloatArray:
        """Return lab values on the scale of the model."""
        return np.asarray(((np.log1p(y) if self.log else y) - self.mean) / self.sd)

    def inverse(self, z: FloatArray) -> FloatArray:
        """Return predictions in the unit of the lab values."""
        y = z * self.sd + self.mean
        return np.expm1(np.clip(y, self.low, self.high)) if self.log else np.asarray(y)


def fit_law(y: FloatArray, *, log: bool) -> TargetLaw:
    """Fit the scale to lab values of shape (n,); `log` wants all of them above −1."""
    assert not log or float(y.min()) > -1.0, "log1p of a value at or below -1"
    z = np.log1p(y) if log else y
    sd = float(z.std()) or 1.0
    return TargetLaw(
        log=log,
        mean=float(z.mean()),
        sd=sd,
        low=float(z.min()) - sd,
        high=float(z.max()) + sd,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScaledModel:
    """A model that learned lab values on another scale, and predicts them in their unit."""

    model: Predictor
    law: TargetLaw

    def predict(self, values: FloatArray) -> FloatArray:
        """Return predictions, shape (n,), for spectra of shape (n, b)."""
        return self.law.inverse(self.model.predict(values))
