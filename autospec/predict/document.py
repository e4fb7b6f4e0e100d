"""`ModelBundle` and `CubeBundle`: all of a kept model as plain data; no JSON and no files.

What they say is checked by `autospec.predict.checks`.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge
from pydantic import Field

import autospec
from autospec.data.cubes.cubes import Cubes
from autospec.data.spectra import AxisUnit, Quantity, Spectra
from autospec.data.tensors import Vector
from autospec.evaluate.conformal import Calibration
from autospec.evaluate.cube_domain import CubeDomain
from autospec.evaluate.domain import Domain
from autospec.evaluate.trust import Trust
from autospec.nets.cube_architecture import Shape
from autospec.predict.nodes import CubeNetworks, Node

SCHEMA_VERSION = 1  # of a model of spectra
CUBE_SCHEMA_VERSION = 2  # of a model of cubes
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
        `Spectra.digest` or `Cubes.digest` of the rows it learned from.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LabRange:
    """Lab values of all rows that a model learned from, in the unit of its target.

    Parameters
    ----------
    lowest, median, highest : float
        Ascending.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    lowest: float
    median: float
    highest: float

    def __post_init__(self) -> None:
        """Refuse values that are not ascending."""
        if not self.lowest <= self.median <= self.highest:
            raise ValueError("lowest, median and highest lab value are not ascending")


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


Bundle = ModelBundle | CubeBundle


def describe_provenance(job: Job, train: Spectra | Cubes, runs: tuple[str, ...] = ()) -> Provenance:
    """Describe the rows that a model learned from, and the versions at work now."""
    return Provenance(
        job=job,
        runs=runs,
        data_digest=train.digest,
        sources=train.provenance,
        fields={} if isinstance(train, Cubes) else dict(sorted(Counter(train.fields).items())),
        autospec=autospec.__version__,
        python=platform.python_version(),
        packages={name: importlib.metadata.version(name) for name in PACKAGES},
    )


def lab_range(train: Spectra | Cubes) -> LabRange:
    """Return the range and the median of the lab values of at least one row."""
    target = train.target
    return LabRange(
        lowest=float(target.min()), median=float(np.median(target)), highest=float(target.max())
    )
