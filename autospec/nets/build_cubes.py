"""`CubeArchitecture` to a torch module: the same words, the same sizes; nothing is chosen here.

Weights begin as He et al. draw them (https://arxiv.org/abs/1502.01852, fan-in, normal), before SELU
and the output with the variance 1 / fan-in (https://arxiv.org/abs/1706.02515); biases begin at 0.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from autospec.nets.architecture import Activation, FCBlock
from autospec.nets.build import SeededDropout, activation_layer
from autospec.nets.cube_architecture import POOL, CubeArchitecture, CubeConvBlock, Shape, Volume
from autospec.nets.masks import Masks

CUBE_AXES = 5  # n, c, h, w, t


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
    masks, weights = Masks(seed, device), torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    channels, volume = shape[0], shape[1:]
    for conv in architecture.conv:
        layers += _padding(conv, volume)
        layers.append(
            _drawn(
                nn.utils.skip_init(nn.Conv3d, channels, conv.filters, conv.kernel, conv.stride),
                conv.activation,
                weights,
            )
        )
        layers += _finish(architecture, conv, masks)
        channels, volume = conv.filters, conv.out_volume(volume)
    if architecture.head == "average":
        layers.append(nn.AdaptiveAvgPool3d(1))
    layers.append(nn.Flatten())
    for fc in architecture.fc:
        layers.append(
            _drawn(nn.utils.skip_init(nn.Linear, width, fc.nodes), fc.activation, weights)
        )
        layers += _fc_finish(architecture, fc, masks)
        width = fc.nodes
    layers.append(_drawn(nn.utils.skip_init(nn.Linear, width, 1), None, weights))
    return nn.Sequential(*layers).to(device)


def _padding(block: CubeConvBlock, volume: Volume) -> list[nn.Module]:
    h, w, t = block.pads(volume)
    return [nn.ConstantPad3d((*t, *w, *h), 0.0)] if any((*t, *w, *h)) else []


def _drawn(
    layer: nn.Module, activation: Activation | None, generator: torch.Generator
) -> nn.Module:
    """Draw the first weights of a convolution or linear layer with what follows it."""
    assert isinstance(layer, nn.Conv3d | nn.Linear) and layer.bias is not None
    fan_in = math.prod(layer.weight.shape[1:])
    gain = 1.0 if activation in (None, "SELU") else 2.0
    nn.init.normal_(layer.weight, 0.0, math.sqrt(gain / fan_in), generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


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
