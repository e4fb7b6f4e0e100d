"""Peak memory and speed of ``autospec map`` on a large made-up stack, on one core.

    python -m tests.benchmarks.map_memory [--side 4096] [--rows 4096] [--preset tiny]

The stack has 6 channels, is written as Zarr in chunks of one date and 256 x 256 cells, and is
removed afterwards. The network has drawn weights: what it says does not matter here. The command
runs in a child; its peak is what the system counted (ru_maxrss).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import xarray as xr
import zarr

from autospec.data.maps.problem import MapAims
from autospec.data.maps.scaling import MapScaler
from autospec.nets.map_sizes import PRESETS
from autospec.predict.bundle import save_model, settled
from autospec.predict.document import MapBundle, state_provenance
from autospec.training.map_network import build_map_network

CHANNELS = tuple(f"band {i}" for i in range(6))
CHUNK = 256
DAY_S = 86400


def write_stack(path: Path, rows: int, side: int, dates: int) -> None:
    """Write noise, chunk by chunk."""
    times = np.datetime64("2020-01-01", "ns") + np.arange(dates) * np.timedelta64(16 * DAY_S, "s")
    down, across = (10.0 * (np.arange(n) + 0.5) for n in (rows, side))
    frame = xr.Dataset(
        coords={"time": times, "y": 5_400_000 - down, "x": 500_000 + across},
        attrs={"crs": "EPSG:32633", "synthetic": "true"},
    )
    frame.to_zarr(path, mode="w", zarr_format=2)
    group, rng = zarr.open_group(path, mode="a"), np.random.default_rng(0)
    for name in CHANNELS:
        made = group.create_array(
            name, shape=(dates, rows, side), chunks=(1, CHUNK, CHUNK), dtype="f4", fill_value=np.nan
        )
        made.attrs["_ARRAY_DIMENSIONS"] = ["time", "y", "x"]
        for date in range(dates):
            for row in range(0, rows, CHUNK):
                end = min(row + CHUNK, rows)
                made[date, row:end] = rng.random((end - row, side), dtype=np.float32)
    zarr.consolidate_metadata(path)


def write_model(path: Path, preset: str, tile: int, length: int) -> None:
    """Write a model with drawn weights: the first channel, from the others."""
    aims, c = MapAims(targets=CHANNELS[:1], horizon=0, length=length), len(CHANNELS) - 1
    scaler = MapScaler(
        low=np.zeros(c),
        high=np.ones(c),
        mean=np.full(c, 0.5),
        target_low=np.zeros(1),
        target_high=np.ones(1),
        target_mean=np.full(1, 0.5),
        gappy=False,
    )
    made = build_map_network(PRESETS[preset], aims, scaler, "mask", n_static=0, seed=0)
    state = {name: value.numpy().copy() for name, value in made.network.state_dict().items()}
    head = np.random.default_rng(0).normal(size=state["head.weight"].shape, scale=0.1)
    state["head.weight"] = head.astype(np.float32)
    bundle = MapBundle(
        name=preset,
        made="2026-01-01T00:00:00+00:00",
        model_kind="One CNN-Transformer with drawn weights",
        aims=aims,
        inputs=CHANNELS[1:],
        static_channels=(),
        step_s=16.0 * DAY_S,
        cell=(10.0, 10.0),
        crs="EPSG:32633",
        tile=tile,
        first_time="2020-01-01",
        last_time="2020-12-31",
        synthetic=True,
        sizes=PRESETS[preset],
        gaps="mask",
        scaler=scaler,
        state=state,
        provenance=state_provenance("api", "0" * 64, ()),
        accuracy=(),
        limits=(),
    )
    save_model(settled(bundle), path)


def main() -> None:
    """Make the stack and the model, map it in a child, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--rows", type=int, help="by default as many as columns")
    parser.add_argument("--dates", type=int, default=12)
    parser.add_argument("--preset", choices=sorted(PRESETS), default="tiny")
    parser.add_argument("--tile", type=int, default=64)
    parser.add_argument("--length", type=int, default=12)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stack, model, out = (Path(folder) / name for name in ("s.zarr", "m.safetensors", "map.nc"))
        rows = asked.rows or asked.side
        write_stack(stack, rows, asked.side, asked.dates)
        write_model(model, asked.preset, asked.tile, asked.length)
        command = ["map", "--model", model, "--stack", stack, "-o", out, "--device", "cpu"]
        begun = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "autospec", *map(str, command)],
            check=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        seconds = time.monotonic() - begun
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024  # Linux counts in kB
    said = vars(asked) | {
        "peak_rss_mb": round(peak / 1e6),
        "seconds": round(seconds, 1),
        "cells_a_second": round(rows * asked.side * asked.dates / seconds),
        "torch": torch.__version__,
    }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
