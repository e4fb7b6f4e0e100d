"""What a study must know of what it searches: the same loop serves spectra, cubes and maps.

A design is opaque here: it has a digest, a price on what it will see, and a space that writes it
down as parameters. What it sees, such as the axis of spectra or the shape of cubes, only the
validation and the design itself need to understand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field
from typing import Any, ClassVar, Protocol

from optuna.distributions import BaseDistribution

from autospec.data.splits import Fold
from autospec.search.design import Caps
from autospec.search.settings import Control, Sampler
from autospec.search.space import Params
from autospec.training.lead import Lead
from autospec.training.trainer import EpochCallback, Training


class Searched(Protocol):
    """A design: everything one trial fixes. `seen` is what its validation sees."""

    @property
    def digest(self) -> str:
        """Equal digests train to equal scores."""

    def overrun(self, seen: Any, caps: Caps, /) -> dict[str, float]:  # noqa: ANN401
        """Return ``layers``, ``parameters`` and ``multiply_adds``; above 0 is infeasible."""

    def size(self, seen: Any, /) -> tuple[int, int]:  # noqa: ANN401
        """Return parameters and multiply–adds."""


class Space(Protocol):
    """All designs that can be proposed."""

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return every parameter."""

    def decode(self, params: Mapping[str, object]) -> Any:  # noqa: ANN401
        """Return the design that parameters stand for."""

    def encode(self, design: Any, /) -> Params:  # noqa: ANN401
        """Return the parameters of a design."""

    def holds(self, design: Any, /) -> bool:  # noqa: ANN401
        """Say whether the space can propose a design."""

    def references(self, seen: Any, /) -> Mapping[str, Searched]:  # noqa: ANN401
        """Return what is tried first, by label."""


class Validation(Protocol):
    """The fixed rows on which every design is scored; a frozen dataclass that can be pickled."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def folds(self) -> tuple[Fold, ...]:
        """Positions within the training rows."""

    @property
    def threads(self) -> int | None:
        """Stacks of networks trained at once on a CPU."""

    @property
    def sample(self) -> str:
        """What one row is, in a word."""

    @property
    def seen(self) -> Any:  # noqa: ANN401
        """What designs are asked with: the axis of spectra, the shape of cubes."""

    def evaluate(
        self,
        design: Any,  # noqa: ANN401
        on_epoch: EpochCallback,
        lead: Lead,
        /,
    ) -> Training:
        """Train a design on all folds."""


class Settings(Protocol):
    """What a search is told; a frozen dataclass of plain values."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    EXTENDABLE: ClassVar[frozenset[str]]

    @property
    def trials(self) -> int:
        """Designs to train."""

    @property
    def budget_s(self) -> float:
        """Wall-clock seconds for the whole job."""

    @property
    def control(self) -> Control:
        """Whether random search runs beside it."""

    @property
    def seed(self) -> int:
        """Fixes every proposal."""

    @property
    def sampler(self) -> Sampler:
        """Who proposes designs."""

    @property
    def folds(self) -> int:
        """Inner folds; 1 where one part is watched, and no twins are trained."""

    @property
    def repeats(self) -> int:
        """How often they are drawn."""

    @property
    def members(self) -> int:
        """Networks of the refitted ensemble."""

    @property
    def published(self) -> bool:
        """Whether published designs are tried first."""

    @property
    def space(self) -> Space:
        """What is searched."""

    @property
    def caps(self) -> Caps:
        """What a searched design may cost."""
