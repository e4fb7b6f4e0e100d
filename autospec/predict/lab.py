"""`LabRange`: the lab values that a kept model learned from; no model and no files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from autospec.data.cubes.cubes import Cubes
from autospec.data.spectra import Spectra


@dataclass(frozen=True, slots=True, kw_only=True)
class LabRange:
    """Lab values of all rows that a model learned from, in the unit of its target.

    Parameters
    ----------
    lowest, median, highest : float
        Ascending.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    lowest: float
    median: float
    highest: float

    def __post_init__(self) -> None:
        """Refuse values that are not ascending."""
        if not self.lowest <= self.median <= self.highest:
            raise ValueError("lowest, median and highest lab value are not ascending")


def lab_range(train: Spectra | Cubes) -> LabRange:
    """Return the range and the median of the lab values of at least one row."""
    target = train.target
    return LabRange(
        lowest=float(target.min()), median=float(np.median(target)), highest=float(target.max())
    )
