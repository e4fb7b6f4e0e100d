"""Stands in for the builder of 3-D networks until it is merged."""

from __future__ import annotations

import torch
from torch import nn

from autospec.nets.build import SeededDropout
from autospec.nets.cube_architecture import CubeArchitecture, Shape
from autospec.nets.masks import Masks


def build_network(
    architecture: CubeArchitecture, shape: Shape, *, seed: int, device: torch.device
) -> nn.Sequential:
    width = architecture.flattened(shape)
    masks = Masks(seed, device)
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        channels, volume = shape[0], shape[1:]
        for b in architecture.conv:
            (h, w, t) = b.pads(volume)
            layers.append(nn.ConstantPad3d((*t, *w, *h), 0.0))
            layers.append(nn.Conv3d(channels, b.filters, b.kernel, stride=b.stride))
            if b.norm == "batch":
                layers.append(nn.BatchNorm3d(b.filters))
            layers.append(nn.ReLU())
            if b.pooling == "max":
                layers.append(nn.MaxPool3d(2))
            if b.dropout:
                layers.append(SeededDropout(b.dropout, masks))
            channels, volume = b.filters, b.out_volume(volume)
        layers.append(nn.Flatten())
        for fc in architecture.fc:
            layers += [nn.Linear(width, fc.nodes), nn.ReLU(), SeededDropout(fc.dropout, masks)]
            width = fc.nodes
        layers.append(nn.Linear(width, 1))
        return nn.Sequential(*layers).to(device)
