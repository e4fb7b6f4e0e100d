"""`LocaliseSettings`: what a localisation does; the same settings and seed give the same result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt

from autospec.data.sampling import SamplingMethod
from autospec.errors import UsageError

MIN_SAMPLES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LocaliseSettings:
    """What a localisation does.

    Parameters
    ----------
    n : int
        Training samples in a draw, at least 10; at most three quarters of the farm's samples,
        so that there are rows to test on.
    draws : int
        Draws of training samples. Every model but the networks runs on each.
    first_draw : int
        Draws before this number are left out: of 30 draws with `first_draw` 10 those numbered 10
        to 29 run. A draw's rows do not depend on how many there are.
    network_draws : int
        Draws on which the networks run: the first ones of those that run.
    trust_draws : int or None
        Draws on which auto's intervals and domain are measured: the first ones of those that run.
        None: three with `quick`, else all.
    method : {"random", "kennard-stone", "clhs", "kmeans"}
        How training samples are drawn. All but "random" choose within a random 80 % of the
        farm, so that draws differ.
    quick : bool
        Leave the networks out.
    k, b : int
        RS-Local's rows to select and tests a row. `k` = None: a tenth of the library, 50 to 300.
    r : float
        Share of the rows that RS-Local drops in a generation.
    trials : int
        Designs that each search trains at most.
    members : int
        Networks of each ensemble.
    budget_s : float
        Seconds for the whole job; the networks get what the rest leaves.
    seed : int
        Fixes draws, folds, selections, networks.
    architecture : str
        "searched", a published architecture ("china", "sweden", "usa"), or the path of an
        architecture file; then nothing is searched.
    """

    n: Annotated[int, Ge(MIN_SAMPLES)] = 30
    draws: Annotated[int, Ge(1)] = 10
    first_draw: Annotated[int, Ge(0)] = 0
    network_draws: Annotated[int, Ge(0)] = 3
    trust_draws: Annotated[int, Ge(0)] | None = None
    method: SamplingMethod = "random"
    quick: bool = False
    k: Annotated[int, Ge(13)] | None = None
    b: Annotated[int, Ge(1)] = 40
    r: Annotated[float, Gt(0)] = 0.1
    trials: Annotated[int, Ge(1)] = 12
    members: Annotated[int, Ge(1)] = 3
    budget_s: Annotated[float, Gt(0)] = 540.0
    seed: Annotated[int, Ge(0)] = 0
    architecture: str = "searched"

    EXTENDABLE: ClassVar[frozenset[str]] = frozenset({"budget_s"})

    def __post_init__(self) -> None:
        """Refuse numbers that no study can run on."""
        checks = (
            (self.n >= MIN_SAMPLES, f"n = {self.n}; want at least {MIN_SAMPLES} training samples"),
            (self.draws >= 1, f"draws = {self.draws}; want at least 1, better 10"),
            (
                0 <= self.first_draw < max(self.draws, 1),
                f"first_draw = {self.first_draw}; want 0 to {self.draws - 1}, below draws = "
                f"{self.draws}: draws are counted from 0",
            ),
            (self.budget_s > 0, f"budget_s = {self.budget_s}; want seconds above 0"),
        )
        problems = [message for fine, message in checks if not fine]
        if problems:
            raise UsageError("\n".join(problems))

    @property
    def numbers(self) -> range:
        """Numbers of the draws that run."""
        return range(self.first_draw, self.draws)


def draw_words(numbers: Sequence[int]) -> str:
    """Return "10 draws", "1 draw" or, where the first was not draw 0, "20 draws (10 to 29)"."""
    words = f"{len(numbers)} draw" + ("" if len(numbers) == 1 else "s")
    if not numbers or numbers[0] == 0:
        return words
    ends = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    return f"{words} ({ends})"
