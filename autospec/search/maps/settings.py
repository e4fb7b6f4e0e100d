"""`MapSearchSettings`: what a search for networks of maps is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt

from autospec.data.maps.problem import MapAims
from autospec.data.maps.splits import MapSplit
from autospec.search.design import Caps
from autospec.search.maps.design import MapDesign
from autospec.search.maps.space import MapSpace
from autospec.search.settings import Control, Sampler
from autospec.training.map_settings import MapBaselines, MapSettings

MAP_CAPS = Caps(parameters=20_000_000, multiply_adds=100_000_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSearchSettings:
    """What a search on a stack does; the same settings and seed give the same study.

    Parameters
    ----------
    aims : MapAims
        What is asked of the stack.
    trials : int
        Designs to train (infeasible ones do not count), the preset tiny included.
    budget_s : float
        Wall-clock seconds for the whole job, the final scores included.
    seed : int
        Fixes every network and every proposal; the split has its own.
    sampler : {"tpe", "gp", "random"}
        Who proposes designs.
    control : {"none", "random"}
        Whether random search runs beside it with as many trials.
    published : bool
        Whether the preset tiny is tried first and scored.
    split : MapSplit
        What is held out; every trial watches the same part.
    tile : int
        Side of a training tile in cells.
    tiles_an_epoch : int or None
        As in `MapSettings`.
    baselines : {"quick", "all"}
        What stands beside the winner.
    space, caps : MapSpace, Caps
        What is searched, and what a searched design may cost.
    """

    aims: MapAims
    trials: Annotated[int, Ge(1)] = 12
    budget_s: Annotated[float, Gt(0)] = 600.0
    seed: Annotated[int, Ge(0)] = 0
    sampler: Sampler = "tpe"
    control: Control = "none"
    published: bool = True
    split: MapSplit = field(default_factory=MapSplit)
    tile: Annotated[int, Ge(8)] = 64
    tiles_an_epoch: Annotated[int, Ge(1)] | None = None
    baselines: MapBaselines = "quick"
    space: MapSpace = field(default_factory=MapSpace)
    caps: Caps = MAP_CAPS

    EXTENDABLE: ClassVar[frozenset[str]] = frozenset({"trials", "budget_s", "control", "baselines"})

    @property
    def folds(self) -> int:
        """One part is watched."""
        return 1

    @property
    def repeats(self) -> int:
        """It is drawn once."""
        return 1

    @property
    def members(self) -> int:
        """One network is kept."""
        return 1

    def training(self, design: MapDesign) -> MapSettings:
        """Return how a design is trained: as ``autospec train`` would."""
        return MapSettings(
            aims=self.aims,
            sizes=design.sizes,
            terms=design.terms,
            split=self.split,
            tile=self.tile,
            tiles_an_epoch=self.tiles_an_epoch,
            config=design.config,
            baselines=self.baselines,
        )
