"""Small samples and stacks made for the tests of files, and how they are written by others."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.stacks import RasterStack

Arrays = dict[str, Any]
MONTHS = np.arange("2014-01", "2014-05", dtype="datetime64[M]")


def made_cubes(n: int = 24, *, seed: int = 0) -> Cubes:
    """Three channels of 3 by 5 cells at 4 dates, a tenth of the cells without a value."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 3, 3, 5, 4)).astype(np.float32)
    valid = rng.random(values.shape) > 0.1
    values[~valid] = 0.0
    return Cubes(
        values=values,
        valid=valid,
        channels=("ndvi", "rain", "temperature"),
        times=np.tile(MONTHS.astype("datetime64[s]"), (n, 1)),
        x=rng.uniform(10.0, 11.0, n),
        y=rng.uniform(50.0, 51.0, n),
        crs="EPSG:4326",
        ids=tuple(f"s{i:02d}" for i in range(n)),
        target=rng.uniform(5.0, 40.0, n),
        target_name="soc",
        target_unit="g/kg",
        provenance=("made by the tests",),
    )


def made_stack(*, seed: int = 0) -> RasterStack:
    """Two channels at 4 dates and one static layer, of 6 by 8 cells."""
    rng = np.random.default_rng(seed)
    dynamic = rng.normal(size=(4, 2, 6, 8)).astype(np.float32)
    dynamic[0, 0, :2] = np.nan
    return RasterStack(
        dynamic=dynamic,
        static=rng.normal(size=(1, 6, 8)).astype(np.float32),
        channels=("ndvi", "rain"),
        static_channels=("elevation",),
        times=MONTHS.astype("datetime64[s]"),
        transform=(0.1, 0.0, 10.0, 0.0, -0.1, 51.0),
        crs="EPSG:4326",
    )


def cube_arrays() -> Arrays:
    """What another program would save of `made_cubes`: NaN for no value, dates as text."""
    cubes = made_cubes()
    return {
        "format": np.array("autospec-cubes-1"),
        "values": np.where(cubes.valid, cubes.values, np.float32(np.nan)),
        "channels": np.array(cubes.channels),
        "times": MONTHS.astype("datetime64[D]").astype(str),
        "x": cubes.x.copy(),
        "y": cubes.y.copy(),
        "crs": np.array("EPSG:4326"),
        "ids": np.array(cubes.ids),
        "target": cubes.target.copy(),
        "target_name": np.array("soc"),
        "target_unit": np.array("g/kg"),
    }


def stack_arrays() -> Arrays:
    """What another program would save of `made_stack`."""
    stack = made_stack()
    return {
        "format": np.array("autospec-stack-1"),
        "dynamic": np.array(stack.dynamic),
        "static": stack.static.copy(),
        "channels": np.array(stack.channels),
        "static_channels": np.array(stack.static_channels),
        "times": MONTHS.astype(str),
        "transform": np.array(stack.transform),
        "crs": np.array("EPSG:4326"),
    }


def save(path: Path, arrays: Arrays) -> Path:
    """Save by numpy; objects as pickles, as numpy does."""
    np.savez(path, allow_pickle=True, **arrays)
    return path


def npy(shape: str, descr: str = "<f4", content: bytes = b"") -> bytes:
    """Return an array's file with a header that says what it likes."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip of these files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()
