"""First weights follow from the seed, also where threads build at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

from autospec.nets.seeding import weights_from


def weights(seed: int) -> torch.Tensor:
    with weights_from(seed):
        layers = nn.Sequential(*(nn.Linear(40, 40) for _ in range(20)))
    return torch.cat([p.detach().ravel() for p in layers.parameters()])


def test_threads_that_build_at_once_draw_what_each_draws_alone() -> None:
    seeds = [k % 4 for k in range(80)]
    alone = {seed: weights(seed) for seed in set(seeds)}
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(weights, seeds))
    assert all(torch.equal(alone[seed], one) for seed, one in zip(seeds, found, strict=True))


def test_the_global_state_is_left_as_it_was() -> None:
    before = torch.get_rng_state()
    weights(3)
    assert torch.equal(torch.get_rng_state(), before)
