"""Trains cubes or maps as one process of a launch; the main one scores when the others have ended.

Started by `tests.training.test_distributed`, with the variables that a launcher sets.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from autospec.cli.train_run import among_processes
from autospec.data.cubes.synthetic import SyntheticSettings, synthesise
from autospec.training import cube_fit, map_fit
from autospec.training.distributed import Processes
from autospec.training.train_run import TrainRun
from tests.training import test_cube_fit, test_map_fit
from tests.training.made_stack import made_stack

PATIENCE_S = 60.0
SAMPLES = SyntheticSettings(n=140, window=6, steps=3, height=48, width=48)


def scoring_after(left: Path, scored: Callable[..., Any]) -> Callable[..., Any]:
    """Return `scored`, that begins when the file `left` is there."""

    def patient(*args: Any) -> Any:
        end = time.monotonic() + PATIENCE_S
        while not left.exists():
            assert time.monotonic() < end, "another process waits for the scoring"
            time.sleep(0.05)
        return scored(*args)

    return patient


def main(folder: Path, kind: str) -> None:
    torch.set_num_threads(1)
    left = folder / f"{kind}.left"

    def job(processes: Processes) -> bool | None:
        run = TrainRun(processes=processes)
        how: dict[str, Any]
        if kind == "maps":
            map_fit._scored = scoring_after(left, map_fit._scored)
            how = {"name": "made", "settings": test_map_fit.SETTINGS, "run": run}
            made: Any = map_fit.train_map(made_stack(), **how)
        else:
            cube_fit._scored = scoring_after(left, cube_fit._scored)
            how = {"name": "made", "settings": test_cube_fit.SETTINGS, "run": run}
            made = cube_fit.train_cubes(synthesise(SAMPLES, 0)[1], **how)
        return None if made is None else True

    done = among_processes("cpu", job)
    (folder / f"{kind}.{'left' if done is None else 'scored'}").touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
