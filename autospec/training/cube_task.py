"""`CubeTask`: lab values of cubes as a `Task` of the loop; the loop itself is `training.fit`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from autospec.data.spectra import FloatArray, IntArray
from autospec.evaluate.metrics import rmse
from autospec.training.losses import LossFunction
from autospec.training.target_scale import TargetScale


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CubeTask:
    """What a network on cubes is to learn: the `Task` of the loop.

    Parameters
    ----------
    x_fit, z_fit : Tensor, shapes (n, c, h, w, t) and (n,)
        Preprocessed cubes to learn from, and their scaled targets.
    x_watch : Tensor, shape (m, c, h, w, t)
        Those that are watched.
    y_watch : float64, shape (m,)
        Their lab values.
    scale : TargetScale
        Between the two.
    function : callable
        The loss.
    """

    x_fit: torch.Tensor
    z_fit: torch.Tensor
    x_watch: torch.Tensor
    y_watch: FloatArray
    scale: TargetScale
    function: LossFunction

    @property
    def n_fit(self) -> int:
        """Samples to learn from."""
        return len(self.z_fit)

    @property
    def n_epoch(self) -> int:
        """All of them."""
        return self.n_fit

    @property
    def n_watch(self) -> int:
        """Samples that are watched."""
        return len(self.y_watch)

    def loss(self, network: nn.Module, rows: IntArray) -> torch.Tensor:
        """Return the mean loss of scaled targets."""
        index = torch.as_tensor(rows, device=self.x_fit.device)
        predicted = network(self.x_fit[index])[:, 0]
        return self.function(predicted.float(), self.z_fit[index])

    def judge(self, network: nn.Module, rows: IntArray) -> torch.Tensor:
        """Return the scaled predictions, shape (len(rows), 1)."""
        predicted: torch.Tensor = network(self.x_watch[torch.as_tensor(rows)])
        return predicted.double()

    def metric(self, judged: FloatArray) -> float:
        """Return the RMSE in the unit of the lab values."""
        return rmse(self.y_watch, self.scale.inverse(judged[:, 0]))
