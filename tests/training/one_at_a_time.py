"""The reference twin of the stacked trainer: every member alone, by torch's own layers and Adam.

Slow, short and plain; the same seeds, batches and masks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from autospec.nets.architecture import Architecture
from autospec.nets.build import build_network
from autospec.nets.build_cubes import build_cube_network
from autospec.nets.cube_architecture import CubeArchitecture
from autospec.training.config import TrainingConfig
from autospec.training.members import Member
from autospec.training.target_scale import TargetScale
from autospec.training.trainer import SMOOTHING, EpochCallback, smooth

CPU = torch.device("cpu")
PRODUCTS = nn.Conv1d | nn.Conv3d | nn.Linear
LOSSES = {
    "mse": nn.functional.mse_loss,
    "l1": nn.functional.l1_loss,
    "huber": nn.functional.huber_loss,
}


def as_input(x: np.ndarray) -> torch.Tensor:
    tensor = torch.tensor(x, dtype=torch.float32)
    return tensor if x.ndim == 5 else tensor[:, None]


class Twin:
    def __init__(
        self,
        architecture: Architecture | CubeArchitecture,
        member: Member,
        config: TrainingConfig,
    ) -> None:
        start = member.start
        self.loss = LOSSES[config.loss]
        self.member = member
        self.scale = (
            start.member.scale if start else TargetScale.fit(config.target_transform, member.y_fit)
        )
        z = self.scale.forward(member.y_fit)
        self.z = torch.as_tensor(z, dtype=torch.float32)[:, None]
        self.x = as_input(member.x_fit)
        if isinstance(architecture, CubeArchitecture):
            shape = member.x_fit.shape[1:]
            self.network = build_cube_network(architecture, shape, seed=member.seed, device=CPU)
        else:
            bands = member.x_fit.shape[1]
            self.network = build_network(architecture, bands, seed=member.seed, device=CPU)
        layers = list(self.network)
        heads = [i for i, a in enumerate(layers) if isinstance(a, PRODUCTS)]
        self.frozen = layers[: heads[start.frozen_blocks]] if start else []
        output = layers[-1]
        with torch.no_grad():
            if start is None:
                output.bias.fill_(float(z.mean()))
            else:
                self.network.load_state_dict(start.member.network.state_dict())
                output.bias.add_(float(z.mean()) - self.network.eval()(self.x).mean())
        learning = [p for layer in layers[len(self.frozen) :] for p in layer.parameters()]
        kind = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
        self.optimiser = kind(learning, lr=config.learning_rate, weight_decay=config.weight_decay)
        self.batches = math.ceil(len(z) / config.batch_size)

    def run_epoch(self, epoch: int) -> float:
        self.network.train()
        for layer in self.frozen:
            layer.eval()
        order = np.random.default_rng([self.member.seed, epoch]).permutation(len(self.z))
        for rows in np.array_split(order, self.batches):
            self.optimiser.zero_grad()
            self.loss(self.network(self.x[rows]), self.z[rows]).backward()
            self.optimiser.step()
        if self.member.x_score is None or self.member.y_score is None:
            return math.nan
        error = self.predict(self.member.x_score) - self.member.y_score
        return float(np.sqrt(np.mean(error**2)))

    def predict(self, x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            out = self.network.eval()(as_input(x))
        return self.scale.inverse(out[:, 0].double().numpy())


def train_one_at_a_time(
    architecture: Architecture | CubeArchitecture,
    members: Sequence[Member],
    config: TrainingConfig,
    on_epoch: EpochCallback | None = None,
) -> tuple[list[Twin], np.ndarray]:
    """Return the members and fold_rmse (members, epochs), stopped as `train_members` stops."""
    twins = [Twin(architecture, member, config) for member in members]
    curves: list[list[float]] = []
    for epoch in range(1, config.max_epochs + 1):
        scores = [twin.run_epoch(epoch) for twin in twins]
        if members[0].x_score is None:
            continue
        curves.append(scores)
        mean = np.mean(curves, axis=1)
        if on_epoch is not None and on_epoch(epoch, float(mean[-1])):
            break
        if epoch - int(np.argmin(smooth(mean))) > config.patience + SMOOTHING // 2:
            break
    return twins, np.asarray(curves).reshape(-1, len(members)).T
