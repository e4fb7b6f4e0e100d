"""`CNNTransformer`: dense maps over time; an encoder a date, attention over dates, a decoder.

Every date of every sample passes the encoder at once, as one image of all channels; what does not
change is held once a sample, and convolved once. What a date holds as a whole, pooled by learnt weights, goes through a transformer over
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
    """Maps (b, t, k, h, w) from channels (b, t, c, h, w), and static ones (b, s, h, w).

    Parameters
    ----------
    channels, static_channels, targets : int
        c, s and k; s may be 0.
    sizes : CNNTransformerSizes
        `change` is not looked at: what is added to a last value is no matter of the network.
    causal : bool
        The map of a date is told by it and earlier ones alone.
    """

    def __init__(
        self,
        channels: int,
        static_channels: int,
        targets: int,
        sizes: CNNTransformerSizes,
        *,
        causal: bool,
    ) -> None:
        super().__init__()
        widths, e = sizes.widths, sizes.embedding
        entering = static_channels if sizes.static_stream else 0
        self.inlet = Inlet(channels, entering, widths[0])
        self.levels = nn.ModuleList(
            [
                _Level(arriving, filters, deformable=sizes.deformable)
                for arriving, filters in zip((None, *widths[:-1]), widths, strict=True)
            ]
        )
        self.downs = nn.ModuleList([nn.Conv2d(o, o, 3, stride=2, padding=1) for o in widths])
        self.bottleneck = nn.Conv2d(widths[-1], e, 3, padding=1)
        self.pool = AttentionPool(e)
        self.dates = TemporalTransformer(
            e, sizes.depth, sizes.heads, sizes.dropout, norm_first=sizes.norm_first, causal=causal
        )
        from_below = (e, *reversed(widths[1:]))
        self.ups = nn.ModuleList(
            [
                _Up(i, o, deformable=sizes.deformable)
                for i, o in zip(from_below, reversed(widths), strict=True)
            ]
        )
        late = static_channels > 0 and not sizes.static_stream
        self.late = _Late(static_channels, widths[0]) if late else None
        self.head = nn.Conv2d(widths[0], targets, 1)
        self.refinement = Refinement(targets, widths[0]) if sizes.refine else None
        self.final = sizes.final
        for part in (self.inlet, self.levels, self.downs, self.bottleneck, self.ups):
            part.apply(_keep_variance)

    def forward(
        self, x: torch.Tensor, static: torch.Tensor | None, present: torch.Tensor
    ) -> torch.Tensor:
        """Return (b, t, k, h, w).

        Parameters
        ----------
        x : Tensor, shape (b, t, c, h, w)
            Any h and w: they are padded to a multiple of 16, and cut again.
        static : Tensor, shape (b, s, h, w), or None
            None where s = 0.
        present : bool Tensor, shape (b, t)
            Which dates there are; no other is told by those that are not.
        """
        b, t, _, h, w = x.shape
        images = _padded(x.flatten(0, 1))
        static = None if static is None else _padded(static)
        maps = self.inlet(images, static if self.late is None else None)
        skips = []
        for level, down in zip(self.levels, self.downs, strict=True):
            skips.append(level(maps))
            maps = down(skips[-1])
        maps = torch.relu(self.bottleneck(maps))
        dates = self.dates(self.pool(maps).view(b, t, -1), present)
        maps = maps + dates.flatten(0, 1)[:, :, None, None]
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            maps = up(maps, skip)
        if self.late is not None and static is not None:
            maps = self.late(maps, static)
        out: torch.Tensor = self.head(maps)
        if self.refinement is not None:
            out = self.refinement(out, maps)
        if self.final != "none":
            out = torch.sigmoid(out) if self.final == "sigmoid" else torch.relu(out)
        return out[:, :, :h, :w].reshape(b, t, -1, h, w)


class Inlet(nn.Module):
    """The first convolution: what does not change passes it once a sample, not once a date.

    A convolution is linear: the sum of what it makes of both parts is what it makes of their
    channels side by side.

    Parameters
    ----------
    channels, static_channels, filters : int
    """

    def __init__(self, channels: int, static_channels: int, filters: int) -> None:
        super().__init__()
        self.channels = channels
        self.conv = nn.Conv2d(channels + static_channels, filters, 3, padding=1)

    def forward(self, x: torch.Tensor, static: torch.Tensor | None) -> torch.Tensor:
        """Return (b·t, filters, h, w) for x (b·t, channels, h, w) and static (b, s, h, w)."""
        if static is None:
            out: torch.Tensor = self.conv(x)
            return out
        weight = self.conv.weight
        changing = functional.conv2d(x, weight[:, : self.channels], padding=1)
        lasting = functional.conv2d(static, weight[:, self.channels :], self.conv.bias, padding=1)
        b = len(static)
        return (changing.unflatten(0, (b, -1)) + lasting[:, None]).flatten(0, 1)


class _Late(nn.Module):
    """What does not change, joined with the maps of all dates at the end."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.own = nn.Sequential(nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU())
        self.join = Inlet(filters, filters, filters)

    def forward(self, x: torch.Tensor, static: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.join(x, self.own(static)))


def _padded(x: torch.Tensor) -> torch.Tensor:
    h, w = x.shape[-2:]
    pads = (0, -w % MULTIPLE, 0, -h % MULTIPLE)
    return functional.pad(x, pads, mode="replicate") if any(pads) else x


class _Level(nn.Module):
    """Two gated convolutions, coordinate attention, one deformable convolution; size stays.

    The first level's first convolution is the inlet, before it: `channels` is None there.
    """

    def __init__(self, channels: int | None, filters: int, *, deformable: bool) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for arriving in (channels, filters):
            if arriving is not None:
                parts.append(nn.Conv2d(arriving, filters, 3, padding=1))
            parts += [nn.ReLU(), SpatialGate(), SqueezeExcitation(filters)]
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
