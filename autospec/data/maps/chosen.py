"""`ChosenLayers`: some channels of a raster in another order; what is sliced is read, no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autospec.data.cubes.cubes import Float32Array
from autospec.data.cubes.layer_index import Span, part_of, runs_of
from autospec.data.cubes.stacks import Layers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChosenLayers:
    """Layers (t, c, h, w) that are those of another raster, or have no values.

    Parameters
    ----------
    layers : Layers
    places : tuple of int or None, length c
        The channel of `layers` that each is; None: NaN everywhere, and nothing is read.
    """

    layers: Layers
    places: tuple[int | None, ...]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(t, c, h, w)."""
        t, _, h, w = self.layers.shape
        return t, len(self.places), h, w

    @property
    def blocks(self) -> tuple[int, int, int]:
        """(t, h, w) of what the file reads at once."""
        found: tuple[int, int, int] = getattr(self.layers, "blocks", (1, 1, 1))
        return found

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401
        """Return a part as float32, NaN where there is no value; index by ints and slices."""
        return part_of(self.shape, index, self._read)

    def _read(self, t: Span, channels: Sequence[int], rows: Span, columns: Span) -> Float32Array:
        """Read one block, neighbouring channels together."""
        size = (t[1] - t[0], len(channels), rows[1] - rows[0], columns[1] - columns[0])
        out: Float32Array = np.full(size, np.nan, dtype=np.float32)
        for into, run in runs_of([self.places[channel] for channel in channels]):
            out[:, into] = self.layers[slice(*t), run, slice(*rows), slice(*columns)]
        return out
