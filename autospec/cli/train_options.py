"""The options of ``autospec train``, and how they become a network and how it learns."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autospec.data.writing import cannot
from autospec.errors import UsageError

if TYPE_CHECKING:
    from autospec.nets.cube_architecture import CubeArchitecture
    from autospec.training.fit_config import FitConfig

MAX_PRESET_BYTES = 64 * 1024**2


class ModelName(StrEnum):
    """Kinds of network by name."""

    cnn3d = "cnn3d"


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


ModelOption = Annotated[ModelName, typer.Option("--model", help="The kind of network.")]
PresetOption = Annotated[
    str,
    typer.Option(
        "--preset",
        help="The network: small3d, or a JSON file (a cube-run.json, train.json too).",
    ),
]
TargetOption = Annotated[
    str | None, typer.Option("--target", help="Refuse a file of another lab value.")
]
FoldsOption = Annotated[
    int | None,
    typer.Option("--folds", min=2, max=20, help="Inner folds; one is watched.", show_default="5"),
]
LossOption = Annotated[LossName, typer.Option("--loss", help="What is minimised.")]
TransformOption = Annotated[
    TransformName, typer.Option("--target-transform", help="Scale of the lab values.")
]
SmearingOption = Annotated[
    bool,
    typer.Option("--smearing", help="With log1p: predict means, by Duan's smearing factor."),
]
MaskOption = Annotated[
    bool, typer.Option("--mask-channel", help="One more channel: where there are values.")
]
OptimiserOption = Annotated[OptimiserName, typer.Option("--optimiser", help="Adam or AdamW.")]
RateOption = Annotated[float, typer.Option("--lr", help="Learning rate.")]
DecayOption = Annotated[
    float, typer.Option("--weight-decay", min=0, help="L2 penalty (Adam), or decay (AdamW).")
]
BatchOption = Annotated[int, typer.Option("--batch", min=1, help="Samples at once.")]
AccumulateOption = Annotated[
    int | None,
    typer.Option(
        "--accumulate-to",
        min=1,
        help="Samples an optimiser step.",
        show_default="2048, fewer on small sets",
    ),
]
EpochsOption = Annotated[int, typer.Option("--epochs", min=1, help="Epochs at most.")]
PatienceOption = Annotated[
    int, typer.Option("--patience", min=1, help="Epochs at most without a better one.")
]
DeltaOption = Annotated[
    float,
    typer.Option("--min-delta", min=0, help="By how much the watched RMSE must fall to be better."),
]
ScheduleOption = Annotated[ScheduleName, typer.Option("--schedule", help="Of the learning rate.")]
LowestOption = Annotated[
    float, typer.Option("--lr-min", min=0, help="Lowest learning rate of the cosine.")
]
RestartsOption = Annotated[int, typer.Option("--restarts", min=1, help="Cosines in all.")]
PrecisionOption = Annotated[
    PrecisionName,
    typer.Option("--precision", help="Of the products; auto: half of float32 on a GPU."),
]
BaselinesOption = Annotated[
    BaselinesName,
    typer.Option("--baselines", help="Beside it: ridge and the mean, or trees too (slower)."),
]
KeepOption = Annotated[
    bool,
    typer.Option(
        "--keep-model", help="Write a model file for predict: a network more for each fold."
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


def fit_config(**numbers: Any) -> FitConfig:  # noqa: ANN401 (as FitConfig's fields)
    """Return how the network learns.

    Raises
    ------
    UsageError
        If a number cannot be, or two contradict each other.
    """
    from autospec.training.fit_config import FitConfig

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
    return FitConfig(**numbers)


def architecture(preset: str) -> CubeArchitecture:
    """Return the network of a name or a JSON file: an architecture, a run.json or a train.json.

    Raises
    ------
    UsageError
        If there is no such network.
    """
    from autospec.nets.architecture import ArchitectureError
    from autospec.nets.cube_architecture import cube_architecture_from_json
    from autospec.nets.small3d import SMALL3D

    if preset == "small3d":
        return SMALL3D
    path = Path(preset)
    if path.suffix != ".json":
        raise UsageError(f"--preset {preset!r}: want small3d, or a file that ends with .json")
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_PRESET_BYTES + 1)
        if len(content) > MAX_PRESET_BYTES:
            raise UsageError(f"--preset {path}: too large for an architecture")
        return cube_architecture_from_json(_inner(json.loads(content)))
    except OSError as error:
        raise UsageError(cannot("read", path, error)) from error
    except (ValueError, RecursionError) as error:  # ArchitectureError is one of them
        reason = str(error) if isinstance(error, ArchitectureError) else f"no JSON: {error}"
        raise UsageError(f"--preset {path}: {reason}") from error


def _inner(data: Any) -> Any:  # noqa: ANN401 (parsed JSON)
    """Return the architecture in a run.json or a train.json; anything else as it is."""
    for part in ("winner", "settings"):
        inner = data.get(part) if isinstance(data, dict) else None
        if isinstance(inner, dict) and "architecture" in inner:
            return inner["architecture"]
    return data
