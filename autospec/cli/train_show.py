"""What ``autospec train`` prints in the end: the epochs in a line, the scores, the verdict."""

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
    from autospec.training.cube_training import TrainResult


def show_training(result: TrainResult, folder: Path, *, as_json: bool) -> None:
    """Print the result, or train.json; names and units are from a file, so no markup."""
    from autospec.predict.card import card_name
    from autospec.report.jobs import TRAIN_FILE
    from autospec.report.sections import MODEL_FILE
    from autospec.report.train_folder import dump_training
    from autospec.training.fit_state import CHECKPOINT_FILE

    if as_json:
        typer.echo(dump_training(result), nl=False)
        return
    console = Console()
    console.print(_summary(result), highlight=False, markup=False)
    console.print(_scores(result))
    for line in (result.verdict, *(f"Note: {note}" for note in result.notes)):
        console.print(line, highlight=False, markup=False)
    show_files(folder, (TRAIN_FILE, CHECKPOINT_FILE, MODEL_FILE, card_name(Path(MODEL_FILE).stem)))


def _summary(result: TrainResult) -> str:
    split, best = result.split, result.epochs[result.best_epoch - 1]
    return (
        f"{result.n_parameters:,} parameters, {result.steps} optimiser steps; best of "
        f"{len(result.epochs)} epochs: {result.best_epoch}, watched RMSE {best.watched_rmse:.3g} "
        f"{result.data.target_unit}. {split.n_fit} samples to learn from, {split.n_watch} "
        f"watched, {split.n_test} sealed, {split.n_dropped} left out between."
    )


def _scores(result: TrainResult) -> Table:
    data = result.data
    title = (
        f"{result.split.n_test} sealed test samples, {data.target_name} in {data.target_unit} "
        "(95 % bootstrap interval)"
    )
    scores = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD)
    for column in ("Model", "RMSE", "", "ME", "CCC", "R2", "RPIQ"):
        scores.add_column(
            column, justify="left" if column == "Model" else "right", no_wrap=column == ""
        )
    for model in result.models:
        s = model.scores
        interval = f"{_number(s.rmse.low)}–{_number(s.rmse.high)}"
        numbers = [_number(e.value) for e in (s.me, s.ccc, s.r2, s.rpiq)]
        scores.add_row(model.name, _number(s.rmse.value), interval, *numbers)
    return scores


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
