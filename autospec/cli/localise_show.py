"""What ``autospec localise`` prints in the end: the comparison, or the summary of all sites."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autospec.cli.predict import show_next

if TYPE_CHECKING:
    from autospec.cli.localise_all import Everything
    from autospec.localisation.result import LocalisationResult, ModelRow
    from autospec.report.benchmark_result import BenchmarkFile
    from autospec.report.localise_summary import SummaryFile

MAX_WIDTH = 100
SHOWN_NOTES = 4
FILES = (
    "report.html",
    "comparison.csv",
    "predictions.csv",
    "final_predictions.csv",
    "selected_rows.csv",
    "model.safetensors",
    "MODEL.md",
)


def show_result(result: LocalisationResult, folder: Path, as_json: bool) -> None:
    """Print the comparison table, the verdicts, the notes and the files."""
    if as_json:
        from autospec.report.localise_tables import comparison_table

        typer.echo(comparison_table(result, "json"), nl=False)
        return
    from autospec.report.localise_trust import trust_sentence

    console = _console()
    target = f"{result.farm.target_name} in {result.farm.target_unit}"
    table = _table(f"{result.name}: {target}, means over n draws (95 % interval)")
    for i, column in enumerate(("Model", "n", "RMSE", "CCC", "RMSE cut (%)\nvs PLSR local", "")):
        table.add_column(column, justify="left" if i in (0, 5) else "right", no_wrap=i != 0)
    for model in result.models:
        table.add_row(*(Text(cell) for cell in _cells(model)))
    console.print(table)
    sentences = [result.verdict, result.transfer_verdict, *result.strategy_verdicts]
    sentences += [words] if (words := trust_sentence(result)) else []
    notes = [f"Note: {note}" for note in result.notes[:SHOWN_NOTES]]
    if len(result.notes) > SHOWN_NOTES:
        notes.append(f"{len(result.notes) - SHOWN_NOTES} more notes stand in the report.")
    for sentence in (*sentences, *notes):
        console.print(Text(sentence))
    for name in (*FILES, *(["architectures.csv"] if result.networks else [])):
        if (folder / name).exists():
            typer.echo(folder / name)
    show_next(folder)


def _cells(model: ModelRow) -> tuple[str, ...]:
    from autospec.report.localise_tables import VERDICTS
    from autospec.report.words import number, signed

    rmse = number(model.rmse.value)
    if model.rmse.low is not None:
        rmse += f" ({number(model.rmse.low)}–{number(model.rmse.high)})"
    v, cut, verdict = model.versus_plsr, "", ""
    if v is not None:
        ends = (signed(v.low, 0), signed(v.high, 0))
        cut = f"{signed(v.reduction_percent)} ({' to '.join(ends)})"
        verdict = VERDICTS[v.better]
    return model.name, str(len(model.outcomes)), rmse, number(model.ccc.value), cut, verdict


def show_all(every: Everything, benchmark: BenchmarkFile, folder: Path, as_json: bool) -> None:
    """Print how auto did over the sites, why sites have no result, and the files.

    With one target and size that is a row a site and a row a model, else a row for each of these.
    """
    from autospec.report.benchmark_tables import (
        BENCHMARK_FILES,
        KEY,
        PART_HEAD,
        benchmark_caption,
        benchmark_json,
        missing_words,
        model_head,
        model_rows,
        part_cells,
    )

    if as_json:
        typer.echo(benchmark_json(benchmark), nl=False)
        return
    console = _console()
    if len(every.parts) == 1:
        (part,) = benchmark.parts
        _show_sites(every.parts[0].summary(every.settings), console)
        _show_rows("Every model over the sites", model_head(part), model_rows(part), console)
    else:
        rows = [part_cells(part) for part in benchmark.parts]
        _show_rows(benchmark_caption(benchmark), PART_HEAD, rows, console)
    console.print(Text(KEY))
    for part in benchmark.parts:
        for words in missing_words(part):
            console.print(Text(words))
    names = [] if len(every.parts) > 1 else ["summary.html", "summary.csv"]
    for name in (*names, *BENCHMARK_FILES):
        typer.echo(folder / name)


def _show_rows(
    title: str, head: Sequence[str], rows: Sequence[Sequence[str]], console: Console
) -> None:
    table = _table(title)
    for i, column in enumerate(head):
        table.add_column(column, justify="right" if i else "left")  # words wrap, none is cut
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def _show_sites(summary: SummaryFile, console: Console) -> None:
    """Print a row a site, and the sentences over all."""
    from autospec.report.localise_summary import (
        coverage_sentence,
        summary_cells,
        summary_sentence,
    )

    table = _table(f"All sites: {summary.target}, RMSE (ratio: auto over PLSR local)")
    columns = ("Site", "n", "auto", "PLSR", "mean", "Best strategy", "Ratio", "95 %", "")
    for i, column in enumerate(columns):
        table.add_column(
            column, justify="left" if i in (0, 8) else "right", no_wrap=i in (1, 2, 3, 4, 6)
        )
    for row in summary.rows:
        cells = summary_cells(row)
        verdict = "no result" if row.reason else cells[-1]
        shown = (*cells[: len(columns) - 1], verdict)  # coverage and width are in the files
        table.add_row(*(Text(cell) for cell in shown))
    console.print(table)
    console.print(Text(summary_sentence(summary)))
    if words := coverage_sentence(summary):
        console.print(Text(words))


def _console() -> Console:
    console = Console()
    return Console(width=min(console.width, MAX_WIDTH), highlight=False)


def _table(title: str) -> Table:
    return Table(
        title=Text(title, style="italic"),
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
