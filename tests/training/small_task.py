"""A small task for the loop, and networks for it: a linear signal in six numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from autospec.data.spectra import FloatArray, IntArray
from autospec.training.distributed import Processes
from autospec.training.fit import FitRun

CPU = torch.device("cpu")
ALONE = Processes(device=CPU)
N_FIT, N_WATCH = 90, 31


@dataclass(frozen=True)
class SmallTask:
    """Learns y from x by squared error; what is watched is the RMSE."""

    x: torch.Tensor
    y: torch.Tensor
    n_fit: int = N_FIT
    n_epoch: int = N_FIT
    n_watch: int = N_WATCH

    def loss(self, network: nn.Module, rows: IntArray) -> torch.Tensor:
        out: torch.Tensor = network(self.x[rows]).float() - self.y[rows]
        return (out**2).mean()

    def judge(self, network: nn.Module, rows: IntArray) -> torch.Tensor:
        out: torch.Tensor = network(self.x[self.n_fit + rows]) - self.y[self.n_fit + rows]
        return out.double() ** 2

    def metric(self, judged: FloatArray) -> float:
        assert judged.shape == (self.n_watch, 1)
        return float(np.sqrt(judged.mean()))


def small_task(seed: int = 0) -> SmallTask:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N_FIT + N_WATCH, 6))
    y = x[:, :1] - 2.0 * x[:, 1:2]
    return SmallTask(torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32))


def small_network(seed: int = 0, *, dropout: float = 0.1, norm: bool = False) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        layers: list[nn.Module] = [nn.Linear(6, 12)]
        layers += [nn.BatchNorm1d(12)] if norm else []
        return nn.Sequential(*layers, nn.ReLU(), nn.Dropout(dropout), nn.Linear(12, 1))


def alone(**how: object) -> FitRun:
    return FitRun(processes=ALONE, **how)  # type: ignore[arg-type]


def weights(network: nn.Module) -> FloatArray:
    return np.concatenate([t.double().flatten().numpy() for t in network.state_dict().values()])
