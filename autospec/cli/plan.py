"""``autospec plan``: which samples to send to the laboratory."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autospec.cli.options import (
    AxisUnitOption,
    IdOption,
    JsonOption,
    LabChoice,
    LabOption,
    NegativeOption,
    QuantityOption,
    ReplicatesOption,
    TargetOption,
    TargetUnitOption,
    lab_choice,
    read_options,
    refuse_lab,
)
from autospec.errors import UsageError

if TYPE_CHECKING:
    from autospec.data.planning import SamplingPlan
    from autospec.data.spectra import Spectra
    from autospec.search.settings import DataSource

SHOWN = 50


class MethodName(StrEnum):
    """Sampling methods by name."""

    kennard_stone = "kennard-stone"
    clhs = "clhs"
    kmeans = "kmeans"
    random = "random"


def plan(
    file: Annotated[
        Path | None,
        typer.Argument(help="Spectra: CSV, Parquet, a folder of scans. No lab values needed."),
    ] = None,
    site: Annotated[
        str | None, typer.Option("--site", help="A named site; see: autospec sites.")
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Samples to choose.")] = 30,
    method: Annotated[
        MethodName, typer.Option("--method", help="How to choose.")
    ] = MethodName.kennard_stone,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Fixes every draw.")] = 0,
    keep_labelled: Annotated[
        bool,
        typer.Option(
            "--keep-labelled",
            help="Count samples with a lab value as chosen; choose N more around them.",
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the list to this CSV file.")
    ] = None,
    target: TargetOption = None,
    target_unit: TargetUnitOption = None,
    id_column: IdOption = None,
    quantity: QuantityOption = None,
    axis_unit: AxisUnitOption = None,
    allow_negative: NegativeOption = False,
    lab: LabOption = None,
    replicates: ReplicatesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose the samples to send to the laboratory, by their spectra alone.

    Replicate scans count as one sample. Example:

    autospec plan scans.csv --n 30 -o to-the-lab.csv
    """
    from autospec.data.planning import plan_samples
    from autospec.search.settings import DataSource

    source = DataSource(
        site=site,
        file=str(file) if file else None,
        target=target,
        target_unit=target_unit,
        id=id_column,
        quantity=quantity.value if quantity else None,
        axis_unit=axis_unit.value if axis_unit else None,
        allow_negative=allow_negative,
    )
    if out and file and out.exists() and file.exists() and out.samefile(file):
        raise UsageError(f"--out {out} is the table itself; want another file.")
    spectra = _load(source, lab_choice(lab, replicates))
    planned = plan_samples(spectra, n, method.value, seed, keep_labelled)
    if out is not None:
        from autospec.data.writing import write_text

        write_text(out, _csv(planned))
    if as_json:
        typer.echo(json.dumps(asdict(planned), indent=1, ensure_ascii=False))
    else:
        _show(planned, out)


def _load(source: DataSource, choice: LabChoice) -> Spectra:
    """Read the spectra; lab values may be missing."""
    if bool(source.site) == bool(source.file):
        raise UsageError(
            "want either --site NAME or a FILE. Next: autospec plan --site sweden --n 30"
        )
    if source.site:
        if source.id or source.quantity or source.axis_unit or source.target_unit:
            raise UsageError(
                "--id, --quantity, --axis-unit and --target-unit are for files: a site has its own"
            )
        refuse_lab(choice)
        from autospec.data.sites import load_site

        return load_site(source.site, source.target or "soc")
    assert source.file is not None
    from autospec.data.readers import read_spectra

    return read_spectra(source.file, replace(read_options(source, choice), need_target=False))


def _csv(planned: SamplingPlan) -> str:
    from autospec.data.cells import spreadsheet_cell

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["order", "id", "scans", "has_lab_value"])
    for s in planned.samples:
        writer.writerow([s.order, spreadsheet_cell(s.id), s.scans, "yes" if s.labelled else "no"])
    return stream.getvalue()


def _show(planned: SamplingPlan, out: Path | None) -> None:
    table = Table(
        title=f"{len(planned.samples)} of {planned.n_samples} samples by {planned.method}",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    table.add_column("Order", justify="right")
    table.add_column("Sample")
    table.add_column("Scans", justify="right")
    table.add_column("Lab value")
    for s in planned.samples[:SHOWN]:
        name = "".join(c if c.isprintable() else "?" for c in s.id)
        table.add_row(str(s.order), Text(name), str(s.scans), "yes" if s.labelled else "-")
    console = Console()
    console.print(table)
    if len(planned.samples) > SHOWN:
        rest = len(planned.samples) - SHOWN
        typer.echo(f"... and {rest} more" + ("" if out else ": pass -o FILE.csv for all"))
    for line in _sentences(planned):
        console.print(line, highlight=False, markup=False)
    if out is not None:
        typer.echo(out)


def _sentences(planned: SamplingPlan) -> list[str]:
    chosen, random = planned.coverage, planned.random
    lines = [
        f"Nearest chosen sample in place of each: {_share(chosen.explained)} of the spectra's "
        f"variance is left (random choice: {_share(random.explained)}).",
        f"Farthest sample from any chosen: {chosen.farthest:.2f} of the spread "
        f"(random choice: {random.farthest:.2f}).",
    ]
    if planned.n_kept:
        lines.append(f"{planned.n_kept} samples with a lab value counted as chosen already.")
    elif planned.n_labelled:
        have = sum(s.labelled for s in planned.samples)
        lines.append(
            f"{have} of the chosen have a lab value already ({planned.n_labelled} of all samples "
            "do). Pass --keep-labelled to choose around those."
        )
    return lines


def _share(explained: float) -> str:
    return f"{explained:.0%}" if explained > 0 else "none"
