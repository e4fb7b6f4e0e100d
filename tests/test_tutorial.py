"""The tutorial runs as it stands, block after block, and prints what it says that it prints."""

from __future__ import annotations

import io
import math
import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
NUMBER = r"\d+(?:\.\d+)?"
TOLERANCE = 0.1  # other BLAS libraries may choose another member of auto, or one component more


def collapsed(text: str) -> str:
    """Return text without the line breaks that the width of a terminal makes."""
    return " ".join(text.split())


def is_printed(told: str, output: str) -> bool:
    """Say whether a passage was printed, its numbers within the tolerance or one off."""
    words = re.split(NUMBER, collapsed(told))
    pattern = f"({NUMBER})".join(re.escape(word) for word in words)
    numbers = re.findall(NUMBER, told)
    return any(
        all(close(a, b) for a, b in zip(numbers, found.groups(), strict=True))
        for found in re.finditer(pattern, collapsed(output))
    )


def close(told: str, found: str) -> bool:
    one_off = 0.0 if "." in told else 1.0
    return math.isclose(float(told), float(found), rel_tol=TOLERANCE, abs_tol=one_off)


def run_shell(block: str, folder: Path) -> str:
    """Run commands as a reader would, with this interpreter's autospec; return what they print."""
    python = Path(sys.executable)
    command = folder / "bin" / "autospec"
    command.parent.mkdir(exist_ok=True)
    command.write_text(f'#!/bin/sh\nexec "{python}" -m autospec "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    path = os.pathsep.join([str(command.parent), os.environ["PATH"]])
    modules = os.pathsep.join(sys.path)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder,
        env=os.environ | {"PATH": path, "PYTHONPATH": modules, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def run_python(block: str) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(block, TUTORIAL.name, "exec"), {})
    return out.getvalue()


@pytest.mark.slow
def test_every_block_runs_and_prints_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    output, missing = "", []
    for language, block in BLOCKS:
        if language == "bash":
            output = run_shell(block, tmp_path)
        elif language == "python":
            output = run_python(block)
        elif language == "text":
            passages = block.split("...\n")
            missing += [(told, output) for told in passages if not is_printed(told, output)]
    assert missing == []
    assert "125 samples" in (tmp_path / "scans-predictions-map.html").read_text(encoding="utf-8")


def test_the_tutorial_has_blocks_of_every_kind() -> None:
    assert {language for language, _ in BLOCKS} == {"console", "python", "bash", "text"}


@pytest.mark.parametrize(
    ("told", "output", "printed"),
    [
        ("RMSE 2.96 g/kg", "auto: RMSE\n  3.05 g/kg on 95 rows", True),
        ("RMSE 2.96 g/kg", "auto: RMSE 3.64 g/kg", False),
        ("RMSE 3.64 g/kg", "auto: RMSE 2.96 g/kg, PLSR: RMSE 3.64 g/kg", True),
        ("hold 7 %", "hold 8 %", True),
        ("hold 7 %", "hold 9 %", False),
        ("Transfer helped.", "Transfer did not help.", False),
    ],
)
def test_numbers_may_differ_a_little_and_words_not_at_all(
    told: str, output: str, printed: bool
) -> None:
    assert is_printed(told, output) is printed
