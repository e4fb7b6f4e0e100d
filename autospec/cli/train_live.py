"""What ``autospec train`` shows while it works: epochs, the best so far, the time to go."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.text import Text

from autospec.cli.live import Screen, clock

if TYPE_CHECKING:
    from autospec.training.fit_state import FitState

PLAIN_EVERY_S = 10.0  # between two lines where there is no terminal


class TrainDisplay:
    """Draws progress while a network trains; use as a context manager and as the callback.

    Parameters
    ----------
    unit : str
        Of the lab values.
    max_epochs : int
    quiet : bool
        Show nothing: this is a process beside the main one.
    """

    def __init__(self, unit: str, max_epochs: int, *, quiet: bool) -> None:
        self.unit, self.max_epochs, self.quiet = unit, max_epochs, quiet
        self.state: FitState | None = None
        self.said_s = 0.0
        self.screen = Screen(self.draw)

    def __enter__(self) -> Self:
        """Begin to draw, on a terminal."""
        if not self.quiet:
            self.screen.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        if not self.quiet:
            self.screen.__exit__(kind, error, trace)

    def __call__(self, state: FitState) -> None:
        """Take in how far the training is."""
        first, self.state = self.state is None, state
        if self.quiet or self.screen.console.is_terminal:
            return
        if first or state.seconds - self.said_s >= PLAIN_EVERY_S:
            self.said_s = state.seconds
            self.screen.say(self._line(state))

    def _line(self, state: FitState) -> str:
        record = state.history[-1]
        left = (self.max_epochs - state.epoch) * state.seconds / state.epoch
        return (
            f"epoch {state.epoch} of at most {self.max_epochs}: loss {record.loss:.4g}, watched "
            f"RMSE {record.metric:.4g} {self.unit}; best {state.best:.4g} (epoch "
            f"{state.best_epoch}); at most {clock(left)} to go"
        )

    def draw(self) -> Group:
        """Return the state now."""
        if self.state is None:
            return Group(self.screen.gone())
        bar = self.screen.bar(self.state.epoch, self.max_epochs)
        return Group(bar, Text(self._line(self.state)))
