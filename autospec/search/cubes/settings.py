"""`CubeSettings`: what a search on cubes is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from autospec.data.cubes.splits import CubeSplit
from autospec.search.cubes.space import CubeSpace
from autospec.search.design import Caps
from autospec.search.settings import Control, Sampler

CUBE_CAPS = Caps(parameters=5_000_000, multiply_adds=50_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeSettings:
    """What a search on cubes does; the same settings and seed give the same study.

    Parameters
    ----------
    trials : int
        Designs to train (infeasible ones do not count), Small3DCNN included.
    budget_s : float
        Wall-clock seconds for the whole job, refits included.
    seed : int
        Fixes every network and every proposal; the split has its own.
    sampler : {"tpe", "gp", "random"}
        Who proposes designs.
    control : {"none", "random"}
        Whether random search runs beside it with as many trials.
    members : int
        Networks (seeds) of the refitted ensemble.
    published : bool
        Whether Small3DCNN is tried first and scored.
    show_leakage : bool
        Whether the report shows the scores under random folds beside those of the split.
    split : CubeSplit
        What is held out.
    space, caps : CubeSpace, Caps
        What is searched, and what a searched design may cost.
    """

    trials: Annotated[int, Ge(1)] = 24
    budget_s: Annotated[float, Gt(0)] = 300.0
    seed: Annotated[int, Ge(0)] = 0
    sampler: Sampler = "tpe"
    control: Control = "none"
    members: Annotated[int, Ge(1), Le(100)] = 5
    published: bool = True
    show_leakage: bool = False
    split: CubeSplit = field(default_factory=CubeSplit)
    space: CubeSpace = field(default_factory=CubeSpace)
    caps: Caps = CUBE_CAPS

    EXTENDABLE: ClassVar[frozenset[str]] = frozenset(
        {"trials", "budget_s", "control", "show_leakage"}
    )

    @property
    def folds(self) -> int:
        """Inner folds."""
        return self.split.folds

    @property
    def repeats(self) -> int:
        """How often the inner folds are drawn: blocks and pieces of time are laid once."""
        return 1
