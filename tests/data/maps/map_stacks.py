"""Small stacks with a known value in every cell, and layers that note what is read of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autospec.data.cubes.cubes import TIME_TYPE, TimeArray
from autospec.data.cubes.layer_index import part_of
from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps.asking import pose
from autospec.data.maps.problem import MapAims, MapProblem

CHANNELS = ("et", "rain", "heat")
GAPPY = [0, 1, 2, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22]
HOUR = np.timedelta64(3600, "s")


def hours(slots: list[int] | NDArray[np.int64]) -> TimeArray:
    """Return dates on hourly slots."""
    return np.datetime64("2020-01-01T00", "s") + np.asarray(slots) * HOUR


def made_stack(
    t: int = 12,
    h: int = 9,
    w: int = 11,
    *,
    slots: list[int] | None = None,
    channels: tuple[str, ...] = CHANNELS,
    statics: int = 1,
    missing: float = 0.0,
    seed: int = 0,
) -> RasterStack:
    """Return a stack in which no two values are alike; some share of them missing."""
    rng = np.random.default_rng(seed)
    values = np.arange(t * len(channels) * h * w, dtype=np.float32)
    dynamic = values.reshape(t, len(channels), h, w)
    dynamic[rng.random(dynamic.shape) < missing] = np.nan
    return RasterStack(
        dynamic=dynamic,
        static=-np.arange(1, statics * h * w + 1, dtype=np.float32).reshape(statics, h, w),
        channels=channels,
        static_channels=tuple(f"static{i}" for i in range(statics)),
        times=hours(list(range(t)) if slots is None else slots).astype(TIME_TYPE),
        transform=(100.0, 0.0, 4_500_000.0, 0.0, -100.0, 3_100_000.0),
        crs="EPSG:3035",
    )


def posed(
    stack: RasterStack, horizon: int = 1, length: int = 4, targets: tuple[str, ...] = ("et",)
) -> MapProblem:
    """Ask for maps of a stack."""
    return pose(stack, MapAims(targets=targets, horizon=horizon, length=length))


@dataclass
class Watched:
    """Layers that note the shape of every part that is read."""

    values: NDArray[np.float32]
    blocks: tuple[int, int, int] = (1, 1, 1)
    read: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def bytes_read(self) -> list[int]:
        return [4 * int(np.prod(shape)) for shape in self.read]

    def __getitem__(self, index: Any) -> Any:
        def part(t: Any, channels: Any, rows: Any, columns: Any) -> NDArray[np.float32]:
            block = self.values[slice(*t), :, slice(*rows), slice(*columns)][:, list(channels)]
            self.read.append(block.shape)
            return block.copy()

        return part_of(self.shape, index, part)
