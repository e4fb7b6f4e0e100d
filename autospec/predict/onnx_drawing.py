"""`Drawing`: constants and operations of a graph as plain data, each kept once; no onnx here."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from autospec.data.tensors import AnyArray, tensor_name

FLOAT, DOUBLE = 1, 11  # ONNX's numbers for float32 and float64

Attribute = int | float | tuple[int, ...]
Operation = tuple[str, tuple[str, ...], tuple[tuple[str, Attribute], ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A graph while it is drawn.

    What is equal is drawn once: an array goes by its content, an operation by its kind, inputs and
    attributes. So nodes that begin with the same steps share them, without being told to.

    Parameters
    ----------
    constants : dict of str to ndarray
        By `autospec.data.tensors.tensor_name`, as in the model file.
    operations : dict of Operation to str
        (kind, inputs, attributes), in the order in which they can be computed, and the name of
        the result.
    matrices : dict of tuple to str
        Constants that took work to find, by what they were found from.
    """

    constants: dict[str, AnyArray] = field(default_factory=dict)
    operations: dict[Operation, str] = field(default_factory=dict)
    matrices: dict[tuple[object, ...], str] = field(default_factory=dict)

    def constant(self, array: AnyArray) -> str:
        """Keep an array; return its name."""
        name = tensor_name(array)
        self.constants.setdefault(name, array)
        return name

    def number(self, value: float) -> str:
        """Keep a float64 number; return its name."""
        return self.constant(np.array(value, dtype=np.float64))

    def integers(self, *values: int) -> str:
        """Keep integers (axes, counts, positions); return their name."""
        return self.constant(np.array(values, dtype=np.int64))

    def put(self, kind: str, *inputs: str, **attributes: Attribute) -> str:
        """Draw an operation of ONNX on named inputs; return the name of its (first) result."""
        operation = (kind, inputs, tuple(sorted(attributes.items())))
        return self.operations.setdefault(operation, f"{kind}_{len(self.operations)}")

    @property
    def size(self) -> int:
        """Bytes of all constants."""
        return sum(array.nbytes for array in self.constants.values())
