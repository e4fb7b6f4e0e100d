"""What a network is: conv blocks, FC blocks and an output block, with closed-form sizes.

No torch here: output sizes, parameter counts, multiply–adds, the published table's rows and JSON
come from arithmetic alone. The vocabulary, and the three published architectures, are those of
Shen et al. 2022 (https://doi.org/10.1016/j.isprsjprs.2022.04.009). What that publication leaves
open is ours: within a conv block the order is convolution, batch normalisation, activation,
pooling, dropout; LeakyReLU's slope is 0.01; batch normalisation uses eps 1e-5, momentum 0.1.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Literal, get_args

from annotated_types import Ge, Gt, Le, Lt

Activation = Literal["ReLU", "LeakyReLU", "ELU", "SELU", "Swish"]
Padding = Literal["valid", "same"]
Pooling = Literal["none", "max", "avg"]

TABLE_COLUMNS = (
    "Site",
    "Block",
    "Layer",
    "Kernel/Pool size",
    "Filters/Nodes",
    "Padding",
    "Strides",
    "Activation",
)


class ArchitectureError(ValueError):
    """A block asks for something impossible, or a spectrum is too short for the network."""


_STRICT = {"extra": "forbid"}  # read by pydantic: JSON with an unknown field is refused


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ArchitectureError(f"{name} = {value!r}; want one of {', '.join(known)}")


def _check_dropout(dropout: float, batch_norm: bool) -> None:
    if not 0.0 <= dropout < 1.0:
        raise ArchitectureError(f"dropout = {dropout}; want 0 to below 1")
    if dropout > 0.0 and batch_norm:
        raise ArchitectureError("dropout and batch_norm are both set; want one or none")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvBlock:
    """A convolution and what belongs to it.

    Parameters
    ----------
    kernel : int
        Kernel size in bands, at least 1.
    filters : int
        Number of filters, at least 1.
    activation : {"ReLU", "LeakyReLU", "ELU", "SELU", "Swish"}
        Applied after the convolution (and batch normalisation).
    padding : {"valid", "same"}
        "same" pads so that a spectrum of length L leaves with length ceil(L / stride).
    stride : int
        At least 1.
    pooling : {"none", "max", "avg"}
        With `pool_size`, which is also its stride.
    dropout : float
        0 (none) to below 1; not together with `batch_norm`.
    batch_norm : bool
        Batch normalisation after the convolution.

    Raises
    ------
    ArchitectureError
        If a number is out of range, a word is unknown, or dropout and batch_norm are both set.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    kernel: Annotated[int, Ge(1)]
    filters: Annotated[int, Ge(1)]
    activation: Activation
    padding: Padding = "valid"
    stride: Annotated[int, Ge(1)] = 1
    pooling: Pooling = "none"
    pool_size: Annotated[int, Ge(2)] = 2
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    batch_norm: bool = False

    def __post_init__(self) -> None:
        """Refuse impossible blocks."""
        for name, low in (("kernel", 1), ("filters", 1), ("stride", 1), ("pool_size", 2)):
            if getattr(self, name) < low:
                raise ArchitectureError(f"{name} = {getattr(self, name)}; want at least {low}")
        _check_choice("activation", self.activation, get_args(Activation))
        _check_choice("padding", self.padding, get_args(Padding))
        _check_choice("pooling", self.pooling, get_args(Pooling))
        _check_dropout(self.dropout, self.batch_norm)

    def convolved(self, length: int) -> int:
        """Return the length after the convolution alone (0 if it does not fit)."""
        if self.padding == "same":
            return math.ceil(length / self.stride)
        return max((length - self.kernel) // self.stride + 1, 0)

    def out_length(self, length: int) -> int:
        """Return the length after convolution and pooling (0 if it does not fit)."""
        length = self.convolved(length)
        return length if self.pooling == "none" else length // self.pool_size

    def pads(self, length: int) -> tuple[int, int]:
        """Return how many zeros go left and right of a spectrum of `length` bands.

        The total is max((ceil(L/s) − 1)·s + k − L, 0), the left share its half rounded down.
        """
        if self.padding == "valid":
            return 0, 0
        total = max((math.ceil(length / self.stride) - 1) * self.stride + self.kernel - length, 0)
        return total // 2, total - total // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FCBlock:
    """A fully connected layer and what belongs to it.

    Parameters
    ----------
    nodes : int
        At least 1.
    activation, dropout, batch_norm
        As in `ConvBlock`; refused alike.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    nodes: Annotated[int, Ge(1)]
    activation: Activation
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    batch_norm: bool = False

    def __post_init__(self) -> None:
        """Refuse impossible blocks."""
        if self.nodes < 1:
            raise ArchitectureError(f"nodes = {self.nodes}; want at least 1")
        _check_choice("activation", self.activation, get_args(Activation))
        _check_dropout(self.dropout, self.batch_norm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A 1D-CNN: conv blocks, FC blocks, and an output block of one linear node.

    Parameters
    ----------
    conv : tuple of ConvBlock
        In order from the spectrum.
    fc : tuple of FCBlock
        In order towards the output; may be empty.
    leaky_slope : float
        Negative slope of LeakyReLU, 0 to 1.
    bn_eps, bn_momentum : float
        Batch normalisation's numbers: above 0; above 0 to 1.

    Raises
    ------
    ArchitectureError
        If one of these numbers is out of range.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    conv: tuple[ConvBlock, ...]
    fc: tuple[FCBlock, ...] = ()
    leaky_slope: Annotated[float, Ge(0), Le(1)] = 0.01
    bn_eps: Annotated[float, Gt(0)] = 1e-5
    bn_momentum: Annotated[float, Gt(0), Le(1)] = 0.1

    def __post_init__(self) -> None:
        """Refuse numbers that no network can use."""
        if not 0 <= self.leaky_slope <= 1:
            raise ArchitectureError(f"leaky_slope = {self.leaky_slope}; want 0 to 1")
        if not 0 < self.bn_eps < math.inf:
            raise ArchitectureError(f"bn_eps = {self.bn_eps}; want above 0")
        if not 0 < self.bn_momentum <= 1:
            raise ArchitectureError(f"bn_momentum = {self.bn_momentum}; want above 0, at most 1")

    def lengths(self, bands: int) -> tuple[int, ...]:
        """Return the length after each conv block, for a spectrum of `bands` bands."""
        lengths: list[int] = []
        for block in self.conv:
            bands = block.out_length(bands) if bands else 0
            lengths.append(bands)
        return tuple(lengths)

    def flattened(self, bands: int) -> int:
        """Return how many numbers reach the first FC block.

        Raises
        ------
        ArchitectureError
            If the spectrum is too short for the conv blocks.
        """
        length, filters = bands, 1
        for number, block in enumerate(self.conv, start=1):
            before, length, filters = length, block.out_length(length), block.filters
            if length < 1:
                raise ArchitectureError(
                    f"conv block {number} does not fit: {before} bands arrive, kernel "
                    f"{block.kernel}, stride {block.stride}, pooling {block.pooling}"
                )
        return length * filters

    def shortfall(self, bands: int) -> int:
        """Return 0 if a spectrum of `bands` bands fits, else how many blocks find nothing left."""
        return sum(length < 1 for length in self.lengths(bands))

    def n_parameters(self, bands: int) -> int:
        """Return the number of trainable parameters; raises as `flattened` does."""
        total, channels = 0, 1
        for block in self.conv:
            total += (channels * block.kernel + 1) * block.filters
            total += 2 * block.filters * block.batch_norm
            channels = block.filters
        width = self.flattened(bands)
        for fc in self.fc:
            total += (width + 1) * fc.nodes + 2 * fc.nodes * fc.batch_norm
            width = fc.nodes
        return total + width + 1

    def multiply_adds(self, bands: int) -> int:
        """Return the multiply–adds of one forward pass (conv, FC); raises as `flattened` does."""
        total, channels, length = 0, 1, bands
        for block in self.conv:
            total += block.convolved(length) * channels * block.kernel * block.filters
            channels, length = block.filters, block.out_length(length)
        width = self.flattened(bands)
        for fc in self.fc:
            total += width * fc.nodes
            width = fc.nodes
        return total + width

    @property
    def digest(self) -> str:
        """SHA-256 of the architecture."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def table_rows(self, site: str) -> list[dict[str, str]]:
        """Return the best-architecture table, one dict of `TABLE_COLUMNS` a layer."""
        rows: list[dict[str, str]] = []
        for i, block in enumerate(self.conv, start=1):
            name = f"Conv block {i}"
            layer = _row(site, name, "Convolutional", kernel=block.kernel, nodes=block.filters)
            layer |= {"Padding": block.padding, "Strides": str(block.stride)}
            rows.append(layer | {"Activation": block.activation})
            rows += _regulariser_rows(site, name, 0.0, block.batch_norm)
            if block.pooling != "none":
                word = "Max pooling" if block.pooling == "max" else "Average pooling"
                size = block.pool_size
                rows.append(_row(site, name, word, kernel=size, stride=size, padding="valid"))
            rows += _regulariser_rows(site, name, block.dropout, False)
        for i, fc in enumerate(self.fc, start=1):
            name = f"FC block {i}"
            rows.append(
                _row(site, name, "Fully connected", nodes=fc.nodes, activation=fc.activation)
            )
            rows += _regulariser_rows(site, name, fc.dropout, fc.batch_norm)
        rows.append(_row(site, "Output block", "Fully connected", nodes=1, activation="Linear"))
        return rows


def _row(
    site: str,
    block: str,
    layer: str,
    *,
    kernel: int | None = None,
    nodes: int | None = None,
    padding: str = "",
    stride: int | None = None,
    activation: str = "",
) -> dict[str, str]:
    words = ["" if number is None else str(number) for number in (kernel, nodes, stride)]
    cells = (site, block, layer, words[0], words[1], padding, words[2], activation)
    return dict(zip(TABLE_COLUMNS, cells, strict=True))


def _regulariser_rows(
    site: str, block: str, dropout: float, batch_norm: bool
) -> list[dict[str, str]]:
    if batch_norm:
        return [_row(site, block, "Batch normalisation")]
    if dropout > 0:
        return [_row(site, block, f"Dropout ({dropout:.3g})")]
    return []


def architecture_from_json(data: Any) -> Architecture:  # noqa: ANN401 (parsed JSON)
    """Build an architecture from parsed JSON.

    Raises
    ------
    ArchitectureError
        If a field is missing, unknown, of the wrong type or out of range; names the field.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Architecture).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ArchitectureError(f"architecture: {where}: {first['msg']}") from error


PUBLISHED: dict[str, Architecture] = {
    "china": Architecture(
        conv=(ConvBlock(kernel=3, filters=232, stride=2, activation="Swish", dropout=0.001),),
        fc=(FCBlock(nodes=22, activation="ELU", dropout=0.38),),
    ),
    "sweden": Architecture(
        conv=(
            ConvBlock(
                kernel=10, filters=214, padding="same", stride=6, activation="SELU", dropout=0.20
            ),
        ),
        fc=(
            FCBlock(nodes=446, activation="LeakyReLU", batch_norm=True),
            FCBlock(nodes=208, activation="Swish", dropout=0.48),
        ),
    ),
    "usa": Architecture(
        conv=(
            ConvBlock(
                kernel=7, filters=212, padding="same", stride=3, activation="Swish", dropout=0.16
            ),
        ),
        fc=(
            FCBlock(nodes=1005, activation="Swish"),
            FCBlock(nodes=1015, activation="SELU"),
        ),
    ),
}
