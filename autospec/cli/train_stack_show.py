"""What ``autospec train --stack`` prints in the end: the epochs, the scores, the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autospec.cli.search_show import show_files

if TYPE_CHECKING:
    from autospec.training.map_result import MapTraining

REPORT_FILES = ("report.html", "map.html")


def show_map_training(result: MapTraining, folder: Path, *, as_json: bool) -> None:
    """Print the result, or map-train.json; names are from a file, so no markup."""
    from autospec.predict.card import card_name
    from autospec.report.jobs import MAP_TRAIN_FILE
    from autospec.report.map_folder import FRAMES_FILE
    from autospec.report.sections import MODEL_FILE
    from autospec.report.train_folder import dump_training
    from autospec.training.fit_state import CHECKPOINT_FILE

    if as_json:
        typer.echo(dump_training(result), nl=False)
        return
    console = Console()
    console.print(_summary(result), highlight=False, markup=False)
    for k, target in enumerate(result.data.targets):
        console.print(scores_table(result, k, target))
    for line in (result.verdict, *(f"Note: {note}" for note in result.notes)):
        console.print(line, highlight=False, markup=False)
    model = (MODEL_FILE, card_name(Path(MODEL_FILE).stem))
    show_files(folder, (*REPORT_FILES, MAP_TRAIN_FILE, FRAMES_FILE, *model, CHECKPOINT_FILE))


def _summary(result: MapTraining) -> str:
    split, best = result.split, "none, the untrained network is kept"
    if result.best_epoch:
        watched = result.epochs[result.best_epoch - 1].watched_rmse
        best = f"{result.best_epoch}, watched RMSE {watched:.3g} of the targets' range"
    if split.kind == "forward":
        numbers, what = (split.fit_dates, split.watch_dates, split.test_dates), "dates"
        fit, watch, test = map(len, numbers)
    else:
        fit, watch, test = split.fit_cells, split.watch_cells, split.test_cells
        what = "cells of the map"
    return (
        f"{result.n_parameters:,} parameters, {result.steps:,} optimiser steps; best of "
        f"{len(result.epochs)} epochs: {best}. {fit:,} {what} to learn from, {watch:,} watched, "
        f"{test:,} sealed."
    )


def scores_table(result: MapTraining, k: int, target: str) -> Table:
    """Return one row a model, for the target at position `k`."""
    from autospec.evaluate.map_metrics import say_groups

    first = result.models[0].scores[k]
    groups = say_groups(first.n_groups, result.split.kind)
    title = f"{target}: {first.pooled.n:,} sealed values in {groups} (95 % bootstrap interval)"
    table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD)
    for column in ("Model", "RMSE", "", "ME", "R2", "Pearson r2", "CCC"):
        # only the interval and the longest names fold where a terminal is narrow
        table.add_column(
            column,
            justify="left" if column == "Model" else "right",
            no_wrap=column not in ("Model", ""),
            overflow="fold",
            min_width=len("1.23e-05") if column in ("RMSE", "ME") else None,
        )
    for model in result.models:
        scores = model.scores[k]
        pooled = scores.pooled
        interval = f"{_number(pooled.rmse.low)}–{_number(pooled.rmse.high)}"
        shares = [_share(e.value) for e in (pooled.r2, scores.pearson_r2, pooled.ccc)]
        table.add_row(
            model.name, _number(pooled.rmse.value), interval, _number(pooled.me.value), *shares
        )
    return table


def _number(value: float | None) -> str:
    """Return a number of whatever size the target has."""
    return "-" if value is None else f"{value + 0.0:.3g}"


def _share(value: float | None) -> str:
    if value is None:
        return "-"
    text = f"{value:.2f}"
    return text.removeprefix("-") if float(text) == 0 else text
