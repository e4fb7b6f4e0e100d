"""The table of a GPU is made where no GPU is: that it runs at all is tested here, no time is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
def test_the_gpu_table_runs_in_every_part_without_a_gpu() -> None:
    asked = [sys.executable, HERE / "bench_gpu.py", "--device", "cpu", "--quick"]
    there = os.environ | {"PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1"}
    told = subprocess.run(
        asked, env=there, capture_output=True, text=True, timeout=300, check=False
    )
    assert told.returncode == 0, told.stderr
    begins = {line.replace(",", " ").split()[0] for line in told.stdout.splitlines()}
    assert begins >= {"product", "mix", "china", "1", "2", "RS-Local", "took"}
    assert "left out" not in told.stdout and "not measured" not in told.stdout
