"""The options that several commands share, and how they become reading options."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autospec.errors import UsageError

if TYPE_CHECKING:
    from autospec.data.readers import ReadOptions, Replicates
    from autospec.search.settings import DataSource
    from autospec.training.trainer import Device


class QuantityName(StrEnum):
    """What the values of the bands are."""

    reflectance = "reflectance"
    absorbance = "absorbance"


class AxisUnitName(StrEnum):
    """Unit of bare band numbers."""

    nm = "nm"
    cm1 = "cm-1"


class ReplicatesName(StrEnum):
    """What becomes of replicate scans."""

    average = "average"
    keep = "keep"


class DeviceName(StrEnum):
    """Devices by name."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


TargetOption = Annotated[
    str | None, typer.Option("--target", help="Lab value: a column name, or soc, clay, ph.")
]
TargetUnitOption = Annotated[
    str | None, typer.Option("--target-unit", help="Its unit in the file: %, g/kg, g/dm3, mg/kg.")
]
IdOption = Annotated[
    str | None, typer.Option("--id", help="Column that names the samples; repeats are replicates.")
]
GroupOption = Annotated[
    str | None, typer.Option("--group", help="Column of what a fold keeps whole.")
]
FieldOption = Annotated[
    str | None, typer.Option("--field", help="Column of fields; splits are stratified by it.")
]
QuantityOption = Annotated[
    QuantityName | None, typer.Option("--quantity", help="What the bands hold, if not detected.")
]
AxisUnitOption = Annotated[
    AxisUnitName | None, typer.Option("--axis-unit", help="Unit of bare band numbers.")
]
NegativeOption = Annotated[bool, typer.Option("--allow-negative", help="Keep negative lab values.")]
LabOption = Annotated[
    Path | None,
    typer.Option("--lab", help="Lab values in a table of their own, joined by sample id."),
]
ReplicatesOption = Annotated[
    ReplicatesName | None,
    typer.Option(
        "--replicates",
        help="Average the scans of a sample, or keep them.",
        show_default="average for scans, keep for tables",
    ),
]
DeviceOption = Annotated[DeviceName, typer.Option("--device", help="Where networks train.")]
StorageOption = Annotated[
    str | None,
    typer.Option("--storage", help="Optuna storage URL.", show_default="study.db in the folder"),
]
SharedOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        help="Database of a study that workers share: the same command on any hosts.",
        show_default="study.db in the folder, alone",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder of the results.", show_default="runs/NAME"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
RunArgument = Annotated[Path, typer.Argument(help="A run's folder, such as runs/sweden.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where and how a search runs and answers, as the command says.

    Parameters
    ----------
    storage : str or None
        Of a study that others may work at too; None: the folder's own.
    device : {"auto", "cpu", "cuda"}
    trials_at_once : int
        Of one process, in a study that it runs alone.
    workers : int
        Processes of this machine that train; above 1 each is one of its own.
    as_json : bool
        Whether the result is printed as JSON.
    report : bool
        Whether this process makes the report if it is the one to.
    threads : int or None
        Stacks of networks trained at once on a CPU; by default one a core.
    parent : int or None
        The process that started this one, with which it ends.
    """

    storage: str | None
    device: Device
    trials_at_once: int = 1
    workers: int = 1
    as_json: bool = False
    report: bool = True
    threads: int | None = None
    parent: int | None = None

    @property
    def shared(self) -> bool:
        """Whether other processes may work at the study at the same time."""
        return self.storage is not None or self.workers > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LabChoice:
    """Where lab values stand beside the spectra, and what becomes of replicate scans.

    Parameters
    ----------
    lab : Path, optional
        A table of lab values.
    replicates : {"average", "keep"}, optional
        By default scans are averaged and tables kept.
    """

    lab: Path | None = None
    replicates: Replicates | None = None


NO_LAB = LabChoice()


def lab_choice(lab: Path | None, replicates: ReplicatesName | None) -> LabChoice:
    """Return what the two options say."""
    return LabChoice(lab=lab, replicates=replicates.value if replicates else None)


def refuse_lab(choice: LabChoice) -> None:
    """Refuse the two options where a site is read."""
    if choice != NO_LAB:
        raise UsageError(
            "--lab and --replicates are for files; a named site has its lab values. Leave them out."
        )


def read_options(source: DataSource, choice: LabChoice = NO_LAB) -> ReadOptions:
    """Turn a data source into what the reader is told."""
    from autospec.data.readers import ReadOptions

    return ReadOptions(
        target=source.target,
        id_column=source.id,
        group_column=source.group,
        field_column=source.field,
        quantity=source.quantity,
        axis_unit=source.axis_unit,
        target_unit=source.target_unit,
        allow_negative=source.allow_negative,
        lab=choice.lab,
        replicates=choice.replicates,
    )
