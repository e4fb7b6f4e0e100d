"""`Lead`: the first members learn alone, then the others catch up; no torch and no data here.

Successive evaluation: most designs that will be given up show it on a few folds, before the others
have cost anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Generic, Protocol, TypeVar

import numpy as np

from autospec.data.spectra import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lead:
    """The first members, which learn alone before the others catch up and all go on in step.

    Who learns when changes no result, only what is stacked with what: the lead is stacked apart.

    Parameters
    ----------
    members : int
        How many lead, at least 1.
    epochs : int
        How long they learn alone, at least 0; never so long that patience could end the training
        before the others have caught up.
    on_epoch : callable (epoch, mean RMSE of the lead)
        Called after each of these epochs; whatever it raises ends the training without a result.
    """

    members: int
    epochs: int
    on_epoch: Callable[[int, float], object]


class Team(Protocol):
    """Members that are trained as one stack."""

    def run_epoch(self, epoch: int) -> list[float]:
        """Let all members see their rows once; return their scores."""


AnyTeam = TypeVar("AnyTeam", bound=Team)


class Crew(Generic[AnyTeam]):
    """All teams of a training; those that follow a lead are built when it has led.

    Parameters
    ----------
    stacks : sequence of list of int
        The positions of the members of each team; a lead's teams first, apart from the others.
    build : callable (positions) -> team
        Makes a team.
    lead : Lead or None
        Who learns alone at first, for `lead.epochs`.
    """

    def __init__(
        self,
        stacks: Sequence[list[int]],
        build: Callable[[list[int]], AnyTeam],
        lead: Lead | None,
    ) -> None:
        self.stacks, self.build, self.lead = stacks, build, lead
        self.positions = np.argsort(np.concatenate(stacks))
        self.teams: list[AnyTeam] = []

    def run_epochs(self, pool: Executor, epochs: int) -> Iterator[FloatArray]:
        """Yield the scores (members,) after each epoch, from the first on."""
        leading = [s for s in self.stacks if self.lead and s[0] < self.lead.members]
        self.teams = [self.build(stack) for stack in leading]
        alone = [] if self.lead is None else self._run_alone(pool, self.lead)
        following = [self.build(stack) for stack in self.stacks[len(leading) :]]
        self.teams += following
        for epoch, led in enumerate(alone, start=1):  # the others catch up
            yield np.concatenate([led, _run(pool, following, epoch)])[self.positions]
        for epoch in range(len(alone) + 1, epochs + 1):
            yield _run(pool, self.teams, epoch)[self.positions]

    def _run_alone(self, pool: Executor, lead: Lead) -> list[FloatArray]:
        """Let the lead learn; return its scores after each epoch."""
        alone = []
        for epoch in range(1, lead.epochs + 1):
            alone.append(_run(pool, self.teams, epoch))
            lead.on_epoch(epoch, float(np.mean(alone[-1][self.positions[: lead.members]])))
        return alone


def _run(pool: Executor, teams: Sequence[Team], epoch: int) -> FloatArray:
    """Let teams run one epoch, at once; return the scores of all their members."""
    scores = pool.map(lambda team, epoch: team.run_epoch(epoch), teams, repeat(epoch))
    return np.fromiter(chain.from_iterable(scores), dtype=np.float64)
