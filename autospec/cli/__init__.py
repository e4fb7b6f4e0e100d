"""The command line: parse, call, render. Every command has a file; nothing is computed here."""

from __future__ import annotations

import os
import sys

import typer

from autospec.cli.compare import compare
from autospec.cli.cube import app as cube
from autospec.cli.data import check, sites
from autospec.cli.export import export
from autospec.cli.localise import localise
from autospec.cli.plan import plan
from autospec.cli.predict import predict
from autospec.cli.runs import export_table, report
from autospec.cli.search import search
from autospec.cli.status import status
from autospec.cli.train import train
from autospec.cli.worker import worker
from autospec.errors import EXIT_INTERRUPTED, AutospecError

app = typer.Typer(
    name="autospec",
    help="Find the best 1D-CNN for soil spectra by Bayesian optimisation, and say honestly "
    "whether it beats PLSR.",
    epilog="Start with: autospec search --site sweden",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(search)
app.command()(worker)
app.command()(status)
app.command()(localise)
app.command()(train)
app.command()(predict)
app.command()(check)
app.command()(sites)
app.command()(plan)
app.command()(export)
app.command()(report)
app.command()(compare)
app.command("export-table")(export_table)
app.add_typer(cube)


def _version(wanted: bool) -> None:
    if wanted:
        from autospec import __version__

        typer.echo(f"autospec {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", help="Show the version.", callback=_version, is_eager=True
    ),
) -> None:
    """Take the options that stand before a command."""


def main() -> None:
    """Run the command line; a user's mistake ends in one message and its exit code."""
    try:
        app()
    except AutospecError as error:
        if os.environ.get("RANK", "0") == "0":  # of several processes, the main one speaks
            typer.echo(f"autospec: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("autospec: stopped. What was finished is kept.", err=True)
        sys.exit(EXIT_INTERRUPTED)
