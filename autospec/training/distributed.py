"""`Processes`: several processes that train one network together, or one that is alone.

Under ``accelerate launch`` they are joined by Hugging Face Accelerate, which is imported only
then. What is shared is small: sums of gradients, metrics, and the first weights of the main one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from autospec.data.spectra import IntArray
from autospec.errors import UsageError

if TYPE_CHECKING:
    from autospec.training.trainer import Device

MISSING = (
    "accelerate launch was used, and accelerate is not installed for this Python. "
    'Install it with: pip install "autospec-soil[multi-gpu]"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """The processes of a training, as one of them sees them.

    Parameters
    ----------
    device : torch.device
        Of this one.
    rank, count : int
        Its number, 0 for the main one, and how many there are.
    accelerator : Accelerator or None
        What joins them.
    """

    device: torch.device
    rank: int = 0
    count: int = 1
    accelerator: Any = None

    @property
    def main(self) -> bool:
        """Whether this one writes and prints."""
        return self.rank == 0

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum over processes of a tensor of equal shape in each."""
        if self.accelerator is None:
            return tensor
        summed: torch.Tensor = self.accelerator.reduce(tensor, reduction="sum")
        return summed

    def share(self, n: int) -> IntArray:
        """Return this one's rows of n: blocks of equal length, the last filled up with row 0."""
        block = -(-n // self.count)
        rows = np.arange(self.rank * block, (self.rank + 1) * block)
        return np.where(rows < n, rows, 0)

    def gather(self, block: torch.Tensor, n: int) -> torch.Tensor:
        """Return the values of all n rows, from those of each one's `share`, shape (block, ...)."""
        if self.accelerator is None:
            return block
        everyones: torch.Tensor = self.accelerator.gather_for_metrics(block)
        return everyones[:n]

    def part(self) -> None:
        """End the connection when all have come here; from then on none waits for another.

        To be called once the work in common is done: what the main one does alone afterwards may
        take longer than the time after which others, waiting, give up and end all. One that left
        earlier could break another. Where nothing is joined (any more), nothing happens.
        """
        if self.accelerator is not None and torch.distributed.is_initialized():
            self.accelerator.wait_for_everyone()
            leave(self)

    def from_main(self, tensors: Iterable[torch.Tensor]) -> None:
        """Give tensors the numbers that they have in the main one."""
        if self.accelerator is None:
            return
        from accelerate.utils import broadcast

        for tensor in tensors:
            tensor.copy_(broadcast(tensor.clone()))


def launched() -> bool:
    """Say whether a launcher of several processes started this one."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 or "ACCELERATE_MIXED_PRECISION" in os.environ


def join(device: Device) -> Processes:
    """Join the processes of this launch, or stay alone.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        Each process of a launch with GPUs takes one of its own.

    Raises
    ------
    UsageError
        If Accelerate is not installed, or the device is not there.
    """
    from autospec.training.trainer import resolve_device

    here = resolve_device(device)
    if not launched():
        return Processes(device=here)
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise UsageError(MISSING) from error
    accelerator = Accelerator(cpu=here.type == "cpu", mixed_precision="no")
    return Processes(
        device=accelerator.device,
        rank=accelerator.process_index,
        count=accelerator.num_processes,
        accelerator=accelerator if accelerator.num_processes > 1 else None,
    )


def leave(processes: Processes) -> None:
    """End this one's connection to the others at once, such as after an error; or `part`."""
    if processes.accelerator is not None:
        processes.accelerator.end_training()
