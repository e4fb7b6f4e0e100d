"""`Design`: everything one trial fixes, what it costs, and the `Caps` it is held to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Annotated

from annotated_types import Ge

from autospec.data.preprocess import Preprocessing, band_grid
from autospec.data.spectra import FloatArray
from autospec.nets.architecture import Architecture
from autospec.training.config import TrainingConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What a searched design may cost; published designs are references and are exempt.

    Parameters
    ----------
    parameters : int
        Trainable parameters at most.
    multiply_adds : int
        Multiply–adds of one spectrum's forward pass at most.
    """

    parameters: Annotated[int, Ge(1)] = 20_000_000
    multiply_adds: Annotated[int, Ge(1)] = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Everything one trial fixes: preprocessing, architecture and training."""

    preprocessing: Preprocessing
    architecture: Architecture
    training: TrainingConfig

    @property
    def digest(self) -> str:
        """SHA-256; equal digests train to equal scores."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def bands(self, axis: FloatArray) -> int:
        """Return how many bands reach the network, for spectra on `axis`."""
        return len(band_grid(axis, self.preprocessing.step))

    def overrun(self, axis: FloatArray, caps: Caps) -> dict[str, float]:
        """Return the constraints of this design on spectra of `axis`; above 0 is infeasible.

        ``layers``: how many conv blocks find no bands left, plus one if the Savitzky–Golay window
        is wider than the spectrum. ``parameters`` and ``multiply_adds``: share above the cap.
        """
        bands = self.bands(axis)
        savgol = self.preprocessing.savgol
        missing = self.architecture.shortfall(bands)
        missing += savgol is not None and savgol.window > bands
        if missing:
            return {"layers": float(missing), "parameters": 0.0, "multiply_adds": 0.0}
        return {
            "layers": 0.0,
            "parameters": self.architecture.n_parameters(bands) / caps.parameters - 1.0,
            "multiply_adds": self.architecture.multiply_adds(bands) / caps.multiply_adds - 1.0,
        }

    def size(self, axis: FloatArray) -> tuple[int, int]:
        """Return parameters and multiply–adds on spectra of `axis` that it fits."""
        bands = self.bands(axis)
        return self.architecture.n_parameters(bands), self.architecture.multiply_adds(bands)
