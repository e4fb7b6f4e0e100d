"""A transformer over dates: Fourier positions, and layers that look at no missing or later date."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

WAVELENGTH = 10_000.0


def fourier_positions(steps: torch.Tensor, width: int) -> torch.Tensor:
    """Return positions (..., width) of time steps: concat[sin(t·f), cos(t·f)].

    f_j = 10000^(−2j / width), j = 0 … width/2 − 1 (https://arxiv.org/abs/1706.03762).

    Parameters
    ----------
    steps : Tensor, shape (...,)
        Times in steps; need not be whole.
    width : int
        Even.
    """
    j = torch.arange(width // 2, device=steps.device, dtype=torch.float32)
    angles = steps.to(torch.float32)[..., None] * WAVELENGTH ** (-2.0 * j / width)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class TemporalLayer(nn.Module):
    """One layer of the transformer: attention over dates, then a feed-forward net of 4 widths.

    Parameters
    ----------
    width, heads : int
        The width is a multiple of the heads.
    dropout : float
    norm_first : bool
        Layer norms before each part (pre-LN, https://arxiv.org/abs/2002.04745) or after it.
    """

    def __init__(self, width: int, heads: int, dropout: float, *, norm_first: bool) -> None:
        super().__init__()
        self.heads, self.p, self.norm_first = heads, dropout, norm_first
        self.to_qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.drop = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """Return (b, t, width) for x (b, t, width); which dates each looks at: `seen` (b, t, t)."""
        for norm, part in zip(self.norms, (self._attend, self._feed), strict=True):
            if self.norm_first:
                x = x + self.drop(part(norm(x), seen))
            else:
                x = norm(x + self.drop(part(x, seen)))
        return x

    def _attend(self, x: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        b, t, width = x.shape
        q, k, v = self.to_qkv(x).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        p = self.p if self.training else 0.0
        out = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen[:, None], dropout_p=p)
        mixed: torch.Tensor = self.out(out.transpose(1, 2).reshape(b, t, width))
        return mixed

    def _feed(self, x: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.narrow(self.drop(functional.gelu(self.wide(x))))
        return out


class TemporalTransformer(nn.Module):
    """Layers over dates, with positions added first.

    Parameters
    ----------
    width, depth, heads : int
        Of each layer, how many, and heads of attention.
    dropout : float
    norm_first : bool
        As of `TemporalLayer`; pre-LN ends in a norm of its own.
    causal : bool
        No date looks at a later one.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        dropout: float,
        *,
        norm_first: bool = True,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.causal = causal
        self.layers = nn.ModuleList(
            [TemporalLayer(width, heads, dropout, norm_first=norm_first) for _ in range(depth)]
        )
        self.last = nn.LayerNorm(width) if norm_first else nn.Identity()
        self.drop = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Return (b, t, width) for x (b, t, width) at steps 0 to t − 1.

        Dates that are not `present` (b, t) are seen by none but themselves, so that no date is
        without one to look at; what they get is told by the others.
        """
        steps = torch.arange(x.shape[1], device=x.device)
        x = self.drop(x + fourier_positions(steps, x.shape[2]).to(x.dtype))
        seen = self._seen(present)
        for layer in self.layers:
            x = layer(x, seen)
        out: torch.Tensor = self.last(x)
        return out

    def _seen(self, present: torch.Tensor) -> torch.Tensor:
        """Return (b, t, t): whether the second date is looked at from the first."""
        itself = torch.eye(present.shape[1], dtype=torch.bool, device=present.device)
        seen = present[:, None, :] | itself
        return seen.tril() if self.causal else seen
