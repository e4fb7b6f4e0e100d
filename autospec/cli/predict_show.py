"""What ``autospec predict`` shows: how far a file is, and what became of its rows."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from autospec.cli.interrupt import AtOnce
from autospec.cli.live import Screen, clock
from autospec.data.writing import spelt_out

if TYPE_CHECKING:
    from autospec.predict.document import PointBundle
    from autospec.predict.streaming import Progress, Summary

LINE_EVERY_S = 10.0  # between two lines where there is no terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a file.

    Parameters
    ----------
    bundle : ModelBundle or CubeBundle
        The model.
    summary : Summary
        Its rows.
    level : float
        Share of lab values that the intervals are to hold.
    notes : tuple of str
        What was understood and changed on the way in.
    late : tuple of str
        Those of them that were known only when the file was read to its end.
    predictions : Path
        The file that was written.
    """

    bundle: PointBundle
    summary: Summary
    level: float
    notes: tuple[str, ...]
    late: tuple[str, ...]
    predictions: Path


class PredictDisplay:
    """Draws how far a file is; use as a context manager and as the callback."""

    def __init__(self) -> None:
        self.last: Progress | None = None
        self.told = 0.0
        self.ctrl_c = AtOnce()
        self.screen = Screen(self.draw)

    def __enter__(self) -> PredictDisplay:
        """Begin to draw, on a terminal, and to heed Ctrl-C."""
        self.ctrl_c.__enter__()
        self.screen.__enter__()
        return self

    def __exit__(self, *rest: object) -> None:
        """Leave the terminal as it was."""
        self.ctrl_c.__exit__()
        self.screen.live.stop()

    def __call__(self, progress: Progress) -> None:
        """Take in how far the file is; raise KeyboardInterrupt if Ctrl-C was pressed."""
        self.ctrl_c.check()
        self.last = progress
        if not self.screen.console.is_terminal and progress.seconds - self.told >= LINE_EVERY_S:
            self.told = progress.seconds
            self.screen.say(progress_line(progress))

    def draw(self) -> Group:
        """Return the state now."""
        p = self.last
        if p is None:
            return Group(self.screen.gone())
        bar = self.screen.gone() if p.total is None else self.screen.bar(p.rows, p.total)
        return Group(bar, Text(progress_line(p)))


def progress_line(p: Progress) -> str:
    """Return how far a file is as one line."""
    from autospec.data.findings import count

    rows = count(p.rows, "row") if p.total is None else f"{p.rows} of {count(p.total, 'row')}"
    eta = "" if p.eta_s is None else f"; about {_time(p.eta_s)} to go"
    return f"{rows}, {p.rows / max(p.seconds, 1e-9):.0f} a second{eta}"


def _time(seconds: float) -> str:
    return clock(seconds) if seconds >= 59.5 else f"{math.ceil(seconds)} s"


def show_json(result: Result, more: tuple[Path, ...] = ()) -> None:
    """Print a result as JSON; `more` are files beside the predictions."""
    bundle, summary = result.bundle, result.summary
    said: dict[str, Any] = {
        "model": bundle.name,
        "target": bundle.target_name,
        "unit": bundle.target_unit,
        "level": result.level,
        "rows": summary.rows,
        "predicted": summary.predicted,
        "outside_domain": summary.outside,
        "not_predicted": summary.rows - summary.predicted,
        "mean": summary.mean,
        "seconds": round(summary.seconds, 3),
        "notes": list(result.notes),
        "bad_rows": [
            {"row": row.row_number, "id": row.id, "reason": row.reason} for row in summary.bad
        ],
        "files": [printed(path) for path in (result.predictions, *more)],
    }
    typer.echo(json.dumps(said, indent=1, ensure_ascii=False))


def show(result: Result) -> None:
    """Print a result for people."""
    bundle, summary = result.bundle, result.summary
    lost = summary.rows - summary.predicted
    table = Table(box=SIMPLE_HEAD, show_header=False)
    for name, value in (
        ("rows", summary.rows),
        ("predicted", summary.predicted),
        ("of these outside the domain", summary.outside),
        ("not predicted", lost),
        (f"mean {bundle.target_name}", f"{summary.mean:.4g} {bundle.target_unit}"),
        ("intervals made to hold", f"{100 * result.level:g} %"),
    ):
        table.add_row(name, Text(str(value)))
    Console().print(table)
    for note in result.late:
        typer.echo(note)
    for row in summary.bad:
        typer.echo(f"not predicted: row {row.row_number} (id {_printable(row.id)}): {row.reason}")
    if lost > len(summary.bad):
        typer.echo(f"... and {lost - len(summary.bad)} more, in the file")
    if 2 * summary.outside > summary.predicted:
        typer.echo(
            "Most of these samples are unlike those that the model learned from: rely on neither "
            "their predictions nor their intervals before a few samples have lab values."
        )
    typer.echo(printed(result.predictions))


def printed(path: Path) -> str:
    """Return a path as any terminal can show it."""
    return spelt_out(str(path))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
