"""What a kept model is made of: a small, closed language of steps and nodes, as plain data.

Whatever was fitted (a stack of Gaussian processes, PLSR, an ensemble of networks) is written down
in these words, and only in these: `autospec.predict.running` computes them, a model file holds
them, the ONNX graph is drawn from them. So a file outlives the classes that fitted it. Steps turn
spectra into spectra; nodes turn spectra into predictions; of cubes there is one node only. All are
dataclasses that pydantic reads and writes; arrays are named in the text (see
`autospec.data.tensors`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt
from pydantic import Field

from autospec.data.cubes.scaling import ChannelScaler
from autospec.data.spectra import Quantity
from autospec.data.tensors import Matrix, Vector, Weights
from autospec.nets.architecture import Architecture
from autospec.nets.cube_architecture import CubeArchitecture, Shape

_STRICT = {"extra": "forbid"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ToQuantity:
    """Turn reflectance into absorbance log10(1/R), or back; `to` is what leaves."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    kind: Literal["quantity"] = "quantity"
    to: Quantity


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Average:
    """Average bands at `axis` (b,) to even steps: `autospec.data.preprocess.BandAveraging`."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    kind: Literal["average"] = "average"
    axis: Vector
    step: Annotated[float, Gt(0)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resample:
    """Bring bands at `axis` (b,) to those at `grid` (b',): `autospec.data.bands.band_weights`."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    kind: Literal["resample"] = "resample"
    axis: Vector
    grid: Vector


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snv:
    """Standard normal variate (https://doi.org/10.1366/0003702894202201)."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    kind: Literal["snv"] = "snv"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Msc:
    """Multiplicative scatter correction to `reference` (b,).

    https://doi.org/10.1366/0003702854248656
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    kind: Literal["msc"] = "msc"
    reference: Vector


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Savgol:
    """Savitzky–Golay filter (https://doi.org/10.1021/ac60214a047)."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    kind: Literal["savgol"] = "savgol"
    window: Annotated[int, Ge(3)]
    order: Annotated[int, Ge(1)]
    derivative: Annotated[int, Ge(0)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standardise:
    """(x − mean) / scale, each of shape (b,)."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    kind: Literal["standardise"] = "standardise"
    mean: Vector
    scale: Vector


Step = Annotated[
    ToQuantity | Average | Resample | Snv | Msc | Savgol | Standardise, Field(discriminator="kind")
]
Steps = tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linear:
    """intercept + x · coefficients, x the spectra after `steps`."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    kind: Literal["linear"] = "linear"
    steps: Steps
    coefficients: Vector
    intercept: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sum:
    """The sum of `terms`: a linear model on several views of the spectra."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    kind: Literal["sum"] = "sum"
    terms: tuple[Linear, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KernelExpansion:
    """Σᵢ wᵢ · (linear · x·xᵢ + radial · exp(−|x − xᵢ|² / (2 · length²))) + intercept.

    Parameters
    ----------
    views : tuple of Steps
        x is their results side by side, divided by `divisor`.
    divisor : float
    x : float64, shape (n, bands)
        The training rows xᵢ.
    weights : float64, shape (n,)
    linear, radial, length, intercept : float
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    kind: Literal["kernel"] = "kernel"
    views: tuple[Steps, ...]
    divisor: Annotated[float, Gt(0)]
    x: Matrix
    weights: Vector
    linear: float
    radial: float
    length: Annotated[float, Gt(0)]
    intercept: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkWeights:
    """One trained network: its state by torch's names, and the scale it learned lab values on.

    z = network(x); y = z · sd + mean, and expm1 of that where `log`.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    state: dict[str, Weights]
    log: bool
    mean: float
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Networks:
    """The mean of networks of one architecture on the spectra after `steps`, of `bands` bands."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    kind: Literal["networks"] = "networks"
    steps: Steps
    architecture: Architecture
    bands: Annotated[int, Ge(1)]
    members: tuple[NetworkWeights, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CubeNetworks:
    """The mean of 3D-CNNs of one architecture on cubes of `shape` (c, h, w, t), after `scaler`."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    kind: Literal["cube networks"] = "cube networks"
    scaler: ChannelScaler
    architecture: CubeArchitecture
    shape: Shape
    members: tuple[NetworkWeights, ...]

    @property
    def arriving(self) -> Shape:
        """(c, h, w, t) of what reaches the networks."""
        return self.scaler.recipe.arriving(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OnScale:
    """A node that predicts on another scale: y = z · sd + mean.

    Where `root`, y is held between `low` and `high` and cubed; where `log`, likewise, and expm1
    of it is taken, which is what models made by earlier versions are read for.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    kind: Literal["scale"] = "scale"
    node: Node
    log: bool = False
    root: bool = False
    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mixture:
    """A weighted mean of nodes, each held between `low` and `high` first.

    A node whose prediction of a row is not finite has no say in that row.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    kind: Literal["mixture"] = "mixture"
    names: tuple[str, ...]
    nodes: tuple[Node, ...]
    weights: Vector
    low: float
    high: float


Node = Annotated[
    Linear | Sum | KernelExpansion | Networks | OnScale | Mixture, Field(discriminator="kind")
]


def prepend(node: Node, steps: Steps) -> Node:
    """Return the node with `steps` before its own: on spectra as they are further up."""
    if isinstance(node, Linear | Networks):
        return replace(node, steps=(*steps, *node.steps))
    if isinstance(node, Sum):
        return replace(node, terms=tuple(replace(t, steps=(*steps, *t.steps)) for t in node.terms))
    if isinstance(node, KernelExpansion):
        return replace(node, views=tuple((*steps, *view) for view in node.views))
    if isinstance(node, OnScale):
        return replace(node, node=prepend(node.node, steps))
    return replace(node, nodes=tuple(prepend(part, steps) for part in node.nodes))


def parts(node: Any) -> Iterator[Any]:  # noqa: ANN401 (a tree of the classes above)
    """Yield every dataclass of a tree, itself first."""
    if is_dataclass(node):
        yield node
        for field in fields(node):
            yield from parts(getattr(node, field.name))
    elif isinstance(node, tuple):
        for part in node:
            yield from parts(part)
