"""The script for atheris runs without it as far as it can: each target reads its sound file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.atheris_readers import main, one_input
from tests.fuzz.seeds import files_of


@pytest.mark.parametrize("name", ["csv", "study", "asd", "npz stack"])
def test_a_target_takes_a_sound_and_a_damaged_file(name: str, tmp_path: Path) -> None:
    one_input(name, tmp_path, b"")
    one_input(name, tmp_path, b"\0" + bytes(range(12)))
    assert {p.name for p in tmp_path.iterdir()} == set(files_of(name))


def test_an_unknown_kind_is_told_the_known_ones() -> None:
    with pytest.raises(SystemExit, match="Kinds: csv"):
        main(["x", "nonsense"])
