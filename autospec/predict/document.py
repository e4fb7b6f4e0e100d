"""`ModelBundle`, all of a kept model as plain data, and its JSON document there and back; no files.

A document names its arrays (see `autospec.data.tensors`); they travel beside it. What a document
says is checked by `autospec.predict.checks`.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge
from pydantic import Field, TypeAdapter, ValidationError

import autospec
from autospec.data.json_text import first_non_finite
from autospec.data.spectra import AxisUnit, Quantity, Spectra
from autospec.data.tensors import AnyArray, Vector
from autospec.evaluate.conformal import Calibration
from autospec.evaluate.domain import Domain
from autospec.evaluate.trust import Trust
from autospec.predict.nodes import Node

SCHEMA_VERSION = 1
PACKAGES = ("torch", "numpy", "scikit-learn", "chemotools", "ikpls")
Job = Literal["search", "localise", "api"]
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
        `Spectra.digest` of the rows it learned from.
    sources : tuple of str
        Sentences: where these came from, and every conversion.
    fields : dict of str to int
        Rows of each field.
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
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
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


_ADAPTER: TypeAdapter[ModelBundle] = TypeAdapter(ModelBundle)


def describe_provenance(job: Job, train: Spectra, runs: tuple[str, ...] = ()) -> Provenance:
    """Describe the rows that a model learned from, and the versions at work now."""
    return Provenance(
        job=job,
        runs=runs,
        data_digest=train.digest,
        sources=train.provenance,
        fields=dict(sorted(Counter(train.fields).items())),
        autospec=autospec.__version__,
        python=platform.python_version(),
        packages={name: importlib.metadata.version(name) for name in PACKAGES},
    )


def lab_range(train: Spectra) -> LabRange:
    """Return the range and the median of the lab values of at least one row."""
    target = train.target
    return LabRange(
        lowest=float(target.min()), median=float(np.median(target)), highest=float(target.max())
    )


def write_document(bundle: ModelBundle) -> tuple[str, dict[str, AnyArray]]:
    """Return a bundle as JSON text, and its arrays by name; the same bundle gives the same text.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    tensors: dict[str, AnyArray] = {}
    data = _ADAPTER.dump_python(bundle, mode="json", context={"tensors": tensors})
    bad = first_non_finite(data, "model")
    if bad:
        raise ValueError(f"{bad} is not finite")
    return json.dumps(data, separators=(",", ":"), allow_nan=False), tensors


def document_digest(bundle: ModelBundle) -> str:
    """Return the SHA-256 of a bundle's document; it names every array, so it stands for all."""
    return hashlib.sha256(write_document(bundle)[0].encode()).hexdigest()


def parse_document(text: str) -> dict[str, Any]:
    """Return the JSON object of a document, nothing checked but that it is one.

    Raises
    ------
    ValueError
        If it is none, or holds numbers that are not finite.
    """
    try:
        data = json.loads(text)
        bad = first_non_finite(data, "model")
    except RecursionError as error:
        raise ValueError("its document is nested too deep") from error
    except ValueError as error:
        raise ValueError(f"its document is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise ValueError("its document is no JSON object")
    if bad:
        raise ValueError(f"its document: {bad} is not finite")
    return data


def read_document(text: str, tensors: Mapping[str, AnyArray]) -> ModelBundle:
    """Return the bundle that a document and its arrays make; every array is used.

    Raises
    ------
    ValueError
        If a field is missing, unknown or of the wrong kind, or arrays are missing or left over.
    """
    try:
        # Strict JSON mode: lists become tuples, but "3" is no number and 1 is no bool.
        bundle = _ADAPTER.validate_json(text, strict=True, context={"tensors": tensors})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"its document: {where[:200]}: {first['msg']}") from error
    used = {id(array) for array in arrays(bundle)}
    spare = [name for name, array in tensors.items() if id(array) not in used]
    if spare:
        raise ValueError(f"its document names no array {spare[0][:80]!r}, which is there")
    return bundle


def arrays(part: object) -> Iterator[AnyArray]:
    """Yield every array of a bundle or of a part of it; one that is used twice, twice."""
    if isinstance(part, np.ndarray):
        yield part
    elif is_dataclass(part):
        for field in fields(part):
            yield from arrays(getattr(part, field.name))
    elif isinstance(part, tuple):
        for item in part:
            yield from arrays(item)
    elif isinstance(part, dict):
        for item in part.values():
            yield from arrays(item)
