"""Print how one thread a stack of members compares with all threads on each stack in turn.

    python tests/benchmarks/bench_threads.py

Both train the same five folds of the same networks for the same epochs, in turn, in this process. A
ratio above 1 says that one thread a stack is faster. Run it on an idle machine and on one where
another program is busy: the second case is why it matters.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from autospec.data.sites import load_site
from autospec.data.splits import make_split_plan
from autospec.nets.architecture import PUBLISHED, Architecture, ConvBlock, FCBlock
from autospec.search.objective import CrossValidation
from autospec.search.space import SearchSpace
from autospec.training import trainer

EPOCHS, ROUNDS = 10, 5
SMALL = Architecture(
    conv=(
        ConvBlock(kernel=5, filters=16, activation="ReLU", pooling="max"),
        ConvBlock(kernel=5, filters=16, activation="ReLU", pooling="max"),
    ),
    fc=(FCBlock(nodes=32, activation="ReLU"),),
)


class InTurn:
    """Stands in for the pool: stacks one after another, each with all threads."""

    def map(self, work: Callable[..., Any], *arguments: Any) -> list[Any]:
        return [work(*each) for each in zip(*arguments, strict=False)]


@contextmanager
def all_threads(device: torch.device, threads: int | None) -> Iterator[InTurn]:
    yield InTurn()


def main() -> None:
    spectra = load_site("sweden")
    plan = make_split_plan(spectra)
    validation = CrossValidation(
        train=spectra.rows(plan.train), folds=plan.folds, seed=0, device="cpu"
    )
    space = SearchSpace(max_epochs=EPOCHS, patience=1000)
    one_thread = trainer._workers
    print(f"{os.cpu_count()} cores, torch {torch.__version__}, {len(plan.train)} rows, 5 folds")
    for name, architecture in {**PUBLISHED, "small": SMALL}.items():
        design = space.published_design("china", spectra.axis)
        design = type(design)(
            preprocessing=design.preprocessing, architecture=architecture, training=design.training
        )
        seconds: dict[str, list[float]] = {"member": [], "turn": []}
        for _ in range(ROUNDS):
            for key, workers in (("member", one_thread), ("turn", all_threads)):
                trainer._workers = workers  # type: ignore[assignment]
                started = time.perf_counter()
                validation.evaluate(design)
                seconds[key].append((time.perf_counter() - started) / EPOCHS)
        ratios = [a / b for a, b in zip(seconds["turn"], seconds["member"], strict=True)]
        print(
            f"{name:8s} one thread a stack {statistics.median(seconds['member']):.3f} s an epoch, "
            f"all threads in turn {statistics.median(seconds['turn']):.3f} s; ratio "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
