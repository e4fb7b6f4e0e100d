"""First weights that follow from a seed alone, whatever other threads draw."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_DRAWING = threading.Lock()  # torch draws first weights from one generator for all threads


@contextmanager
def weights_from(seed: int) -> Iterator[None]:
    """Draw the weights of the layers built inside from `seed`; the global state is left as it was.

    One thread at a time: of two that build at once, each would take numbers from the other.
    """
    with _DRAWING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed every GPU too
        yield
