"""What a 3D-CNN is: conv blocks over space and time, FC blocks and an output block; no torch.

The words are those of `autospec.nets.architecture`, with kernels that reach over space (h and w
alike) and time. Within a conv block the order is convolution, normalisation, activation, pooling,
dropout of whole filters. Sizes and parameter counts come from arithmetic alone.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Literal, get_args

from annotated_types import Ge, Gt, Le, Lt

from autospec.nets.architecture import (
    TABLE_COLUMNS,
    Activation,
    ArchitectureError,
    FCBlock,
    Pooling,
)

CubePadding = Literal["valid", "same", "full"]
Norm = Literal["none", "batch", "group"]
Head = Literal["flatten", "average"]
Shape = tuple[int, int, int, int]
Volume = tuple[int, int, int]
POOL = 2
MOST_GROUPS = 8
_STRICT = {"extra": "forbid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeConvBlock:
    """A convolution over space and time, and what belongs to it.

    Parameters
    ----------
    kernel_space, kernel_time : int
        Kernel size in cells (h and w alike) and in dates, at least 1.
    filters : int
        Number of filters, at least 1.
    activation : {"ReLU", "LeakyReLU", "ELU", "SELU", "Swish"}
        After convolution and normalisation.
    padding : {"valid", "same", "full"}
        "same" pads each axis so that a length L leaves as ceil(L / stride); "full" pads kernel − 1
        on both sides.
    stride : int
        Along all three axes, at least 1.
    pooling : {"none", "max", "avg"}
        Over 2 × 2 × 2, with that stride; what is left over is not seen.
    norm : {"none", "batch", "group"}
        Normalisation after the convolution; groups: the largest divisor of `filters` up to 8.
    dropout : float
        Share of filters set to zero in training, 0 to below 1.

    Raises
    ------
    ArchitectureError
        If a number is out of range or a word is unknown.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    kernel_space: Annotated[int, Ge(1)]
    kernel_time: Annotated[int, Ge(1)]
    filters: Annotated[int, Ge(1)]
    activation: Activation
    padding: CubePadding = "valid"
    stride: Annotated[int, Ge(1)] = 1
    pooling: Pooling = "none"
    norm: Norm = "none"
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0

    def __post_init__(self) -> None:
        """Refuse impossible blocks."""
        for name in ("kernel_space", "kernel_time", "filters", "stride"):
            if getattr(self, name) < 1:
                raise ArchitectureError(f"{name} = {getattr(self, name)}; want at least 1")
        words = {"activation": Activation, "padding": CubePadding, "pooling": Pooling, "norm": Norm}
        for name, kind in words.items():
            if getattr(self, name) not in get_args(kind):
                known = ", ".join(get_args(kind))
                raise ArchitectureError(f"{name} = {getattr(self, name)!r}; want one of {known}")
        if not 0.0 <= self.dropout < 1.0:
            raise ArchitectureError(f"dropout = {self.dropout}; want 0 to below 1")

    @property
    def kernel(self) -> Volume:
        """Kernel along h, w and t."""
        return self.kernel_space, self.kernel_space, self.kernel_time

    @property
    def groups(self) -> int:
        """Groups of group normalisation."""
        return next(g for g in range(MOST_GROUPS, 0, -1) if self.filters % g == 0)

    def pads(self, volume: Volume) -> tuple[tuple[int, int], ...]:
        """Return how many zeros go before and after, along each axis of an arriving volume."""
        return tuple(self._pad(n, k) for n, k in zip(volume, self.kernel, strict=True))

    def convolved(self, volume: Volume) -> Volume:
        """Return the volume after the convolution alone (0 along an axis that does not fit)."""
        h, w, t = (
            max((n + sum(self._pad(n, k)) - k) // self.stride + 1, 0)
            for n, k in zip(volume, self.kernel, strict=True)
        )
        return h, w, t

    def out_volume(self, volume: Volume) -> Volume:
        """Return the volume after convolution and pooling (0 along an axis that does not fit)."""
        h, w, t = self.convolved(volume)
        return (h, w, t) if self.pooling == "none" else (h // POOL, w // POOL, t // POOL)

    def _pad(self, n: int, k: int) -> tuple[int, int]:
        if self.padding == "valid":
            return 0, 0
        if self.padding == "full":
            return k - 1, k - 1
        total = max((math.ceil(n / self.stride) - 1) * self.stride + k - n, 0)
        return total // 2, total - total // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeArchitecture:
    """A 3D-CNN: conv blocks, a head, FC blocks, and an output block of one linear node.

    Parameters
    ----------
    conv : tuple of CubeConvBlock
        In order from the cube, at least one.
    head : {"flatten", "average"}
        What reaches the FC blocks: all values, or each filter's mean over space and time.
    fc : tuple of FCBlock
        In order towards the output; may be empty.
    leaky_slope, norm_eps, bn_momentum : float
        Negative slope of LeakyReLU, 0 to 1; the normalisations' numbers: above 0; above 0 to 1.

    Raises
    ------
    ArchitectureError
        If there is no conv block, a word is unknown, or a number is out of range.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    conv: tuple[CubeConvBlock, ...]
    head: Head = "flatten"
    fc: tuple[FCBlock, ...] = ()
    leaky_slope: Annotated[float, Ge(0), Le(1)] = 0.01
    norm_eps: Annotated[float, Gt(0)] = 1e-5
    bn_momentum: Annotated[float, Gt(0), Le(1)] = 0.1

    def __post_init__(self) -> None:
        """Refuse what no network can be."""
        if not self.conv:
            raise ArchitectureError("no conv block; want at least one")
        if self.head not in get_args(Head):
            raise ArchitectureError(f"head = {self.head!r}; want one of flatten, average")
        if not 0 <= self.leaky_slope <= 1:
            raise ArchitectureError(f"leaky_slope = {self.leaky_slope}; want 0 to 1")
        if not 0 < self.norm_eps < math.inf or not 0 < self.bn_momentum <= 1:
            raise ArchitectureError("want norm_eps above 0, bn_momentum above 0 to 1")

    def volumes(self, shape: Shape) -> tuple[Volume, ...]:
        """Return (h, w, t) after each conv block, for cubes of `shape` (c, h, w, t)."""
        volumes: list[Volume] = []
        volume = shape[1:]
        for block in self.conv:
            volume = block.out_volume(volume) if min(volume) else (0, 0, 0)
            volumes.append(volume)
        return tuple(volumes)

    def shortfall(self, shape: Shape) -> int:
        """Return 0 if cubes of `shape` fit, else how many blocks find nothing left."""
        return sum(min(volume) < 1 for volume in self.volumes(shape))

    def flattened(self, shape: Shape) -> int:
        """Return how many numbers reach the first FC block.

        Raises
        ------
        ArchitectureError
            If the cubes are too small for the conv blocks.
        """
        arriving = shape[1:]
        for number, (block, left) in enumerate(
            zip(self.conv, self.volumes(shape), strict=True), start=1
        ):
            if min(left) < 1:
                raise ArchitectureError(
                    f"conv block {number} does not fit: {arriving[0]} x {arriving[1]} cells and "
                    f"{arriving[2]} dates arrive, kernel {block.kernel_space} and "
                    f"{block.kernel_time}, stride {block.stride}, pooling {block.pooling}"
                )
            arriving = left
        filters = self.conv[-1].filters
        return filters if self.head == "average" else filters * math.prod(arriving)

    def n_parameters(self, shape: Shape) -> int:
        """Return the number of trainable parameters; raises as `flattened` does."""
        total, channels = 0, shape[0]
        for block in self.conv:
            total += (channels * math.prod(block.kernel) + 1) * block.filters
            total += 2 * block.filters * (block.norm != "none")
            channels = block.filters
        width = self.flattened(shape)
        for fc in self.fc:
            total += (width + 1) * fc.nodes + 2 * fc.nodes * fc.batch_norm
            width = fc.nodes
        return total + width + 1

    def multiply_adds(self, shape: Shape) -> int:
        """Return the multiply–adds of one forward pass (conv, FC); raises as `flattened` does."""
        width = self.flattened(shape)
        total, channels, volume = 0, shape[0], shape[1:]
        for block in self.conv:
            inner = channels * math.prod(block.kernel)
            total += math.prod(block.convolved(volume)) * inner * block.filters
            channels, volume = block.filters, block.out_volume(volume)
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

        def add(block: str, layer: str, **cells: object) -> None:
            row = dict.fromkeys(TABLE_COLUMNS, "") | {"Site": site, "Block": block, "Layer": layer}
            rows.append(row | {name: str(cell) for name, cell in cells.items()})

        for i, block in enumerate(self.conv, start=1):
            name, kernel = f"Conv block {i}", " x ".join(map(str, block.kernel))
            words = {"Kernel/Pool size": kernel, "Filters/Nodes": block.filters}
            words |= {"Padding": block.padding, "Strides": block.stride}
            add(name, "Convolutional 3-D", **words, Activation=block.activation)
            if block.norm != "none":
                add(name, f"{block.norm.capitalize()} normalisation")
            if block.pooling != "none":
                word = "Max pooling" if block.pooling == "max" else "Average pooling"
                add(name, word, **{"Kernel/Pool size": POOL, "Strides": POOL, "Padding": "valid"})
            if block.dropout > 0:
                add(name, f"Dropout of filters ({block.dropout:.3g})")
        if self.head == "average":
            add("Head", "Global average pooling")
        for i, fc in enumerate(self.fc, start=1):
            name = f"FC block {i}"
            add(name, "Fully connected", **{"Filters/Nodes": fc.nodes}, Activation=fc.activation)
            if fc.batch_norm:
                add(name, "Batch normalisation")
            if fc.dropout > 0:
                add(name, f"Dropout ({fc.dropout:.3g})")
        add("Output block", "Fully connected", **{"Filters/Nodes": 1}, Activation="Linear")
        return rows


def cube_architecture_from_json(data: Any) -> CubeArchitecture:  # noqa: ANN401 (parsed JSON)
    """Build an architecture from parsed JSON.

    Raises
    ------
    ArchitectureError
        If a field is missing, unknown, of the wrong type or out of range; names the field.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(CubeArchitecture).validate_python(data)
    except ValidationError as error:
        # a misspelt field is missing too: what is unknown explains what is missing
        first = min(error.errors(), key=lambda e: e["type"] != "unexpected_keyword_argument")
        where = ".".join(str(part) for part in first["loc"])
        raise ArchitectureError(
            f"architecture: {where or 'top'}: {first['msg']}. Correct the field; docs/train.md has "
            "an example."
        ) from error
