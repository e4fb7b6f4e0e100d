"""What weighs channels and places of feature maps: gates, coordinate attention, learnt pooling.

Gates begin nearly open: six of them a level would else leave a hundredth of the signal.
"""

from __future__ import annotations

import torch
from torch import nn

GATE_KERNEL = 7
LEAST_HIDDEN = 4
OPEN = 3.0  # the bias of a gate at the start: sigmoid(3) = 0.95


class SqueezeExcitation(nn.Module):
    """Weigh channels by what the whole map holds (https://doi.org/10.1109/CVPR.2018.00745).

    Parameters
    ----------
    channels : int
        The hidden layer has a sixteenth of them, at least 4.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(LEAST_HIDDEN, channels // 16)
        self.down, self.up = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        _open(self.up)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x (n, c, h, w), each channel weighted by 0 to 1."""
        weights = torch.sigmoid(self.up(torch.relu(self.down(x.mean(dim=(2, 3))))))
        return x * weights[:, :, None, None]


class SpatialGate(nn.Module):
    """Weigh places by the mean and the maximum over channels (https://arxiv.org/abs/1807.06521)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, GATE_KERNEL, padding=GATE_KERNEL // 2)
        _open(self.conv)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x (n, c, h, w), each place weighted by 0 to 1."""
        told = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.conv(told))


class CoordinateAttention(nn.Module):
    """Weigh rows and columns apart (Hou et al. 2021, https://doi.org/10.1109/CVPR46437.2021.01350).

    Parameters
    ----------
    channels : int
        The hidden layer has a sixteenth of them, at least 4.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(LEAST_HIDDEN, channels // 16)
        self.common = nn.Conv1d(channels, hidden, 1)
        self.to_rows, self.to_columns = (nn.Conv1d(hidden, channels, 1) for _ in range(2))
        _open(self.to_rows)
        _open(self.to_columns)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x (n, c, h, w), weighted by a factor of its row and one of its column."""
        h = x.shape[2]
        told = torch.cat([x.mean(dim=3), x.mean(dim=2)], dim=2)
        hidden = torch.relu(self.common(told))
        rows = torch.sigmoid(self.to_rows(hidden[:, :, :h]))
        columns = torch.sigmoid(self.to_columns(hidden[:, :, h:]))
        return x * rows[:, :, :, None] * columns[:, :, None, :]


class AttentionPool(nn.Module):
    """The weighted mean over places, with weights that are learnt: a softmax over h·w.

    Parameters
    ----------
    channels : int
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, c) for x (n, c, h, w)."""
        weights = torch.softmax(self.score(x).flatten(2), dim=2)
        return (x.flatten(2) * weights).sum(dim=2)


def _open(layer: nn.Linear | nn.Conv1d | nn.Conv2d) -> None:
    assert layer.bias is not None
    nn.init.constant_(layer.bias, OPEN)
