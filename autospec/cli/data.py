"""``autospec sites`` and ``autospec check``: what data there are, and what is wrong with a file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from autospec.cli.options import (
    AxisUnitOption,
    FieldOption,
    GroupOption,
    IdOption,
    JsonOption,
    LabOption,
    NegativeOption,
    QuantityOption,
    ReplicatesOption,
    TargetOption,
    TargetUnitOption,
    lab_choice,
    read_options,
)
from autospec.errors import DataError, shorten


def sites(as_json: JsonOption = False) -> None:
    """List the named sites: real fields that come with autospec."""
    from autospec.data.sites import SITES

    if as_json:
        rows = [{**asdict(site), "n": site.n} for site in SITES]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    table = Table(
        title="Sites (autospec search --site NAME)", title_justify="left", box=SIMPLE_HEAD
    )
    for column in ("Site", "n", "Bands", "Place", "Data sets"):
        table.add_column(
            column,
            justify="right" if column == "n" else "left",
            no_wrap=column in ("Site", "n"),
        )
    for site in SITES:
        datasets = ", ".join(f.dataset for f in site.fields)
        table.add_row(site.name, str(site.n), site.bands, site.place, datasets)
    Console().print(table)
    typer.echo(
        "From the registry packages LimeSoDa (CC BY-SA 4.0) and soilspecdl (usa, Apache-2.0). "
        "Lab values: soc in g/kg, clay in %, ph."
    )


def check(
    file: Annotated[
        Path, typer.Argument(help="Spectra: CSV, Parquet, a folder of scans, one scan.")
    ],
    target: TargetOption = None,
    target_unit: TargetUnitOption = None,
    id_column: IdOption = None,
    group: GroupOption = None,
    field: FieldOption = None,
    quantity: QuantityOption = None,
    axis_unit: AxisUnitOption = None,
    allow_negative: NegativeOption = False,
    lab: LabOption = None,
    replicates: ReplicatesOption = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the spectra into this HTML file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Look at spectra: what was recognised, what was mended, what is wrong.

    Examples:

    autospec check farm.csv

    autospec check scans/ --lab lab.csv
    """
    from autospec.data.readers import examine
    from autospec.search.settings import DataSource

    source = DataSource(
        target=target,
        target_unit=target_unit,
        id=id_column,
        group=group,
        field=field,
        quantity=quantity.value if quantity else None,
        axis_unit=axis_unit.value if axis_unit else None,
        allow_negative=allow_negative,
    )
    found = examine(file, read_options(source, lab_choice(lab, replicates)))
    parts = (
        ("Recognised", found.recognised),
        ("Mended", found.mended),
        ("Wrong", found.problems),
    )
    if as_json:
        typer.echo(json.dumps({title.lower(): lines for title, lines in parts}, ensure_ascii=False))
    else:
        for title, lines in parts[:2]:
            if lines:
                typer.echo(f"{title}:")
                typer.echo("\n".join(f"  {line}" for line in shorten(lines)))
    if found.spectra is None:
        raise DataError(found.problems)
    s = found.spectra
    if not as_json:
        typer.echo(
            f"Good: {s.n} spectra of {s.b} bands, {s.axis[0]:g} to {s.axis[-1]:g} {s.axis_unit}, "
            f"{s.labelled().n} with {s.target_name}. Next: autospec search {file}"
            + (f" --lab {lab}" if lab else "")
            + (f" --target {target}" if target else "")
        )
    if plot is not None:
        from autospec.report.html import write_spectra_plot

        typer.echo(f"Drawn: {write_spectra_plot(s, plot)}", err=as_json)
