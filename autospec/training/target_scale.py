"""`TargetScale`: lab values to what a network learns, and back. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec.data.spectra import FloatArray
from autospec.errors import TrialFailed
from autospec.training.config import TargetTransform

LARGEST_LOG = 50.0  # a network that runs away predicts exp(50), not infinity


@dataclass(frozen=True, slots=True)
class TargetScale:
    """The target transform, fitted on one member's training rows."""

    log: bool
    mean: float
    sd: float

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
        return np.asarray(np.expm1(np.minimum(y, LARGEST_LOG)) if self.log else y)


def _log1p(y: FloatArray) -> FloatArray:
    if float(y.min()) <= -1.0:
        raise TrialFailed(f"log1p of a lab value of {y.min():g}; want all above -1")
    return np.asarray(np.log1p(y))
