"""Arrays of a document are named by their content, and nothing else can take their place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from autospec.data.json_text import first_non_finite
from autospec.data.tensors import AnyArray, Matrix, Vector, Weights, tensor_name

ONE = np.arange(6.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Holder:
    vector: Vector
    matrix: Matrix
    weights: Weights


ADAPTER = TypeAdapter(Holder)
HOLDER = Holder(vector=ONE, matrix=ONE.reshape(2, 3), weights=np.ones((1, 2, 3), np.float32))


@pytest.mark.parametrize(
    "other",
    [ONE + 1e-15, ONE.reshape(2, 3), ONE.astype(np.float32), ONE[:5], ONE[::-1], -ONE],
    ids=["digit", "shape", "type", "length", "order", "sign"],
)
def test_a_name_tells_arrays_apart(other: AnyArray) -> None:
    assert tensor_name(other) != tensor_name(ONE)


@pytest.mark.parametrize("same", [ONE.copy(), np.repeat(ONE, 2)[::2]])
def test_a_name_is_of_the_numbers_and_not_of_their_place(same: AnyArray) -> None:
    assert tensor_name(same) == tensor_name(ONE)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (1, 1, 1)])
def test_small_arrays_have_names(shape: tuple[int, ...]) -> None:
    assert len(tensor_name(np.zeros(shape))) == 64


def test_arrays_travel_beside_the_text() -> None:
    store: dict[str, AnyArray] = {}
    text = ADAPTER.dump_json(HOLDER, context={"tensors": store})
    assert len(store) == 3 and b"[" not in text
    again = ADAPTER.validate_json(text, strict=True, context={"tensors": store})
    assert again.vector is store[tensor_name(ONE)]
    np.testing.assert_array_equal(again.weights, HOLDER.weights)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([1.0, np.nan]), "not finite"),
        (np.array([1.0, np.inf]), "not finite"),
        (np.ones((2, 2)), "an array of 2 axes; want 1"),
        (np.ones(2, dtype=np.float32), "want an array of float64"),
        (np.ones(2, dtype=np.int64), "want an array of float64"),
    ],
)
def test_an_array_of_another_kind_is_refused(array: NDArray[np.float64], words: str) -> None:
    store: dict[str, AnyArray] = {}
    ADAPTER.dump_json(HOLDER, context={"tensors": store})
    store["x"] = array
    names = {"matrix": tensor_name(HOLDER.matrix), "weights": tensor_name(HOLDER.weights)}
    with pytest.raises(ValidationError, match=words):
        ADAPTER.validate_python({"vector": "x", **names}, context={"tensors": store})


def test_a_name_without_its_array_is_refused() -> None:
    text = ADAPTER.dump_json(HOLDER, context={"tensors": {}})
    with pytest.raises(ValidationError, match="no numbers called"):
        ADAPTER.validate_json(text)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [1.0, {"b": float("nan")}]}, "top.a.1.b"),
        ((1.0, float("inf")), "top.1"),
        ({"a": "nan", "b": [None, True, 3]}, None),
    ],
)
def test_the_first_number_that_is_not_finite_is_found(value: object, where: str | None) -> None:
    assert first_non_finite(value, "top") == where
