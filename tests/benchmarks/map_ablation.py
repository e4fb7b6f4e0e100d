"""What each part of the CNN-Transformer and of its loss is worth: one switch at a time.

    python tests/benchmarks/map_ablation.py run STACK --target T2M --horizon 1 -o inca.jsonl
    python tests/benchmarks/map_ablation.py run STACK --target ndvi --horizon 1 --gaps 30 -o n.jsonl
    python tests/benchmarks/map_ablation.py run synthetic --target temperature -o synthetic.jsonl
    python tests/benchmarks/map_ablation.py table *.jsonl

Every variant differs in one switch from the plain one: masked squared error, changes instead of
levels (where there is a last value), not deformable, static layers in the stream. All are trained
alike, with the weights of the best watched epoch, and scored on the same sealed cells beside
persistence, the mean, ridge on single cells, and a ConvLSTM of as many weights
(https://arxiv.org/abs/1506.04214), which sees earlier dates only. The seed fixes weights, squares
and injected gaps. STACK is what `autospec cube check` reads, the MODIS example of the R package
sits too (`forecast_cubes.py`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from forecast_cubes import open_stack
from torch import nn

from autospec.data.cubes.stacks import RasterStack
from autospec.data.cubes.synthetic import SyntheticSettings, random_field, synthesise
from autospec.data.maps.asking import pose
from autospec.data.maps.problem import MapAims, MapProblem
from autospec.data.maps.scaling import MapScaler, fit_map_scaler
from autospec.data.maps.splits import SEALED, MapSplit, MapSplitPlan, make_map_split
from autospec.data.maps.tiling import usual_tiling
from autospec.evaluate.map_baselines import fit_map_baselines
from autospec.evaluate.map_scoring import score_maps
from autospec.evaluate.mapping import MapPredictor
from autospec.nets.map_sizes import PRESETS, CNNTransformerSizes
from autospec.training.distributed import Processes, join
from autospec.training.fit import FitRun, fit
from autospec.training.fit_config import FitConfig
from autospec.training.map_network import MapNetwork, build_map_network
from autospec.training.map_settings import MapSettings, MapTerms
from autospec.training.map_task import MapTask
from autospec.training.trainer import one_thread

SIZES = PRESETS | {
    "micro": CNNTransformerSizes(
        widths=(8, 16, 32, 64), embedding=64, depth=2, heads=4, deformable=False
    )
}
SEASON = tuple(1.0 + 0.5 * np.cos(2 * np.pi * (np.arange(12) - 6) / 12))  # more weight in July
SQUARED = MapTerms(edge=False)  # the masked squared error alone
SEED_LOSS = MapTerms(pinball=True, weighted=True, edge=True, season=SEASON, gaps="sentinel")
CONVLSTM = "ConvLSTM"
PLAIN = "plain"


def variants(aims: MapAims, *, static: bool, gappy: bool) -> dict[str, dict[str, Any]]:
    """Return what differs from the plain one, by name; what would change nothing is left out."""
    found: dict[str, dict[str, Any]] = {
        PLAIN: {},
        "+ pinball": {"terms": replace(SQUARED, pinball=True)},
        "+ quantile weights": {"terms": replace(SQUARED, weighted=True)},
        "+ edge term": {"terms": replace(SQUARED, edge=True)},
        "+ season weights": {"terms": replace(SQUARED, season=SEASON)},
        "the seed's loss": {"terms": SEED_LOSS},
        "+ deformable": {"sizes": {"deformable": True}},
        CONVLSTM: {},
    }
    if gappy:
        found["sentinel"] = {"terms": replace(SQUARED, gaps="sentinel")}
    if static:
        found["static layers late"] = {"sizes": {"static_stream": False}}
    if aims.horizon:
        found["levels, not changes"] = {"sizes": {"change": False}}
    return found


class ConvLSTM(nn.Module):
    """Two layers of a convolutional LSTM over dates, and a 1 x 1 head that begins at 0."""

    def __init__(self, channels: int, targets: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        arriving = (channels, hidden)
        self.gates = nn.ModuleList(
            [nn.Conv2d(a + hidden, 4 * hidden, 3, padding=1) for a in arriving]
        )
        self.head = nn.Conv2d(hidden, targets, 1)

    def forward(
        self, x: torch.Tensor, static: torch.Tensor | None, present: torch.Tensor
    ) -> torch.Tensor:
        """Return (b, t, k, h, w) for x (b, t, c, h, w); a date that is absent changes nothing."""
        if static is not None:
            x = torch.cat([x, static[:, None].expand(-1, x.shape[1], -1, -1, -1)], dim=2)
        b, t, _, h, w = x.shape
        zero = x.new_zeros(b, self.hidden, h, w)
        states = [(zero, zero) for _ in self.gates]
        out = []
        for date in range(t):
            arriving, there = x[:, date], present[:, date, None, None, None]
            for layer, gates in enumerate(self.gates):
                hidden, cell = states[layer]
                i, f, o, g = gates(torch.cat([arriving, hidden], dim=1)).chunk(4, dim=1)
                new = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
                cell = torch.where(there, new, cell)
                hidden = torch.where(there, torch.sigmoid(o) * torch.tanh(cell), hidden)
                states[layer], arriving = (hidden, cell), hidden
            out.append(self.head(arriving))
        return torch.stack(out, dim=1)


def convlstm_like(network: MapNetwork, seed: int) -> MapNetwork:
    """Return a ConvLSTM of as many weights, with the same scaling before and behind it."""
    told, net = n_weights(network), network.network
    channels = len(network.scaler.low) + (network.gaps == "mask" and network.scaler.gappy)
    k = net.head.out_channels
    hidden = 2
    while _convlstm_weights(channels, k, hidden + 1) <= told:
        hidden += 1
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        other = ConvLSTM(channels, k, hidden)
    with torch.no_grad():
        other.head.weight.zero_()
        assert net.head.bias is not None
        assert other.head.bias is not None
        other.head.bias.copy_(net.head.bias)
    return replace(network, network=other)  # type: ignore[arg-type]  # called alike


def n_weights(network: MapNetwork) -> int:
    """Return how many numbers a network learns."""
    return sum(p.numel() for p in network.network.parameters())


def _convlstm_weights(channels: int, targets: int, hidden: int) -> int:
    first, second = channels + hidden, 2 * hidden
    return 4 * hidden * (9 * (first + second) + 2) + targets * (hidden + 1)


def cropped(stack: RasterStack, side: int | None, last: int | None) -> RasterStack:
    """Return the north-western corner of a stack, and its last dates."""
    corner = (slice(0, side), slice(0, side))
    dates = slice(None if last is None else max(0, len(stack.times) - last), None)
    return replace(
        stack,
        dynamic=np.array(stack.dynamic[dates, :, *corner], dtype=np.float32),
        static=stack.static[:, *corner],
        times=stack.times[dates],
    )


def with_gaps(stack: RasterStack, percent: float, seed: int) -> RasterStack:
    """Hide cells under clouds that differ from date to date, all channels at once."""
    if not percent:
        return stack
    values = np.array(stack.dynamic[:, :, :, :], dtype=np.float32)
    clouds = random_field(stack.shape, 6.0, np.random.default_rng((seed, 99)), len(values))
    cut = np.quantile(clouds, 1.0 - percent / 100.0)
    values[np.repeat((clouds > cut)[:, None], values.shape[1], axis=1)] = np.nan
    return replace(stack, dynamic=values)


def open_data(args: argparse.Namespace, seed: int) -> RasterStack:
    """Return the stack that was asked for, its gaps injected."""
    if args.stack == "synthetic":
        settings = SyntheticSettings(effect="none", n=1, dates=48, no_value_percent=5.0)
        return with_gaps(synthesise(settings, seed)[0], args.gaps, seed)
    stack = cropped(open_stack(Path(args.stack)), args.crop, args.last)
    return with_gaps(stack, args.gaps, seed)


def train(
    problem: MapProblem,
    plan: MapSplitPlan,
    scaler: MapScaler,
    settings: MapSettings,
    processes: Processes,
    *,
    convlstm: bool,
) -> tuple[MapNetwork, int]:
    """Train a variant; return it and the epoch whose weights it has."""
    network = build_map_network(
        settings.sizes,
        settings.aims,
        scaler,
        settings.terms.gaps,
        len(problem.stack.static_channels),
        len(settings.aims.targets),
        settings.config.seed,
        processes.device,
    )
    if convlstm:
        network = convlstm_like(network, settings.config.seed)
    task = MapTask(
        problem=problem, plan=plan, settings=settings, network=network, device=processes.device
    )
    with one_thread():
        state, _ = fit(network.network, task, settings.config, FitRun(processes=processes))
    return network, state.best_epoch


def rows_of(args: argparse.Namespace, kind: str, seed: int) -> Iterator[dict[str, Any]]:
    """Train and score all variants and baselines of one split and seed; one row each."""
    stack, processes = open_data(args, seed), join("cpu")
    aims = MapAims(targets=(args.target,), horizon=args.horizon, length=args.length)
    problem = pose(stack, aims)
    plan = make_map_split(problem, MapSplit(kind=kind, seed=seed))
    scaler = fit_map_scaler(problem, plan)
    tiling = usual_tiling(args.tile, stack.shape)
    told = {"data": args.name, "split": kind, "seed": seed}
    base = MapSettings(
        aims=aims,
        sizes=SIZES[args.size],
        terms=SQUARED,
        tile=args.tile,
        tiles_an_epoch=args.tiles,
        config=FitConfig(
            optimiser="adamw",
            schedule="cosine",
            learning_rate=args.lr,
            weight_decay=1e-4,
            batch_size=4,
            accumulate_to=4,
            max_epochs=args.epochs,
            patience=args.epochs,
            seed=seed,
        ),
    )
    names = ("mean", "persistence", "ridge") if args.horizon else ("mean", "ridge")
    models: dict[str, MapPredictor] = {
        b.name: b.model for b in fit_map_baselines(problem, plan, scaler, names, seed)
    }
    about: dict[str, dict[str, Any]] = {name: {} for name in models}
    chosen = variants(aims, static=bool(stack.static_channels), gappy=scaler.gappy)
    for name, change in chosen.items():
        if (args.only and name not in args.only) or name in args.skip:
            continue
        begun = time.perf_counter()
        settings = replace(
            base,
            terms=change.get("terms", base.terms),
            sizes=replace(base.sizes, **change.get("sizes", {})),
        )
        network, epoch = train(
            problem, plan, scaler, settings, processes, convlstm=name == CONVLSTM
        )
        seconds = round(time.perf_counter() - begun, 1)
        models[name] = network
        about[name] = {"weights": n_weights(network), "epoch": epoch, "seconds": seconds}
        print(told, name, about[name], flush=True)
    tallies = score_maps(problem, plan.unseal(), SEALED, models, tiling, block=plan.block)
    for name, tally in tallies.items():
        scores = tally.scores(0)
        edge = {"edge": tally.edge_rmse[0], "interior": tally.interior_rmse[0]}
        numbers = {"rmse": scores.pooled.rmse.value, "r2": scores.pooled.r2.value}
        yield told | {"model": name, "n": scores.pooled.n} | numbers | edge | about[name]


def run(args: argparse.Namespace) -> None:
    """Write one line of JSON a model, split and seed."""
    with args.out.open("a", encoding="utf-8") as out:
        for kind in args.splits.split(","):
            for seed in range(args.first_seed, args.first_seed + args.seeds):
                for row in rows_of(args, kind, seed):
                    out.write(json.dumps(row) + "\n")
                    out.flush()


def table(args: argparse.Namespace) -> None:
    """Print RMSE by model, data and split: median of the seeds, relative to the plain variant."""
    rows = [json.loads(line) for file in args.files for line in file.read_text().splitlines()]
    columns = list(dict.fromkeys((row["data"], row["split"]) for row in rows))
    models = list(dict.fromkeys(row["model"] for row in rows))
    print("| model | " + " | ".join(f"{data}, {split}" for data, split in columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for model in models:
        cells = [_cell(rows, model, column) for column in columns]
        print(f"| {model} | " + " | ".join(cells) + " |")


def _cell(rows: list[dict[str, Any]], model: str, column: tuple[str, str]) -> str:
    """Return the median RMSE over seeds, and the lowest and highest ratio to the plain variant."""
    here = [row for row in rows if (row["data"], row["split"]) == column]
    plain = {row["seed"]: row["rmse"] for row in here if row["model"] == PLAIN}
    own = {row["seed"]: row["rmse"] for row in here if row["model"] == model}
    if not own:
        return ""
    middle = f"{np.median(list(own.values())):.4g}"
    ratios = [own[seed] / plain[seed] for seed in own if seed in plain]
    if model == PLAIN or not ratios:
        return middle
    return f"{middle} (×{np.median(ratios):.3f}; {min(ratios):.3f}–{max(ratios):.3f})"


def main() -> None:
    """Run variants, or print the table of what was run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("run")
    one.add_argument("stack")
    one.add_argument("--name", default="")
    one.add_argument("--target", required=True)
    one.add_argument("--horizon", type=int, default=0)
    one.add_argument("--length", type=int, default=8)
    one.add_argument("--tile", type=int, default=32)
    one.add_argument("--crop", type=int, help="cells along each side, from the north-west")
    one.add_argument("--last", type=int, help="dates")
    one.add_argument("--gaps", type=float, default=0.0, help="percent of cells to hide")
    one.add_argument("--splits", default="forward,blocks")
    one.add_argument("--seeds", type=int, default=3)
    one.add_argument("--first-seed", type=int, default=0)
    one.add_argument("--epochs", type=int, default=12)
    one.add_argument("--tiles", type=int, help="an epoch")
    one.add_argument("--lr", type=float, default=1e-3)
    one.add_argument("--size", choices=sorted(SIZES), default="micro")
    one.add_argument("--only", nargs="*", help="variants")
    one.add_argument("--skip", nargs="*", default=(), help="variants")
    one.add_argument("-o", "--out", type=Path, required=True)
    one.set_defaults(do=run)
    shown = commands.add_parser("table")
    shown.add_argument("files", type=Path, nargs="+")
    shown.set_defaults(do=table)
    args = parser.parse_args()
    if getattr(args, "stack", "") and not args.name:
        args.name = Path(args.stack).stem + (f" {args.gaps:g} %" if args.gaps else "")
    args.do(args)


if __name__ == "__main__":
    main()
