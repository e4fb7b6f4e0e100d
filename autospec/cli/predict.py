"""``autospec predict``: a kept model and a file of spectra to a file of predictions."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from autospec.cli.live import Screen, clock
from autospec.cli.options import (
    AxisUnitOption,
    DeviceName,
    DeviceOption,
    IdOption,
    JsonOption,
    QuantityOption,
)
from autospec.errors import EXIT_INTERRUPTED, DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autospec.data.batches import Batches
    from autospec.data.onto_axis import OntoAxis
    from autospec.data.readers import Examination, ReadOptions
    from autospec.predict.document import ModelBundle
    from autospec.predict.predictions import BundleRunner
    from autospec.predict.streaming import Progress, Source, Summary

LINE_EVERY_S = 10.0  # between two lines where there is no terminal
ModelArgument = Annotated[
    Path, typer.Argument(help="A model file, or a run's folder, such as runs/sweden.")
]
LevelOption = Annotated[
    float, typer.Option("--level", help="Share of lab values that the intervals are to hold.")
]


def predict(
    model: ModelArgument,
    file: Annotated[
        Path, typer.Argument(help="Spectra: CSV, Parquet, a folder of scans, or one scan.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="CSV, or .parquet.", show_default="FILE-predictions.csv, here"
        ),
    ] = None,
    level: LevelOption = 0.9,
    id_column: IdOption = None,
    quantity: QuantityOption = None,
    axis_unit: AxisUnitOption = None,
    device: DeviceOption = DeviceName.auto,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also show which bands the predictions rest on.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Predict new scans with a kept model: intervals, domain, and what is wrong with bad rows.

    An earlier file of predictions of the same name is replaced; any other file is left alone.
    Examples:

    autospec predict runs/sweden scans.csv

    autospec predict model.safetensors scans.parquet -o out.parquet --level 0.8
    """
    from autospec.data.readers import ReadOptions
    from autospec.predict.bundle import load_model
    from autospec.predict.output import influence_files, refuse_to_lose
    from autospec.predict.predictions import open_runner

    target = out or Path(f"{file.resolve().stem}-predictions.csv")
    if target.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(f"-o {target}: want a name that ends in .csv or .parquet.")
    bundle = load_model(model_file(model))
    runner = open_runner(bundle, level=level, device=device.value)
    beside = influence_files(target) if explain else ()
    refuse_to_lose(target, beside)
    options = ReadOptions(
        id_column=id_column,
        quantity=quantity.value if quantity else None,
        axis_unit=axis_unit.value if axis_unit else None,
        need_target=False,
    )
    with _opened(file, options) as opened:
        onto = _announce(bundle, opened, file, target)
        summary = _run(runner, opened.source, onto, target)
        notes = (*opened.told(), *onto.notes)
    files = [target]
    if explain:
        files += _explain(runner, file, options, target)
    _show(_result(bundle, summary, level, notes, files), as_json)


def model_file(path: Path) -> Path:
    """Return a model file, or the recommended one of a run's folder.

    Raises
    ------
    DataError
        If the folder has none.
    """
    if not path.is_dir():
        return path
    from autospec.report.model_files import MODEL_FILE

    found = path / MODEL_FILE
    if found.is_file():
        return found
    others = sorted(p.name for p in path.glob("*.safetensors"))
    next_step = (
        f"Name one: {', '.join(others)}."
        if others
        else "Name a run of autospec search or autospec localise that wrote one, or a model file."
    )
    raise DataError(f"{path}: there is no {MODEL_FILE} in this folder. {next_step}")


def show_next(folder: Path) -> None:
    """Say how the model of a run's folder is used, if it has one."""
    from autospec.report.model_files import MODEL_FILE

    if (folder / MODEL_FILE).is_file():
        typer.echo(f"Predict new scans: autospec predict {folder} scans.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A file of spectra that is open, and what the reader has to tell of it."""

    source: Source
    table: Batches | Examination

    def told(self) -> tuple[str, ...]:
        """What was recognised and mended, as far as the file is read."""
        return (*self.table.recognised, *self.table.mended)


@contextmanager
def _opened(file: Path, options: ReadOptions) -> Iterator[_Opened]:
    """Open a table to be streamed; scans of an instrument are read at once."""
    from autospec.data.batches import open_batches
    from autospec.data.instruments.folder import holds_scans
    from autospec.data.readers import examine
    from autospec.predict.predictions import BLOCK_ROWS
    from autospec.predict.streaming import spectra_source, table_source

    if holds_scans(file):
        found = examine(file, options)
        if found.spectra is None:
            raise DataError(found.problems)
        yield _Opened(source=spectra_source(found.spectra), table=found)
        return
    with open_batches(file, options, block_rows=BLOCK_ROWS) as batches:
        yield _Opened(source=table_source(batches), table=batches)


def _announce(bundle: ModelBundle, opened: _Opened, file: Path, target: Path) -> OntoAxis:
    """Say beforehand what will be done, on stderr."""
    from autospec.predict.streaming import check_source

    source = opened.source
    onto = check_source(bundle, source, file.name)
    rows = "rows, as many as there are" if source.n_rows is None else f"{source.n_rows} rows"
    unit = f" in {bundle.target_unit}" if bundle.target_unit else ""
    lines = [
        f"{bundle.name}: {bundle.target_name}{unit}, {rows} of {file.name} to {target}",
        *opened.told(),
        *(onto.notes or ("the file has the model's own bands",)),
    ]
    typer.echo("\n".join(lines), err=True)
    return onto


def _run(runner: BundleRunner, source: Source, onto: OntoAxis, target: Path) -> Summary:
    """Predict with a progress bar; Ctrl-C leaves no file behind."""
    from autospec.predict.streaming import predict_source

    try:
        with PredictDisplay() as display:
            return predict_source(runner, source, onto, target, progress=display)
    except KeyboardInterrupt:
        typer.echo(f"autospec: stopped. {target} was not written.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None


class PredictDisplay:
    """Draws how far a file is; use as a context manager and as the callback."""

    def __init__(self) -> None:
        self.last: Progress | None = None
        self.told = 0.0
        self.screen = Screen(self.draw)

    def __enter__(self) -> PredictDisplay:
        """Begin to draw, on a terminal."""
        self.screen.__enter__()
        return self

    def __exit__(self, *rest: object) -> None:
        """Leave the terminal as it was."""
        self.screen.live.stop()

    def __call__(self, progress: Progress) -> None:
        """Take in how far the file is."""
        self.last = progress
        if not self.screen.console.is_terminal and progress.seconds - self.told >= LINE_EVERY_S:
            self.told = progress.seconds
            self.screen.say(_line(progress))

    def draw(self) -> Group:
        """Return the state now."""
        p = self.last
        if p is None:
            return Group(self.screen.gone())
        bar = self.screen.gone() if p.total is None else self.screen.bar(p.rows, p.total)
        return Group(bar, Text(_line(p)))


def _line(p: Progress) -> str:
    of = "" if p.total is None else f" of {p.total}"
    eta = "" if p.eta_s is None else f"; about {clock(p.eta_s)} to go"
    return f"{p.rows}{of} rows, {p.rows / max(p.seconds, 1e-9):.0f} a second{eta}"


def _explain(runner: BundleRunner, file: Path, options: ReadOptions, target: Path) -> list[Path]:
    """Write which bands the predictions of the first rows rest on, beside the predictions."""
    from autospec.predict.explain import explain
    from autospec.predict.output import influence_files
    from autospec.predict.streaming import check_source, first_rows
    from autospec.report.influence_page import write_influence

    with _opened(file, options) as opened:
        onto = check_source(runner.bundle, opened.source, file.name)
        found = explain(runner, first_rows(opened.source, onto))
    bundle = runner.bundle
    page, table = write_influence(
        found,
        influence_files(target)[0],
        title=f"{bundle.name} on {file.name}",
        axis_unit=bundle.axis_unit,
        unit=bundle.target_unit,
    )
    return [page, table]


def _result(
    bundle: ModelBundle,
    summary: Summary,
    level: float,
    notes: tuple[str, ...],
    files: list[Path],
) -> dict[str, Any]:
    return {
        "model": bundle.name,
        "target": bundle.target_name,
        "unit": bundle.target_unit,
        "level": level,
        "rows": summary.rows,
        "predicted": summary.predicted,
        "outside_domain": summary.outside,
        "not_predicted": summary.rows - summary.predicted,
        "mean": summary.mean,
        "seconds": round(summary.seconds, 3),
        "notes": list(notes),
        "bad_rows": [
            {"row": row.row_number, "id": row.id, "reason": row.reason} for row in summary.bad
        ],
        "files": [str(path) for path in files],
    }


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result, indent=1, ensure_ascii=False))
        return
    unit, mean = result["unit"], result["mean"]
    table = Table(box=SIMPLE_HEAD, show_header=False)
    for name, value in (
        ("rows", result["rows"]),
        ("predicted", result["predicted"]),
        ("of these outside the domain", result["outside_domain"]),
        ("not predicted", result["not_predicted"]),
        (f"mean {result['target']}", f"{mean:.4g} {unit}"),
        ("intervals made to hold", f"{100 * result['level']:g} %"),
    ):
        table.add_row(name, Text(str(value)))
    Console().print(table)
    for row in result["bad_rows"]:
        typer.echo(f"not predicted: row {row['row']} (id {_printable(row['id'])}): {row['reason']}")
    more = result["not_predicted"] - len(result["bad_rows"])
    if more:
        typer.echo(f"... and {more} more, in the file")
    if 2 * result["outside_domain"] > result["predicted"]:
        typer.echo(
            "Most of these spectra are unlike those that the model learned from: rely on neither "
            "their predictions nor their intervals before a few samples have lab values."
        )
    for path in result["files"]:
        typer.echo(path)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
