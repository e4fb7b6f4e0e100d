"""Measure RS-Local: fits a second beside scikit-learn and ikpls, and a whole selection.

    PYTHONPATH=. python tests/benchmarks/bench_rs_local.py [fits] [agreement] [whole]

Every ratio comes from one process: in each round the engine and its rivals fit the same draws, one
after the other, and the ratio is taken within the round; median and range over rounds are printed.
Spectra are made (tests/transfer/planted.py) at two noise levels, because the noise decides the
rank. The engine runs on the device that "auto" finds; the rivals on the CPU with all its threads.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from ikpls.numpy import PLS
from sklearn.cross_decomposition import PLSRegression

from autospec import RSLocalSettings, rs_local
from autospec.data.spectra import FloatArray, IntArray
from autospec.transfer.pls import Judges, judge_draws, load_engine
from autospec.transfer.rotation import find_rotation, rotate_library
from tests.transfer.planted import Planted, planted

K, COMPONENTS, ROUNDS = 200, 10, 5
NOISES = {"smooth": 2e-5, "noisy": 2e-4}
TOLERANCES = (0.0, 1e-10, 1e-8, 1e-6)


def milliseconds(fit: Callable[..., object], subject: object, draws: IntArray) -> float:
    """Wall time of one fit."""
    start = time.perf_counter()
    fit(subject, draws)
    return 1e3 * (time.perf_counter() - start) / len(draws)


def spread(values: list[float], digits: int = 1) -> str:
    low, middle, high = np.percentile(values, [0, 50, 100])
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def loop_scikit_learn(case: Planted, draws: IntArray) -> FloatArray:
    x, y, local = case.library.values, case.library.target, case.local
    errors = np.empty(len(draws))
    for i, rows in enumerate(draws):
        model = PLSRegression(COMPONENTS, scale=False).fit(x[rows], y[rows])
        errors[i] = np.sqrt(np.mean((model.predict(local.values).ravel() - local.target) ** 2))
    return errors


def loop_ikpls(case: Planted, draws: IntArray) -> FloatArray:
    x, y, local = case.library.values, case.library.target[:, None], case.local
    errors = np.empty(len(draws))
    for i, rows in enumerate(draws):
        model = PLS(scale_X=False, scale_Y=False)
        model.fit(x[rows], y[rows], COMPONENTS)
        predicted = np.asarray(model.predict(local.values, COMPONENTS)).ravel()
        errors[i] = np.sqrt(np.mean((predicted - local.target) ** 2))
    return errors


def bench_fits() -> None:
    rng = np.random.default_rng(0)
    for name, noise in NOISES.items():
        case = planted(20_000, noise=noise)
        judges = Judges(values=case.local.values, target=case.local.target)
        few = [np.stack([rng.choice(20_000, K, replace=False) for _ in range(60)]) for _ in "12"]
        many = np.stack([rng.choice(20_000, K, replace=False) for _ in range(1000)])
        rows = np.arange(20_000)
        wanted = loop_scikit_learn(case, few[0])
        for tolerance in TOLERANCES:
            rotated = rotate_library(case.library.values, rows, case.library.target, tolerance)
            engine = load_engine(rotated, judges, components=COMPONENTS)
            off = np.abs(judge_draws(engine, few[0])[:, 0] / wanted - 1).max()
            judge_draws(engine, many[:200])  # warm
            ours, sklearn, ikpls = [], [], []
            for i in range(ROUNDS):
                ours.append(milliseconds(judge_draws, engine, many))
                sklearn.append(milliseconds(loop_scikit_learn, case, few[i % 2]))
                ikpls.append(milliseconds(loop_ikpls, case, few[i % 2]))
            faster = [
                spread([r / o for r, o in zip(x, ours, strict=True)]) for x in (sklearn, ikpls)
            ]
            print(
                f"{name:7} tolerance {tolerance:7.0e}: rank {rotated.rotation.rank:3}, "
                f"ms a fit {spread(ours, 3)}; scikit-learn {spread(sklearn, 2)}, {faster[0]} x; "
                f"ikpls {spread(ikpls, 2)}, {faster[1]} x; largest relative error {off:.1e}",
                flush=True,
            )


def bench_agreement() -> None:
    """Share of the rows that a cut rotation selects as the whole one does, and another seed."""
    for name, noise in NOISES.items():
        case = planted(2000, noise=noise)
        asked = {"k": 100, "b": 20, "r": 0.1}
        for seed in range(3):
            whole = _select(case, seed, tolerance=0.0, **asked)
            other = np.isin(whole, _select(case, seed + 100, tolerance=0.0, **asked)).mean()
            shares = [
                f"{t:.0e} (rank {find_rotation(case.library.values, np.arange(2000), t).rank}) "
                f"{np.isin(whole, _select(case, seed, tolerance=t, **asked)).mean():.2f}"
                for t in TOLERANCES[1:]
            ]
            print(f"{name} seed {seed}: other seed {other:.2f}; " + ", ".join(shares), flush=True)


def _select(case: Planted, seed: int, **settings: float) -> IntArray:
    asked = RSLocalSettings(**settings)  # type: ignore[arg-type]
    return rs_local(case.library, case.local, asked, seed=seed).indices


def memory(name: str) -> int:
    """Bytes of "VmRSS" (now) or "VmHWM" (peak) as Linux counts them."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


def forget_peak() -> int:
    """Start the peak anew (what made the data is not what is measured); returns bytes now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return memory("VmRSS")


def bench_whole() -> None:
    case = planted(50_422, noise=NOISES["smooth"])
    bytes_ = case.library.values.nbytes
    for tolerance in (1e-6, 1e-8, 1e-10):
        before = forget_peak()
        start = time.perf_counter()
        settings = RSLocalSettings(k=300, b=40, r=0.05, tolerance=tolerance)
        selection = rs_local(case.library, case.local, settings)
        wall = time.perf_counter() - start
        rise = (memory("VmHWM") - before) / bytes_
        print(
            f"whole, tolerance {tolerance:.0e}: {wall:.1f} s, {selection.fits} fits, "
            f"rank {selection.rank}, library {bytes_ / 2**20:.0f} MiB, peak with it "
            f"{1 + rise:.2f} libraries, enrichment {case.enrichment(selection.indices):.2f}",
            flush=True,
        )


def main(parts: list[str]) -> None:
    names = ("torch", "numpy", "scikit-learn", "ikpls")
    load = os.getloadavg()[0]
    print(f"load of the machine before: {load:.1f} (an idle machine has 0)")
    print(platform.processor() or platform.machine(), f"{os.cpu_count()} cores", end="; ")
    print("CUDA" if torch.cuda.is_available() else f"{torch.get_num_threads()} threads", end="; ")
    print(", ".join(f"{n} {version(n)}" for n in names), flush=True)
    tasks = {"whole": bench_whole, "fits": bench_fits, "agreement": bench_agreement}
    for part in parts or list(tasks):
        tasks[part]()


if __name__ == "__main__":
    main(sys.argv[1:])
