"""Made cubes with a known signal for the tests of trust, model files and predictions; no tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec.data.cubes.cubes import TIME_TYPE, BoolArray, Cubes
from autospec.data.spectra import FloatArray

SHAPE = (3, 5, 5, 4)
CHANNELS = ("rain", "ndvi", "height")


def made_cubes(
    n: int = 40,
    shape: tuple[int, int, int, int] = SHAPE,
    *,
    seed: int = 0,
    gaps: float = 0.02,
    labelled: bool = True,
) -> Cubes:
    """Windows of channels of their own scale; the target follows the first one's last date."""
    rng = np.random.default_rng(seed)
    c, t = shape[0], shape[3]
    scale = np.array([100.0, 0.2, 300.0, 1.0, 5.0])[:c, None, None, None]
    level, season = rng.normal(size=(n, c, 1, 1, 1)), np.sin(np.arange(t))
    values = scale * (3 + level + 0.5 * season + 0.3 * rng.normal(size=(n, *shape)))
    valid: BoolArray = rng.uniform(size=values.shape) >= gaps
    target = 20 + 5 * level[:, 0, 0, 0, 0] + 0.5 * rng.normal(size=n)
    start = np.datetime64("2020-01-01", "s")
    months = start + np.arange(t) * np.timedelta64(30, "D").astype("timedelta64[s]")
    return Cubes(
        values=np.where(valid, values, 0.0).astype(np.float32),
        valid=valid,
        channels=(*CHANNELS, "slope", "clay")[:c],
        times=np.tile(months, (n, 1)).astype(TIME_TYPE),
        x=rng.uniform(10, 11, n),
        y=rng.uniform(50, 51, n),
        crs="EPSG:4326",
        ids=tuple(f"p{i:03d}" for i in range(n)),
        target=target if labelled else np.full(n, np.nan),
        target_name="soc",
        target_unit="g/kg",
        synthetic=True,
        provenance=("made by the tests; synthetic",),
    )


@dataclass(frozen=True, kw_only=True)
class LevelModel:
    """A line on the mean of the first channel."""

    slope: float
    intercept: float

    def predict(self, cubes: Cubes) -> FloatArray:
        return self.slope * level(cubes) + self.intercept


def level(cubes: Cubes) -> FloatArray:
    return np.asarray(cubes.values[:, 0].mean(axis=(1, 2, 3), dtype=np.float64))


def fit_level(train: Cubes) -> LevelModel:
    slope, intercept = np.polyfit(level(train), train.target, 1)
    return LevelModel(slope=float(slope), intercept=float(intercept))
