"""`MapTask`: tiles of a stack as a `Task` of the loop; the loop itself is `training.fit`.

Tiles are read when they are wanted, and nothing is kept of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from autospec.data.maps import tiles as reading
from autospec.data.maps.problem import MapProblem
from autospec.data.maps.splits import FIT, WATCH, MapSplitPlan
from autospec.data.maps.tiles import Place
from autospec.data.spectra import FloatArray, IntArray
from autospec.training.fit_config import STEPS_AN_EPOCH
from autospec.training.map_loss import MapLoss
from autospec.training.map_network import MapBatch, MapNetwork, answer
from autospec.training.map_settings import MapSettings


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapTask:
    """What a network of maps is to learn: the `Task` of the loop, whose samples are tiles.

    Parameters
    ----------
    problem : MapProblem
    plan : MapSplitPlan
        Of the problem's dates and cells.
    settings : MapSettings
    network : MapNetwork
        Scales tiles; what learns is told to `loss` and `judge`.
    device : torch.device
        Where it runs.

    Attributes
    ----------
    fit, watch : tuple of Place
        Where tiles to learn from, and watched ones, are cut.
    n_epoch : int
        Tiles an epoch draws: as told, or as many as cover what is learned from once, and as 16
        steps of the optimiser take.
    """

    problem: MapProblem
    plan: MapSplitPlan
    settings: MapSettings
    network: MapNetwork
    device: torch.device
    fit: tuple[Place, ...] = field(init=False, repr=False)
    watch: tuple[Place, ...] = field(init=False, repr=False)
    n_epoch: int = field(init=False)

    def __post_init__(self) -> None:
        """Find the places."""
        settings = self.settings
        fit = reading.fit_places(self.problem, self.plan, settings.tile)
        watch = reading.watch_places(self.problem, self.plan, settings.tile)
        asked = settings.tiles_an_epoch
        if asked is None:
            a_step = settings.config.accumulate_to or settings.config.batch_size
            asked = max(STEPS_AN_EPOCH * a_step, _covering(fit, settings.aims.length))
        for name, found in (("fit", fit), ("watch", watch), ("n_epoch", asked)):
            object.__setattr__(self, name, found)

    @property
    def n_fit(self) -> int:
        """Tiles to learn from."""
        return len(self.fit)

    @property
    def n_watch(self) -> int:
        """Tiles that are watched."""
        return len(self.watch)

    def loss(self, network: nn.Module, rows: IntArray) -> torch.Tensor:
        """Return the loss of some tiles to learn from."""
        batch = self._read(self.fit, rows, FIT)
        return MapLoss(terms=self.settings.terms)(
            answer(network, batch), batch.y, batch.valid, batch.counted, batch.months
        )

    def judge(self, network: nn.Module, rows: IntArray) -> torch.Tensor:
        """Return the summed squared errors of the k scaled targets, and their counts: (., 2k)."""
        batch = self._read(self.watch, rows, WATCH)
        told = batch.valid & batch.counted[:, :, None]
        squares = torch.where(told, answer(network, batch) - batch.y, 0.0).double() ** 2
        return torch.cat([squares.sum(dim=(1, 3, 4)), told.double().sum(dim=(1, 3, 4))], dim=1)

    def metric(self, judged: FloatArray) -> float:
        """Return the RMSE in units of the targets' range, its mean over targets with values."""
        squares, counts = np.split(judged.sum(axis=0), 2)
        there = counts > 0
        if not there.any():
            return float("nan")
        return float(np.sqrt(squares[there] / counts[there]).mean())

    def _read(self, places: Sequence[Place], rows: IntArray, role: int) -> MapBatch:
        return self.network.encode(
            [reading.read_tile(self.problem, self.plan, places[row], role) for row in rows]
        )


def _covering(places: Sequence[Place], length: int) -> int:
    """Return how many tiles laid side by side are as large as what all of them cover.

    Cells and slots are counted apart: where places are left out the number is somewhat too high.
    """
    if not places:
        return 0
    covered = np.zeros(
        (max(p.row + p.height for p in places), max(p.column + p.width for p in places)), dtype=bool
    )
    for row, column, height, width in {(p.row, p.column, p.height, p.width) for p in places}:
        covered[row : row + height, column : column + width] = True
    slots = {s for start in {p.slot for p in places} for s in range(start, start + length)}
    area = places[0].height * places[0].width
    return -(-int(covered.sum()) * len(slots) // (area * length))
