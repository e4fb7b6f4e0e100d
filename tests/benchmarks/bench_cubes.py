"""Print what training on cubes costs: torch's DataLoader loop against `train_members`.

    python tests/benchmarks/bench_cubes.py               # five folds, one network, a mix of designs
    python tests/benchmarks/bench_cubes.py folds --rounds 7

"Loader" is what one writes first: an `nn.Module` of torch's own layers, a shuffled `DataLoader`
over a `TensorDataset`, `torch.optim.Adam` as it comes, all threads torch takes. Both train the same
networks on 400 made cubes of 6 x 10 x 10 x 4 for the same epochs and batches, and predict what is
held out after each; they take turns within this process, and each ratio is taken within its round.
"Loader-1" is the same loop with one thread. CPU seconds are of all threads, waiting included.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace

import bench_training as bench
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from autospec.nets.architecture import FCBlock
from autospec.nets.build_cubes import build_cube_network
from autospec.nets.cube_architecture import CubeArchitecture, CubeConvBlock
from autospec.nets.small3d import SMALL3D
from autospec.training import trainer
from autospec.training.config import TrainingConfig
from autospec.training.members import Member
from autospec.training.target_scale import TargetScale

CPU = torch.device("cpu")
SHAPE = (6, 10, 10, 4)
ROWS, FOLDS, EPOCHS = 400, 5, 3
DESIGNS, LARGEST = 10, 4_000_000  # of the mix; multiply–adds of one forward pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A network to train, and its folds."""

    architecture: CubeArchitecture
    config: TrainingConfig
    members: Sequence[Member]

    @property
    def flops(self) -> float:
        """Forward, and twice that backward; the first layer's input needs no gradient."""
        net = self.architecture
        alone = CubeArchitecture(conv=net.conv[:1], head="average")
        first = alone.multiply_adds(SHAPE)
        each = 2.0 * (3 * net.multiply_adds(SHAPE) - first)
        return each * sum(len(m.y_fit) for m in self.members) * EPOCHS


def folds(count: int) -> list[Member]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, *SHAPE)).astype(np.float32)
    y = 20.0 + 5.0 * x[:, 0, 4:6, 4:6].mean(axis=(1, 2, 3)) + rng.normal(size=ROWS)
    members = []
    for seed, score in enumerate(np.array_split(rng.permutation(ROWS), FOLDS)[:count]):
        fit = np.setdiff1d(np.arange(ROWS), score)
        members.append(
            Member(x_fit=x[fit], y_fit=y[fit], x_score=x[score], y_score=y[score], seed=seed)
        )
    return members


def plain_network(architecture: CubeArchitecture, seed: int) -> nn.Sequential:
    """Return the network with torch's own dropout."""
    network = build_cube_network(architecture, SHAPE, seed=seed, device=CPU)
    conv = True
    for i, layer in enumerate(network):
        conv &= not isinstance(layer, nn.Flatten)
        if hasattr(layer, "masks"):
            network[i] = nn.Dropout3d(layer.p) if conv else nn.Dropout(layer.p)
    return network


def loader_loop(trial: Trial) -> None:
    """Train fold after fold as one would without autospec."""
    config = trial.config
    for m in trial.members:
        network = plain_network(trial.architecture, m.seed)
        z = TargetScale.fit(config.target_transform, m.y_fit).forward(m.y_fit)
        rows = TensorDataset(torch.tensor(m.x_fit), torch.tensor(z, dtype=torch.float32)[:, None])
        loader = DataLoader(rows, batch_size=config.batch_size, shuffle=True)
        held_out = torch.tensor(m.x_score)
        optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
        for _ in range(EPOCHS):
            network.train()
            for x, wanted in loader:
                optimiser.zero_grad()
                nn.functional.mse_loss(network(x), wanted).backward()
                optimiser.step()
            network.eval()
            with torch.no_grad():
                network(held_out)


def random_designs(count: int) -> list[CubeArchitecture]:
    """Draw designs as the space of a search has them, of at most `LARGEST` multiply–adds."""
    rng = np.random.default_rng(0)
    designs: list[CubeArchitecture] = []
    while len(designs) < count:
        conv = tuple(
            CubeConvBlock(
                kernel_space=int(rng.choice([1, 2, 3, 5])),
                kernel_time=int(rng.integers(1, 4)),
                filters=int(np.exp(rng.uniform(np.log(8), np.log(256)))),
                activation=str(rng.choice(["ReLU", "LeakyReLU", "ELU", "SELU", "Swish"])),
                padding=str(rng.choice(["valid", "same"])),
                stride=int(rng.integers(1, 3)),
                pooling=str(rng.choice(["none", "max", "avg"])),
                norm=str(rng.choice(["none", "batch", "group"])),
                dropout=float(rng.uniform(0.0, 0.5)),
            )
            for _ in range(rng.integers(1, 5))
        )
        fc = tuple(
            FCBlock(nodes=int(np.exp(rng.uniform(np.log(16), np.log(1024)))), activation="ReLU")
            for _ in range(rng.integers(0, 4))
        )
        net = CubeArchitecture(conv=conv, head=str(rng.choice(["flatten", "average"])), fc=fc)
        if not net.shortfall(SHAPE) and net.multiply_adds(SHAPE) <= LARGEST:
            designs.append(net)
    return designs


def ways_to_train(trial: Trial, *, threads: bool) -> bench.Ways:
    config = replace(trial.config, max_epochs=EPOCHS, patience=bench.NO_STOP)

    def one_thread() -> None:
        with trainer.one_thread():
            loader_loop(trial)

    def ours() -> None:
        trainer.train_members(trial.architecture, trial.members, config, device=CPU)

    ways: bench.Ways = {"loader-1": one_thread}
    if threads:
        ways["loader"] = lambda: loader_loop(trial)
    return ways | {"ours": ours}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="*", default=["folds", "one", "mix"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calm", action="store_true", help="leave out the loop's threads")
    parser.add_argument("--each", action="store_true", help="print each design of the mix")
    asked = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}, torch {torch.__version__} with {torch.get_num_threads()} "
        f"threads, {ROWS} cubes of {SHAPE}, {EPOCHS} epochs, n = {asked.rounds} rounds"
    )
    rate = bench.limits()
    config = TrainingConfig(learning_rate=1e-4, batch_size=32)
    for name, count in (("folds", FOLDS), ("one", 1)):
        if name in asked.what:
            trial = Trial(architecture=SMALL3D, config=config, members=folds(count))
            times = bench.take_turns(ways_to_train(trial, threads=not asked.calm), asked.rounds)
            bench.show(name, times, trial.flops, rate)
    if "mix" not in asked.what:
        return
    sums: bench.Times = {}
    flops = 0.0
    for number, net in enumerate(random_designs(DESIGNS), start=1):
        trial = Trial(architecture=net, config=config, members=folds(FOLDS))
        times = bench.take_turns(
            ways_to_train(trial, threads=not asked.calm), max(1, asked.rounds // 3)
        )
        bench.add(sums, times)
        flops += trial.flops
        if asked.each:
            bench.show(f"mix {number}", times, trial.flops, rate)
    bench.show("mix", sums, flops, rate)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
