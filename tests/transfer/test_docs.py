"""The Python of docs/rs-local.md runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "rs-local.md").read_text(encoding="utf-8")


def test_the_python_block_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(block, "rs-local.md", "exec"), names)
    assert names["kept"].n == 40  # type: ignore[attr-defined]
    assert "library rows are the farm's own" in capsys.readouterr().out
