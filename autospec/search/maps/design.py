"""`MapDesign`: everything one trial on maps fixes, and what it costs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace

from autospec.nets.map_shape import MapShape
from autospec.nets.map_sizes import CNNTransformerSizes
from autospec.search.design import Caps
from autospec.training.fit_config import FitConfig
from autospec.training.map_settings import MapTerms

MASK_CHANNEL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSeen:
    """What designs are asked with: the shape of a sample, and what the stack has.

    Parameters
    ----------
    shape : MapShape
        Of a training sample, without the channel that says where values are.
    gappy : bool
        Whether values are missing in what is learned from.
    """

    shape: MapShape
    gappy: bool

    def arriving(self, terms: MapTerms) -> MapShape:
        """Return the shape that reaches a network: gaps that are masked have a channel."""
        if not self.gappy or terms.gaps != "mask":
            return self.shape
        return replace(self.shape, channels=self.shape.channels + MASK_CHANNEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapDesign:
    """Everything one trial fixes: the network, what it minimises, and how it learns."""

    sizes: CNNTransformerSizes
    terms: MapTerms
    config: FitConfig

    @property
    def digest(self) -> str:
        """SHA-256; equal digests train to equal scores."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def overrun(self, seen: MapSeen, caps: Caps) -> dict[str, float]:
        """Return the constraints of this design; above 0 is infeasible.

        ``layers``: 0, for every network fits every map. ``parameters`` and ``multiply_adds``:
        share above the cap.
        """
        parameters, work = self.size(seen)
        return {
            "layers": 0.0,
            "parameters": parameters / caps.parameters - 1.0,
            "multiply_adds": work / caps.multiply_adds - 1.0,
        }

    def size(self, seen: MapSeen) -> tuple[int, int]:
        """Return parameters, and multiply–adds of one sample's forward pass."""
        from autospec.nets.map_cost import map_cost  # torch: settings are read without it

        return map_cost(self.sizes, seen.arriving(self.terms))
