"""The Python of docs/cubes.md writes files that are read, with cells where the page puts them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import autospec
from autospec.data.cubes.stack_files import read_stack

PAGE = Path(autospec.__file__).parents[1] / "docs" / "cubes.md"


def test_the_stack_of_the_page_lies_where_x_and_y_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, block = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(block, names)
    stack = read_stack(tmp_path / "stack.npz")
    a, _, c, _, e, f = stack.transform
    np.testing.assert_array_equal(c + a * (np.arange(stack.shape[1]) + 0.5), names["x"])
    np.testing.assert_array_equal(f + e * (np.arange(stack.shape[0]) + 0.5), names["y"])
    assert len(stack.times) == 24
