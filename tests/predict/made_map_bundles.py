"""A small kept model of maps, its weights drawn and not trained, and stacks for it; no tests."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from autospec.data.cubes.cubes import TIME_TYPE
from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps.problem import MapAims
from autospec.data.maps.scaling import MapScaler
from autospec.nets.map_sizes import CNNTransformerSizes
from autospec.predict.bundle import settled
from autospec.predict.document import MapBundle, state_provenance
from autospec.training.map_network import build_map_network
from tests.predict.made_bundles import ACCURACY

SMALL = CNNTransformerSizes(widths=(4, 4, 4, 8), embedding=16, depth=1, heads=2, dropout=0.1)
CHANNELS, STATIC = ("rain", "ndvi", "heat"), ("height",)
DAY = np.timedelta64(86400, "s")
UTM = (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_400_000.0)


def made_stack(t: int = 10, h: int = 21, w: int = 35, seed: int = 0, **fields: Any) -> RasterStack:
    """Return waves that move, with a little noise; every 16 days from May 2020."""
    rng = np.random.default_rng(seed)
    row, column, date = np.ogrid[:h, :w, :t]
    wave = np.sin(row / 5 + date / 3) + np.cos(column / 7 - date / 4)
    layers = wave.transpose(2, 0, 1)[:, None] * np.array([1.0, 0.5, 3.0])[None, :, None, None]
    made = RasterStack(
        dynamic=(layers + 0.1 * rng.normal(size=layers.shape)).astype(np.float32),
        static=rng.normal(size=(1, h, w)).astype(np.float32),
        channels=CHANNELS,
        static_channels=STATIC,
        times=(np.datetime64("2020-05-01", "s") + np.arange(t) * 16 * DAY).astype(TIME_TYPE),
        transform=UTM,
        crs="EPSG:32633",
        synthetic=True,
        provenance=("made for tests",),
    )
    return replace(made, **fields)


@cache
def map_bundle(
    horizon: int = 1,
    targets: tuple[str, ...] = ("ndvi",),
    sizes: CNNTransformerSizes = SMALL,
    tile: int = 32,
) -> MapBundle:
    """Return a model of `made_stack` with drawn weights, its last layer too."""
    aims = MapAims(targets=targets, horizon=horizon, length=4)
    inputs = CHANNELS if horizon else tuple(n for n in CHANNELS if n not in targets)
    c, k = len(inputs) + len(STATIC), len(targets)
    scaler = MapScaler(
        low=np.full(c, -4.0),
        high=np.linspace(3.0, 5.0, c),
        mean=np.linspace(0.0, 0.5, c),
        target_low=np.full(k, -2.0),
        target_high=np.full(k, 2.5),
        target_mean=np.full(k, 0.25),
        gappy=True,
    )
    made = build_map_network(sizes, aims, scaler, "mask", len(STATIC), seed=3)
    state = {n: v.numpy().copy() for n, v in made.network.state_dict().items()}
    rng = np.random.default_rng(1)
    head = state["head.weight"]
    state["head.weight"] = rng.normal(size=head.shape, scale=0.3).astype(np.float32)
    return settled(
        MapBundle(
            name="maps",
            made="2026-01-01T00:00:00+00:00",
            model_kind="One CNN-Transformer with drawn weights",
            aims=aims,
            inputs=inputs,
            static_channels=STATIC,
            step_s=16 * 86400.0,
            cell=(10.0, 10.0),
            crs="EPSG:32633",
            tile=tile,
            first_time="2019-01-01T00:00:00",
            last_time="2019-12-31T00:00:00",
            synthetic=False,
            sizes=sizes,
            gaps="mask",
            scaler=scaler,
            state=state,
            provenance=state_provenance("api", "b" * 64, ("made for tests",)),
            accuracy=ACCURACY,
            limits=("Made waves know no land.",),
        )
    )
