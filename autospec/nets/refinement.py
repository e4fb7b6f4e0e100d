"""Edge-preserving refinement of a map: a guided filter whose share begins at nothing."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


def box_mean(x: torch.Tensor, radius: int) -> torch.Tensor:
    """Return the mean over windows of 2·radius + 1 cells, of the cells inside the map alone."""
    size = 2 * radius + 1
    return functional.avg_pool2d(x, size, stride=1, padding=radius, count_include_pad=False)


def guided_filter(
    guide: torch.Tensor, x: torch.Tensor, radius: int = 2, eps: float = 1e-3
) -> torch.Tensor:
    """Smooth `x` except where `guide` has an edge (He et al. 2013, 10.1109/TPAMI.2012.213).

    Parameters
    ----------
    guide, x : Tensor, shape (n, c, h, w)
        Channel by channel.
    radius : int
        Of the windows, in cells.
    eps : float
        Variance of the guide below which there is no edge.
    """
    mean_g, mean_x = box_mean(guide, radius), box_mean(x, radius)
    covariance = box_mean(guide * x, radius) - mean_g * mean_x
    variance = box_mean(guide * guide, radius) - mean_g * mean_g
    slope = covariance / (variance.clamp(min=0.0) + eps)
    level = mean_x - slope * mean_g
    return box_mean(slope, radius) * guide + box_mean(level, radius)


class Refinement(nn.Module):
    """Move a map towards its guided filter by a learnt share, 0 at the start.

    Parameters
    ----------
    channels, guides : int
        Of the maps, and of the features whose projection guides.
    """

    def __init__(self, channels: int, guides: int) -> None:
        super().__init__()
        self.guide = nn.Conv2d(guides, channels, 1)
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Return (n, channels, h, w) for maps x, guided by features (n, guides, h, w)."""
        # in float32 under mixed precision too: a variance is a small difference of large numbers
        exact = torch.promote_types(x.dtype, torch.float32)
        x, guide = x.to(exact), self.guide(features).to(exact)
        return x + self.share * (guided_filter(guide, x) - x)
