"""What a network of maps minimises: a quantile-weighted loss with terms for season, edge and gaps.

With e = y − p over valid cells v, y scaled to [0, 1] by the training range; gaps are the cells that
count and have no value, and what does not count is not looked at:

    L = mean_v[s·pinball(e)] + mean_v[s·w·q·e²] + ½·Σ b·v·|e| / Σ b·v + 2·mean_gaps|p − nv|

pinball(e) = max(τe, (τ − 1)e) and q = 2τ where e > 0, 2(1 − τ) elsewhere, τ = 0.57 (Koenker &
Bassett 1978, https://doi.org/10.2307/1913643); w = 1 + γy² with γ = 2, its mean over valid cells
made 1; s is the weight of the date's calendar month, its mean over the months made 1; b is
1 − 0.01·d for the cells less than d = 5 cells from the edge of a tile, 0 elsewhere; nv = −0.01
stands for "no value". Every term can be switched off; the plain squared error alone is the control.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from autospec.data.maps.scaling import NO_VALUE
from autospec.training.map_settings import MapTerms

EDGE_CELLS, EDGE_SLOPE = 5, 0.01
EDGE_SHARE, GAP_SHARE = 0.5, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLoss:
    """The loss of `terms`."""

    terms: MapTerms

    def __call__(
        self,
        p: torch.Tensor,
        y: torch.Tensor,
        valid: torch.Tensor,
        counted: torch.Tensor,
        months: torch.Tensor,
    ) -> torch.Tensor:
        """Return the loss of a batch; 0 with a gradient of 0 where nothing counts.

        Parameters
        ----------
        p, y : Tensor, shape (b, t, k, h, w)
            Predictions and scaled truth; what y holds where not valid is not looked at.
        valid : bool Tensor, shape (b, t, k, h, w)
            Where there is a value.
        counted : bool Tensor, shape (b, t, h, w)
            Where a value, or its absence, counts.
        months : int Tensor, shape (b, t)
            Calendar month of each date, 0 for January.
        """
        counts = counted[:, :, None]
        told, gap = valid & counts, counts & ~valid
        v = told.to(p.dtype)
        # chosen, not multiplied: whatever is predicted where nothing counts, its gradient is 0
        e = torch.where(told, y - p, 0.0)
        s = self._season(months, p)
        loss = _mean(s * self._squares(e, torch.where(told, y, 0.0), v), v)
        if self.terms.pinball:
            tau = self.terms.tau
            loss = loss + _mean(s * torch.maximum(tau * e, (tau - 1.0) * e), v)
        if self.terms.edge:
            b = edge_weights(p.shape[-2], p.shape[-1], p) * v
            loss = loss + EDGE_SHARE * _mean(b * e.abs(), b)
        if self.terms.gaps == "sentinel":
            loss = loss + GAP_SHARE * _mean(torch.where(gap, p - NO_VALUE, 0.0).abs(), gap)
        return loss

    def _squares(self, e: torch.Tensor, y: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        if not self.terms.weighted:
            return e**2
        w = 1.0 + self.terms.gamma * y**2
        w = w / _mean(w * v, v).clamp(min=1e-12)
        q = 2.0 * (1.0 - self.terms.tau) + (4.0 * self.terms.tau - 2.0) * (e > 0).to(e.dtype)
        return w * q * e**2

    def _season(self, months: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        if not self.terms.season:
            return like.new_ones(())
        weights = torch.tensor(self.terms.season, dtype=like.dtype, device=like.device)
        return (weights / weights.mean())[months][:, :, None, None, None]


def edge_weights(h: int, w: int, like: torch.Tensor) -> torch.Tensor:
    """Return b (h, w): 1 at the edge of a tile, less by 0.01 a cell, 0 from the fifth cell on."""
    rows, columns = (torch.arange(n, device=like.device) for n in (h, w))
    to_row, to_column = torch.minimum(rows, h - 1 - rows), torch.minimum(columns, w - 1 - columns)
    d = torch.minimum(to_row[:, None], to_column[None, :]).to(like.dtype)
    return torch.where(d < EDGE_CELLS, 1.0 - EDGE_SLOPE * d, torch.zeros_like(d))


def _mean(total: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the sum of `total` over the sum of weights; 0 where these are all 0."""
    return total.sum() / weights.sum().clamp(min=1e-12)
