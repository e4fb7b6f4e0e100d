"""A stack is held in memory where it fits, and left where it is otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autospec.data.maps.resident import held
from tests.data.maps.map_stacks import Watched, made_stack


def test_what_fits_is_held_to_the_bit() -> None:
    stack = made_stack(missing=0.2)
    lazy = replace(stack, dynamic=Watched(np.asarray(stack.dynamic)))
    found = held(lazy, max_bytes=4 * 12 * 3 * 9 * 11)
    assert isinstance(found.dynamic, np.ndarray)
    np.testing.assert_array_equal(found.dynamic, stack.dynamic)
    assert found.channels == stack.channels


def test_what_does_not_fit_is_not_read() -> None:
    stack = made_stack()
    layers = Watched(np.asarray(stack.dynamic))
    lazy = replace(stack, dynamic=layers)
    assert held(lazy, max_bytes=4 * 12 * 3 * 9 * 11 - 1) is lazy
    assert not layers.read


def test_what_is_in_memory_is_not_copied() -> None:
    stack = made_stack()
    assert held(stack) is stack
