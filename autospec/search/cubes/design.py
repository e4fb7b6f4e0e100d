"""`CubeDesign`: everything one trial on cubes fixes, and what it costs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from autospec.data.cubes.scaling import CubePreprocessing
from autospec.nets.cube_architecture import CubeArchitecture, Shape
from autospec.search.design import Caps
from autospec.training.config import TrainingConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeDesign:
    """Everything one trial fixes: preprocessing, architecture and training."""

    preprocessing: CubePreprocessing
    architecture: CubeArchitecture
    training: TrainingConfig

    @property
    def digest(self) -> str:
        """SHA-256; equal digests train to equal scores."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def overrun(self, shape: Shape, caps: Caps) -> dict[str, float]:
        """Return the constraints of this design on cubes (c, h, w, t); above 0 is infeasible.

        ``layers``: how many conv blocks find nothing left. ``parameters`` and ``multiply_adds``:
        share above the cap.
        """
        arriving = self.preprocessing.arriving(shape)
        missing = self.architecture.shortfall(arriving)
        if missing:
            return {"layers": float(missing), "parameters": 0.0, "multiply_adds": 0.0}
        return {
            "layers": 0.0,
            "parameters": self.architecture.n_parameters(arriving) / caps.parameters - 1.0,
            "multiply_adds": self.architecture.multiply_adds(arriving) / caps.multiply_adds - 1.0,
        }

    def size(self, shape: Shape) -> tuple[int, int]:
        """Return parameters and multiply–adds on cubes (c, h, w, t) that it fits."""
        arriving = self.preprocessing.arriving(shape)
        network = self.architecture
        return network.n_parameters(arriving), network.multiply_adds(arriving)
