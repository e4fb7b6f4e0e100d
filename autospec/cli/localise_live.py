"""What ``autospec localise`` shows while it works: stage, time to go and the best so far."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from autospec.cli.live import Screen, clock

if TYPE_CHECKING:
    from autospec.localisation.progress import LocaliseProgress

QUIET_S = 5.0  # between two lines of one piece of work where there is no terminal
STAGES = {
    "draws": "Draws",
    "intervals": "Intervals",
    "networks": "Networks",
    "final": "Finishing",
}


class LocaliseDisplay:
    """Draws progress while a localisation runs; use as a context manager and as the callback."""

    def __init__(self) -> None:
        self.last: LocaliseProgress | None = None
        self.said_at = -QUIET_S
        self.screen = Screen(self.draw)

    @property
    def console(self) -> Console:
        """Where everything is printed."""
        return self.screen.console

    def __enter__(self) -> Self:
        """Begin to draw, on a terminal."""
        self.screen.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        self.screen.__exit__(kind, error, trace)

    def __call__(self, progress: LocaliseProgress) -> None:
        """Take in how far the localisation is."""
        if progress.stage == "plan":
            self.screen.say(progress.message)
            return
        before, self.last = self.last, progress
        if self.console.is_terminal:
            return
        further = before is None or (before.stage, before.done) != (progress.stage, progress.done)
        if further or time.monotonic() - self.said_at > QUIET_S:
            self.said_at = time.monotonic()
            self.screen.say(progress_line(progress))

    def draw(self) -> Group:
        """Return the state now."""
        if self.last is None:
            return Group(self.screen.gone())
        rows: list[Text | Table] = [self.screen.bar(self.last.done, max(self.last.total, 1))]
        return Group(*rows, Text(progress_line(self.last)))


def progress_line(p: LocaliseProgress) -> str:
    """Return progress in one line: stage, what is done, best so far, time to go."""
    counted = f" {p.done} of {p.total}" if p.total else ""
    parts = [f"{STAGES[p.stage]}{counted}" + (f": {p.message}" if p.message else "")]
    if p.best:
        parts.append(f"best so far {p.best}")
    if p.eta_s is not None:
        parts.append(f"about {clock(p.eta_s)} to go")
    return "; ".join(parts)
