"""`Architecture` to a torch module: the same words, the same sizes; nothing is chosen here."""

from __future__ import annotations

import torch
from torch import nn

from autospec.nets.architecture import Activation, Architecture, ConvBlock, FCBlock
from autospec.nets.masks import Masks
from autospec.nets.seeding import weights_from


class SeededDropout(nn.Module):
    """Dropout that draws its masks from a stream of its own, so no global state is touched.

    Parameters
    ----------
    p : float
        Share of values set to zero in training, 0 to below 1; the rest is scaled by 1 / (1 − p).
    masks : Masks
        For the device of the input.
    """

    def __init__(self, p: float, masks: Masks) -> None:
        super().__init__()
        self.p = p
        self.masks = masks

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` (any shape), masked and scaled when training."""
        if not self.training:
            return x
        # channels first, as a stacked network lays its values (`autospec.nets.stacked`)
        by_channel = x.transpose(0, 1)
        kept = torch.empty(by_channel.shape, dtype=x.dtype, device=x.device)
        self.masks.fill(kept, self.p)
        return x * kept.transpose(0, 1) * (1.0 / (1.0 - self.p))


def build_network(
    architecture: Architecture, bands: int, *, seed: int, device: torch.device
) -> nn.Sequential:
    """Build a 1D-CNN that maps (n, 1, bands) to (n, 1).

    Parameters
    ----------
    architecture : Architecture
        What to build.
    bands : int
        Length of the spectra that will arrive.
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
        If the spectrum is too short for the conv blocks.
    """
    width = architecture.flattened(bands)  # refuses what does not fit, before anything is built
    masks = Masks(seed, device)
    layers: list[nn.Module] = []
    with weights_from(seed):
        channels, length = 1, bands
        for conv in architecture.conv:
            layers += _conv_layers(architecture, conv, channels, length, masks)
            channels, length = conv.filters, conv.out_length(length)
        layers.append(nn.Flatten())
        for fc in architecture.fc:
            layers.append(nn.Linear(width, fc.nodes))
            layers += _finish(architecture, fc, masks)
            width = fc.nodes
        layers.append(nn.Linear(width, 1))
        return nn.Sequential(*layers).to(device)


def _conv_layers(
    architecture: Architecture,
    block: ConvBlock,
    channels: int,
    length: int,
    masks: Masks,
) -> list[nn.Module]:
    layers: list[nn.Module] = []
    left, right = block.pads(length)
    if left or right:  # torch's own "same" refuses a stride above 1
        layers.append(nn.ConstantPad1d((left, right), 0.0))
    layers.append(nn.Conv1d(channels, block.filters, block.kernel, stride=block.stride))
    pool: list[nn.Module] = []
    if block.pooling == "max":
        pool.append(nn.MaxPool1d(block.pool_size))
    elif block.pooling == "avg":
        pool.append(nn.AvgPool1d(block.pool_size))
    return layers + _finish(architecture, block, masks, pool)


def _finish(
    architecture: Architecture,
    block: ConvBlock | FCBlock,
    masks: Masks,
    pool: list[nn.Module] | None = None,
) -> list[nn.Module]:
    """Return batch normalisation, activation, pooling and dropout, in that order."""
    layers: list[nn.Module] = []
    if block.batch_norm:
        size = block.filters if isinstance(block, ConvBlock) else block.nodes
        layers.append(
            nn.BatchNorm1d(size, eps=architecture.bn_eps, momentum=architecture.bn_momentum)
        )
    layers.append(activation_layer(block.activation, architecture.leaky_slope))
    layers += pool or []
    if block.dropout > 0:
        layers.append(SeededDropout(block.dropout, masks))
    return layers


def activation_layer(name: Activation, leaky_slope: float) -> nn.Module:
    """Return torch's layer for an activation."""
    if name == "ReLU":
        return nn.ReLU()
    if name == "LeakyReLU":
        return nn.LeakyReLU(leaky_slope)
    if name == "ELU":
        return nn.ELU()
    if name == "SELU":
        return nn.SELU()
    return nn.SiLU()  # Swish with beta = 1
