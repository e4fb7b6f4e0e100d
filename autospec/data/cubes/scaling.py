"""Cubes to what a network sees: channels standardised, gaps filled with a channel's mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec.data.cubes.cubes import Cubes, Float32Array
from autospec.data.tensors import Vector

FLAT = 1e-7  # of its mean, about the step of float32: a channel that varies less is only centred


@dataclass(frozen=True, slots=True, kw_only=True)
class CubePreprocessing:
    """What is done to cubes before a network sees them.

    Parameters
    ----------
    mask_channel : bool
        Whether one more channel says which share of the others has a value there.
    """

    mask_channel: bool = False

    def describe(self) -> str:
        """Return the recipe in a few words."""
        return "channels standardised" + (", mask channel" if self.mask_channel else "")

    def arriving(self, shape: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """Return (c, h, w, t) of what reaches the network, for cubes of that shape."""
        c, h, w, t = shape
        return c + self.mask_channel, h, w, t


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChannelScaler:
    """Fitted preprocessing: made by `fit_scaler` on training samples.

    Parameters
    ----------
    recipe : CubePreprocessing
    mean, sd : float64, shape (c,)
        Of each channel's values; `sd` is 1 for one that does not vary.
    """

    recipe: CubePreprocessing
    mean: Vector
    sd: Vector

    def transform(self, cubes: Cubes) -> Float32Array:
        """Return (n, c or c + 1, h, w, t): standardised, 0 (the mean) where there is no value."""
        wide = (slice(None), None, None, None)
        scaled = (cubes.values - self.mean[wide]) / self.sd[wide]
        out = np.where(cubes.valid, scaled, 0.0).astype(np.float32)  # networks see float32
        if self.recipe.mask_channel:
            share = cubes.valid.mean(axis=1, keepdims=True, dtype=np.float32)
            out = np.concatenate([out, share], axis=1)
        return out


def fit_scaler(recipe: CubePreprocessing, train: Cubes) -> ChannelScaler:
    """Fit the mean and the standard deviation of each channel, over cells that have a value."""
    values = train.values.astype(np.float64)  # statistics in float64
    axes = (0, 2, 3, 4)
    mean = np.zeros(values.shape[1])
    counts = train.valid.sum(axis=axes)
    some = counts > 0
    total = np.where(train.valid, values, 0.0).sum(axis=axes)
    mean[some] = total[some] / counts[some]
    spread = np.where(train.valid, values - mean[:, None, None, None], 0.0)
    sd = np.sqrt((spread**2).sum(axis=axes) / np.maximum(counts, 1))
    varies = sd > FLAT * np.abs(mean)  # whatever the channel's unit: 0 is the step of a mean of 0
    return ChannelScaler(recipe=recipe, mean=mean, sd=np.where(varies, sd, 1.0))
