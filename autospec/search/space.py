"""The search space: every range in one place, declared once as Optuna distributions.

`shen-like-1` is our reconstruction of the space of Shen & Viscarra Rossel 2021
(https://doi.org/10.1038/s41598-020-80486-9) and Shen et al. 2022
(https://doi.org/10.1016/j.isprsjprs.2022.04.009); it holds every published design. It is
*static*: all blocks are always suggested and the unused ones ignored, which keeps every
parameter in TPE's joint model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le, Len
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from autospec.data.preprocess import Preprocessing, SavitzkyGolay, Scatter, published_step
from autospec.data.spectra import FloatArray, Quantity
from autospec.nets.architecture import (
    PUBLISHED,
    Activation,
    Architecture,
    ConvBlock,
    FCBlock,
    Padding,
    Pooling,
)
from autospec.search.design import Design
from autospec.training.config import Optimiser, TargetTransform, TrainingConfig

Params = dict[str, str | int | float | bool | None]
IntRange = tuple[int, int]
FloatRange = tuple[float, float]
Regulariser = Literal["none", "batch_norm", "dropout"]
MAX_DROPOUT = 0.5
PUBLISHED_LABEL = "published: "


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    """Ranges (low, high, both included) and choices of `shen-like-1`; a study file may narrow them.

    Parameters
    ----------
    conv_blocks, filters, kernel, stride, pool_size, fc_blocks, nodes, batch_size : (int, int)
        Numbers; filters and nodes are searched on a log scale.
    padding, pooling, regulariser, activation, optimiser, quantity, scatter : tuple of str
        Choices.
    dropout, learning_rate, weight_decay : (float, float)
        Learning rate and weight decay are searched on a log scale.
    savgol_window, savgol_order, savgol_derivative : (int, int)
        Savitzky–Golay; whether it is used at all is searched as ``savgol``.
    step : (int, int)
        Band step in the unit of the axis (nm or cm⁻¹).
    target : tuple of str
        Target transforms.
    max_epochs, patience : int
        Not searched: the number of epochs is read off the fold-averaged curve of each trial.
    """

    conv_blocks: IntRange = (1, 4)
    filters: IntRange = (8, 256)
    kernel: IntRange = (2, 20)
    stride: IntRange = (1, 6)
    padding: Annotated[tuple[Padding, ...], Len(1)] = ("valid", "same")
    pooling: Annotated[tuple[Pooling, ...], Len(1)] = ("none", "max", "avg")
    pool_size: IntRange = (2, 5)
    regulariser: Annotated[tuple[Regulariser, ...], Len(1)] = ("none", "batch_norm", "dropout")
    dropout: FloatRange = (0.0, MAX_DROPOUT)
    fc_blocks: IntRange = (0, 3)
    nodes: IntRange = (8, 1024)
    activation: Annotated[tuple[Activation, ...], Len(1)] = (
        "ReLU",
        "LeakyReLU",
        "ELU",
        "SELU",
        "Swish",
    )
    optimiser: Annotated[tuple[Optimiser, ...], Len(1)] = ("adam", "adamw")
    learning_rate: FloatRange = (1e-4, 1e-2)
    weight_decay: FloatRange = (1e-6, 1e-2)
    batch_size: IntRange = (8, 128)
    quantity: Annotated[tuple[Quantity, ...], Len(1)] = ("reflectance", "absorbance")
    scatter: Annotated[tuple[Scatter, ...], Len(1)] = ("none", "snv", "msc")
    savgol: Annotated[tuple[bool, ...], Len(1)] = (False, True)
    savgol_window: IntRange = (5, 29)
    savgol_order: IntRange = (2, 3)
    savgol_derivative: IntRange = (0, 2)
    step: IntRange = (1, 20)
    target: Annotated[tuple[TargetTransform, ...], Len(1)] = ("none", "log1p", "z-score")
    max_epochs: Annotated[int, Ge(1), Le(10_000)] = 60
    patience: Annotated[int, Ge(1)] = 8

    def __post_init__(self) -> None:
        """Refuse ranges that hold nothing."""
        for name in ("conv_blocks", "filters", "kernel", "stride", "nodes", "batch_size", "step"):
            if getattr(self, name)[0] < 1:
                raise ValueError(f"{name} = {getattr(self, name)}; want at least 1")
        for name, value in asdict(self).items():
            two_numbers = isinstance(value, tuple) and isinstance(value[0], (int, float))
            if two_numbers and name != "savgol" and value[0] > value[1]:
                raise ValueError(f"{name} = {value}; want (low, high)")
        if not 0 <= self.dropout[0] <= self.dropout[1] < 1:
            raise ValueError(f"dropout = {self.dropout}; want 0 to below 1")
        if self.savgol_window[0] % 2 == 0 or self.savgol_window[1] % 2 == 0:
            raise ValueError(f"savgol_window = {self.savgol_window}; want odd numbers")
        if self.savgol_derivative[1] > self.savgol_order[0]:
            raise ValueError("savgol_derivative must not exceed savgol_order")
        if self.savgol_order[1] >= self.savgol_window[0]:
            raise ValueError("savgol_order must stay below savgol_window")

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return every parameter of the space, used by a design or not, for ``study.ask``."""
        d: dict[str, BaseDistribution] = {"conv_blocks": IntDistribution(*self.conv_blocks)}
        for i in range(1, self.conv_blocks[1] + 1):
            d[f"conv{i}_kernel"] = IntDistribution(*self.kernel)
            d[f"conv{i}_filters"] = IntDistribution(*self.filters, log=True)
            d[f"conv{i}_padding"] = CategoricalDistribution(self.padding)
            d[f"conv{i}_stride"] = IntDistribution(*self.stride)
            d[f"conv{i}_pooling"] = CategoricalDistribution(self.pooling)
            d[f"conv{i}_pool_size"] = IntDistribution(*self.pool_size)
            d |= self._finish_distributions(f"conv{i}")
        d["fc_blocks"] = IntDistribution(*self.fc_blocks)
        for i in range(1, self.fc_blocks[1] + 1):
            d[f"fc{i}_nodes"] = IntDistribution(*self.nodes, log=True)
            d |= self._finish_distributions(f"fc{i}")
        return d | {
            "optimiser": CategoricalDistribution(self.optimiser),
            "learning_rate": FloatDistribution(*self.learning_rate, log=True),
            "weight_decay": FloatDistribution(*self.weight_decay, log=True),
            "batch_size": IntDistribution(*self.batch_size, log=True),
            "target": CategoricalDistribution(self.target),
            "quantity": CategoricalDistribution(self.quantity),
            "scatter": CategoricalDistribution(self.scatter),
            "savgol": CategoricalDistribution(self.savgol),
            "savgol_window": IntDistribution(*self.savgol_window, step=2),
            "savgol_order": IntDistribution(*self.savgol_order),
            "savgol_derivative": IntDistribution(*self.savgol_derivative),
            "step": IntDistribution(*self.step),
        }

    def _finish_distributions(self, name: str) -> dict[str, BaseDistribution]:
        return {
            f"{name}_activation": CategoricalDistribution(self.activation),
            f"{name}_regulariser": CategoricalDistribution(self.regulariser),
            f"{name}_dropout": FloatDistribution(*self.dropout),
        }

    def holds(self, design: Design) -> bool:
        """Say whether the space can propose `design` (a study file may have narrowed it)."""
        n_conv, n_fc = len(design.architecture.conv), len(design.architecture.fc)
        if n_conv > self.conv_blocks[1] or n_fc > self.fc_blocks[1]:
            return False
        params = self.encode(design)
        return can_propose(self.distributions(), params) and self.decode(params) == design

    def decode(self, params: Mapping[str, object]) -> Design:
        """Turn a trial's parameters into the design they stand for."""
        p: dict[str, object] = dict(params)
        n_conv, n_fc = whole(p["conv_blocks"]), whole(p["fc_blocks"])
        savgol = None
        if p["savgol"]:
            savgol = SavitzkyGolay(
                window=whole(p["savgol_window"]),
                order=whole(p["savgol_order"]),
                derivative=whole(p["savgol_derivative"]),
            )
        return Design(
            preprocessing=Preprocessing(
                quantity=p["quantity"],  # type: ignore[arg-type]
                scatter=p["scatter"],  # type: ignore[arg-type]
                savgol=savgol,
                step=float(whole(p["step"])),
            ),
            architecture=Architecture(
                conv=tuple(_conv(p, f"conv{i}") for i in range(1, n_conv + 1)),
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
            ),
        )

    def encode(self, design: Design) -> Params:
        """Turn a design into parameters; blocks it does not use take each range's low end.

        ``decode(encode(design)) == design`` for every design within the ranges.
        """
        conv, fc = design.architecture.conv, design.architecture.fc
        p: Params = {"conv_blocks": len(conv), "fc_blocks": len(fc)}
        for i in range(1, self.conv_blocks[1] + 1):
            p |= self._encode_conv(f"conv{i}", conv[i - 1] if i <= len(conv) else None)
        for i in range(1, self.fc_blocks[1] + 1):
            block = fc[i - 1] if i <= len(fc) else None
            p[f"fc{i}_nodes"] = block.nodes if block else self.nodes[0]
            p |= self._encode_finish(f"fc{i}", block)
        savgol = design.preprocessing.savgol
        return p | {
            "optimiser": design.training.optimiser,
            "learning_rate": design.training.learning_rate,
            "weight_decay": design.training.weight_decay,
            "batch_size": design.training.batch_size,
            "target": design.training.target_transform,
            "quantity": design.preprocessing.quantity,
            "scatter": design.preprocessing.scatter,
            "savgol": savgol is not None,
            "savgol_window": savgol.window if savgol else self.savgol_window[0],
            "savgol_order": savgol.order if savgol else self.savgol_order[0],
            "savgol_derivative": savgol.derivative if savgol else self.savgol_derivative[0],
            "step": round(design.preprocessing.step),
        }

    def _encode_conv(self, name: str, block: ConvBlock | None) -> Params:
        p: Params = {
            f"{name}_kernel": block.kernel if block else self.kernel[0],
            f"{name}_filters": block.filters if block else self.filters[0],
            f"{name}_padding": block.padding if block else self.padding[0],
            f"{name}_stride": block.stride if block else self.stride[0],
            f"{name}_pooling": block.pooling if block else self.pooling[0],
            f"{name}_pool_size": (
                block.pool_size if block and block.pooling != "none" else self.pool_size[0]
            ),
        }
        return p | self._encode_finish(name, block)

    def _encode_finish(self, name: str, block: ConvBlock | FCBlock | None) -> Params:
        regulariser: Regulariser = self.regulariser[0]
        if block is not None:
            regulariser = "dropout" if block.dropout > 0 else "none"
            regulariser = "batch_norm" if block.batch_norm else regulariser
        used = block is not None and block.dropout > 0
        return {
            f"{name}_activation": block.activation if block else self.activation[0],
            f"{name}_regulariser": regulariser,
            f"{name}_dropout": block.dropout if block and used else self.dropout[0],
        }

    def references(self, axis: FloatArray) -> dict[str, Design]:
        """Return what is tried first, by label: the published designs, for spectra on `axis`."""
        return {f"{PUBLISHED_LABEL}{n}": self.published_design(n, axis) for n in PUBLISHED}

    def published_design(self, name: str, axis: FloatArray) -> Design:
        """Return a published architecture as a design for spectra on `axis`.

        The publication's preprocessing and training numbers are not known to us. Ours: SNV of
        the absorbance and a first Savitzky–Golay derivative, bands averaged to about the
        published 216, Adam.
        """
        return Design(
            preprocessing=Preprocessing(
                quantity="absorbance",
                scatter="snv",
                savgol=SavitzkyGolay(window=11, order=2, derivative=1),
                step=published_step(axis),
            ),
            architecture=PUBLISHED[name],
            training=TrainingConfig(
                learning_rate=5e-4,
                weight_decay=1e-6,
                batch_size=64,
                max_epochs=self.max_epochs,
                patience=self.patience,
            ),
        )


def can_propose(distributions: Mapping[str, BaseDistribution], params: Params) -> bool:
    """Say whether every parameter lies within its distribution."""
    for name, d in distributions.items():
        value = params[name]
        if isinstance(d, CategoricalDistribution):
            if value not in d.choices:
                return False
        elif isinstance(d, IntDistribution | FloatDistribution):
            assert isinstance(value, int | float)
            if not d.low <= value <= d.high:
                return False
    return True


def whole(value: object) -> int:
    """Return a parameter that is a whole number."""
    assert isinstance(value, int)
    return value


def _finish(p: dict[str, object], name: str) -> dict[str, object]:
    kind = p[f"{name}_regulariser"]
    return {
        "activation": p[f"{name}_activation"],
        "dropout": p[f"{name}_dropout"] if kind == "dropout" else 0.0,
        "batch_norm": kind == "batch_norm",
    }


def _conv(p: dict[str, object], name: str) -> ConvBlock:
    pooling = p[f"{name}_pooling"]
    return ConvBlock(
        kernel=whole(p[f"{name}_kernel"]),
        filters=whole(p[f"{name}_filters"]),
        padding=p[f"{name}_padding"],  # type: ignore[arg-type]
        stride=whole(p[f"{name}_stride"]),
        pooling=pooling,  # type: ignore[arg-type]
        pool_size=2 if pooling == "none" else whole(p[f"{name}_pool_size"]),
        **_finish(p, name),  # type: ignore[arg-type]
    )


def _fc(p: dict[str, object], name: str) -> FCBlock:
    return FCBlock(nodes=whole(p[f"{name}_nodes"]), **_finish(p, name))  # type: ignore[arg-type]
