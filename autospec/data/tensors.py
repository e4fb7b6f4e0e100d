"""`Tensor`: an array as a field of a JSON document; the text holds its name, no file is read here.

The name of an array is the SHA-256 of its type, shape and bytes, so that equal arrays are kept
once, and a name that does not fit its numbers betrays a damaged file. The arrays themselves travel
in pydantic's context: ``{"tensors": {name: array}}`` is filled when a document is written, and
looked up when one is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, MutableMapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator, SerializationInfo, ValidationInfo
from pydantic import WithJsonSchema as JsonSchema

NAME_PATTERN = "^[0-9a-f]{64}$"
AnyArray = NDArray[Any]


def tensor_name(array: AnyArray) -> str:
    """Return the SHA-256 of an array's type, shape and bytes, as 64 hexadecimal digits."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _taker(kind: type[np.floating[Any]], axes: int | None) -> Any:  # noqa: ANN401 (for pydantic)
    def take(value: object, info: ValidationInfo) -> AnyArray:
        if isinstance(value, str):
            known: Mapping[str, AnyArray] = (info.context or {}).get("tensors", {})
            if value not in known:
                raise ValueError(f"no numbers called {value[:80]!r}")
            value = known[value]
        if not isinstance(value, np.ndarray) or value.dtype != kind:
            raise ValueError(f"want an array of {kind.__name__}")
        if axes is not None and value.ndim != axes:
            raise ValueError(f"an array of {value.ndim} axes; want {axes}")
        if not np.isfinite(value).all():
            raise ValueError("an array with numbers that are not finite")
        return value

    return take


def _put(array: AnyArray, info: SerializationInfo) -> str:
    name = tensor_name(array)
    store: MutableMapping[str, AnyArray] = (info.context or {}).get("tensors", {})
    store.setdefault(name, array)
    return name


_AS_NAME = JsonSchema({"type": "string", "pattern": NAME_PATTERN})
Vector = Annotated[
    NDArray[np.float64], PlainValidator(_taker(np.float64, 1)), PlainSerializer(_put), _AS_NAME
]
Matrix = Annotated[
    NDArray[np.float64], PlainValidator(_taker(np.float64, 2)), PlainSerializer(_put), _AS_NAME
]
Weights = Annotated[
    NDArray[np.float32], PlainValidator(_taker(np.float32, None)), PlainSerializer(_put), _AS_NAME
]
