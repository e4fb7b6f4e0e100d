"""Print the whole table for a machine with a CUDA GPU, in one call of under ten minutes.

    PYTHONPATH=. python tests/benchmarks/bench_gpu.py
    PYTHONPATH=. python tests/benchmarks/bench_gpu.py --device cpu --quick    # does it run at all?

It needs torch, numpy and annotated-types, nothing else; the designs of the mix stand in mix.json.
"Plain" is the loop of bench_training.py, on the GPU ("plain") and on all threads of the CPU
("plain-cpu"); "ours" is `train_members`, as torch comes; "ours-tf32" lets every product use TF32.
All wait for the GPU at their end and take turns within this process, and each ratio is taken within
its round: median (least to greatest). FLOPs are those of the networks; their rate is set beside the
product of large float32 matrices on the same device. Each section has a share of the time and says
what it left out; time that one does not use is the next one's.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import BrokenBarrierError
from typing import Any

try:
    import bench_training as bench
    import numpy as np
    import torch

    from autospec.errors import TrialFailed
    from autospec.training import trainer
    from autospec.transfer.pls import Judges, judge_draws, load_engine
    from autospec.transfer.rotation import rotate_library
    from tests.transfer.planted import planted
except ModuleNotFoundError as missing:
    sys.exit(
        f"bench_gpu.py: there is no module {missing.name!r}. It wants torch, numpy and "
        "annotated-types installed, and to run from the root of a clone with PYTHONPATH=."
    )

NETS = ("sweden", "china", "usa")
AT_ONCE = (1, 2, 4)
PROCESS_S = 150.0  # processes that have not met by then are given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    members: int = bench.FOLDS
    epochs: int = bench.EPOCHS
    rounds: int = 7
    mix_rounds: int = 3
    designs: int = 30
    designs_at_once: int = 8
    at_once: tuple[int, ...] = AT_ONCE
    nets: tuple[str, ...] = NETS
    gemm: int = 8192
    library: int = 20_000
    draws: int = 1000


QUICK = Size(
    members=2,
    epochs=1,
    rounds=1,
    mix_rounds=1,
    designs=2,
    designs_at_once=1,
    at_once=(1, 2),
    nets=("china",),
    gemm=256,
    library=500,
    draws=20,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all sections measure with; `rate` is of large float32 products, FLOP/s."""

    device: torch.device
    size: Size
    rate: float

    def flops(self, trial: bench.Trial) -> float:
        """Of the members and epochs that are trained here."""
        whole = bench.FOLDS * bench.EPOCHS
        return trial.flops * self.size.members * self.size.epochs / whole

    def ways(self, trial: bench.Trial, names: Sequence[str]) -> bench.Ways:
        """Return the asked ways to train a trial, each waiting for the device at its end."""
        members = bench.folds(trial.bands)[: self.size.members]
        config = replace(trial.config, max_epochs=self.size.epochs, patience=bench.NO_STOP)

        def ours() -> None:
            trainer.train_members(trial.architecture, members, config, device=self.device)
            wait(self.device)

        def ours_tf32() -> None:
            with tf32():
                ours()

        def plain() -> None:
            bench.plain(trial, members, config, self.device)
            wait(self.device)

        known: bench.Ways = {
            "plain": plain,
            "plain-cpu": lambda: bench.plain(trial, members, config),
            "ours-tf32": ours_tf32,
            "ours": ours,
        }
        return {name: known[name] for name in names}


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def tf32() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def describe(device: torch.device) -> str:
    name = platform.processor() or platform.machine()
    text = f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; torch "
    text += f"{torch.__version__} with {torch.get_num_threads()} threads, numpy {np.__version__}"
    if device.type == "cuda":
        p = torch.cuda.get_device_properties(device)
        text += f"; {p.name}, {p.total_memory / 2**30:.0f} GiB, {p.multi_processor_count} "
        text += f"multiprocessors, CUDA {torch.version.cuda}"
        if shutil.which("nvidia-smi"):
            asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
            told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
            text += f", driver {told.split()[0] if told.split() else 'unknown'}"
    return text


def limits(device: torch.device, size: int) -> float:
    """Print the rates of large products and of a copy; return the first, FLOP/s, in float32."""
    a = torch.randn(size, size, device=device)
    half = a.bfloat16()

    def seconds(work: Callable[[], object]) -> float:
        def waited() -> None:
            work()
            wait(device)

        waited()
        return min(bench.timed(waited)[0] for _ in range(7))

    flops = 2 * size**3
    rate = flops / seconds(lambda: a @ a)
    with tf32():
        fast = flops / seconds(lambda: a @ a)
    low = flops / seconds(lambda: half @ half)
    source = torch.randn(size * size, device=device)
    copied = 2 * source.nbytes / seconds(lambda: torch.empty_like(source).copy_(source))
    print(
        f"product of {size}: float32 {rate / 1e9:.0f} GFLOP/s, TF32 {fast / 1e9:.0f}, bf16 "
        f"{low / 1e9:.0f}; copy {copied / 1e9:.1f} GB/s"
    )
    return rate


def show_nets(b: Bench, until: float) -> None:
    ways = ("plain", "plain-cpu", "ours-tf32", "ours")
    for i, name in enumerate(b.size.nets):
        if time.monotonic() > until:
            print(f"left out for want of time: {', '.join(b.size.nets[i:])}")
            return
        trial = bench.published(name)
        share = time.monotonic() + (until - time.monotonic()) / (len(b.size.nets) - i)
        times = bench.take_turns(b.ways(trial, ways), b.size.rounds, share)
        bench.show(name, times, b.flops(trial), b.rate)
        print(f"{name:8s} n = {len(times['ours'])}{memory(peak_bytes(b, trial))}", flush=True)


def show_mix(b: Bench, until: float) -> None:
    sum_mix(b, until, "mix", ("plain", "ours-tf32", "ours"), b.size.mix_rounds)


def show_mix_cpu(b: Bench, until: float) -> None:
    sum_mix(b, until, "mix, CPU", ("plain-cpu", "ours"), 1)


def sum_mix(b: Bench, until: float, name: str, ways: Sequence[str], rounds: int) -> None:
    trials = bench.mix()[: b.size.designs]
    sums: bench.Times = {}
    flops, ratios, most = 0.0, [], 0
    for i, trial in enumerate(trials):
        if time.monotonic() > until:
            print(f"left out for want of time: the last {len(trials) - i} of {len(trials)} designs")
            break
        try:
            times = bench.take_turns(b.ways(trial, ways), rounds)
        except TrialFailed as error:
            print(f"left out: design {i}, {error}")
            continue
        bench.add(sums, times)
        flops += b.flops(trial)
        pairs = zip(times[ways[0]], times["ours"], strict=True)
        ratios.append(statistics.median(a[0] / c[0] for a, c in pairs))
        most = max(most, peak_bytes(b, trial))
    if ratios:
        bench.show(name, sums, flops, b.rate)
        quartiles = np.round(np.quantile(ratios, [0.25, 0.75]), 2)
        print(
            f"{name}: {ways[0]} over ours, design by design: {bench.spread(ratios)}; quartiles "
            f"{quartiles}, n = {len(ratios)}{memory(most)}",
            flush=True,
        )


def peak_bytes(b: Bench, trial: bench.Trial) -> int:
    """Train once more by ours; return the most that tensors took on the GPU, 0 without one."""
    if b.device.type != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats(b.device)
    b.ways(trial, ["ours"])["ours"]()
    return torch.cuda.max_memory_allocated(b.device)


def memory(most: int) -> str:
    return f"; peak memory of ours {most / 2**20:.0f} MiB" if most else ""


def show_rs_local(b: Bench, until: float) -> None:
    """Time one RS-Local fit on the device and on the CPU; engines judge the same draws in turn."""
    if time.monotonic() > until:
        print("left out for want of time: RS-Local")
        return
    case = planted(b.size.library, noise=2e-4)
    rows = np.arange(b.size.library)
    rotated = rotate_library(case.library.values, rows, case.library.target, 1e-6)
    judges = Judges(values=case.local.values, target=case.local.target)
    rng = np.random.default_rng(0)
    k = min(200, b.size.library // 4)
    draws = np.stack([rng.choice(rows, k, replace=False) for _ in range(b.size.draws)])
    kinds = ["cpu", b.device.type]
    engines = [load_engine(rotated, judges, components=10, device=kind) for kind in kinds]
    judged = [judge_draws(engine, draws)[:, 0] for engine in engines]
    ways: bench.Ways = {
        "cpu": lambda: consume(judge_draws(engines[0], draws)),
        "ours": lambda: consume(judge_draws(engines[1], draws)),
    }
    times = bench.take_turns(ways, b.size.rounds, until)
    each = {way: [1e3 * wall / len(draws) for wall, _ in t] for way, t in times.items()}
    ratios = [a / c for a, c in zip(each["cpu"], each["ours"], strict=True)]
    print(
        f"RS-Local, {b.size.library} rows, k = {k}, rank {rotated.rotation.rank}: ms a fit, CPU "
        f"{statistics.median(each['cpu']):.4f}, {b.device.type} "
        f"{statistics.median(each['ours']):.4f}; CPU over it {bench.spread(ratios)}; largest "
        f"relative difference {np.abs(judged[1] / judged[0] - 1).max():.1e}",
        flush=True,
    )


def consume(result: np.ndarray[Any, Any]) -> None:
    """Hold on to a result that is already on the CPU: nothing is left to wait for."""
    assert len(result)


def show_at_once(b: Bench, until: float) -> None:
    """Time the same trials in each of 1, 2, 4 processes that share the device."""
    alone = math.nan
    for count in b.size.at_once:
        if time.monotonic() > until:
            left = [str(c) for c in b.size.at_once if c >= count]
            print(f"left out for want of time: {', '.join(left)} at once")
            return
        wall = in_processes(b, count, min(PROCESS_S, until + PROCESS_S / 2 - time.monotonic()))
        if wall is None:
            print(f"{count} at once: a process ended or hung; not measured")
            return
        alone = wall if count == b.size.at_once[0] else alone
        print(
            f"{count} at once, {b.size.designs_at_once} designs of the mix each: {wall:.2f} s, "
            f"{count * alone / wall:.2f} times the trials of one",
            flush=True,
        )


def in_processes(b: Bench, count: int, patience_s: float) -> float | None:
    """Return the seconds from when all are warm to when all are done."""
    context = multiprocessing.get_context("spawn")
    meeting = context.Barrier(count + 1)
    processes = [context.Process(target=work, args=(b, meeting)) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        meeting.wait(patience_s)
        return bench.timed(lambda: meeting.wait(patience_s))[0]
    except BrokenBarrierError:
        return None
    finally:
        for process in processes:
            process.join(10)
            process.kill()


def work(b: Bench, meeting: Any) -> None:
    """Train some designs of the mix, in a process of its own."""
    try:
        trainings = [b.ways(t, ["ours"])["ours"] for t in bench.mix()[: b.size.designs_at_once]]
        for train in trainings:
            train()
        meeting.wait(PROCESS_S)
        for train in trainings:
            train()
        meeting.wait(PROCESS_S)
    except BaseException:
        meeting.abort()
        raise


SECTIONS: tuple[tuple[Callable[[Bench, float], None], float], ...] = (
    (show_mix, 0.35),
    (show_nets, 0.2),
    (show_at_once, 0.15),
    (show_mix_cpu, 0.2),
    (show_rs_local, 0.1),
)


def main() -> None:
    parser = argparse.ArgumentParser(description="The whole table of a machine with a GPU.")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--minutes", type=float, default=8.0, help="for all sections together")
    parser.add_argument("--quick", action="store_true", help="as little as runs every part")
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        sys.exit("bench_gpu.py: torch sees no CUDA device here; --device cpu runs it without.")
    device, size = torch.device(asked.device), QUICK if asked.quick else Size()
    print(describe(device), flush=True)
    begun = time.monotonic()
    b = Bench(device=device, size=size, rate=limits(device, size.gemm))
    print(
        f"{size.members} folds of {bench.ROWS} rows, {size.epochs} epochs; ratios are to ours on "
        f"{device.type}",
        flush=True,
    )
    ends = 0.0
    for section, share in SECTIONS:
        ends += share
        section(b, begun + 60 * asked.minutes * ends)
    print(f"took {time.monotonic() - begun:.0f} s; load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
