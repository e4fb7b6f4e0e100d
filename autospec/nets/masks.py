"""`Masks`: dropout masks from a seed of their own, so that no global random state is touched.

On a CPU the bits come from SFC64 (https://pracrand.sourceforge.net/RNG_engines.txt), 16 for each
value: torch's own `bernoulli_` takes as long there as the convolution whose output it masks.
"""

from __future__ import annotations

import numpy as np
import torch

LEVELS = 1 << 16  # a share is rounded to so many steps


class Masks:
    """A stream of masks for one network.

    Parameters
    ----------
    seed : int
        At least 0; fixes the stream.
    device : torch.device
        Where masks are wanted. Streams of a CPU and of a GPU differ.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.bits = np.random.SFC64(seed)
        self.generator: torch.Generator | None = None
        if device.type != "cpu":
            self.generator = torch.Generator(device=device)
            self.generator.manual_seed(seed)

    def fill(self, out: torch.Tensor, p: float) -> None:
        """Fill `out` with 0 for a share p of its values and 1 elsewhere."""
        if self.generator is not None:
            out.bernoulli_(1.0 - p, generator=self.generator)
            return
        words = self.bits.random_raw(-(-out.numel() // 4))
        draws = torch.from_numpy(words.view(np.int16))[: out.numel()].view(out.shape)
        torch.ge(draws, min(round(p * LEVELS), LEVELS - 1) - LEVELS // 2, out=out)
