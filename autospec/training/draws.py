"""What is drawn for a batch follows from its numbers alone: nothing random has to be kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from autospec.data.spectra import IntArray
from autospec.nets.masks import Masks


@contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Leave torch's global random state as it was: inside, every batch sets it."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def draw_order(numbers: tuple[int, int], samples: int, n: int) -> IntArray:
    """Return n of the samples in the order of an epoch, from its numbers.

    Each comes once before any comes again.
    """
    rng = np.random.default_rng(numbers)
    return np.concatenate([rng.permutation(samples) for _ in range(-(-n // samples))])[:n]


def draw_anew(network: nn.Module, numbers: tuple[int, int, int], device: torch.device) -> None:
    """Begin the dropout masks of a batch, ours and torch's own, from its numbers."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    masks = Masks(seed, device)
    for module in network.modules():
        if isinstance(getattr(module, "masks", None), Masks):
            vars(module)["masks"] = masks  # torch's own setter is typed for tensors and modules
