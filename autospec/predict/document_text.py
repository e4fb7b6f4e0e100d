"""A kept model's JSON document there and back; no files.

A document names its arrays (see `autospec.data.tensors`); they travel beside it. What a document
says is checked by `autospec.predict.checks`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from autospec.data.json_text import first_non_finite
from autospec.data.tensors import AnyArray
from autospec.predict.document import (
    CUBE_SCHEMA_VERSION,
    MAP_MODEL_VERSION,
    SCHEMA_VERSION,
    Bundle,
    CubeBundle,
    MapBundle,
    ModelBundle,
)

_ADAPTERS: dict[int, TypeAdapter[Any]] = {
    SCHEMA_VERSION: TypeAdapter(ModelBundle),
    CUBE_SCHEMA_VERSION: TypeAdapter(CubeBundle),
    MAP_MODEL_VERSION: TypeAdapter(MapBundle),
}
_VERSION_OF: dict[type, int] = {
    ModelBundle: SCHEMA_VERSION,
    CubeBundle: CUBE_SCHEMA_VERSION,
    MapBundle: MAP_MODEL_VERSION,
}
NEWEST = max(_ADAPTERS)


def write_document(bundle: Bundle) -> tuple[str, dict[str, AnyArray]]:
    """Return a bundle as JSON text, and its arrays by name; the same bundle gives the same text.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    tensors: dict[str, AnyArray] = {}
    adapter = _ADAPTERS[_VERSION_OF[type(bundle)]]
    data = adapter.dump_python(bundle, mode="json", context={"tensors": tensors})
    bad = first_non_finite(data, "model")
    if bad:
        raise ValueError(f"{bad} is not finite")
    return json.dumps(data, separators=(",", ":"), allow_nan=False), tensors


def document_digest(bundle: Bundle) -> str:
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


def read_document(text: str, tensors: Mapping[str, AnyArray], version: object = 1) -> Bundle:
    """Return the bundle that a document and its arrays make; every array is used.

    Parameters
    ----------
    text : str
    tensors : mapping of str to array
    version : object
        What the document says of its `schema_version`: it tells spectra, cubes and maps apart.

    Raises
    ------
    ValueError
        If a field is missing, unknown or of the wrong kind, arrays are missing or left over, or
        there is no such version.
    """
    adapter = _ADAPTERS.get(version) if isinstance(version, int) else None
    if adapter is None:
        raise ValueError(f"schema_version is {version!r}; want 1 to {NEWEST}")
    try:
        # Strict JSON mode: lists become tuples, but "3" is no number and 1 is no bool.
        bundle: Bundle = adapter.validate_json(text, strict=True, context={"tensors": tensors})
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
