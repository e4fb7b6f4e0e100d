"""Measure `autospec predict` beside plain torch on the same networks, and its memory.

Run: ``python tests/benchmarks/bench_predict.py [--rows 20000] [--long 1000000]``. Weights are
drawn, not trained: that costs the same. The streamed run reads Parquet, prepares, predicts with 5
members and 5 twins, makes intervals (135 calibration rows) and domain, and writes. Plain torch only
runs the same ten networks over a float32 tensor that is in memory, in the same batches.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from autospec.data.batches import open_batches
from autospec.data.readers import ReadOptions
from autospec.data.spectra import Spectra
from autospec.data.splits import Fold
from autospec.evaluate.conformal import Calibration
from autospec.evaluate.domain import fit_domain
from autospec.nets.architecture import PUBLISHED
from autospec.nets.build import build_network
from autospec.predict.bundle import load_model, save_model
from autospec.predict.document import ModelBundle, describe_provenance
from autospec.predict.lab import lab_range
from autospec.predict.nodes import (
    Average,
    Networks,
    NetworkWeights,
    Savgol,
    Snv,
    Standardise,
    Steps,
    ToQuantity,
)
from autospec.predict.predictions import BLOCK_ROWS, open_runner
from autospec.predict.running import NETWORK_ROWS, build_members
from autospec.predict.streaming import check_source, predict_source, table_source
from autospec.training.trainer import thread_count

AXIS = np.arange(350.0, 2501.0, 10.0)
MEMBERS, TWINS, ROWS = 5, 5, 135
OPTIONS = ReadOptions(quantity="reflectance")  # drawn spectra have no soil feature to go by
CPU = torch.device("cpu")


def soil(n: int, seed: int) -> np.ndarray:
    """Random smooth reflectance, shape (n, 216)."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, len(AXIS))
    waves = np.stack([np.sin(np.pi * k * t) for k in range(1, 9)])
    shapes = rng.normal(0, 0.03, (n, 8)) @ waves
    return np.clip(rng.uniform(0.15, 0.3, (n, 1)) + 0.25 * t + shapes, 0.02, 0.98)


def write_table(path: Path, rows: int) -> None:
    """Write `rows` spectra as float32 Parquet, block by block."""
    schema = pa.schema([("id", pa.string()), *((f"{w:g}", pa.float32()) for w in AXIS)])
    with pq.ParquetWriter(path, schema, compression="none") as writer:
        for start in range(0, rows, 50_000):
            n = min(50_000, rows - start)
            values = soil(n, start + 1).astype(np.float32)
            ids = [f"S-{start + i}" for i in range(n)]
            writer.write_table(pa.table([pa.array(ids), *map(pa.array, values.T)], schema=schema))


def made_bundle(net: str, members: int, twins: int) -> ModelBundle:
    """A model file's content with drawn weights."""
    steps: Steps = (
        ToQuantity(to="absorbance"),
        Average(axis=AXIS, step=10.0),
        Snv(),
        Savgol(window=11, order=2, derivative=1),
        Standardise(mean=np.zeros(len(AXIS)), scale=np.full(len(AXIS), 0.02)),
    )
    architecture = PUBLISHED[net]

    def networks(count: int, seed: int) -> Networks:
        drawn = []
        for i in range(count):
            network = build_network(architecture, len(AXIS), seed=seed + i, device=CPU)
            state = {
                name: value.numpy().copy()
                for name, value in network.state_dict().items()
                if "num_batches" not in name
            }
            drawn.append(NetworkWeights(state=state, log=False, mean=20.0, sd=5.0))
        return Networks(
            steps=steps, architecture=architecture, bands=len(AXIS), members=tuple(drawn)
        )

    ids, rng = tuple(f"t{i}" for i in range(ROWS)), np.random.default_rng(0)
    train = Spectra(
        values=soil(ROWS, 0),
        axis=AXIS,
        axis_unit="nm",
        quantity="reflectance",
        ids=ids,
        groups=ids,
        fields=("made",) * ROWS,
        target=rng.uniform(5, 40, ROWS),
        target_name="soc",
        target_unit="g/kg",
        provenance=("made for a benchmark",),
    )
    at = np.arange(ROWS)
    folds = tuple(Fold(fit=at[at % twins != k], score=at[at % twins == k]) for k in range(twins))
    return ModelBundle(
        name=f"{net}-bench",
        made="2026-01-01T00:00:00+00:00",
        model_kind="drawn networks",
        axis=AXIS,
        axis_unit="nm",
        quantity="reflectance",
        target_name="soc",
        target_unit="g/kg",
        n_train=ROWS,
        lab=lab_range(train),
        model=networks(members, 0),
        twins=tuple(networks(1, 100 + k) for k in range(twins)),
        calibration=Calibration(
            observed=train.target,
            out_of_fold=train.target + rng.normal(0, 3, ROWS),
            twin_of=tuple(int(i) for i in at % twins),
            log=False,
        ),
        domain=fit_domain(train, folds),
        provenance=describe_provenance("api", train),
        accuracy=(),
        trust=None,
        trust_rows="",
        limits=(),
    )


def streamed(bundle: ModelBundle, table: Path, out: Path) -> None:
    """Predict a table into a file, as the command does."""
    runner = open_runner(bundle, level=0.9, device="cpu")
    with open_batches(table, OPTIONS, block_rows=BLOCK_ROWS) as batches:
        source = table_source(batches)
        predict_source(runner, source, check_source(bundle, source, table.name), out)


def plain(bundle: ModelBundle, x: torch.Tensor, threads: str) -> Callable[[], None]:
    """Plain torch over the same networks: its own threads, or a worker a core with one each."""
    nodes = [node for node in (bundle.model, *bundle.twins) if isinstance(node, Networks)]
    nets = [member.network.eval() for node in nodes for member in build_members(node, CPU)]

    def work(part: torch.Tensor) -> None:
        with torch.no_grad():
            for rows in torch.split(part, NETWORK_ROWS):
                for net in nets:
                    net(rows)

    def run() -> None:
        if threads == "torch":
            work(x)
            return
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        with ThreadPoolExecutor(
            thread_count(), initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            list(pool.map(work, torch.split(x, BLOCK_ROWS)))
        torch.set_num_threads(before)

    return run


def seconds(job: Callable[[], object]) -> float:
    """Return how long a job takes."""
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


def compare(net: str, rows: int, pairs: int, files: list[str], folder: Path) -> None:
    """Print rows a second of both, interleaved, and the median of their ratios."""
    bundle, table = made_bundle(net, MEMBERS, TWINS), folder / f"{rows}.parquet"
    if not table.exists():
        write_table(table, rows)
    x = torch.as_tensor(soil(rows, 1)[:, None, :], dtype=torch.float32)
    by_torch, by_workers = plain(bundle, x, "torch"), plain(bundle, x, "workers")
    for name in files:
        took: dict[str, list[float]] = {"ours": [], "torch": [], "workers": []}
        jobs = {
            "ours": lambda name=name: streamed(bundle, table, folder / name),
            "torch": by_torch,
            "workers": by_workers,
        }
        for _ in range(pairs):
            for key, job in jobs.items():
                took[key].append(seconds(job))
        best = min(("torch", "workers"), key=lambda key: float(np.median(took[key])))
        ratios = np.array(took[best]) / np.array(took["ours"])
        low, high = np.quantile(ratios, [0.25, 0.75])
        print(
            f"{net:7} {name:12} {rows / np.median(took['ours']):8.0f} rows/s; plain torch "
            f"({best}) {rows / np.median(took[best]):8.0f}; ratio {np.median(ratios):.2f} "
            f"(quartiles {low:.2f} to {high:.2f}, {pairs} pairs of {rows} rows)",
            flush=True,
        )


def long_run(net: str, rows: int, members: int, folder: Path) -> None:
    """Print time and peak memory of a long file in a process of its own."""
    table, model = folder / f"{rows}.parquet", folder / "model.safetensors"
    write_table(table, rows)
    save_model(made_bundle(net, members, max(members, 2)), model)
    done = subprocess.run(
        [sys.executable, __file__, "--child", str(model), str(table), str(folder / "long.csv")],
        check=True,
        capture_output=True,
        text=True,
    )
    size = table.stat().st_size / 1024**2
    print(f"{net}: {rows} rows of a {size:.0f} MB Parquet, {members} members: {done.stdout}")


def child(model: str, table: str, out: str) -> None:
    """Predict, then print seconds and the peak of resident memory."""
    bundle = load_model(model)
    took = seconds(lambda: streamed(bundle, Path(table), Path(out)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{took:.0f} s, peak resident memory {peak:.0f} MB", end="")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--nets", nargs="*", default=["china", "sweden"])
    parser.add_argument("--files", nargs="*", default=["out.csv", "out.parquet"])
    parser.add_argument("--long", type=int, default=1_000_000)
    parser.add_argument("--long-members", type=int, default=1)
    parser.add_argument("--child", nargs=3)
    given = parser.parse_args()
    if given.child:
        child(*given.child)
        return
    load = os.getloadavg()[0]
    print(f"{platform.processor() or platform.machine()}, {thread_count()} cores, load {load:.1f}")
    print(f"torch {torch.__version__}, numpy {np.__version__}, {MEMBERS} members, {TWINS} twins")
    with tempfile.TemporaryDirectory() as name:
        for net in given.nets if given.rows else []:
            compare(net, given.rows, given.pairs, given.files, Path(name))
        if given.long:
            long_run("china", given.long, given.long_members, Path(name))


if __name__ == "__main__":
    main()
