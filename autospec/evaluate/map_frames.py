"""`MapFrames`: a few thinned maps to look at, predicted and observed; nothing is computed here."""

from __future__ import annotations

from dataclasses import dataclass

from autospec.data.cubes.cubes import Float32Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapFrames:
    """Maps of some dates, thinned to what a page can hold; NaN: no value.

    Parameters
    ----------
    dates : tuple of str, length d
        ISO 8601, oldest first.
    targets : tuple of str, length k
    observed : float32, shape (d, k, rows, columns), or None
        None where nothing was observed.
    predicted : float32, shape (d, k, rows, columns)
    step : int
        Cells of the stack per cell shown, along both axes.
    crs : str
    extent : tuple of 4 float
        (west, south, east, north) in units of the crs.
    synthetic : bool
    """

    dates: tuple[str, ...]
    targets: tuple[str, ...]
    observed: Float32Array | None
    predicted: Float32Array
    step: int
    crs: str
    extent: tuple[float, float, float, float]
    synthetic: bool
