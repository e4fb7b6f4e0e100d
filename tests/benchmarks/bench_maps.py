"""Print what training on maps costs: a step written by hand in plain torch against `fit`.

    python tests/benchmarks/bench_maps.py                 # steps, the deformable layer, presets
    python tests/benchmarks/bench_maps.py step --rounds 9

"Plain" is the same network written with torch's own layers alone, deformable convolutions by one
`grid_sample` for all kernel points, static channels repeated at every date; AdamW, clipping; its
tiles lie in memory, scaled. "Ours" is an epoch of `fit` on a `MapTask`, which reads and scales
them. Both take as many steps of two tiles of 64 x 64, eight dates, 6 + 2 channels, and judge the
same number of watched tiles after; they take turns, and each ratio is taken within its round.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import bench_training as bench
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps.asking import pose
from autospec.data.maps.problem import MapAims
from autospec.data.maps.scaling import fit_map_scaler
from autospec.data.maps.splits import FIT, MapSplit, make_map_split
from autospec.data.maps.tiles import read_tile
from autospec.nets.deform import DeformConv2d
from autospec.nets.map_sizes import PRESETS
from autospec.training.distributed import Processes
from autospec.training.fit import FitRun, fit
from autospec.training.fit_config import FitConfig
from autospec.training.map_network import MapBatch, build_map_network
from autospec.training.map_settings import MapSettings
from autospec.training.map_task import MapTask
from autospec.training.trainer import one_thread

CPU = torch.device("cpu")
TILE, LENGTH, DATES, CHANNELS, STATIC, BATCH = 64, 8, 40, 6, 2, 2
AIMS = MapAims(targets=("c0",), horizon=1, length=LENGTH)


class PlainDeform(nn.Module):
    """DCNv2 as one writes it first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv, self.where = nn.Conv2d(width, width, 3), nn.Conv2d(width, 27, 3, padding=1)
        nn.init.zeros_(self.where.weight)
        nn.init.zeros_(self.where.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, c, h, w = x.shape
        told = self.where(x)
        offset, mask = told[:, :18].view(n, 9, 2, h, w), 2 * torch.sigmoid(told[:, 18:])
        reach = torch.arange(3.0) - 1
        y = torch.arange(h)[:, None] + reach.repeat_interleave(3)[:, None, None] + offset[:, :, 0]
        z = torch.arange(w)[None, :] + reach.repeat(3)[:, None, None] + offset[:, :, 1]
        grid = torch.stack([(2 * z + 1) / w - 1, (2 * y + 1) / h - 1], dim=-1)
        seen = functional.grid_sample(x, grid.view(n, 9 * h, w, 2), align_corners=False)
        columns = (seen.view(n, c, 9, h, w) * mask[:, None]).view(n, 9 * c, h * w)
        out = self.conv.weight.flatten(1) @ columns
        return out.view(n, -1, h, w) + self.conv.bias[:, None, None]


class PlainSE(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = max(4, width // 16)
        self.net = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(hidden, width, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.net(x)


class PlainGate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        told = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)
        return x * torch.sigmoid(self.conv(told))


class PlainCoordinates(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = max(4, width // 16)
        self.common = nn.Conv2d(width, hidden, 1)
        self.rows, self.columns = nn.Conv2d(hidden, width, 1), nn.Conv2d(hidden, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, w = x.shape[2:]
        told = torch.cat([x.mean(3, keepdim=True), x.mean(2, keepdim=True).transpose(2, 3)], 2)
        rows, columns = torch.split(torch.relu(self.common(told)), [h, w], dim=2)
        columns = torch.sigmoid(self.columns(columns.transpose(2, 3)))
        return x * torch.sigmoid(self.rows(rows)) * columns


class PlainNetwork(nn.Module):
    """The preset "tiny", layer by layer."""

    def __init__(self, *, deformable: bool) -> None:
        super().__init__()
        sizes = PRESETS["tiny"]
        widths, e = sizes.widths, sizes.embedding

        def last(width: int) -> nn.Module:
            return PlainDeform(width) if deformable else nn.Conv2d(width, width, 3, padding=1)

        def level(i: int, o: int) -> nn.Sequential:
            gated = [nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), PlainGate(), PlainSE(o)]
            gated += [nn.Conv2d(o, o, 3, padding=1), nn.ReLU(), PlainGate(), PlainSE(o)]
            return nn.Sequential(*gated, PlainCoordinates(o), last(o), nn.ReLU())

        def join(o: int) -> nn.Sequential:
            first = [nn.Conv2d(2 * o, o, 3, padding=1), nn.ReLU(), PlainSE(o)]
            return nn.Sequential(*first, last(o), nn.ReLU())

        ins, below = (CHANNELS + STATIC, *widths[:-1]), (e, *widths[:0:-1])
        self.levels = nn.ModuleList(map(level, ins, widths))
        self.downs = nn.ModuleList(nn.Conv2d(o, o, 3, stride=2, padding=1) for o in widths)
        self.bottleneck = nn.Conv2d(widths[-1], e, 3, padding=1)
        self.score = nn.Conv2d(e, 1, 1)
        layer = nn.TransformerEncoderLayer(
            e, sizes.heads, 4 * e, 0.1, "gelu", batch_first=True, norm_first=True
        )
        self.dates = nn.TransformerEncoder(
            layer, sizes.depth, nn.LayerNorm(e), enable_nested_tensor=False
        )
        self.widen = nn.ModuleList(
            nn.Conv2d(i, 4 * o, 3, padding=1) for i, o in zip(below, widths[::-1], strict=True)
        )
        self.joins = nn.ModuleList(map(join, widths[::-1]))
        self.head = nn.Conv2d(widths[0], 1, 1)
        t, j = torch.arange(LENGTH)[:, None], torch.arange(e // 2)
        angles = t * 10_000.0 ** (-2 * j / e)
        self.register_buffer("positions", torch.cat([angles.sin(), angles.cos()], 1))
        self.register_buffer("mask", torch.full((LENGTH, LENGTH), -torch.inf).triu(1))

    def forward(self, x: torch.Tensor, static: torch.Tensor) -> torch.Tensor:
        b, t, _, h, w = x.shape
        x = torch.cat([x, static[:, None].expand(-1, t, -1, -1, -1)], 2).flatten(0, 1)
        skips = []
        for level, down in zip(self.levels, self.downs, strict=True):
            skips.append(level(x))
            x = down(skips[-1])
        x = torch.relu(self.bottleneck(x))
        shares = torch.softmax(self.score(x).flatten(2), 2)
        pooled = (x.flatten(2) * shares).sum(2).view(b, t, -1) + self.positions
        x = x + self.dates(pooled, self.mask, is_causal=True).flatten(0, 1)[:, :, None, None]
        for widen, join, skip in zip(self.widen, self.joins, skips[::-1], strict=True):
            x = join(torch.cat([torch.relu(functional.pixel_shuffle(widen(x), 2)), skip], 1))
        return self.head(x).view(b, t, 1, h, w)


def plain_steps(network: nn.Module, batch: MapBatch, steps: int, watched: int) -> None:
    """Train as one would without autospec, and judge."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    network.train()
    for _ in range(steps):
        optimiser.zero_grad()
        out = batch.base + network(batch.x, batch.static)
        (((out - batch.y) ** 2) * batch.valid).sum().div(batch.valid.sum()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    network.eval()
    with torch.no_grad():
        for _ in range(0, watched, BATCH):
            network(batch.x, batch.static)


def made(preset: str, steps: int, **changes: object) -> MapTask:
    """Return a task of one made tile at many dates."""
    rng = np.random.default_rng(0)
    stack = RasterStack(
        dynamic=rng.random((DATES, CHANNELS, TILE, TILE), dtype=np.float32),
        static=rng.random((STATIC, TILE, TILE), dtype=np.float32),
        channels=tuple(f"c{i}" for i in range(CHANNELS)),
        static_channels=tuple(f"s{i}" for i in range(STATIC)),
        times=np.datetime64("2020-01-01", "s") + np.arange(DATES) * np.timedelta64(1, "D"),
        transform=(10.0, 0.0, 0.0, 0.0, -10.0, 0.0),
        crs="EPSG:32632",
        synthetic=True,
    )
    problem = pose(stack, AIMS)
    sizes = replace(PRESETS[preset], **changes)  # type: ignore[arg-type]
    split = MapSplit(test_fraction=0.1, watch_fraction=0.1)
    settings = MapSettings(
        aims=AIMS, sizes=sizes, split=split, tile=TILE, tiles_an_epoch=BATCH * steps
    )
    plan = make_map_split(problem, split)
    scaler = fit_map_scaler(problem, plan)
    network = build_map_network(sizes, AIMS, scaler, "mask", STATIC, seed=0)
    return MapTask(problem=problem, plan=plan, settings=settings, network=network, device=CPU)


def our_steps(task: MapTask) -> None:
    config = FitConfig(
        optimiser="adamw", batch_size=BATCH, accumulate_to=BATCH, max_epochs=1, schedule="constant"
    )
    with one_thread():
        fit(task.network.network, task, config, FitRun(processes=Processes(device=CPU)))


def show_steps(rounds: int, steps: int) -> None:
    for deformable in (True, False):
        task = made("tiny", steps, deformable=deformable)
        plain = PlainNetwork(deformable=deformable)
        sizes = [sum(p.numel() for p in net.parameters()) for net in (plain, task.network.network)]
        assert sizes[0] == sizes[1], f"{sizes}: the same network"
        tiles = [read_tile(task.problem, task.plan, place, FIT) for place in task.fit[:BATCH]]
        batch = task.network.encode(tiles)

        def by_hand(net: nn.Module = plain, b: MapBatch = batch, n: int = task.n_watch) -> None:
            plain_steps(net, b, steps, n)

        ways: bench.Ways = {"plain": by_hand, "ours": lambda task=task: our_steps(task)}
        times = bench.take_turns(ways, rounds)
        (plain_s, plain_cpu), (our_s, our_cpu) = (
            list(zip(*times[way], strict=True)) for way in ("plain", "ours")
        )
        print(
            f"tiny, {'deformable' if deformable else 'plain convolutions'}, {sizes[0]:,} "
            f"parameters, {steps} steps and {task.n_watch} watched tiles: plain "
            f"{statistics.median(plain_s):.2f} s, ours {statistics.median(our_s):.2f} s; speed of "
            f"ours in shares of plain {shares(plain_s, our_s)}, by CPU seconds, which others on "
            f"the machine disturb less, {shares(plain_cpu, our_cpu)}",
            flush=True,
        )


def shares(plain: Sequence[float], ours: Sequence[float]) -> str:
    return bench.spread([a / b for a, b in zip(plain, ours, strict=True)])


def show_deform(rounds: int) -> None:
    for width, side in ((16, 64), (64, 16)):
        x = torch.randn(BATCH * LENGTH, width, side, side, requires_grad=True)
        layers = {
            "convolution": nn.Conv2d(width, width, 3, padding=1),
            "ours": DeformConv2d(width, width),
            "plain deformable": PlainDeform(width),
        }

        def both_ways(layer: nn.Module, x: torch.Tensor = x) -> Callable[[], None]:
            return lambda: layer(x).sum().backward()

        times = bench.take_turns({n: both_ways(layer) for n, layer in layers.items()}, rounds)
        for name in ("ours", "plain deformable"):
            pairs = zip(times[name], times["convolution"], strict=True)
            ratio = bench.spread([a[0] / b[0] for a, b in pairs])
            print(f"{width} filters, {side} x {side}: {name} takes {ratio} x a convolution")


def measured(preset: str, steps: int) -> tuple[float, float]:
    """Return seconds a step, and the peak memory in MB, beyond what was taken before."""
    torch.set_num_threads(1)
    task = made(preset, 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    our_steps(task)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    network, seconds = task.network.network.train(), []
    for _ in range(steps):
        begun = time.perf_counter()
        task.loss(network, np.arange(BATCH)).backward()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds), (peak - before) / 1024


def show_presets(steps: int) -> None:
    for preset in ("tiny", "small"):
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:  # a peak is one of its process
            seconds, peak = pool.submit(measured, preset, steps).result()
        print(
            f"{preset}: {seconds:.2f} s forward and backward, {peak:.0f} MB beyond the data",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="*", default=["step", "deform", "presets"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=4)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}, Python {platform.python_version()}, torch {torch.__version__} "
        f"with one thread; batches of {BATCH} tiles of {TILE} x {TILE}, {LENGTH} dates, "
        f"{CHANNELS} + {STATIC} channels, n = {asked.rounds} rounds"
    )
    if "step" in asked.what:
        show_steps(asked.rounds, asked.steps)
    if "deform" in asked.what:
        show_deform(5 * asked.rounds)
    if "presets" in asked.what:
        show_presets(asked.steps)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
