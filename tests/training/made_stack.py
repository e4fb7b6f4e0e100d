"""A made-up raster over time: a wave that drifts, a static layer that lifts it, gaps."""

from __future__ import annotations

import numpy as np

from autospec.data.cubes.cubes import TIME_TYPE
from autospec.data.cubes.stacks import RasterStack

CHANNELS = ("wave", "hint", "noise")


def made_stack(
    n_dates: int = 30, shape: tuple[int, int] = (24, 20), *, gaps: float = 0.05, seed: int = 0
) -> RasterStack:
    """Return days of a wave, what hints at it, and noise; one date is missing."""
    rng = np.random.default_rng(seed)
    h, w = shape
    y, x = np.mgrid[:h, :w]
    height = rng.normal(size=(1, h, w)).astype(np.float32)
    wave = np.stack([np.sin(x / 5 + 0.4 * t) + 0.3 * height[0] for t in range(n_dates + 1)])
    hint = 2.0 * wave + 0.1 * y + rng.normal(0, 0.1, wave.shape)
    dynamic = np.stack([wave, hint, rng.normal(size=wave.shape)], axis=1).astype(np.float32)
    dynamic[rng.random(dynamic.shape) < gaps] = np.nan
    there = np.delete(np.arange(n_dates + 1), 7)
    times = (np.datetime64("2021-03-01") + there).astype(TIME_TYPE)
    return RasterStack(
        dynamic=dynamic[there],
        static=height,
        channels=CHANNELS,
        static_channels=("height",),
        times=times,
        transform=(100.0, 0.0, 500000.0, 0.0, -100.0, 5000000.0),
        crs="EPSG:32633",
        synthetic=True,
        provenance=("Made for a test.",),
    )
