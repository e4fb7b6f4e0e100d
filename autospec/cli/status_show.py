"""How a study's status is shown: one table on a terminal, drawn anew; lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from autospec.cli.live import PLAIN_EVERY, Screen, clock

if TYPE_CHECKING:
    from autospec.search.status import StudyStatus

REPORT = {"none": "no report yet", "under way": "the report is being made", "made": "report made"}
REASONS_SHOWN = 3


class StatusDisplay:
    """Shows the status it was given last; use as a context manager and as a callback."""

    def __init__(self) -> None:
        self.last: StudyStatus | None = None
        self.screen = Screen(self.draw)

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

    def __call__(self, status: StudyStatus) -> None:
        """Take in how far the study is."""
        before, self.last = self.last, status
        if self.screen.console.is_terminal or status == before:
            return
        steps = before is None or before.trained // PLAIN_EVERY != status.trained // PLAIN_EVERY
        if steps or before is None or before.best != status.best:
            self.screen.say(status_line(status))

    def draw(self) -> Group:
        """Return the state now."""
        if self.last is None:
            return Group(self.screen.gone())
        bar = self.screen.bar(self.last.trained, self.last.total)
        lines = (status_line(self.last), *failure_lines(self.last))
        return Group(bar, *map(Text, lines), workers_table(self.last))


def status_line(s: StudyStatus) -> str:
    """Return a study's counts, best score, time to go and report as one line."""
    skipped = f", {s.infeasible} infeasible skipped" if s.infeasible else ""
    best = "none yet" if s.best is None else f"{s.best:.3f} {s.unit}".rstrip()
    which = "" if s.best_trial is None else f" (trial {s.best_trial})"
    eta = "" if s.eta_s is None or s.ended else f"; about {clock(s.eta_s)} of trials to go"
    return (
        f"{s.study}: {s.trained} of {s.total} trials: {s.complete} complete, {s.pruned} pruned, "
        f"{s.failed} failed{skipped}; {s.running} running, {s.waiting} waiting; "
        f"best RMSE {best}{which}{eta}; {REPORT[s.report]}"
    )


def failure_lines(s: StudyStatus) -> tuple[str, ...]:
    """Return why trials failed, most frequent first; not more than a few lines."""
    counts = list(s.why_failed.items())
    lines = [f"{count} failed: {why}" for why, count in counts[:REASONS_SHOWN]]
    others = sum(count for _, count in counts[REASONS_SHOWN:])
    return (*lines, f"{others} failed for other reasons") if others else tuple(lines)


def workers_table(s: StudyStatus) -> Table:
    """Return one row a trial under way."""
    table = Table(box=SIMPLE_HEAD)
    for column in ("Worker", "Trial", "Since", "Heartbeat"):
        table.add_column(column, justify="left" if column == "Worker" else "right")
    for trial in s.under_way:
        beat = "-" if trial.heartbeat_s is None else f"{trial.heartbeat_s:.0f} s ago"
        worker = Text(trial.worker or "-")
        table.add_row(worker, str(trial.trial), clock(trial.since_s), beat)
    return table
