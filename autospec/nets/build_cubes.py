"""`CubeArchitecture` to a torch module: the same words, the same sizes; nothing is chosen here.

Weights begin as torch draws them, as those of the 1D-CNN do. Drawn as by He et al.
(https://arxiv.org/abs/1502.01852), Small3DCNN began further from its targets than their standard
deviation, and learned less in as many epochs (docs/results.md).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from autospec.nets.architecture import FCBlock
from autospec.nets.build import SeededDropout, activation_layer
from autospec.nets.cube_architecture import POOL, CubeArchitecture, CubeConvBlock, Shape, Volume
from autospec.nets.masks import Masks
from autospec.nets.seeding import weights_from


class FilterDropout(nn.Module):
    """Dropout of whole filters, its masks from a stream of its own.

    Parameters
    ----------
    p : float
        Share of filters set to zero in training, 0 to below 1; the rest is scaled by 1 / (1 − p).
    masks : Masks
        For the device of the input.
    """

    def __init__(self, p: float, masks: Masks) -> None:
        super().__init__()
        self.p = p
        self.masks = masks

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` (n, c, h, w, t), masked and scaled when training."""
        if not self.training:
            return x
        n, channels = x.shape[:2]
        kept = torch.empty(channels, n, dtype=x.dtype, device=x.device)
        self.masks.fill(kept, self.p)
        return x * kept.t()[:, :, None, None, None] * (1.0 / (1.0 - self.p))


def build_cube_network(
    architecture: CubeArchitecture, shape: Shape, *, seed: int, device: torch.device
) -> nn.Sequential:
    """Build a 3D-CNN that maps (n, c, h, w, t) to (n, 1).

    Parameters
    ----------
    architecture : CubeArchitecture
        What to build.
    shape : tuple of int
        (c, h, w, t) of the cubes that will arrive.
    seed : int
        Fixes the initial weights (drawn on the CPU, the same for every device) and the dropout
        masks. The global random state is left as it was.
    device : torch.device
        Where the network lives.

    Returns
    -------
    torch.nn.Sequential
        Float32, in training mode.

    Raises
    ------
    ArchitectureError
        If the cubes are too small for the conv blocks.
    """
    width = architecture.flattened(shape)  # refuses what does not fit, before anything is built
    masks = Masks(seed, device)
    with weights_from(seed):
        return nn.Sequential(*_layers(architecture, shape, width, masks)).to(device)


def _layers(
    architecture: CubeArchitecture, shape: Shape, width: int, masks: Masks
) -> Iterator[nn.Module]:
    channels, volume = shape[0], shape[1:]
    for conv in architecture.conv:
        yield from _padding(conv, volume)
        yield nn.Conv3d(channels, conv.filters, conv.kernel, conv.stride)
        yield from _finish(architecture, conv, masks)
        channels, volume = conv.filters, conv.out_volume(volume)
    if architecture.head == "average":
        yield nn.AdaptiveAvgPool3d(1)
    yield nn.Flatten()
    for fc in architecture.fc:
        yield nn.Linear(width, fc.nodes)
        yield from _fc_finish(architecture, fc, masks)
        width = fc.nodes
    yield nn.Linear(width, 1)


def _padding(block: CubeConvBlock, volume: Volume) -> list[nn.Module]:
    h, w, t = block.pads(volume)
    return [nn.ConstantPad3d((*t, *w, *h), 0.0)] if any((*t, *w, *h)) else []


def _finish(architecture: CubeArchitecture, block: CubeConvBlock, masks: Masks) -> list[nn.Module]:
    """Return normalisation, activation, pooling and dropout, in that order."""
    layers: list[nn.Module] = []
    eps, momentum = architecture.norm_eps, architecture.bn_momentum
    if block.norm == "batch":
        layers.append(nn.BatchNorm3d(block.filters, eps=eps, momentum=momentum))
    elif block.norm == "group":
        layers.append(nn.GroupNorm(block.groups, block.filters, eps=eps))
    layers.append(activation_layer(block.activation, architecture.leaky_slope))
    if block.pooling != "none":
        layers.append(nn.MaxPool3d(POOL) if block.pooling == "max" else nn.AvgPool3d(POOL))
    if block.dropout > 0:
        layers.append(FilterDropout(block.dropout, masks))
    return layers


def _fc_finish(architecture: CubeArchitecture, block: FCBlock, masks: Masks) -> list[nn.Module]:
    """Return batch normalisation, activation and dropout, in that order."""
    layers: list[nn.Module] = []
    eps, momentum = architecture.norm_eps, architecture.bn_momentum
    if block.batch_norm:
        layers.append(nn.BatchNorm1d(block.nodes, eps=eps, momentum=momentum))
    layers.append(activation_layer(block.activation, architecture.leaky_slope))
    if block.dropout > 0:
        layers.append(SeededDropout(block.dropout, masks))
    return layers
