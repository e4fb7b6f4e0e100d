"""What a command shows while it works, on stderr: a live display on a terminal, lines elsewhere.

`Screen` is the frame; `SearchDisplay` is what a search shows in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from autospec.search.progress import Progress

PLAIN_EVERY = 5  # trials between two lines where there is no terminal


class Screen:
    """A console on stderr whose last lines are drawn anew while a job runs; a context manager.

    Parameters
    ----------
    draw : callable () -> Group
        The lines, as they are now.
    """

    def __init__(self, draw: Callable[[], Group]) -> None:
        self.console = Console(stderr=True)
        self.clock = time.monotonic()
        self.draw = draw
        self.live = Live(self, console=self.console, refresh_per_second=4, transient=True)

    def __rich__(self) -> Group:
        """Draw the state now."""
        return self.draw()

    def __enter__(self) -> Self:
        """Begin to draw, on a terminal."""
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        self.live.stop()

    def say(self, line: str) -> None:
        """Print a line above what is drawn; it stays."""
        self.console.print(line, highlight=False, soft_wrap=True, markup=False)

    def bar(self, done: int, total: int) -> Table:
        """Return a progress bar with the time gone."""
        row = Table.grid(padding=(0, 1))
        width = min(40, self.console.width // 3)
        row.add_row(ProgressBar(total=total, completed=done, width=width), self.gone())
        return row

    def gone(self) -> Text:
        """Return the time gone."""
        return Text(f"{clock(time.monotonic() - self.clock)} gone")


class SearchDisplay:
    """Draws progress while a search runs; use as a context manager and as the callback.

    Parameters
    ----------
    unit : str
        Of the scores.
    scored : str
        What they are: the RMSE of cross-validation, or of a part that is watched.
    """

    def __init__(self, unit: str, scored: str = "CV") -> None:
        self.unit, self.scored = unit, scored
        self.last: Progress | None = None
        self.step = ""
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

    def __call__(self, progress: Progress) -> None:
        """Take in how far the search is."""
        if progress.stage == "plan":
            self.screen.say(progress.message)
        elif progress.stage == "search":
            self._search(progress)
        else:
            self.step = progress.message
            if progress.stage == "final" and not self.console.is_terminal:
                self.screen.say(progress.message)

    def _search(self, progress: Progress) -> None:
        before, self.last = self.last, progress
        better = before is None or progress.best != before.best
        if not self.console.is_terminal and (better or progress.trained % PLAIN_EVERY == 0):
            self.screen.say(self._line(progress))

    def _line(self, p: Progress) -> str:
        best = "none yet"
        if p.best is not None:
            value = f"{p.best:.3f}" if p.best >= 1 else f"{p.best:.3g}"
            best = f"{value} {self.unit} (trial {p.best_trial})"
        counts = f"{p.complete} complete, {p.pruned} pruned, {p.failed} failed"
        skipped = f", {p.infeasible} infeasible skipped" if p.infeasible else ""
        eta = "" if p.eta_s is None else f"; about {clock(p.eta_s)} of trials to go"
        study = f"[{p.study}] " if p.study.endswith("-random") else ""
        return (
            f"{study}{p.trained} of {p.total} trials: {counts}{skipped}; "
            f"best {self.scored} RMSE {best}{eta}"
        )

    def draw(self) -> Group:
        """Return the state now."""
        rows: list[Text | Table] = []
        if self.last is not None:
            rows += [self.screen.bar(self.last.trained, self.last.total)]
            rows += [Text(self._line(self.last))]
        else:
            rows.append(self.screen.gone())
        if self.step:
            rows.append(Text(self.step))
        return Group(*rows)


def clock(seconds: float) -> str:
    """Return seconds as "5:03 min"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min"
