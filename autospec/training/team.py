"""`Team`: members that are trained as one stack, from their first weights to their last."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from autospec.data.spectra import FloatArray
from autospec.errors import TrialFailed
from autospec.nets.architecture import Architecture
from autospec.nets.build import build_network
from autospec.nets.build_cubes import build_cube_network
from autospec.nets.cube_architecture import CubeArchitecture
from autospec.training.config import TrainingConfig
from autospec.training.members import FittedMember, Member, as_input, run_layers
from autospec.training.stack import Beginning, Stack, filled
from autospec.training.target_scale import TargetScale


class Team:
    """Members that are trained as one stack: what they begin with, and what they are scored on."""

    def __init__(
        self,
        architecture: Architecture | CubeArchitecture,
        members: Sequence[Member],
        config: TrainingConfig,
        device: torch.device,
    ) -> None:
        self.members = members
        begun = [_begin(architecture, member, config, device) for member in members]
        self.fitted = [fitted for fitted, _ in begun]
        self.frozen = [
            nn.Sequential(*list(fitted.network)[: -len(start.layers)]) for fitted, start in begun
        ]
        self.scored = filled([self._arriving(m) for m in range(len(members))])
        self.stack = Stack([start for _, start in begun], config)

    def finished(self) -> list[FittedMember]:
        """Return the networks as they are now; the training ends here."""
        self.stack.network.release()
        return self.fitted

    def _arriving(self, m: int) -> torch.Tensor:
        """Return what arrives, of a member's scoring rows, at the layers that learn."""
        x, fitted = self.members[m].x_score, self.fitted[m]
        if x is None:
            return torch.empty(0)
        return run_layers(self.frozen[m], as_input(x, fitted.device))

    def run_epoch(self, epoch: int) -> list[float]:
        """Let all members see their rows once; return their scores, NaN without rows."""
        self.stack.run_epoch(epoch)
        if self.members[0].x_score is None:
            return [math.nan] * len(self.members)
        out = self.stack.predict(self.scored).numpy()
        return [self._score(m, z) for m, z in enumerate(out)]

    def _score(self, m: int, z: FloatArray) -> float:
        """Return the RMSE of a member's scoring rows, in the unit of the lab values."""
        target = self.members[m].y_score
        assert target is not None
        error = self.fitted[m].scale.inverse(z[: len(target)]) - target
        rmse = float(np.sqrt(np.mean(error**2)))
        if not math.isfinite(rmse):
            raise TrialFailed("a prediction is not finite")
        return rmse


def _begin(
    architecture: Architecture | CubeArchitecture,
    member: Member,
    config: TrainingConfig,
    device: torch.device,
) -> tuple[FittedMember, Beginning]:
    """Return a member's network before its first step, and what of it learns from what."""
    start = member.start
    scale = start.member.scale if start else TargetScale.fit(config.target_transform, member.y_fit)
    z = torch.as_tensor(scale.forward(member.y_fit), dtype=torch.float32, device=device)
    x = as_input(member.x_fit, device)
    network = _build(architecture, member, device)
    learning = network
    if start is not None:
        network.load_state_dict(start.member.network.state_dict())
        frozen, learning = _cut(network, start.frozen_blocks)
        x = run_layers(frozen, x)
    _centre_output(learning, float(scale.forward(member.y_fit).mean()), x if start else None)
    fitted = FittedMember(architecture=architecture, network=network, scale=scale, device=device)
    return fitted, Beginning(layers=learning, x=x, z=z, seed=member.seed)


def _build(
    architecture: Architecture | CubeArchitecture, member: Member, device: torch.device
) -> nn.Sequential:
    if isinstance(architecture, CubeArchitecture):
        _, c, h, w, t = member.x_fit.shape
        return build_cube_network(architecture, (c, h, w, t), seed=member.seed, device=device)
    return build_network(architecture, member.x_fit.shape[1], seed=member.seed, device=device)


def _centre_output(layers: nn.Sequential, mean: float, x: torch.Tensor | None) -> None:
    """Set the output bias to the mean of the scaled targets.

    After a start, when the weights mean something, move it until the mean prediction of what
    arrives, `x`, is there.
    """
    output = layers[-1]
    assert isinstance(output, nn.Linear)
    with torch.no_grad():
        if x is None:
            output.bias.fill_(mean)
        else:
            output.bias.add_(mean - run_layers(layers, x).mean())


def _cut(network: nn.Sequential, blocks: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Return the layers of the first `blocks` blocks, and the others, as views of the network."""
    layers = list(network)
    products = nn.Conv1d | nn.Conv3d | nn.Linear
    heads = [i for i, layer in enumerate(layers) if isinstance(layer, products)]
    return nn.Sequential(*layers[: heads[blocks]]), nn.Sequential(*layers[heads[blocks] :])
