"""``autospec cube``: the commands around files of cubes, each in a file of its own."""

from __future__ import annotations

import typer

from autospec.cli.cube_check import check
from autospec.cli.cube_extract import extract
from autospec.cli.cube_synthesise import synthesise

app = typer.Typer(
    name="cube",
    help="Cubes: windows of gridded data over space and time, and the stacks they are cut from.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(check)
app.command()(extract)
app.command()(synthesise)
