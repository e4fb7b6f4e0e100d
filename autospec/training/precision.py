"""Which numbers a training multiplies with: float32, or half of it on a GPU, weights apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from autospec.training.fit_config import FitConfig

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def resolve_precision(config: FitConfig, device: torch.device) -> str:
    """Return "float32", "bfloat16" or "float16": what `config.precision` means on `device`."""
    if config.precision != "auto":
        return config.precision
    if device.type != "cuda":
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"


@contextmanager
def cast(precision: str, device: torch.device) -> Iterator[None]:
    """Let products in the block be of that precision; weights stay float32."""
    if precision == "float32":
        yield
        return
    with torch.autocast(device.type, dtype=DTYPES[precision]):
        yield
