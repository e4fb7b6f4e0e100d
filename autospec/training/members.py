"""`Member`: a network to train, what it may start from, and what it is when it is trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from autospec.data.cubes.cubes import Float32Array
from autospec.data.spectra import FloatArray
from autospec.nets.architecture import Architecture
from autospec.nets.cube_architecture import CubeArchitecture
from autospec.training.stack import at_once
from autospec.training.target_scale import TargetScale


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """One network to train: the rows it learns from and, for a fold, the rows that score it.

    Parameters
    ----------
    x_fit : float64, shape (n, b), or float32, shape (n, c, h, w, t)
        Preprocessed spectra or cubes to learn from.
    y_fit : float64, shape (n,)
        Their lab values.
    x_score, y_score : as x_fit and y_fit, m rows, or None
        Rows that are predicted after each epoch; they never touch the weights.
    seed : int
        Fixes the initial weights, the dropout masks and the order of the batches.
    start : Start or None
        Where the weights come from; drawn by `seed` if None.
    """

    x_fit: FloatArray | Float32Array
    y_fit: FloatArray
    x_score: FloatArray | Float32Array | None = None
    y_score: FloatArray | None = None
    seed: int = 0
    start: Start | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Start:
    """What a member takes over from a trained one, which itself stays as it is.

    Weights, batch-norm statistics and the target scaling are taken over; the output bias is then
    moved so that the mean prediction of the rows to learn from is their mean.

    Parameters
    ----------
    member : FittedMember
        Of the same architecture, trained on spectra preprocessed alike.
    frozen_blocks : int
        Blocks, counted from the spectrum (conv blocks, then FC blocks), that do not learn: their
        weights and statistics stay, and they run as in prediction, without dropout. The output
        block always learns.
    """

    member: FittedMember
    frozen_blocks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedMember:
    """A trained network with its target scaling; predicts in the unit of the lab values.

    `architecture` is what the network was built from.
    """

    architecture: Architecture | CubeArchitecture
    network: nn.Sequential
    scale: TargetScale
    device: torch.device

    def predict(self, x: FloatArray | Float32Array) -> FloatArray:
        """Return predictions (n,) for preprocessed spectra (n, b) or cubes (n, c, h, w, t)."""
        out = run_layers(self.network, as_input(x, self.device))
        return self.scale.inverse(out[:, 0].cpu().numpy().astype(np.float64))


def as_input(x: FloatArray | Float32Array, device: torch.device) -> torch.Tensor:
    """Return what networks see: cubes as they are, spectra (n, b) as float32 (n, 1, b)."""
    if x.ndim > 2:
        return torch.tensor(x, dtype=torch.float32, device=device)
    return torch.as_tensor(x, dtype=torch.float32, device=device)[:, None, :]


def run_layers(layers: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    """Pass `x`, first axis n, through layers as in prediction; nothing is learnt."""
    layers.eval()
    with torch.no_grad():
        return torch.cat([layers(part) for part in torch.split(x, at_once(x[0]))])
