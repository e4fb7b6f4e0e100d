"""Small3DCNN: three conv blocks of kernel 2 and one FC block, for soil carbon from climate cubes.

Sizes: each block leaves floor(floor((n + 2p − k + 1)) / 2) of n along each axis, with kernel k = 2
and padding p = 1.
"""

from __future__ import annotations

from autospec.nets.architecture import FCBlock
from autospec.nets.cube_architecture import CubeArchitecture, CubeConvBlock

SMALL3D = CubeArchitecture(
    conv=tuple(
        CubeConvBlock(
            kernel_space=2,
            kernel_time=2,
            filters=filters,
            activation="ReLU",
            padding="full",
            pooling="max",
            dropout=0.3,
        )
        for filters in (16, 32, 64)
    ),
    fc=(FCBlock(nodes=64, activation="ReLU", dropout=0.3),),
)
