"""Measure the sampling methods: seconds and peak memory on a large table.

    PYTHONPATH=. python tests/benchmarks/bench_sampling.py [rows] [bands] [wanted]

Each method runs in a process of its own, because the peak of a process never falls. The peak is
counted beyond what the process held when it had made the spectra; Linux only.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import get_args

from autospec.data.sampling import SamplingMethod, choose_samples
from tests.transfer.planted import planted


def memory(name: str) -> int:
    """Bytes of "VmRSS" (now) or "VmHWM" (peak) as Linux counts them."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


def bench(method: SamplingMethod, rows: int, bands: int, wanted: int) -> None:
    values = planted(rows, b=bands).library.values
    choose_samples(values[:200], 10, method)  # imports and threads are not what is measured
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # start the peak anew
    before = memory("VmRSS")
    start = time.perf_counter()
    choose_samples(values, wanted, method)
    wall = time.perf_counter() - start
    rise = memory("VmHWM") - before
    print(
        f"{method:14} {rows} x {bands}, {wanted} wanted: {wall:6.2f} s, peak "
        f"{rise / 2**20:.0f} MiB beside the spectra's {values.nbytes / 2**20:.0f} MiB",
        flush=True,
    )


def main(words: list[str]) -> None:
    asked = dict(zip(("rows", "bands", "wanted"), map(int, words), strict=False))
    rows, bands, wanted = ({"rows": 50_000, "bands": 200, "wanted": 300} | asked).values()
    print(f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}", flush=True)
    for method in get_args(SamplingMethod):
        process = multiprocessing.get_context("spawn").Process(
            target=bench, args=(method, rows, bands, wanted)
        )
        process.start()
        process.join()


if __name__ == "__main__":
    main(sys.argv[1:])
