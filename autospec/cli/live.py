"""The live display of a search on a terminal, and its plain lines elsewhere; all on stderr."""

from __future__ import annotations

import time
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


class SearchDisplay:
    """Draws progress while a search runs; use as a context manager and as the callback."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.console = Console(stderr=True)
        self.clock = time.monotonic()
        self.last: Progress | None = None
        self.step = ""
        self.live = Live(self, console=self.console, refresh_per_second=4, transient=True)

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

    def __call__(self, progress: Progress) -> None:
        """Take in how far the search is."""
        if progress.stage == "plan":
            self.console.print(progress.message, highlight=False, soft_wrap=True)
        elif progress.stage == "search":
            self._search(progress)
        else:
            self.step = progress.message
            if progress.stage == "final" and not self.console.is_terminal:
                self.console.print(progress.message, highlight=False, soft_wrap=True)

    def _search(self, progress: Progress) -> None:
        before, self.last = self.last, progress
        better = before is None or progress.best != before.best
        if not self.console.is_terminal and (better or progress.trained % PLAIN_EVERY == 0):
            self.console.print(self._line(progress), highlight=False, soft_wrap=True)

    def _line(self, p: Progress) -> str:
        best = "none yet" if p.best is None else f"{p.best:.3f} {self.unit} (trial {p.best_trial})"
        counts = f"{p.complete} complete, {p.pruned} pruned, {p.failed} failed"
        skipped = f", {p.infeasible} infeasible skipped" if p.infeasible else ""
        eta = "" if p.eta_s is None else f"; about {_clock(p.eta_s)} of trials to go"
        study = f"[{p.study}] " if p.study.endswith("-random") else ""
        return (
            f"{study}{p.trained} of {p.total} trials: {counts}{skipped}; best CV RMSE {best}{eta}"
        )

    def __rich__(self) -> Group:
        """Draw the state now."""
        rows: list[Text | Table] = []
        elapsed = _clock(time.monotonic() - self.clock)
        if self.last is not None:
            bar = Table.grid(padding=(0, 1))
            width = min(40, self.console.width // 3)
            bar.add_row(
                ProgressBar(total=self.last.total, completed=self.last.trained, width=width),
                Text(f"{elapsed} gone"),
            )
            rows += [bar, Text(self._line(self.last))]
        else:
            rows.append(Text(f"{elapsed} gone"))
        if self.step:
            rows.append(Text(self.step))
        return Group(*rows)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min"
