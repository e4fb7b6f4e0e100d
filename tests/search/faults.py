"""`Faulty`: a cross-validation that goes wrong as told, in whatever process it is asked."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from autospec.data.spectra import FloatArray, Spectra
from autospec.data.splits import Fold
from autospec.errors import OutOfMemory
from autospec.search.design import Design
from autospec.search.objective import CrossValidation
from autospec.training.lead import Lead
from autospec.training.trainer import EpochCallback, Training


@dataclass(frozen=True, kw_only=True, eq=False)
class Faulty:
    """The first designs go wrong, each in its way; the others are scored as by `sound`.

    `folder` holds a file for each fault that has happened: all processes see it.
    """

    sound: CrossValidation
    folder: Path
    faults: tuple[str, ...]
    threads: int | None = None

    @property
    def train(self) -> Spectra:
        return self.sound.train

    @property
    def sample(self) -> str:
        return self.sound.sample

    @property
    def seen(self) -> FloatArray:
        return self.sound.seen

    @property
    def folds(self) -> tuple[Fold, ...]:
        return self.sound.folds

    def evaluate(self, design: Design, on_epoch: EpochCallback, lead: Lead | None) -> Training:
        for number, fault in enumerate(self.faults):
            try:
                (self.folder / f"fault-{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            go_wrong(fault, on_epoch)
        return self.sound.evaluate(design, on_epoch, lead)


def go_wrong(fault: str, on_epoch: EpochCallback) -> None:
    on_epoch(1, 50.0)
    match fault:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "memory":
            raise MemoryError
        case "device memory":
            raise OutOfMemory("out of memory on cuda")
        case "bug":
            raise ZeroDivisionError
        case "endless":
            epoch = 2
            while not on_epoch(epoch, 50.0):
                epoch += 1
                time.sleep(0.02)
