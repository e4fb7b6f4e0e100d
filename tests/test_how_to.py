"""The blocks of the how-to guides can be used as they stand."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "how-to"
GUIDES = sorted(FOLDER.glob("*.md"))


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize(
    "block", [block for guide in GUIDES for block in blocks(guide, "bash")], ids=lambda b: b[:30]
)
def test_the_shell_reads_the_commands(block: str) -> None:
    done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_kubernetes_runs_the_command_that_slurm_runs() -> None:
    yaml = pytest.importorskip("yaml")
    (manifest,) = blocks(FOLDER / "cluster.md", "yaml")
    job = yaml.safe_load(manifest)
    assert job["spec"]["completionMode"] == "Indexed"
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    (slurm,) = (block for block in blocks(FOLDER / "cluster.md", "bash") if "#SBATCH" in block)
    options = set(re.findall(r"--[a-z]+(?= )", slurm.split("#SBATCH --requeue")[1]))
    assert command[:2] == ["autospec", "search"]
    assert {word.split("=")[0] for word in command[3:]} == options
