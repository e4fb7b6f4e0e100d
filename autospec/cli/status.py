"""``autospec status``: how far a study is and who is at it; it reads, and never writes."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from autospec.cli.options import JsonOption
from autospec.cli.status_show import StatusDisplay, failure_lines, status_line, workers_table
from autospec.errors import UsageError

if TYPE_CHECKING:
    from autospec.search.status import OpenStudy

LOOK_S = 2.0
IDLE_LOOKS = 5  # without a running trial, then nobody is at the study


def status(
    study: Annotated[
        str, typer.Argument(help="A study's name with --storage; else a run's folder.")
    ],
    storage: Annotated[str | None, typer.Option("--storage", help="Database of the study.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a study's workers, trials, best score and time to go.

    On a terminal it goes on until the study has ended, or Ctrl-C. Examples:

    autospec status runs/sweden

    autospec status sweden --storage postgresql+psycopg://user@host/studies
    """
    opened = _open(study, storage)
    if as_json:
        from autospec.search.status import read_status

        typer.echo(json.dumps(asdict(read_status(opened)), indent=1))
        return
    console = Console()
    if console.is_terminal:
        _follow(opened)
    _print(console, opened)


def _open(study: str, url: str | None) -> OpenStudy:
    from autospec.search.status import open_to_read

    if url is not None:
        return open_to_read(url, study)
    file = Path(study) / "study.db"
    if not file.is_file():
        raise UsageError(
            f"{file}: there is no such file. Want the folder of a run, such as runs/sweden; or a "
            "study's name with --storage."
        )
    return open_to_read(f"sqlite:///{file.absolute()}")


def _follow(opened: OpenStudy) -> None:
    """Draw the status anew until the study has ended, or Ctrl-C."""
    from autospec.search.status import read_status

    try:
        with StatusDisplay() as display:
            idle = 0
            while idle < IDLE_LOOKS:
                seen = read_status(opened)
                display(seen)
                if seen.ended:
                    return
                idle = 0 if seen.running else idle + 1
                time.sleep(LOOK_S)
    except KeyboardInterrupt:
        return  # it only looked


def _print(console: Console, opened: OpenStudy) -> None:
    from autospec.search.status import read_status

    seen = read_status(opened)
    for line in (status_line(seen), *failure_lines(seen)):
        typer.echo(line)
    if seen.under_way:
        console.print(workers_table(seen))
