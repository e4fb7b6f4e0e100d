"""`FarmSpectra`: a farm's rows on its own bands, and on those that the library has too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autospec.data.spectra import IntArray, Spectra

Sees = Literal["own", "aligned"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FarmSpectra:
    """The same rows twice: on the farm's own bands, and on those that the library has too."""

    own: Spectra
    aligned: Spectra

    def rows(self, index: IntArray) -> FarmSpectra:
        """Return the rows at `index`."""
        return FarmSpectra(own=self.own.rows(index), aligned=self.aligned.rows(index))

    def seen(self, sees: Sees) -> Spectra:
        """Return one of the two."""
        return self.own if sees == "own" else self.aligned
