"""`ModelBundle`, `CubeBundle`, `MapBundle`: a kept model as plain data; no JSON and no files.

What they say is checked by `autospec.predict.checks`.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt
from pydantic import Field

import autospec
from autospec.data.cubes.cubes import Cubes
from autospec.data.maps.problem import MapAims
from autospec.data.maps.scaling import MapScaler
from autospec.data.spectra import AxisUnit, Quantity, Spectra
from autospec.data.tensors import Vector, Weights
from autospec.evaluate.conformal import Calibration
from autospec.evaluate.cube_domain import CubeDomain
from autospec.evaluate.domain import Domain
from autospec.evaluate.trust import Trust
from autospec.nets.cube_architecture import Shape
from autospec.nets.map_sizes import CNNTransformerSizes
from autospec.predict.lab import LabRange
from autospec.predict.nodes import CubeNetworks, Node
from autospec.training.map_settings import Gaps

SCHEMA_VERSION = 1  # of a model of spectra
CUBE_SCHEMA_VERSION = 2  # of a model of cubes
MAP_MODEL_VERSION = 3  # of a model of maps
NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
PACKAGES = ("torch", "numpy", "scikit-learn", "chemotools", "ikpls")
Job = Literal["search", "localise", "train", "api"]
_STRICT = {"extra": "forbid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a model came from.

    Parameters
    ----------
    job : {"search", "localise", "api"}
        What made it.
    runs : tuple of str
        Digests of the runs that chose it, if any.
    data_digest : str
        `Spectra.digest` or `Cubes.digest` of the rows it learned from; of a stack
        `autospec.training.map_result.MapData.digest`.
    sources : tuple of str
        Sentences: where these came from, and every conversion.
    fields : dict of str to int
        Rows of each field; cubes have none.
    autospec, python : str
        Versions.
    packages : dict of str to str
        Versions.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    job: Job
    runs: tuple[str, ...]
    data_digest: str
    sources: tuple[str, ...]
    fields: dict[str, int]
    autospec: str
    python: str
    packages: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """One measured number, beside others that say what it is worth.

    Parameters
    ----------
    what : str
        Which number of which model: "RMSE", "RMSE of PLSR", "RMSE of the mean".
    value : float
    low, high : float or None
        Its interval, where there is one.
    unit : str
        Empty where it has none.
    rows : str
        Which rows it was measured on, in words.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    what: str
    value: float
    low: float | None
    high: float | None
    unit: str
    rows: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelBundle:
    """A model that can be kept: what predicts, what says how far to trust it, and its history.

    Parameters
    ----------
    schema_version : int
        Of the document.
    name : str
        Lower-case letters, digits, hyphens, underscores; at most 64.
    made : str
        When, in ISO 8601, UTC.
    model_kind : str
        What it is, in words.
    axis : float64, shape (b,)
        Ascending bands of the spectra it predicts, in `axis_unit`.
    axis_unit : {"nm", "cm-1"}
    quantity : {"reflectance", "absorbance"}
        What these spectra are.
    target_name, target_unit : str
        What it predicts.
    n_train : int
        Rows it learned from; of a library, none are counted.
    lab : LabRange
        Of all these rows; `calibration` may hold fewer.
    model : Node
    twins : tuple of Node
        The same, each learned without one fold; intervals come from them.
    calibration : Calibration
    domain : Domain
    provenance : Provenance
    accuracy : tuple of Accuracy
    trust : Trust or None
        How intervals and domain did on test rows.
    trust_rows : str
        What these rows were to this model, in words that can follow "285 rows:"; empty without
        `trust`.
    limits : tuple of str
        When not to trust it, in sentences.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    schema_version: int = SCHEMA_VERSION
    name: Annotated[str, Field(pattern=NAME)]
    made: str
    model_kind: str
    axis: Vector
    axis_unit: AxisUnit
    quantity: Quantity
    target_name: str
    target_unit: str
    n_train: Annotated[int, Ge(1)]
    lab: LabRange
    model: Node
    twins: tuple[Node, ...]
    calibration: Calibration
    domain: Domain
    provenance: Provenance
    accuracy: tuple[Accuracy, ...]
    trust: Trust | None
    trust_rows: str
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CubeBundle:
    """A model of cubes that can be kept.

    Parameters
    ----------
    schema_version : int
        Of the document.
    kind : {"cubes"}
    channels : tuple of str, length c
        Of the cubes it predicts, in its order; all different.
    shape : tuple of 4 int
        (c, h, w, t) of one sample.
    step_days : float
        Usual time between two dates of a sample that it learned from; 0 with one date.
    first_time, last_time : str
        Oldest and latest date of these, ISO 8601.
    crs : str
        Of these samples' coordinates, which it does not look at.
    synthetic : bool
        It learned from made-up samples.
    model : CubeNetworks
    twins : tuple of CubeNetworks
        The same, each learned without one fold; intervals come from them.
    domain : CubeDomain
    name, made, model_kind, target_name, target_unit, n_train, lab, calibration
        As of `ModelBundle`.
    provenance, accuracy, trust, trust_rows, limits
        As of `ModelBundle`.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    schema_version: int = CUBE_SCHEMA_VERSION
    kind: Literal["cubes"] = "cubes"
    name: Annotated[str, Field(pattern=NAME)]
    made: str
    model_kind: str
    channels: tuple[str, ...]
    shape: Shape
    step_days: Annotated[float, Ge(0)]
    first_time: str
    last_time: str
    crs: str
    synthetic: bool
    target_name: str
    target_unit: str
    n_train: Annotated[int, Ge(1)]
    lab: LabRange
    model: CubeNetworks
    twins: tuple[CubeNetworks, ...]
    calibration: Calibration
    domain: CubeDomain
    provenance: Provenance
    accuracy: tuple[Accuracy, ...]
    trust: Trust | None
    trust_rows: str
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapBundle:
    """A model of maps over time that can be kept.

    Parameters
    ----------
    schema_version : int
        Of the document.
    kind : {"maps"}
    name, made, model_kind
        As of `ModelBundle`.
    aims : MapAims
        What it predicts, how far ahead, and how many steps of time it sees.
    inputs : tuple of str, length c
        Channels that it is given, in their order; all different.
    static_channels : tuple of str, length s
        Likewise, of those that do not change.
    step_s : float
        Seconds from slot to slot.
    cell : tuple of 2 float
        Width and height of a cell that it learned from, in units of the crs.
    crs : str
    tile : int
        Side of the tiles that it learned from, in cells.
    first_time, last_time : str
        Of the stack that it learned from, ISO 8601.
    synthetic : bool
        It learned from made-up data.
    sizes : CNNTransformerSizes
        Of the network.
    gaps : {"mask", "sentinel"}
        What stands where there is no value.
    scaler : MapScaler
    state : dict of str to float32
        Weights by the names that the network has for them.
    provenance, accuracy, limits
        As of `ModelBundle`.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    schema_version: int = MAP_MODEL_VERSION
    kind: Literal["maps"] = "maps"
    name: Annotated[str, Field(pattern=NAME)]
    made: str
    model_kind: str
    aims: MapAims
    inputs: tuple[str, ...]
    static_channels: tuple[str, ...]
    step_s: Annotated[float, Gt(0)]
    cell: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]]
    crs: str
    tile: Annotated[int, Ge(1)]
    first_time: str
    last_time: str
    synthetic: bool
    sizes: CNNTransformerSizes
    gaps: Gaps
    scaler: MapScaler
    state: dict[str, Weights]
    provenance: Provenance
    accuracy: tuple[Accuracy, ...]
    limits: tuple[str, ...]


PointBundle = ModelBundle | CubeBundle  # what predicts sample by sample
Bundle = PointBundle | MapBundle


def describe_provenance(job: Job, train: Spectra | Cubes, runs: tuple[str, ...] = ()) -> Provenance:
    """Describe the rows that a model learned from, and the versions at work now."""
    fields = {} if isinstance(train, Cubes) else dict(sorted(Counter(train.fields).items()))
    return state_provenance(job, train.digest, train.provenance, runs, fields)


def state_provenance(
    job: Job,
    data_digest: str,
    sources: tuple[str, ...],
    runs: tuple[str, ...] = (),
    fields: Mapping[str, int] | None = None,
) -> Provenance:
    """Put a provenance together, with the versions at work now."""
    return Provenance(
        job=job,
        runs=runs,
        data_digest=data_digest,
        sources=sources,
        fields=dict(fields or {}),
        autospec=autospec.__version__,
        python=platform.python_version(),
        packages={name: importlib.metadata.version(name) for name in PACKAGES},
    )
