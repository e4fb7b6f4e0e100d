"""Views: the same spectra under several preprocessings side by side, as kernel models read them.

No single preprocessing is best on every farm, and 30 rows are too few to choose one safely: a
kernel on several at once need not choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.pipeline import Pipeline

from autospec.data.preprocess import (
    Preprocessing,
    SavitzkyGolay,
    band_grid,
    make_pipeline,
    published_step,
)
from autospec.data.spectra import FloatArray, Spectra

SMOOTH_SLOPE = SavitzkyGolay(window=11, order=2, derivative=1)
SMOOTH_CURVATURE = SavitzkyGolay(window=15, order=2, derivative=2)
FOUR_VIEWS = (
    Preprocessing(quantity="absorbance", scatter="none", savgol=None, step=1.0),
    Preprocessing(quantity="absorbance", scatter="none", savgol=SMOOTH_SLOPE, step=1.0),
    Preprocessing(quantity="absorbance", scatter="snv", savgol=SMOOTH_SLOPE, step=1.0),
    Preprocessing(quantity="absorbance", scatter="snv", savgol=SMOOTH_CURVATURE, step=1.0),
)
SNV_VIEW = (Preprocessing(quantity="absorbance", scatter="snv", savgol=None, step=1.0),)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Views:
    """Fitted preprocessings; made by `fit_views`.

    Parameters
    ----------
    pipelines : tuple of sklearn Pipeline
        Each ends with a standardisation of its bands.
    bands : int
        Bands of all of them together.
    """

    pipelines: tuple[Pipeline, ...]
    bands: int

    def transform(self, values: FloatArray) -> FloatArray:
        """Return spectra (n, b) under all views, shape (n, bands); rows have length about 1."""
        parts = [pipeline.transform(values) for pipeline in self.pipelines]
        return np.asarray(np.hstack(parts) / np.sqrt(self.bands))


def fit_views(train: Spectra, recipes: Sequence[Preprocessing] = FOUR_VIEWS) -> Views:
    """Fit each recipe on the training rows.

    Parameters
    ----------
    train : Spectra
        Training rows.
    recipes : sequence of Preprocessing
        Their steps are replaced by the published one: 1/216 of the axis. Savitzky–Golay windows
        wider than the averaged spectrum are narrowed.
    """
    step = published_step(train.axis)
    bands = len(band_grid(train.axis, step))
    pipelines = tuple(
        make_pipeline(_fitting(recipe, step, bands), train.axis, train.quantity).fit(train.values)
        for recipe in recipes
    )
    return Views(pipelines=pipelines, bands=bands * len(pipelines))


def _fitting(recipe: Preprocessing, step: float, bands: int) -> Preprocessing:
    """Return the recipe at `step`, its filter no wider than `bands`."""
    savgol = recipe.savgol
    if savgol is not None and savgol.window > bands:
        odd = bands - 1 + bands % 2
        savgol = replace(savgol, window=odd) if odd > savgol.order else None
    return replace(recipe, step=step, savgol=savgol)
