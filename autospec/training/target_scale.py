"""`TargetScale`: lab values to what a network learns, and back. No torch here."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from autospec.data.spectra import FloatArray
from autospec.errors import TrialFailed
from autospec.training.config import TargetTransform

LARGEST_LOG = 50.0  # a network that runs away predicts exp(50), not infinity


@dataclass(frozen=True, slots=True)
class TargetScale:
    """The target transform, fitted on one member's training rows.

    `smearing` is a factor of what the logarithm's inverse gives; 1 where nobody asked for it.
    """

    log: bool
    mean: float
    sd: float
    smearing: float = 1.0

    @classmethod
    def fit(cls, transform: TargetTransform, y: FloatArray) -> TargetScale:
        """Fit the transform to lab values of shape (n,)."""
        if transform == "none":
            return cls(False, 0.0, 1.0)
        log = transform == "log1p"
        z = _log1p(y) if log else y
        return cls(log, float(z.mean()), float(z.std()) or 1.0)

    def forward(self, y: FloatArray) -> FloatArray:
        """Return scaled targets."""
        return np.asarray(((_log1p(y) if self.log else y) - self.mean) / self.sd)

    def inverse(self, z: FloatArray) -> FloatArray:
        """Return targets in the unit of the lab values."""
        y = z * self.sd + self.mean
        if not self.log:
            return np.asarray(y)
        return np.asarray(np.expm1(np.minimum(y + math.log(self.smearing), LARGEST_LOG)))

    def smeared(self, z: FloatArray, y: FloatArray) -> TargetScale:
        """Return the same with a factor: a mean where there was something nearer to a median.

        1 + y is predicted as S·exp(ẑ), S = mean(exp(log(1 + y) − ẑ)) with ẑ the prediction of
        log(1 + y) (https://doi.org/10.1080/01621459.1983.10478017).

        Parameters
        ----------
        z : float64, shape (n,)
            Scaled predictions of rows that were learned from.
        y : float64, shape (n,)
            Their lab values.
        """
        assert self.log, "smearing is of logarithms"
        residual = _log1p(y) - (z * self.sd + self.mean)
        factor = float(np.mean(np.exp(np.clip(residual, -LARGEST_LOG, LARGEST_LOG))))
        return replace(self, smearing=factor)


def _log1p(y: FloatArray) -> FloatArray:
    if float(y.min()) <= -1.0:
        raise TrialFailed(f"log1p of a lab value of {y.min():g}; want all above -1")
    return np.asarray(np.log1p(y))
