"""`Preprocessing`: a recipe for spectra, described before a split and fitted inside it.

The steps run in this order: quantity (reflectance or absorbance), band averaging to a step,
scatter correction (SNV or MSC), Savitzky–Golay, and per-band standardisation. chemotools and
scikit-learn do the work; only the wavelength-aware band averaging is our own. Averaging comes
before Savitzky–Golay because the filter wants evenly spaced bands, which many instruments do
not deliver.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from autospec.data.spectra import FloatArray, Quantity

Scatter = Literal["none", "snv", "msc"]
REFLECTANCE_FLOOR = 1e-5  # keeps log10(1/R) finite: absorbance 5, beyond any instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class SavitzkyGolay:
    """Savitzky–Golay filter (https://doi.org/10.1021/ac60214a047).

    Parameters
    ----------
    window : int
        Odd number of (averaged) bands, 3 to 101.
    order : int
        Polynomial order, 1 to `window` − 1.
    derivative : int
        0 smooths; 1 and more differentiate; at most `order`.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    window: int
    order: int
    derivative: int

    def __post_init__(self) -> None:
        """Refuse impossible filters."""
        if self.window % 2 == 0 or not 3 <= self.window <= 101:
            raise ValueError(f"window = {self.window}; want an odd number, 3 to 101")
        if not 1 <= self.order < self.window:
            raise ValueError(f"order = {self.order}; want 1 to window - 1")
        if not 0 <= self.derivative <= self.order:
            raise ValueError(f"derivative = {self.derivative}; want 0 to order")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """A recipe; `make_pipeline` turns it into an unfitted scikit-learn pipeline.

    Parameters
    ----------
    quantity : {"reflectance", "absorbance"}
        What the network sees; converted from what the spectra are.
    scatter : {"none", "snv", "msc"}
        Standard normal variate (https://doi.org/10.1366/0003702894202201) or multiplicative
        scatter correction (https://doi.org/10.1366/0003702854248656).
    savgol : SavitzkyGolay or None
        The filter, or none.
    step : float
        Band step in the unit of the axis (nm or cm⁻¹), > 0. A step finer than the instrument's
        own spacing means the instrument's own.

    Raises
    ------
    ValueError
        If `step` is not above 0.
    """

    quantity: Quantity = "absorbance"
    scatter: Scatter = "none"
    savgol: SavitzkyGolay | None = None
    step: float = 10.0

    def __post_init__(self) -> None:
        """Refuse an impossible step."""
        if not self.step > 0:
            raise ValueError(f"step = {self.step}; want a number above 0")

    def describe(self) -> str:
        """Return the recipe in a few words."""
        words = [self.quantity, f"step {self.step:g}"]
        if self.scatter != "none":
            words.append(self.scatter.upper())
        if self.savgol is not None:
            s = self.savgol
            words.append(
                f"Savitzky–Golay (window {s.window}, order {s.order}, derivative {s.derivative})"
            )
        return ", ".join(words)


def band_grid(axis: FloatArray, step: float) -> FloatArray:
    """Return the centres that averaging `axis` to `step` gives, in the axis's unit.

    Parameters
    ----------
    axis : float64, shape (b,)
        Ascending band positions.
    step : float
        Wanted spacing, > 0; the instrument's median spacing if that is coarser.

    Returns
    -------
    float64, shape (b',)
        Evenly spaced centres; every bin lies inside the coverage of the instrument.
    """
    own = float(np.median(np.diff(axis))) if len(axis) > 1 else 1.0
    step = max(step, own)
    span = float(axis[-1] - axis[0]) + own  # each band stands for one spacing around it
    count = max(int(np.floor(span / step + 1e-9)), 1)
    first = float(axis[0]) - own / 2 + step / 2 + (span - count * step) / 2
    return np.asarray(first + step * np.arange(count), dtype=np.float64)


def published_step(axis: FloatArray) -> float:
    """Return the whole step, 1 to 20 in the axis's unit, that leaves about the published 216 bands.

    Parameters
    ----------
    axis : float64, shape (b,)
        Ascending band positions.
    """
    return float(min(max(round(float(axis[-1] - axis[0]) / 216), 1), 20))


class BandAveraging(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Average bands to an even grid by position; a bin without a band is interpolated.

    Parameters
    ----------
    axis : float64, shape (b,)
        Ascending band positions of the input.
    step : float
        Wanted spacing in the unit of the axis.
    """

    def __init__(self, axis: FloatArray, step: float) -> None:
        self.axis = axis
        self.step = step

    def fit(self, X: FloatArray, y: FloatArray | None = None) -> Self:
        """Lay the grid; nothing is learnt from the values."""
        axis = np.asarray(self.axis, dtype=np.float64)
        self.grid_ = band_grid(axis, self.step)
        width = self.grid_[1] - self.grid_[0] if len(self.grid_) > 1 else np.inf
        low = np.searchsorted(axis, self.grid_ - width / 2 - 1e-9, side="left")
        high = np.searchsorted(axis, self.grid_ + width / 2 - 1e-9, side="left")
        self.edges_ = np.stack([low, high], axis=1)
        self.n_features_in_ = len(axis)
        return self

    def transform(self, X: FloatArray) -> FloatArray:
        """Return the averaged spectra, shape (n, b')."""
        X = np.asarray(X, dtype=np.float64)
        low, high = self.edges_.T
        total = np.concatenate([np.zeros((len(X), 1)), np.cumsum(X, axis=1)], axis=1)
        counts = high - low
        out = (total[:, high] - total[:, low]) / np.maximum(counts, 1)
        for j in np.flatnonzero(counts == 0):
            right = min(max(int(high[j]), 1), len(self.axis) - 1)
            x0, x1 = self.axis[right - 1], self.axis[right]
            w = float(np.clip((self.grid_[j] - x0) / (x1 - x0), 0.0, 1.0))
            out[:, j] = (1 - w) * X[:, right - 1] + w * X[:, right]
        return np.asarray(out)


def make_pipeline(recipe: Preprocessing, axis: FloatArray, quantity: Quantity) -> Pipeline:
    """Turn a recipe into an unfitted scikit-learn pipeline for spectra on `axis`.

    Parameters
    ----------
    recipe : Preprocessing
        What to do.
    axis : float64, shape (b,)
        Ascending band positions of the spectra.
    quantity : {"reflectance", "absorbance"}
        What the spectra are now.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Transforms (n, b) float64 to (n, b') float64.

    Raises
    ------
    ValueError
        If the Savitzky–Golay window is wider than the averaged spectrum.
    """
    from chemotools.derivative import SavitzkyGolay as SavitzkyGolayFilter
    from chemotools.scatter import MultiplicativeScatterCorrection, StandardNormalVariate

    steps: list[tuple[str, Any]] = []
    if recipe.quantity != quantity:
        steps.append(("quantity", _quantity_conversion(quantity)))
    steps.append(("bands", BandAveraging(axis, recipe.step)))
    if recipe.scatter == "snv":
        steps.append(("scatter", StandardNormalVariate()))
    elif recipe.scatter == "msc":
        steps.append(("scatter", MultiplicativeScatterCorrection()))
    if recipe.savgol is not None:
        bands = len(band_grid(axis, recipe.step))
        if recipe.savgol.window > bands:
            raise ValueError(f"window = {recipe.savgol.window} on {bands} bands; want at most that")
        s = recipe.savgol
        steps.append(("savgol", SavitzkyGolayFilter(s.window, s.order, s.derivative)))
    steps.append(("scale", StandardScaler()))
    return Pipeline(steps)


def _quantity_conversion(quantity: Quantity) -> FunctionTransformer:
    return FunctionTransformer(to_absorbance if quantity == "reflectance" else to_reflectance)


def to_absorbance(reflectance: FloatArray) -> FloatArray:
    """Return log10(1/R) of reflectance fractions; R below 1e-5 counts as 1e-5."""
    return np.asarray(-np.log10(np.maximum(reflectance, REFLECTANCE_FLOOR)))


def to_reflectance(absorbance: FloatArray) -> FloatArray:
    """Return the reflectance fraction 10**(-A)."""
    return np.asarray(np.power(10.0, -absorbance))
