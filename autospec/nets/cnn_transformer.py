"""`CNNTransformer`: dense maps over time; an encoder a date, attention over dates, a decoder.

Every date of every sample passes the encoder at once, as one image of all channels, static ones
among them. What a date holds as a whole, pooled by learnt weights, goes through a transformer over
the dates and comes back to every place of its map; the decoder brings the maps to their size.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from autospec.nets.deform import DeformConv2d
from autospec.nets.gates import AttentionPool, CoordinateAttention, SpatialGate, SqueezeExcitation
from autospec.nets.map_sizes import CNNTransformerSizes
from autospec.nets.refinement import Refinement
from autospec.nets.temporal import TemporalTransformer

MULTIPLE = 16  # h and w are padded to one: four levels halve them


class CNNTransformer(nn.Module):
    """Maps (b, t, k, h, w) from channels (b, t, c, h, w).

    Parameters
    ----------
    channels, targets : int
        c and k.
    sizes : CNNTransformerSizes
    """

    def __init__(self, channels: int, targets: int, sizes: CNNTransformerSizes) -> None:
        super().__init__()
        widths, e = sizes.widths, sizes.embedding
        before = (channels, *widths[:-1])
        self.levels = nn.ModuleList(
            [_Level(i, o, deformable=sizes.deformable) for i, o in zip(before, widths, strict=True)]
        )
        self.downs = nn.ModuleList([nn.Conv2d(o, o, 3, stride=2, padding=1) for o in widths])
        self.bottleneck = nn.Conv2d(widths[-1], e, 3, padding=1)
        self.pool = AttentionPool(e)
        self.dates = TemporalTransformer(
            e, sizes.depth, sizes.heads, sizes.dropout, norm_first=sizes.norm_first
        )
        from_below = (e, *reversed(widths[1:]))
        self.ups = nn.ModuleList(
            [
                _Up(i, o, deformable=sizes.deformable)
                for i, o in zip(from_below, reversed(widths), strict=True)
            ]
        )
        self.head = nn.Conv2d(widths[0], targets, 1)
        self.refinement = Refinement(targets, widths[0]) if sizes.refine else None
        self.final = sizes.final
        for part in (self.levels, self.downs, self.bottleneck, self.ups):
            part.apply(_keep_variance)

    def forward(self, x: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
        """Return (b, t, k, h, w).

        Parameters
        ----------
        x : Tensor, shape (b, t, c, h, w)
            Any h and w: they are padded to a multiple of 16, and cut again.
        present : bool Tensor, shape (b, t), optional
            Which dates there are; the others are not looked at, and their maps mean nothing.
        """
        b, t, _, h, w = x.shape
        if present is None:
            present = torch.ones(b, t, dtype=torch.bool, device=x.device)
        maps = functional.pad(
            x.flatten(0, 1), (0, -w % MULTIPLE, 0, -h % MULTIPLE), mode="replicate"
        )
        skips = []
        for level, down in zip(self.levels, self.downs, strict=True):
            skips.append(level(maps))
            maps = down(skips[-1])
        maps = torch.relu(self.bottleneck(maps))
        dates = self.dates(self.pool(maps).view(b, t, -1), present)
        maps = maps + dates.flatten(0, 1)[:, :, None, None]
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            maps = up(maps, skip)
        out: torch.Tensor = self.head(maps)
        if self.refinement is not None:
            out = self.refinement(out, maps)
        if self.final != "none":
            out = torch.sigmoid(out) if self.final == "sigmoid" else torch.relu(out)
        return out[:, :, :h, :w].reshape(b, t, -1, h, w)


class _Level(nn.Module):
    """Two gated convolutions, coordinate attention, one deformable convolution; size stays."""

    def __init__(self, channels: int, filters: int, *, deformable: bool) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for arriving in (channels, filters):
            parts += [nn.Conv2d(arriving, filters, 3, padding=1), nn.ReLU()]
            parts += [SpatialGate(), SqueezeExcitation(filters)]
        parts += [CoordinateAttention(filters), _convolution(filters, deformable), nn.ReLU()]
        self.parts = nn.Sequential(*parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.parts(x)
        return out


class _Up(nn.Module):
    """Twice the size by sub-pixel convolution, joined with what the encoder saw at that size."""

    def __init__(self, channels: int, filters: int, *, deformable: bool) -> None:
        super().__init__()
        self.widen = nn.Sequential(
            nn.Conv2d(channels, 4 * filters, 3, padding=1), nn.PixelShuffle(2), nn.ReLU()
        )
        self.join = nn.Sequential(
            nn.Conv2d(2 * filters, filters, 3, padding=1),
            nn.ReLU(),
            SqueezeExcitation(filters),
            _convolution(filters, deformable),
            nn.ReLU(),
        )

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.join(torch.cat([self.widen(x), skip], dim=1))
        return out


def _convolution(filters: int, deformable: bool) -> nn.Module:
    if deformable:
        return DeformConv2d(filters, filters)
    return nn.Conv2d(filters, filters, 3, padding=1)


def _keep_variance(layer: nn.Module) -> None:
    """Draw weights so that values keep their size through ReLUs (10.1109/ICCV.2015.123).

    Gates, of one filter, stay as they are, and offsets begin at 0.
    """
    if isinstance(layer, DeformConv2d):  # comes after the convolution inside it
        nn.init.zeros_(layer.where.weight)
    if isinstance(layer, nn.Conv2d | DeformConv2d) and len(layer.weight) > 1:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
