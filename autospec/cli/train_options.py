"""The options of ``autospec train`` on cubes and maps, and how a network learns.

Those of maps alone are in `train_stack_options`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autospec.cli.cube_search import CubeSplitName
from autospec.errors import UsageError

if TYPE_CHECKING:
    from autospec.training.fit_config import FitConfig
    from autospec.training.trainer import Device

OF_CUBES = (
    "buffer_km",
    "block_km",
    "folds",
    "loss",
    "transform",
    "smearing",
    "mask_channel",
    "keep_model",
)
OF_STACKS = ("horizon", "length", "tile", "buffer", "block", "gaps", "terms")
KEPT = " A training on maps always keeps its model."


class ModelName(StrEnum):
    """Kinds of network by name."""

    cnn3d = "cnn3d"
    cnn_transformer = "cnn-transformer"


class LossName(StrEnum):
    """Losses by name."""

    mse = "mse"
    l1 = "l1"
    huber = "huber"


class OptimiserName(StrEnum):
    """Optimisers by name."""

    adam = "adam"
    adamw = "adamw"


class ScheduleName(StrEnum):
    """Schedules by name."""

    plateau = "plateau"
    cosine = "cosine"
    constant = "constant"


class TransformName(StrEnum):
    """Target transforms by name."""

    none = "none"
    log1p = "log1p"
    z_score = "z-score"


class PrecisionName(StrEnum):
    """Precisions of the products by name."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class BaselinesName(StrEnum):
    """What stands beside the network, by name."""

    quick = "quick"
    all = "all"


CubeOption = Annotated[
    Path | None,
    typer.Option("--cube", help="Samples of cubes, for a 3D-CNN: .npz, or another cube file."),
]
StackOption = Annotated[
    Path | None,
    typer.Option("--stack", help="A raster over time, for maps: .npz, NetCDF, Zarr or GeoTIFF."),
]
ModelOption = Annotated[
    ModelName | None,
    typer.Option("--model", help="The kind of network.", show_default="by --cube or --stack"),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="The network: small3d; maps: tiny, small, v8; or a JSON file (an earlier result too).",
        show_default="small3d; maps: tiny",
    ),
]
TargetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--target", help="Maps: a channel to predict, once for each. Cubes: refuse another."
    ),
]
SplitOption = Annotated[
    CubeSplitName | None,
    typer.Option(
        "--split",
        help="Hold out squares of the map, the latest dates, or (cubes) any samples (leaks).",
        show_default="blocks; maps: forward",
    ),
]
FoldsOption = Annotated[
    int | None,
    typer.Option("--folds", min=2, max=20, help="Inner folds; one is watched.", show_default="5"),
]
LossOption = Annotated[LossName, typer.Option("--loss", help="Cubes: what is minimised.")]
TransformOption = Annotated[
    TransformName, typer.Option("--target-transform", help="Cubes: scale of the lab values.")
]
SmearingOption = Annotated[
    bool,
    typer.Option("--smearing", help="With log1p: predict means, by Duan's smearing factor."),
]
MaskOption = Annotated[
    bool, typer.Option("--mask-channel", help="Cubes: one more channel, where there are values.")
]
OptimiserOption = Annotated[
    OptimiserName | None,
    typer.Option("--optimiser", help="Adam or AdamW.", show_default="adam; maps: adamw"),
]
RateOption = Annotated[
    float | None,
    typer.Option("--lr", help="Learning rate, the highest.", show_default="1e-4; maps: 1e-3"),
]
DecayOption = Annotated[
    float | None,
    typer.Option(
        "--weight-decay",
        min=0,
        help="L2 penalty (Adam), or decay (AdamW).",
        show_default="0; maps: 1e-4",
    ),
]
BatchOption = Annotated[
    int | None,
    typer.Option("--batch", min=1, help="Samples, or tiles, at once.", show_default="32; maps: 4"),
]
AccumulateOption = Annotated[
    int | None,
    typer.Option(
        "--accumulate-to",
        min=1,
        help="Samples, or tiles, an optimiser step.",
        show_default="2048, fewer on small sets; maps: a batch",
    ),
]
EpochsOption = Annotated[
    int | None,
    typer.Option("--epochs", min=1, help="Epochs at most.", show_default="200; maps: 60"),
]
PatienceOption = Annotated[
    int | None,
    typer.Option(
        "--patience",
        min=1,
        help="Epochs at most without a better one.",
        show_default="10; maps: 7",
    ),
]
DeltaOption = Annotated[
    float | None,
    typer.Option(
        "--min-delta",
        min=0,
        help="By how much the watched RMSE must fall to be better.",
        show_default="0",
    ),
]
ScheduleOption = Annotated[
    ScheduleName | None,
    typer.Option("--schedule", help="Of the learning rate.", show_default="plateau; maps: cosine"),
]
LowestOption = Annotated[
    float | None,
    typer.Option("--lr-min", min=0, help="Lowest learning rate of the cosine.", show_default="0"),
]
RestartsOption = Annotated[
    int | None, typer.Option("--restarts", min=1, help="Cosines in all.", show_default="1")
]
PrecisionOption = Annotated[
    PrecisionName,
    typer.Option("--precision", help="Of the products; auto: half of float32 on a GPU."),
]
BaselinesOption = Annotated[
    BaselinesName,
    typer.Option("--baselines", help="Beside it: quick ones, or slower ones such as trees too."),
]
KeepOption = Annotated[
    bool,
    typer.Option(
        "--keep-model",
        help="Cubes: write a model file for predict: a network more for each fold.",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Fixes split and network.")]
BudgetOption = Annotated[
    str | None, typer.Option("--budget", help="Time for the training: 90s, 10m, 2h.")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder of the results.", show_default="runs/NAME-train"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainWhere:
    """Where a training runs, for how long, where its results go, and whether JSON is printed."""

    device: Device
    budget_s: float | None
    out: Path | None
    as_json: bool


def refuse_foreign(ctx: typer.Context, *, stack: bool) -> None:
    """Refuse options of maps beside --cube, and options of cubes beside --stack, by name.

    Raises
    ------
    UsageError
        If there are any.
    """
    wrong = OF_CUBES if stack else OF_STACKS
    named = [
        parameter.opts[0]
        for parameter in ctx.command.params
        if parameter.name in wrong and given(ctx, parameter.name)
    ]
    if named:
        theirs, ours = ("cubes", "--stack") if stack else ("maps", "--cube")
        raise UsageError(
            f"{', '.join(named)}: for {theirs}, and {ours} is given. Leave out the one or the "
            f"other.{KEPT if '--keep-model' in named else ''}"
        )


def given(ctx: typer.Context, name: str) -> bool:
    """Say whether an option stands on the command line."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def fit_config(base: FitConfig, **said: Any) -> FitConfig:  # noqa: ANN401 (as FitConfig's fields)
    """Return how the network learns: what is said, and where that is None, `base`.

    Raises
    ------
    UsageError
        If a number cannot be, or two contradict each other.
    """
    known = {name: value for name, value in said.items() if value is not None}
    numbers = asdict(base) | known
    if "accumulate_to" not in known and base.accumulate_to is not None:
        numbers["accumulate_to"] = numbers["batch_size"]  # a batch is a step
    if not numbers["learning_rate"] > 0:
        raise UsageError(f"--lr {numbers['learning_rate']}: want a number above 0, such as 1e-4")
    if numbers["lowest_rate"] > numbers["learning_rate"]:
        raise UsageError("--lr-min is above --lr; want at most as much")
    if not all(math.isfinite(n) for n in numbers.values() if isinstance(n, float)):
        raise UsageError("--lr, --lr-min, --weight-decay and --min-delta: want finite numbers")
    curved = numbers["lowest_rate"] > 0 or numbers["restarts"] > 1
    if curved and numbers["schedule"] != "cosine":
        raise UsageError(
            f"--lr-min and --restarts are for --schedule cosine, not for {numbers['schedule']}. "
            "Leave them out, or pass --schedule cosine."
        )
    if numbers["accumulate_to"] is not None and numbers["batch_size"] > numbers["accumulate_to"]:
        raise UsageError(
            f"--batch {numbers['batch_size']} is above --accumulate-to {numbers['accumulate_to']}; "
            "an optimiser step takes one batch or more. Lower the one, or raise the other."
        )
    return replace(base, **numbers)
