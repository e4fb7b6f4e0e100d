"""The gallery shows every picture that its script takes, and none is heavy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PICTURES = sorted((DOCS / "gallery").glob("*.png"))
MOST_BYTES = 150_000


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_light_and_shown(picture: Path) -> None:
    assert picture.stat().st_size <= MOST_BYTES
    assert f"](gallery/{picture.name})" in (DOCS / "gallery.md").read_text(encoding="utf-8")


def test_the_script_takes_every_picture() -> None:
    script = (DOCS / "gallery" / "make.py").read_text(encoding="utf-8")
    assert {path.stem for path in PICTURES} == set(
        re.findall(r'^    "(\w+)": \("', script, re.MULTILINE)
    )
