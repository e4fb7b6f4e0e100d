"""``autospec compare``: all models of several finished runs as one table and one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autospec.cli.options import JsonOption

if TYPE_CHECKING:
    from autospec.evaluate.metrics import Estimate
    from autospec.report.compare import RunEntry, RunsComparison


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of searches and trainings, finished."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of compare.html, .csv and .json.")
    ] = Path("runs/comparison"),
    as_json: JsonOption = False,
) -> None:
    """Lay all models of several runs side by side, and say which may be ranked.

    Example:

    autospec compare runs/samples runs/samples-train -o runs/comparison
    """
    from autospec import __version__
    from autospec.report.compare import compare_runs
    from autospec.report.compare_page import COMPARE_FILE, dump_comparison, write_comparison
    from autospec.report.jobs import refuse_other
    from autospec.report.lock import discard_empty, locked

    compared = compare_runs(runs)
    refuse_other(out, COMPARE_FILE)
    with discard_empty(out), locked(out):
        paths = write_comparison(compared, out, __version__)
    if as_json:
        typer.echo(dump_comparison(compared), nl=False)
        return
    _show(compared)
    for path in paths:
        typer.echo(path)


def _show(compared: RunsComparison) -> None:
    from autospec.report.compare_page import by_target

    console = Console()
    for title, runs in by_target(compared).items():
        table = Table(title=Text(f"{title} (95 % bootstrap interval)"), title_justify="left")
        table.box = SIMPLE_HEAD
        for column in ("Run and model", "RMSE", "", "CCC", "R2", "RPIQ", "ME"):
            words = column == "Run and model"
            table.add_column(column, justify="left" if words else "right", no_wrap=not words)
        for run in runs:
            _add(table, run)
        console.print(table)
    for remark in compared.remarks:
        console.print(remark, highlight=False, markup=False)


def _add(table: Table, run: RunEntry) -> None:
    table.add_row(Text(f"{run.name}: rows {run.rows}, n = {run.n_test}", style="bold"))
    for model in run.models:
        s = model.scores
        cells = ["-"] * 6
        if s is not None:
            form = ".2f" if (s.rmse.value or 1.0) >= 1.0 else ".3g"  # maps are in any unit
            spread = "" if s.rmse.low is None else f"{s.rmse.low:{form}}–{s.rmse.high:{form}}"
            shares = [_value(e) for e in (s.ccc, s.r2, s.rpiq)]
            cells = [_value(s.rmse, form), spread, *shares, _value(s.me, form)]
        table.add_row(*(Text(cell) for cell in (f"  {model.name}", *cells)))
    table.add_section()


def _value(estimate: Estimate, form: str = ".2f") -> str:
    return "-" if estimate.value is None else f"{estimate.value:{form}}"
