"""The search space of 3D-CNNs: every range in one place, declared once as Optuna distributions.

It holds Small3DCNN and is *static*, as that of spectra: all blocks are always suggested and the
unused ones ignored, which keeps every parameter in TPE's joint model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated

from annotated_types import Ge, Le, Len
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from autospec.data.cubes.scaling import CubePreprocessing
from autospec.nets.architecture import Activation, FCBlock, Pooling
from autospec.nets.cube_architecture import (
    CubeArchitecture,
    CubeConvBlock,
    CubePadding,
    Head,
    Norm,
    Shape,
)
from autospec.nets.small3d import SMALL3D
from autospec.search.cubes.design import CubeDesign
from autospec.search.space import (
    MAX_DROPOUT,
    PUBLISHED_LABEL,
    FloatRange,
    IntRange,
    Params,
    can_propose,
    whole,
)
from autospec.training.config import Loss, Optimiser, TargetTransform, TrainingConfig

REFERENCE = f"{PUBLISHED_LABEL}small3d"


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeSpace:
    """Ranges (low, high, both included) and choices of a search for 3D-CNNs.

    Parameters
    ----------
    conv_blocks, filters, kernel_time, stride, fc_blocks, nodes, batch_size : (int, int)
        Numbers; filters, nodes and batch size are searched on a log scale.
    kernel_space : tuple of int
        Choices, in cells.
    padding, pooling, norm, activation, head, optimiser, target, loss : tuple of str
        Choices.
    dropout, learning_rate, weight_decay : (float, float)
        Learning rate and weight decay are searched on a log scale.
    mask_channel : tuple of bool
        Whether one more channel says where there are values.
    max_epochs, patience : int
        Not searched: the number of epochs is read off the fold-averaged curve of each trial.
    """

    conv_blocks: IntRange = (1, 4)
    filters: IntRange = (8, 256)
    kernel_space: Annotated[tuple[int, ...], Len(1)] = (1, 2, 3, 5)
    kernel_time: IntRange = (1, 3)
    stride: IntRange = (1, 2)
    padding: Annotated[tuple[CubePadding, ...], Len(1)] = ("valid", "same", "full")
    pooling: Annotated[tuple[Pooling, ...], Len(1)] = ("none", "max", "avg")
    norm: Annotated[tuple[Norm, ...], Len(1)] = ("none", "batch", "group")
    activation: Annotated[tuple[Activation, ...], Len(1)] = (
        "ReLU",
        "LeakyReLU",
        "ELU",
        "SELU",
        "Swish",
    )
    dropout: FloatRange = (0.0, MAX_DROPOUT)
    head: Annotated[tuple[Head, ...], Len(1)] = ("flatten", "average")
    fc_blocks: IntRange = (0, 3)
    nodes: IntRange = (16, 1024)
    mask_channel: Annotated[tuple[bool, ...], Len(1)] = (False, True)
    optimiser: Annotated[tuple[Optimiser, ...], Len(1)] = ("adam", "adamw")
    learning_rate: FloatRange = (1e-5, 1e-2)
    weight_decay: FloatRange = (1e-6, 1e-2)
    batch_size: IntRange = (8, 128)
    target: Annotated[tuple[TargetTransform, ...], Len(1)] = ("none", "log1p", "z-score")
    loss: Annotated[tuple[Loss, ...], Len(1)] = ("mse", "l1", "huber")
    max_epochs: Annotated[int, Ge(1), Le(10_000)] = 60
    patience: Annotated[int, Ge(1)] = 8

    def __post_init__(self) -> None:
        """Refuse ranges that hold nothing."""
        for name, value in asdict(self).items():
            is_range = isinstance(value, tuple) and isinstance(value[0], int | float)
            if is_range and name not in ("kernel_space", "mask_channel") and value[0] > value[1]:
                raise ValueError(f"{name} = {value}; want (low, high)")
        for name in ("conv_blocks", "filters", "kernel_space", "kernel_time", "stride", "nodes"):
            if min(getattr(self, name)) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}; want at least 1")
        if self.batch_size[0] < 4:
            raise ValueError(f"batch_size = {self.batch_size}; want at least 4")
        if not 0 <= self.dropout[0] <= self.dropout[1] < 1:
            raise ValueError(f"dropout = {self.dropout}; want 0 to below 1")

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return every parameter of the space, used by a design or not, for ``study.ask``."""
        d: dict[str, BaseDistribution] = {"conv_blocks": IntDistribution(*self.conv_blocks)}
        for i in range(1, self.conv_blocks[1] + 1):
            d |= {
                f"conv{i}_kernel_space": CategoricalDistribution(self.kernel_space),
                f"conv{i}_kernel_time": IntDistribution(*self.kernel_time),
                f"conv{i}_filters": IntDistribution(*self.filters, log=True),
                f"conv{i}_padding": CategoricalDistribution(self.padding),
                f"conv{i}_stride": IntDistribution(*self.stride),
                f"conv{i}_pooling": CategoricalDistribution(self.pooling),
                f"conv{i}_norm": CategoricalDistribution(self.norm),
                f"conv{i}_activation": CategoricalDistribution(self.activation),
                f"conv{i}_dropout": FloatDistribution(*self.dropout),
            }
        d |= {
            "head": CategoricalDistribution(self.head),
            "fc_blocks": IntDistribution(*self.fc_blocks),
        }
        for i in range(1, self.fc_blocks[1] + 1):
            d |= {
                f"fc{i}_nodes": IntDistribution(*self.nodes, log=True),
                f"fc{i}_activation": CategoricalDistribution(self.activation),
                f"fc{i}_dropout": FloatDistribution(*self.dropout),
            }
        return d | {
            "mask_channel": CategoricalDistribution(self.mask_channel),
            "optimiser": CategoricalDistribution(self.optimiser),
            "learning_rate": FloatDistribution(*self.learning_rate, log=True),
            "weight_decay": FloatDistribution(*self.weight_decay, log=True),
            "batch_size": IntDistribution(*self.batch_size, log=True),
            "target": CategoricalDistribution(self.target),
            "loss": CategoricalDistribution(self.loss),
        }

    def holds(self, design: CubeDesign) -> bool:
        """Say whether the space can propose `design` (a study file may have narrowed it)."""
        n_conv, n_fc = len(design.architecture.conv), len(design.architecture.fc)
        if n_conv > self.conv_blocks[1] or n_fc > self.fc_blocks[1]:
            return False
        params = self.encode(design)
        return can_propose(self.distributions(), params) and self.decode(params) == design

    def decode(self, params: Mapping[str, object]) -> CubeDesign:
        """Turn a trial's parameters into the design they stand for."""
        p: dict[str, object] = dict(params)
        n_conv, n_fc = whole(p["conv_blocks"]), whole(p["fc_blocks"])
        return CubeDesign(
            preprocessing=CubePreprocessing(mask_channel=bool(p["mask_channel"])),
            architecture=CubeArchitecture(
                conv=tuple(_conv(p, f"conv{i}") for i in range(1, n_conv + 1)),
                head=p["head"],  # type: ignore[arg-type]
                fc=tuple(_fc(p, f"fc{i}") for i in range(1, n_fc + 1)),
            ),
            training=TrainingConfig(
                optimiser=p["optimiser"],  # type: ignore[arg-type]
                learning_rate=float(p["learning_rate"]),  # type: ignore[arg-type]
                weight_decay=float(p["weight_decay"]),  # type: ignore[arg-type]
                batch_size=whole(p["batch_size"]),
                max_epochs=self.max_epochs,
                patience=self.patience,
                target_transform=p["target"],  # type: ignore[arg-type]
                loss=p["loss"],  # type: ignore[arg-type]
            ),
        )

    def encode(self, design: CubeDesign) -> Params:
        """Turn a design into parameters; blocks it does not use take each range's low end.

        ``decode(encode(design)) == design`` for every design within the ranges.
        """
        conv, fc = design.architecture.conv, design.architecture.fc
        p: Params = {"conv_blocks": len(conv), "fc_blocks": len(fc)}
        for i in range(1, self.conv_blocks[1] + 1):
            p |= self._encode_conv(f"conv{i}", conv[i - 1] if i <= len(conv) else None)
        for i in range(1, self.fc_blocks[1] + 1):
            block = fc[i - 1] if i <= len(fc) else None
            p |= {
                f"fc{i}_nodes": block.nodes if block else self.nodes[0],
                f"fc{i}_activation": block.activation if block else self.activation[0],
                f"fc{i}_dropout": block.dropout if block else self.dropout[0],
            }
        return p | {
            "head": design.architecture.head,
            "mask_channel": design.preprocessing.mask_channel,
            "optimiser": design.training.optimiser,
            "learning_rate": design.training.learning_rate,
            "weight_decay": design.training.weight_decay,
            "batch_size": design.training.batch_size,
            "target": design.training.target_transform,
            "loss": design.training.loss,
        }

    def _encode_conv(self, name: str, block: CubeConvBlock | None) -> Params:
        """Encode a conv block; one that is not used is the least of the space."""
        block = block or CubeConvBlock(
            kernel_space=self.kernel_space[0],
            kernel_time=self.kernel_time[0],
            filters=self.filters[0],
            activation=self.activation[0],
            padding=self.padding[0],
            stride=self.stride[0],
            pooling=self.pooling[0],
            norm=self.norm[0],
            dropout=self.dropout[0],
        )
        return {f"{name}_{key}": value for key, value in asdict(block).items()}

    def references(self, shape: Shape) -> dict[str, CubeDesign]:
        """Return what is tried first, by label: Small3DCNN, for cubes of any shape."""
        return {REFERENCE: self.reference_design()}

    def reference_design(self) -> CubeDesign:
        """Return Small3DCNN as a design.

        Adam as published, but at a constant rate five times as high: it was published for up to
        200 epochs, and a trial has fewer.
        """
        return CubeDesign(
            preprocessing=CubePreprocessing(),
            architecture=SMALL3D,
            training=TrainingConfig(
                learning_rate=5e-4,
                weight_decay=1e-6,
                batch_size=32,
                max_epochs=self.max_epochs,
                patience=self.patience,
            ),
        )


def _conv(p: dict[str, object], name: str) -> CubeConvBlock:
    return CubeConvBlock(
        kernel_space=whole(p[f"{name}_kernel_space"]),
        kernel_time=whole(p[f"{name}_kernel_time"]),
        filters=whole(p[f"{name}_filters"]),
        activation=p[f"{name}_activation"],  # type: ignore[arg-type]
        padding=p[f"{name}_padding"],  # type: ignore[arg-type]
        stride=whole(p[f"{name}_stride"]),
        pooling=p[f"{name}_pooling"],  # type: ignore[arg-type]
        norm=p[f"{name}_norm"],  # type: ignore[arg-type]
        dropout=float(p[f"{name}_dropout"]),  # type: ignore[arg-type]
    )


def _fc(p: dict[str, object], name: str) -> FCBlock:
    return FCBlock(
        nodes=whole(p[f"{name}_nodes"]),
        activation=p[f"{name}_activation"],  # type: ignore[arg-type]
        dropout=float(p[f"{name}_dropout"]),  # type: ignore[arg-type]
    )
