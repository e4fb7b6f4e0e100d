"""Small files that unfold to gigabytes: what reading them takes stays below the declared cap."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.cubes.made_cubes import npy, zipped
from tests.data.instruments.made_scans import WN, absorbance_wn, jcamp_text
from tests.fuzz.campaign import put
from tests.fuzz.reading import Server
from tests.fuzz.seeds import SEEDS, files_of

MEBI = 2**20
DECLARED = 2048 * MEBI + 200 * MEBI
Made = Callable[[Path], Path]


def zeros_deflated(mebi: int) -> bytes:
    """Return zlib's stream of so many MiB of zeros, about a thousandth of them."""
    pack = zlib.compressobj(9)
    return b"".join(pack.compress(bytes(MEBI)) for _ in range(mebi)) + pack.flush()


def hdf5(folder: Path, fill: Callable[[Any], None], chunks: tuple[int, ...] | None) -> Path:
    """A grid of one variable over time, whose chunk is filled by hand."""
    h5py = pytest.importorskip("h5py")
    path = folder / "bomb.nc"
    t, h, w = (1, 30_000, 30_000) if chunks is None else (1, 64, 64)
    with h5py.File(path, "w") as file:
        axes = {
            "time": np.arange(t, dtype=float),
            "y": np.arange(h)[::-1] * 10.0,
            "x": np.arange(w) * 10.0,
        }
        for name, values in axes.items():
            file[name] = values
            file[name].make_scale(name)
        file["time"].attrs["units"] = "days since 2020-01-01"
        file.attrs["crs"] = "EPSG:3035"
        made = file.create_dataset(
            "rain", (t, h, w), "f4", chunks=chunks or (t, h, w), compression=9
        )
        for axis, name in enumerate(axes):
            made.dims[axis].attach_scale(file[name])
        fill(made)
    return path


def netcdf_of_one_chunk(folder: Path) -> Path:
    return hdf5(folder, lambda made: None, None)


def netcdf_that_inflates(folder: Path) -> Path:
    """A chunk of 16 KiB by its table, whose stream holds far more than that."""
    stream = zeros_deflated(30)  # 30 KiB, as long as a chunk of 16 KiB may be
    return hdf5(folder, lambda made: made.id.write_direct_chunk((0, 0, 0), stream), (1, 64, 64))


def zarr_that_inflates(folder: Path) -> Path:
    zarr = pytest.importorskip("zarr")
    from tests.data.cubes.made_grids import grid

    path = folder / "bomb.zarr"
    how = {"compressors": zarr.codecs.GzipCodec(level=9)}
    grid().to_zarr(path, zarr_format=3, consolidated=False, encoding={"ndvi": how})
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    stream = b"".join(pack.compress(bytes(MEBI)) for _ in range(300)) + pack.flush()
    chunk = next(p for p in (path / "ndvi" / "c").rglob("*") if p.is_file())
    chunk.write_bytes(stream)
    return path


def zarr_of_one_chunk(folder: Path) -> Path:
    zarr = pytest.importorskip("zarr")
    path = folder / "bomb.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("ndvi", shape=(1, 30_000, 30_000), chunks=(1, 30_000, 30_000), dtype="f4")
    return path


def tiff_of_one_strip(folder: Path) -> Path:
    """Hardly a byte is written: what is sparse reads as nothing, strip by strip."""
    rasterio = pytest.importorskip("rasterio")
    path = folder / "s2_2020-01-01.tif"
    how: dict[str, Any] = {
        "driver": "GTiff", "width": 30_000, "height": 30_000, "count": 1, "dtype": "float32",
        "crs": "EPSG:3035", "transform": rasterio.Affine(10, 0, 4e6, 0, -10, 3e6),
        "compress": "deflate", "blockysize": 30_000, "sparse_ok": True,
    }  # fmt: skip
    with rasterio.open(path, "w", **how):
        pass
    return folder


def zip_of_zeros(folder: Path) -> Path:
    path = folder / "bomb.npz"
    path.write_bytes(zipped({"values.npy": npy("(2500000000,)")}))
    return path


def jcamp_of_runs(folder: Path) -> Path:
    """One value, said to repeat a billion times."""
    text = jcamp_text(WN, absorbance_wn(), form="dif")
    head, _, rest = text.partition("(X++(Y..Y))")
    lines = rest.split("\n", 2)
    path = folder / "bomb.jdx"
    path.write_text(f"{head}(X++(Y..Y))\n{lines[1]}s999999999\n{lines[2]}", encoding="utf-8")
    return path


def nested(depth: int, name: str) -> Made:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(b"[" * depth)
        return folder / name

    return make


def nested_study(folder: Path) -> Path:
    (folder / "a.toml").write_text("x = " + "[" * 30_000, encoding="utf-8")
    return folder / "a.toml"


def nested_model(folder: Path) -> Path:
    head = b'{"__metadata__":' + b"[" * 100_000
    (folder / "a.safetensors").write_bytes(len(head).to_bytes(8, "little") + head)
    return folder / "a.safetensors"


def long_line(folder: Path) -> Path:
    (folder / "a.csv").write_bytes(b"id,soc," + b"9," * 5_000_000)
    return folder / "a.csv"


def wide_json(folder: Path) -> Path:
    (folder / "run.json").write_text(json.dumps({"x": ["y"] * 1_000_000}), encoding="utf-8")
    return folder / "run.json"


BOMBS: dict[str, tuple[str, Made, int]] = {  # reader, file, what it may take
    "NetCDF of one chunk": ("cube", netcdf_of_one_chunk, 200 * MEBI),
    "NetCDF that inflates": ("cube", netcdf_that_inflates, 200 * MEBI),
    "Zarr of one chunk": ("cube", zarr_of_one_chunk, 200 * MEBI),
    "Zarr that inflates": ("cube", zarr_that_inflates, 200 * MEBI),
    "GeoTIFF of one strip": ("cube", tiff_of_one_strip, DECLARED),
    "npz of zeros": ("cube", zip_of_zeros, 200 * MEBI),
    "JCAMP of runs": ("scan", jcamp_of_runs, 200 * MEBI),
    "nested run.json": ("run", nested(2_000_000, "run.json"), 200 * MEBI),
    "nested architecture": ("architecture", nested(100_000, "a.json"), 200 * MEBI),
    "nested study": ("study", nested_study, 200 * MEBI),
    "nested model": ("model", nested_model, 200 * MEBI),
    "a run.json of one list": ("run", wide_json, 400 * MEBI),
    "a long line": ("spectra", long_line, 200 * MEBI),
    "a long line, in blocks": ("batches", long_line, 200 * MEBI),
    "a long line of points": ("points", long_line, 200 * MEBI),
}


WARM = {"cube": "netcdf3", "model": "model", "run": "run.json"}
HARMLESS = ("NetCDF that inflates",)  # HDF5 takes what it needs of it


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_below_the_cap(name: str, tmp_path: Path) -> None:
    reader, make, most = BOMBS[name]
    path = make(tmp_path)
    with Server(patience_s=60.0) as server:
        if reader in WARM:  # imports are no part of it
            put(files_of(WARM[reader]), tmp_path / "sound")
            server.read(reader, tmp_path / "sound" / SEEDS[WARM[reader]].entry)
        found = server.read(reader, path)
    assert found.verdict == "refused" or (name in HARMLESS and found.verdict == "read"), found.words
    assert found.taken < most, f"{found.taken / MEBI:.0f} MiB; {found.words}"
