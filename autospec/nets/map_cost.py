"""What a network of maps costs: its parameters and multiply–adds, counted without its memory.

The network is built and run with tensors that have a shape and no numbers: what is counted is the
network itself, so that no closed form can fall behind it.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from autospec.nets.cnn_transformer import CNNTransformer
from autospec.nets.map_shape import MapShape
from autospec.nets.map_sizes import CNNTransformerSizes


@lru_cache(maxsize=1024)
def map_cost(sizes: CNNTransformerSizes, shape: MapShape) -> tuple[int, int]:
    """Return the parameters, and the multiply–adds of one sample's forward pass.

    Convolutions, matrix products and attention are counted; sampling between cells, gates and
    additions are not.

    Parameters
    ----------
    sizes : CNNTransformerSizes
        The network.
    shape : MapShape
        Of one sample.
    """
    s = shape
    counter = FlopCounterMode(display=False)
    with FakeTensorMode(), torch.no_grad():
        network = CNNTransformer(s.channels, s.static_channels, s.targets, sizes, causal=s.causal)
        x = torch.empty(1, s.length, s.channels, s.height, s.width)
        static = None
        if s.static_channels:
            static = torch.empty(1, s.static_channels, s.height, s.width)
        present = torch.ones(1, s.length, dtype=torch.bool)
        with counter:
            network.eval()(x, static, present)
        parameters = sum(p.numel() for p in network.parameters())
    return parameters, counter.get_total_flops() // 2
