"""Which bands a prediction rests on: each part of the spectrum in turn is made ordinary.

A smooth window of bands is drawn towards the mean spectrum of the training rows, which is first
brought to the row's own contrast and to its level in that window (else every window would be a bump
as high as the row is brighter, which no soil has), and the change of the prediction is that part's
influence: positive where the row's own bands raise the prediction.
The windows overlap by half and sum to one, so that no band is left out or counted twice; they are
smooth, because a step would be a feature of its own to a model of derivatives. It is the same for
every kind of model, and follows occlusion (Zeiler & Fergus 2014,
https://doi.org/10.1007/978-3-319-10590-1_53). Twins of the model show how sure it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from autospec.data.preprocess import band_grid, published_step, to_reflectance
from autospec.data.spectra import FloatArray
from autospec.evaluate.domain import Domain
from autospec.predict.predictions import BundleRunner

WINDOWS = 48
MOST_ROWS = 200

Predict = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Influence:
    """Influence of w windows on the predictions of n rows.

    Parameters
    ----------
    centres : float64, shape (w,)
        Of the windows, in the unit of the axis.
    mean : float64, shape (w,)
        Mean change over the rows, in the unit of the lab values; signed.
    size : float64, shape (w,)
        Mean of its absolute value: which bands matter, whatever the direction.
    low, high : float64, shape (w,)
        The least and the most `size` among the model's twins.
    rows : int
        Rows that were looked at.
    """

    centres: FloatArray
    mean: FloatArray
    size: FloatArray
    low: FloatArray
    high: FloatArray
    rows: int


def influence(
    predict: Predict, domain: Domain, values: FloatArray, *, windows: int = WINDOWS, seed: int = 0
) -> Influence:
    """Measure the influence of each part of the spectrum.

    Parameters
    ----------
    predict : callable (n, b) -> (k, n)
        Predictions of the model (first line) and of its twins.
    domain : Domain
        Knows the axis, and the mean of the training spectra.
    values : float64, shape (n, b)
        Raw spectra; of more than 200 rows, 200 drawn by `seed`.
    windows : int
        Parts that the axis is cut into, at least 2.
    """
    if len(values) > MOST_ROWS:
        rows = np.random.default_rng(seed).permutation(len(values))[:MOST_ROWS]
        values = values[np.sort(rows)]
    centres, shares = smooth_windows(domain.axis, min(windows, len(domain.axis)))
    mean, whole = mean_spectrum(domain), predict(values)
    changes = np.stack(
        [
            whole - predict(values + share * (matched(mean, values, share) - values))
            for share in shares
        ]
    )
    sizes = np.abs(changes).mean(axis=2)
    by_twin = sizes[:, 1:] if sizes.shape[1] > 1 else sizes
    return Influence(
        centres=centres,
        mean=changes[:, 0].mean(axis=1),
        size=sizes[:, 0],
        low=by_twin.min(axis=1),
        high=by_twin.max(axis=1),
        rows=len(values),
    )


def explain(runner: BundleRunner, values: FloatArray) -> Influence:
    """Measure what the predictions of spectra (n, b), on the model's own bands, rest on."""
    bundle = runner.bundle

    def predict(spectra: FloatArray) -> FloatArray:
        with threadpool_limits(1, "blas"), np.errstate(all="ignore"):
            return runner.runner.predict((bundle.model, *bundle.twins), spectra)

    return influence(predict, bundle.domain, values)


def smooth_windows(axis: FloatArray, windows: int) -> tuple[FloatArray, FloatArray]:
    """Return centres (w,) and shares (w, b) of raised-cosine windows that sum to one."""
    centres = np.linspace(float(axis[0]), float(axis[-1]), windows)
    apart = float(centres[1] - centres[0])
    off = np.clip(np.abs(axis - centres[:, None]) / apart, 0.0, 1.0)
    return centres, (1 + np.cos(np.pi * off)) / 2


def matched(mean: FloatArray, values: FloatArray, share: FloatArray) -> FloatArray:
    """Return c + b · mean for each spectrum (n, b): its contrast b, its level c within a window.

    b is that of least squares over all bands; c makes the two levels under `share` (b,) equal.
    """
    shape = mean - mean.mean()
    centred = values - values.mean(axis=1, keepdims=True)
    contrasts = centred @ shape / max(float(shape @ shape), 1e-300)
    scaled = contrasts[:, None] * shape
    return np.asarray(scaled + ((values - scaled) @ share / share.sum())[:, None])


def mean_spectrum(domain: Domain) -> FloatArray:
    """Return the mean training spectrum on the axis of the model, shape (b,), in its quantity."""
    grid = band_grid(domain.axis, published_step(domain.axis))
    mean = np.interp(domain.axis, grid, domain.space.mean)
    return to_reflectance(mean) if domain.quantity == "reflectance" else np.asarray(mean)
