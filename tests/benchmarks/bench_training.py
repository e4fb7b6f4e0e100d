"""Print what a trial costs: a plain torch loop against `train_members`, and the machine's limits.

    python tests/benchmarks/bench_training.py            # all networks
    python tests/benchmarks/bench_training.py sweden     # some of sweden, china, usa, mix
    python tests/benchmarks/bench_training.py --draw     # draw the mix anew, into mix.json

"Plain" is what one writes first: the same `nn.Sequential`, fold after fold, mini-batches sliced
from tensors, `torch.optim.Adam` as it comes, all threads torch takes. Both train the same ten
folds of 135 made rows for five epochs and predict the held-out rows after each; they take turns
within this process, and the ratio is taken pair by pair. CPU seconds are of all threads, waiting
in OpenMP's spin loops included. "plain-1" is the same loop with one thread: its CPU seconds over
ours are what is left of the gain where all threads of "plain" scale perfectly, and a number that
other programs on the machine disturb little.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from autospec.data.spectra import FloatArray
from autospec.nets.architecture import PUBLISHED, Architecture, ConvBlock, FCBlock
from autospec.nets.build import build_network
from autospec.nets.products import products
from autospec.training import trainer
from autospec.training.config import TrainingConfig
from autospec.training.members import Member
from autospec.training.target_scale import TargetScale

CPU = torch.device("cpu")
ROWS, FOLDS, EPOCHS, PUBLISHED_BANDS = 135, 10, 10, 216
AXIS = np.arange(400.0, 2451.0, 10.0)  # of the sites of the mix
NO_STOP = 10_000
MIX = Path(__file__).parent / "mix.json"  # so that no version of Optuna draws another mix


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A network to train, on spectra of so many bands."""

    architecture: Architecture
    config: TrainingConfig
    bands: int

    @property
    def flops(self) -> float:
        """Forward, and twice that backward; the first layer's input needs no gradient."""
        a = self.architecture
        first = a.conv[0].convolved(self.bands) * a.conv[0].kernel * a.conv[0].filters
        each = 2.0 * (3 * a.multiply_adds(self.bands) - first)
        return each * (FOLDS - 1) * ROWS * EPOCHS


def published(name: str) -> Trial:
    config = TrainingConfig(learning_rate=5e-4, weight_decay=1e-6, batch_size=64)
    return Trial(architecture=PUBLISHED[name], config=config, bands=PUBLISHED_BANDS)


def mix() -> list[Trial]:
    """Return 30 designs of the default space, as `draw_mix` once drew them."""
    return [
        Trial(
            architecture=Architecture(
                conv=tuple(ConvBlock(**block) for block in each["conv"]),
                fc=tuple(FCBlock(**block) for block in each["fc"]),
            ),
            config=TrainingConfig(**each["training"]),
            bands=each["bands"],
        )
        for each in json.loads(MIX.read_text(encoding="utf-8"))
    ]


def draw_mix(count: int = 30) -> None:
    """Write designs drawn from the default space that a search would train; needs Optuna."""
    import optuna

    from autospec.search.design import Caps
    from autospec.search.space import SearchSpace

    space, designs = SearchSpace(), []
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    while len(designs) < count:
        design = space.decode(study.ask(space.distributions()).params)
        if max(design.overrun(AXIS, Caps()).values()) <= 0:
            network = asdict(design.architecture)
            designs.append(
                {
                    "conv": network["conv"],
                    "fc": network["fc"],
                    "training": asdict(design.training),
                    "bands": design.bands(AXIS),
                }
            )
    lines = ",\n".join(json.dumps(each) for each in designs)
    MIX.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def folds(bands: int) -> list[Member]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, bands))
    y = 200.0 + 5.0 * x[:, 4] - 3.0 * x[:, 9] + rng.normal(size=ROWS)
    members = []
    for seed, score in enumerate(np.array_split(rng.permutation(ROWS), FOLDS)):
        fit = np.setdiff1d(np.arange(ROWS), score)
        members.append(
            Member(x_fit=x[fit], y_fit=y[fit], x_score=x[score], y_score=y[score], seed=seed)
        )
    return members


def plain(
    trial: Trial,
    members: Sequence[Member],
    config: TrainingConfig,
    device: torch.device = CPU,
) -> None:
    """Train fold after fold as one would without autospec."""
    for member in members:
        for _ in plain_epochs(trial.architecture, member, config, device):
            pass


def plain_epochs(
    architecture: Architecture,
    m: Member,
    config: TrainingConfig,
    device: torch.device = CPU,
) -> Iterator[FloatArray]:
    """Train one network; yield, after each epoch, the held-out rows as predicted.

    Weights begin and targets are scaled as ours are; dropout and the order of the batches are
    torch's own.
    """
    network = build_network(architecture, m.x_fit.shape[1], seed=m.seed, device=device)
    for i, layer in enumerate(network):
        if hasattr(layer, "p"):
            network[i] = nn.Dropout(layer.p)
    scale = TargetScale.fit(config.target_transform, m.y_fit)
    scaled = scale.forward(m.y_fit)
    nn.init.constant_(network[-1].bias, float(scaled.mean()))
    x = torch.tensor(m.x_fit, dtype=torch.float32, device=device)[:, None]
    held_out = torch.tensor(m.x_score, dtype=torch.float32, device=device)[:, None]
    z = torch.tensor(scaled, dtype=torch.float32, device=device)[:, None]
    kind = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
    optimiser = kind(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    for _ in range(config.max_epochs):
        network.train()
        order = torch.randperm(len(z), device=device)
        for rows in order.tensor_split(math.ceil(len(z) / config.batch_size)):
            optimiser.zero_grad()
            nn.functional.mse_loss(network(x[rows]), z[rows]).backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            yield scale.inverse(network(held_out)[:, 0].cpu().numpy().astype(np.float64))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


Times = dict[str, list[tuple[float, float]]]


Ways = dict[str, Callable[[], None]]


def take_turns(ways: Ways, rounds: int, until: float = math.inf) -> Times:
    """Time each way in each round, none always first; stop after a round that ends past `until`."""
    times: Times = {name: [] for name in ways}
    for work in ways.values():
        work()  # what is set up once is not what is measured
    for turn in range(rounds):
        for name in list(ways)[:: 1 if turn % 2 else -1]:
            times[name].append(timed(ways[name]))
        if time.monotonic() > until:
            break
    return times


def add(sums: Times, times: Times) -> None:
    """Add one design's rounds to those of the whole mix."""
    for way, each in times.items():
        total = sums.setdefault(way, [(0.0, 0.0)] * len(each))
        sums[way] = [(a + c, b + d) for (a, b), (c, d) in zip(total, each, strict=True)]


def ways_to_train(trial: Trial, *, threads: bool) -> Ways:
    members = folds(trial.bands)
    config = replace(trial.config, max_epochs=EPOCHS, patience=NO_STOP)

    def ours() -> None:
        trainer.train_members(trial.architecture, members, config, device=CPU)

    def one_thread() -> None:
        with trainer.one_thread():
            plain(trial, members, config)

    ways: Ways = {"plain-1": one_thread}
    if threads:
        ways["plain"] = lambda: plain(trial, members, config)
    return ways | {"ours": ours}


def spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def show(name: str, times: Times, flops: float, rate: float) -> None:
    ours = [wall for wall, _ in times["ours"]]
    for way, each in times.items():
        walls, cpus = zip(*each, strict=True)
        ratio = [a / b for a, b in zip(walls, ours, strict=True)]
        saved = [a / b[1] for a, b in zip(cpus, times["ours"], strict=True)]
        print(
            f"{name:8s} {way:7s} {statistics.median(walls):8.3f} s ({min(walls):.3f} to "
            f"{max(walls):.3f}), CPU {statistics.median(cpus):7.3f} s; ratio to ours: wall "
            f"{spread(ratio)}, CPU {spread(saved)}; {flops / 1e9:.1f} GFLOP, "
            f"{100 * flops / min(walls) / rate:.0f} % of the GEMM rate",
            flush=True,
        )


def limits() -> float:
    """Print and return the machine's rate in large products, FLOP/s; print its memory rate."""
    best = 0.0
    a = torch.randn(2048, 2048)
    source = torch.randn(1 << 24)
    target = torch.empty_like(source)
    each = {"torch.mm": lambda: a @ a, "ours": lambda: products(a[None], a[None])}
    for name, work in each.items():
        rate = 2 * 2048**3 / min(timed(work)[0] for _ in range(7))
        best = max(best, rate)
        print(f"product of 2048: {name} {rate / 1e9:.0f} GFLOP/s", end="; ")
    seconds = min(timed(lambda: target.copy_(source))[0] for _ in range(9))
    print(f"copy {2 * source.nbytes / seconds / 1e9:.1f} GB/s")
    return best


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="*", default=["sweden", "china", "mix"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calm", action="store_true", help="leave out the plain loop's threads")
    parser.add_argument("--each", action="store_true", help="print each design of the mix")
    parser.add_argument("--draw", action="store_true", help="only draw the mix anew")
    asked = parser.parse_args()
    if asked.draw:
        draw_mix()
        return
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}, torch {torch.__version__} with {torch.get_num_threads()} "
        f"threads, {FOLDS} folds of {ROWS} rows, {EPOCHS} epochs, n = {asked.rounds} rounds"
    )
    rate = limits()
    for name in asked.what:
        if name != "mix":
            trial = published(name)
            times = take_turns(ways_to_train(trial, threads=not asked.calm), asked.rounds)
            show(name, times, trial.flops, rate)
            continue
        sums: Times = {}
        trials, ratios = mix(), []
        for trial in trials:
            ways = ways_to_train(trial, threads=not asked.calm)
            times = take_turns(ways, max(1, asked.rounds // 3))
            add(sums, times)
            if asked.each:
                show("design", times, trial.flops, rate)
            pairs = zip(times["plain-1"], times["ours"], strict=True)
            ratios.append(statistics.median(a[1] / b[1] for a, b in pairs))
        show("mix", sums, sum(trial.flops for trial in trials), rate)
        print(
            f"mix, CPU of plain-1 to ours, design by design: {spread(ratios)}; quartiles "
            f"{np.round(np.quantile(ratios, [0.25, 0.75]), 2)}"
        )
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
