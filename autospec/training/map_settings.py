"""`MapSettings`: what the training of a network of maps is told; plain values, no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from autospec.data.maps.problem import MapAims
from autospec.data.maps.splits import MapSplit
from autospec.nets.map_sizes import PRESETS, CNNTransformerSizes
from autospec.training.fit_config import FitConfig

Gaps = Literal["mask", "sentinel"]
MapBaselines = Literal["quick", "all"]
MONTHS = 12
MAP_FIT = FitConfig(
    optimiser="adamw",
    schedule="cosine",
    learning_rate=1e-3,
    weight_decay=1e-4,
    batch_size=4,
    accumulate_to=4,
    max_epochs=60,
    patience=7,
    restarts=1,
    warm_up_counts=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapTerms:
    """The terms of the loss (`autospec.training.map_loss`), and their numbers.

    Parameters
    ----------
    pinball, weighted : bool
        The quantile loss; and whether the squared error is weighted by w·q or plain.
    edge : bool
        The absolute error near the edges of a tile once more; on because it helped on most data
        sets it was tried on (docs/results.md, "Maps"), as the other terms did not.
    gaps : {"mask", "sentinel"}
        "sentinel": cells without a value are taught to be −0.01; "mask": they are not seen.
    season : tuple of 12 float, or empty
        Weight of each calendar month, from January, above 0; empty: all alike.
    tau : float
        Above ½, predicting too little costs more.
    gamma : float
        How much more large values count.
    """

    pinball: bool = False
    weighted: bool = False
    edge: bool = True
    gaps: Gaps = "mask"
    season: tuple[float, ...] = ()
    tau: Annotated[float, Gt(0), Lt(1)] = 0.57
    gamma: Annotated[float, Ge(0)] = 2.0

    def __post_init__(self) -> None:
        """Refuse numbers that make no loss."""
        if not 0 < self.tau < 1 or self.gamma < 0:
            raise ValueError("want tau between 0 and 1, gamma at least 0")
        if self.season and (len(self.season) != MONTHS or min(self.season) <= 0):
            raise ValueError(f"season = {self.season}; want {MONTHS} weights above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSettings:
    """What is trained, on what, and how; the same settings and stack give the same network.

    Parameters
    ----------
    aims : MapAims
        What is asked of the stack.
    sizes : CNNTransformerSizes
        The network.
    terms : MapTerms
        What it minimises; `config.loss` is of cubes and not looked at.
    split : MapSplit
    tile : int
        Side of a training tile in cells; a smaller raster is one tile.
    tiles_an_epoch : int or None
        Tiles drawn for an epoch; None: as many as cover what is learned from once, and as 16 steps
        take. If there are fewer places than that, each has several.
    config : FitConfig
        How the network learns; its samples are tiles.
    baselines : {"quick", "all"}
        What stands beside it: the mean, persistence (horizon from 1 on) and ridge on single
        cells; or ridge and a random forest on flattened patches too.
    """

    aims: MapAims
    sizes: CNNTransformerSizes = PRESETS["tiny"]
    terms: MapTerms = field(default_factory=MapTerms)
    split: MapSplit = field(default_factory=MapSplit)
    tile: Annotated[int, Ge(8)] = 64
    tiles_an_epoch: Annotated[int, Ge(1)] | None = None
    config: FitConfig = MAP_FIT
    baselines: MapBaselines = "quick"
