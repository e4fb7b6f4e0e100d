"""Trains the small task as one process of a launch, in several ways; writes each end to a folder.

Started by `tests.training.test_distributed`, with the variables that a launcher sets.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from autospec.training.distributed import Processes, join, leave
from autospec.training.fit import FitRun, fit
from autospec.training.fit_config import FitConfig
from autospec.training.fit_state import CHECKPOINT_FILE, FitState
from tests.training.small_task import small_network, small_task, weights

CONFIG = FitConfig(learning_rate=1e-2, batch_size=8, accumulate_to=30, max_epochs=6)
WHOLE = replace(CONFIG, batch_size=30)  # a window is one batch: it comes to the main process
NEVER = 99


def train(
    processes: Processes,
    folder: Path,
    name: str,
    *,
    stop_at: int = NEVER,
    norm: bool = False,
    config: FitConfig = CONFIG,
) -> None:
    """Train, or go on, in `folder`; write ``NAME-RANK.npz`` there."""
    folder.mkdir(exist_ok=True)
    # other first weights in each process: the main one's count
    network = small_network(processes.rank, norm=norm)
    seen: list[FitState] = []
    run = FitRun(
        processes=processes,
        checkpoint=folder / CHECKPOINT_FILE,
        on_epoch=seen.append,
        # pressed in the last process only: all have to hear of it
        interrupted=lambda: processes.rank == processes.count - 1 and len(seen) >= stop_at,
    )
    state, ended = fit(network, small_task(), config, run)
    np.savez(
        folder / f"{name}-{processes.rank}.npz",
        weights=weights(network),
        metrics=[record.metric for record in state.history],
        losses=[record.loss for record in state.history],
        ended=ended,
        count=processes.count,
    )


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    processes = join("cpu")
    train(processes, folder / "straight", "end")
    train(processes, folder / "stopped", "stop", stop_at=2)
    train(processes, folder / "stopped", "end")
    train(processes, folder / "begun", "stop", stop_at=3)
    train(processes, folder / "norm", "end", norm=True)
    train(processes, folder / "idle", "end", norm=True, config=WHOLE)
    leave(processes)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
