"""The tables that a search prints in the end, on spectra or on cubes: architecture and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from autospec.search.cubes.result import CubeModel
    from autospec.search.result import ModelResult


def show_architecture(console: Console, name: str, layers: Sequence[Mapping[str, str]]) -> None:
    """Print the best-architecture table, one row a layer."""
    from autospec.nets.architecture import TABLE_COLUMNS

    best = Table(
        title=f"Best architecture for {name}",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for column in TABLE_COLUMNS[1:]:  # the site is in the title; the files have the column
        best.add_column(column.replace("/", "/\n"), no_wrap=column in ("Block", "Activation"))
    for row in layers:
        best.add_row(*list(row.values())[1:])
    console.print(best)


def show_scores(
    console: Console, title: str, models: Sequence[ModelResult] | Sequence[CubeModel]
) -> None:
    """Print one row a model, in that order; `title` says on which rows and in which unit."""
    scores = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD)
    for column in ("Model", "RMSE", "", "CCC", "R2", "RPIQ", "CV RMSE (tuned)"):
        scores.add_column(
            column, justify="left" if column == "Model" else "right", no_wrap=column == ""
        )
    for model in models:
        s = model.scores
        cells = ["-"] * 5
        if s is not None:
            cells = [
                _number(s.rmse.value),
                f"{_number(s.rmse.low)}–{_number(s.rmse.high)}",
                *(_number(e.value) for e in (s.ccc, s.r2, s.rpiq)),
            ]
        scores.add_row(model.name, *cells, _number(model.cv_rmse))
    console.print(scores)


def show_files(folder: Path, names: Sequence[str]) -> None:
    """Print the paths of those files that are there."""
    for name in names:
        if (folder / name).exists():
            typer.echo(folder / name)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
