"""A small stack whose target a small network can learn, and settings that train fast."""

from __future__ import annotations

import numpy as np

from autospec.data.cubes.cubes import TIME_TYPE
from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps.problem import MapAims
from autospec.data.maps.splits import MapSplit
from autospec.search.maps.settings import MapSearchSettings
from autospec.search.maps.space import MapSpace

SPACE = MapSpace(
    base=(4, 8),
    embedding=(16, 32),
    depth=(1, 2),
    heads=(2,),
    dropout=(0.0, 0.1),
    deformable=(False,),
    learning_rate=(1e-3, 3e-3),
    max_epochs=3,
    patience=3,
    batch_size=2,
)
SETTINGS = MapSearchSettings(
    aims=MapAims(targets=("et",), horizon=1, length=4),
    trials=3,
    seed=3,
    published=False,
    split=MapSplit(),
    tile=16,
    tiles_an_epoch=4,
    space=SPACE,
)


def made_stack(
    t: int = 24, *, gaps: bool = True, statics: bool = True, seed: int = 0
) -> RasterStack:
    """A wave of rain that drifts east; et follows it a date later, a fifth of it by height."""
    rng = np.random.default_rng(seed)
    h, w = 16, 16
    time, row, column = np.ogrid[:t, :h, :w]
    rain = 5.0 + 3.0 * np.sin(0.5 * (column - time) + 0.2 * row)
    height = 100.0 * rng.uniform(size=(1, h, w))
    before = np.concatenate([rain[:1], rain[:-1]])
    et = 0.8 * before + 0.01 * height + 0.05 * rng.normal(size=rain.shape)
    dynamic = np.stack([rain, et], axis=1).astype(np.float32)
    if gaps:
        dynamic[rng.uniform(size=dynamic.shape) < 0.03] = np.nan
    start = np.datetime64("2020-01-05", "D")
    return RasterStack(
        dynamic=dynamic,
        static=height.astype(np.float32) if statics else np.zeros((0, h, w), np.float32),
        channels=("rain", "et"),
        static_channels=("height",) if statics else (),
        times=(start + 8 * np.arange(t)).astype(TIME_TYPE),
        transform=(100.0, 0.0, 5e5, 0.0, -100.0, 6e6),
        crs="EPSG:32633",
        synthetic=True,
        provenance=("Made up for a test.",),
    )
