"""Pieces of a job in a shared storage: each made by one of several workers, and read by all.

A piece is a text beside the claim that made it (`autospec.search.claims`), an attribute of the same
trial: it can be read once the claim is done, whole or not at all. What the texts say is the job's.

A piece that ends its worker each time is not tried for ever: after a few times its claims say why
(`given_up`), and whoever has it next writes down that it failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from autospec.search.claims import (
    LOST,
    REASON,
    WORK,
    Crew,
    claimed,
    free_lost,
    under_way,
    worker_of,
)
from autospec.search.crew import create_or_load
from autospec.search.storage import storage_errors

PIECE = "piece"  # the attribute that holds the text
FAILED = "failed"  # the attribute of a finished piece that could not be made: why


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SharedPieces:
    """The pieces of one job; what `autospec.localisation.pieces.PieceStore` asks for, and claims.

    Parameters
    ----------
    study : Study
        Of their claims.
    crew : Crew
        This worker.
    """

    study: Study
    crew: Crew
    held: dict[str, dict[str, str]] = field(default_factory=dict)  # what is written so far

    def read(self, name: str) -> str | None:
        """Return the piece called `name`, or None if nobody has finished it."""
        with storage_errors(None):
            done = [t for t in self._trials(TrialState.COMPLETE) if t.user_attrs[WORK] == name]
        return str(done[0].user_attrs[PIECE]) if done and PIECE in done[0].user_attrs else None

    def write(self, name: str, text: str) -> None:
        """Keep `text` as the piece called `name`, when the claim of it ends; within one only."""
        self.held[name][PIECE] = text

    def mark_failed(self, name: str, why: str) -> None:
        """Say of a piece, beside its text, that it could not be made; within its claim only."""
        self.held[name][FAILED] = why

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Have a piece alone; the block is given False where another worker has it, or made it.

        Where the block ends by an exception the piece is free again. A worker that was silent for
        so long that its piece was given to another one goes on as if it had never had it.
        """
        facts = self.held.setdefault(name, {})
        with suppress(UpdateFinishedTrialError), ExitStack() as claim:
            claim.callback(self.held.pop, name)
            with storage_errors(None):
                mine = claim.enter_context(claimed(self.study, self.crew, name, facts))
            yield mine
            with storage_errors(None):
                claim.pop_all().close()

    def done(self) -> set[str]:
        """Return the names of the pieces that are finished."""
        with storage_errors(None):
            return {t.user_attrs[WORK] for t in self._trials(TrialState.COMPLETE)}

    def failed(self) -> dict[str, str]:
        """Return the names of the finished pieces that could not be made, and why."""
        with storage_errors(None):
            done = [t.user_attrs for t in self._trials(TrialState.COMPLETE)]
        return {facts[WORK]: str(facts[FAILED]) for facts in done if FAILED in facts}

    def given_up(self) -> dict[str, str]:
        """Return the names of the pieces that nobody is to try again, and why."""
        with storage_errors(None):
            ended = [t.user_attrs for t in self._trials(TrialState.FAIL)]
        return {f[WORK]: str(f[REASON]) for f in ended if LOST in f and REASON in f}

    def busy(self) -> dict[str, str]:
        """Return the names of the pieces that are under way, and who makes each.

        Those of workers that are gone are freed first.
        """
        with storage_errors(None):
            free_lost(self.study, self.crew)
            now = under_way(self._trials(TrialState.RUNNING))
        return {t.user_attrs[WORK]: worker_of(t) or "one that has just begun" for t in now}

    def _trials(self, state: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=(state,))


def open_pieces(name: str, crew: Crew) -> SharedPieces:
    """Open the pieces of a job, or begin them.

    Parameters
    ----------
    name : str
        Of the study of their claims: of all that the pieces come from, and of nothing else.
    crew : Crew
        This worker.

    Raises
    ------
    StorageError
        If the storage cannot be used.
    """
    with storage_errors(None):
        return SharedPieces(study=create_or_load(name, crew)[0], crew=crew)
