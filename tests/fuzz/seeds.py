"""Sound files of every kind that autospec reads, small, as bytes; no tests here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.data.cubes.made_cubes import cube_arrays, made_cubes, made_stack, save
from tests.data.instruments.made_scans import (
    NM,
    WN,
    absorbance_wn,
    asd_bytes,
    jcamp_text,
    opus_bytes,
    reflectance,
    spc_bytes,
)
from tests.data.soil_tables import soil_table

Files = dict[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A sound file, or a folder of them.

    Parameters
    ----------
    reader : str
        Which reader of `readers` takes it.
    entry : str
        What that is given, below the folder that holds the files; "" is the folder.
    make : callable
        Gives the files by their names.
    spoil : tuple of str
        Which of them are damaged; all without it.
    how : {"bytes", "json", "footer"}
        What is damaged: bytes, values of JSON, or bytes of the footer of a Parquet file.
    """

    reader: str
    entry: str
    make: Callable[[], Files]
    spoil: tuple[str, ...] = ()
    how: Literal["bytes", "json", "footer"] = "bytes"


def _written(write: Callable[[Path], object]) -> Files:
    """Return what a function writes into a folder."""
    with TemporaryDirectory() as held:
        folder = Path(held)
        write(folder)
        paths = sorted(p for p in folder.rglob("*") if p.is_file())
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths}


def _csv() -> Files:
    return _written(lambda folder: soil_table(n=21).write(folder / "a.csv"))


def _lab() -> Files:
    table = soil_table(n=21)
    values = "id,soc g/kg\n" + "".join(f"{row[0]},{row[1]}\n" for row in table.rows)
    table.header.pop(1)
    for row in table.rows:
        row.pop(1)
    return _written(lambda folder: table.write(folder / "farm.csv")) | {"lab.csv": values.encode()}


def _parquet() -> Files:
    """A short table of two row groups, with numbers, texts, statistics and dictionaries."""
    table = soil_table(n=24)
    columns: dict[str, pa.Array] = {
        name: pa.array([float(row[k]) for row in table.rows])
        for k, name in enumerate(table.header)
        if k % 9 == 1  # the target, and a band every 45 nm
    }
    columns |= {"id": pa.array([row[0] for row in table.rows])}
    kept = pa.table(columns)
    return _written(lambda folder: pq.write_table(kept, folder / "a.parquet", row_group_size=12))


def _cubes() -> Files:
    from autospec.data.cubes.cube_files import write_cubes

    return _written(lambda folder: write_cubes(folder / "a.npz", made_cubes()))


def _packed_cubes() -> Files:
    return _written(lambda folder: np.savez_compressed(folder / "a.npz", **cube_arrays()))


def _bare_cubes() -> Files:
    return _written(lambda folder: save(folder / "a.npz", cube_arrays()))


def _stack() -> Files:
    from autospec.data.cubes.stack_files import write_stack

    return _written(lambda folder: write_stack(folder / "a.npz", made_stack()))


def _grid(name: str) -> Files:
    from tests.data.cubes.made_grids import grid, write

    return _written(lambda folder: write(grid(), folder / name))


def _packed_grid() -> Files:
    """NetCDF with the filters that real files have: shuffle, deflate, a checksum, chunks."""
    from tests.data.cubes.made_grids import grid

    how = {"zlib": True, "shuffle": True, "fletcher32": True, "chunksizes": (2, 6, 5)}
    return _written(
        lambda folder: grid().to_netcdf(
            folder / "a.nc", engine="h5netcdf", encoding={"ndvi": how, "rain": how}
        )
    )


def _grid_samples() -> Files:
    from autospec.data.cubes.grid_samples import write_grid_cubes

    return _written(lambda folder: write_grid_cubes(folder / "a.nc", made_cubes()))


def _tiffs(**how: object) -> Files:
    """Two dated GeoTIFFs, and one with dated bands is another seed."""
    import rasterio

    from tests.data.cubes.made_grids import expected, write_tiff

    def write(folder: Path) -> None:
        (folder / "t").mkdir()
        for day in (1, 2):
            path = write_tiff(
                folder / "t" / f"s2_2020-01-0{day}.tif", expected()[day], names=("ndvi", "rain")
            )
            if how:
                with rasterio.open(path) as file:
                    profile, values = file.profile | how, file.read()
                with rasterio.open(path, "w", **profile) as file:
                    file.write(values)
                    file.descriptions = ("ndvi", "rain")

    return _written(write)


def _model() -> Files:
    from autospec.predict.bundle import dump_model
    from tests.predict.made_bundles import tiny_bundle

    return {"a.safetensors": dump_model(tiny_bundle())}


def _cube_model() -> Files:
    from autospec.predict.bundle import dump_model
    from tests.predict.made_cube_bundles import cube_bundle

    return {"a.safetensors": dump_model(cube_bundle())}


def _checkpoint() -> Files:
    import torch

    from autospec.training.fit_state import FitState, write_checkpoint

    tensors = {"w": torch.arange(12.0).reshape(3, 4), "b": torch.zeros(3)}
    return _written(
        lambda folder: write_checkpoint(
            folder / "a.safetensors", FitState(), tensors, {"config": 1}
        )
    )


def _studies() -> Files:
    text = (Path(__file__).parents[2] / "studies" / "sweden.toml").read_bytes()
    return {"a.toml": text}


def _architecture() -> Files:
    from dataclasses import asdict

    from autospec.nets.small3d import SMALL3D

    return {"a.json": json.dumps(asdict(SMALL3D)).encode()}


def _piece() -> Files:
    from dataclasses import asdict, replace

    from tests.localisation.test_pieces import PIECE

    text = json.dumps(asdict(replace(PIECE, fingerprint="f" * 64)))
    return {"pieces/draw-0.json": text.encode()}


def _run() -> Files:
    from autospec.report.folder import dump_result
    from tests.report.conftest import make_result

    return {"run.json": dump_result(make_result()).encode()}


def _cube_run() -> Files:
    from autospec.report.folder import dump_result
    from tests.report.cubes.made_cube_result import make_cube_result

    return {"cube-run.json": dump_result(make_cube_result()).encode()}


def _localisation() -> Files:
    from autospec.report.folder import dump_result
    from tests.report.made_localisation import make_localisation

    return {"localisation.json": dump_result(make_localisation()).encode()}


def _scan(name: str) -> Files:
    soil, white = reflectance()[0], np.full(len(NM), 9_000.0)
    return {
        name: {
            "a.asd": lambda: asd_bytes(soil * white, white, number=0, description=b"dry"),
            "a.0": lambda: opus_bytes((4, WN, absorbance_wn())),
            "a.dx": lambda: jcamp_text(WN, absorbance_wn()).encode(),
            "dif.jdx": lambda: jcamp_text(WN, absorbance_wn(), form="dif").encode(),
            "a.spc": lambda: spc_bytes(WN, absorbance_wn(), coding="int32"),
        }[name]()
    }


def _points() -> Files:
    rows = [
        f"p{k},{10 + k / 7:.4f},{48 + k / 9:.4f},2020-0{1 + k % 9}-01,{20 + k}" for k in range(24)
    ]
    return {"a.csv": "\n".join(["id,lon,lat,date,soc g/kg", *rows, ""]).encode()}


SEEDS: dict[str, Seed] = {
    "csv": Seed(reader="spectra", entry="a.csv", make=_csv),
    "csv in blocks": Seed(reader="batches", entry="a.csv", make=_csv),
    "parquet": Seed(reader="spectra", entry="a.parquet", make=_parquet),
    "parquet in blocks": Seed(reader="batches", entry="a.parquet", make=_parquet),
    "parquet footer": Seed(reader="spectra", entry="a.parquet", make=_parquet, how="footer"),
    "parquet footer in blocks": Seed(
        reader="batches", entry="a.parquet", make=_parquet, how="footer"
    ),
    "lab table": Seed(reader="lab", entry="", make=_lab, spoil=("lab.csv",)),
    "asd": Seed(reader="scan", entry="a.asd", make=lambda: _scan("a.asd")),
    "opus": Seed(reader="scan", entry="a.0", make=lambda: _scan("a.0")),
    "jcamp": Seed(reader="scan", entry="a.dx", make=lambda: _scan("a.dx")),
    "jcamp dif": Seed(reader="scan", entry="dif.jdx", make=lambda: _scan("dif.jdx")),
    "spc": Seed(reader="scan", entry="a.spc", make=lambda: _scan("a.spc")),
    "points": Seed(reader="points", entry="a.csv", make=_points),
    "npz samples": Seed(reader="samples", entry="a.npz", make=_cubes),
    "npz packed": Seed(reader="cube", entry="a.npz", make=_packed_cubes),
    "npz stack": Seed(reader="stack", entry="a.npz", make=_stack),
    "netcdf4": Seed(reader="stack", entry="a.nc", make=lambda: _grid("a.nc")),
    "netcdf4 packed": Seed(reader="cube", entry="a.nc", make=_packed_grid),
    "netcdf4 samples": Seed(reader="samples", entry="a.nc", make=_grid_samples),
    "netcdf3": Seed(reader="cube", entry="a.nc", make=lambda: {"a.nc": _grid("a.nc3")["a.nc3"]}),
    "zarr 2": Seed(reader="cube", entry="v2.zarr", make=lambda: _grid("v2.zarr")),
    "zarr 3": Seed(reader="cube", entry="v3.zarr", make=lambda: _grid("v3.zarr")),
    "geotiff": Seed(reader="cube", entry="t", make=_tiffs),
    "geotiff deflate": Seed(
        reader="cube",
        entry="t",
        make=lambda: _tiffs(compress="deflate", tiled=True, blockxsize=16, blockysize=16),
    ),
    "geotiff lzw": Seed(reader="cube", entry="t", make=lambda: _tiffs(compress="lzw", predictor=3)),
    "model": Seed(reader="model", entry="a.safetensors", make=_model),
    "model of cubes": Seed(reader="model", entry="a.safetensors", make=_cube_model),
    "checkpoint": Seed(reader="checkpoint", entry="a.safetensors", make=_checkpoint),
    "study": Seed(reader="study", entry="a.toml", make=_studies),
    "architecture": Seed(reader="architecture", entry="a.json", make=_architecture, how="json"),
    "piece": Seed(reader="piece", entry="", make=_piece, how="json"),
    "run.json": Seed(reader="run", entry="run.json", make=_run, how="json"),
    "cube-run.json": Seed(reader="cube_run", entry="cube-run.json", make=_cube_run, how="json"),
    "localisation.json": Seed(
        reader="localisation", entry="localisation.json", make=_localisation, how="json"
    ),
}


@cache
def files_of(name: str) -> Files:
    """Return the files of a seed, made once."""
    return SEEDS[name].make()
