"""Normalisation of volumes in a stacked network: of a batch, or of groups of filters.

Values are (M, channels, n, h, w, t), laid as `autospec.nets.volumes` has them. Each member is
normalised by torch's own kernels, on rows of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from autospec.nets.volumes import channels_last

aten = torch.ops.aten
ALL = [True, True, True]


class BatchNormOfVolumes:
    """Each channel of each member normalised by the member's own rows.

    Parameters
    ----------
    weight, bias : Tensor, shape (M, channels)
        What learns.
    statistics : tuple of Tensor, shape (M, channels)
        Running mean and variance, which `learn` moves.
    momentum, eps : float
        As of `nn.BatchNorm3d`.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor,
        statistics: tuple[torch.Tensor, torch.Tensor],
        *,
        momentum: float,
        eps: float,
    ) -> None:
        self.weight, self.bias = weight, bias
        self.mean, self.variance = statistics
        self.momentum, self.eps = momentum, eps
        self.to_weight, self.to_bias = torch.empty_like(weight), torch.empty_like(bias)
        self.kept: list[tuple[torch.Tensor, ...]] = []

    def learn(self, x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return x normalised; rows past a member's count give 0."""
        out, self.kept = torch.zeros_like(x), []
        for m, n in enumerate(counts):
            rows = x[m, :, :n].transpose(0, 1)
            made, mean, rstd = aten.native_batch_norm(
                rows, *self._own(m), True, self.momentum, self.eps
            )
            out[m, :, :n] = made.transpose(0, 1)
            self.kept.append((rows, mean, rstd))
        return out

    def back(self, grad: torch.Tensor) -> torch.Tensor:
        """Return the gradient of x; those of weight and bias are kept until they are asked for."""
        out, kept = torch.zeros_like(grad), self.kept
        self.kept = []
        for m, (rows, mean, rstd) in enumerate(kept):
            n = len(rows)
            weight, _, *statistics = self._own(m)
            to_x, self.to_weight[m], self.to_bias[m] = aten.native_batch_norm_backward(
                grad[m, :, :n].transpose(0, 1),
                rows,
                weight,
                *statistics,
                mean,
                rstd,
                True,
                self.eps,
                ALL,
            )
            out[m, :, :n] = to_x.transpose(0, 1)
        return out

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return x normalised by the running statistics."""
        scale = self.weight * torch.rsqrt(self.variance + self.eps)
        shift = self.bias - self.mean * scale
        return x * _wide(scale) + _wide(shift)

    def _own(self, m: int) -> tuple[torch.Tensor, ...]:
        return self.weight[m], self.bias[m], self.mean[m], self.variance[m]


class GroupNorm:
    """Each group of filters of each row normalised by itself.

    Parameters
    ----------
    weight, bias : Tensor, shape (M, channels)
        What learns.
    groups : int
        A divisor of `channels`.
    eps : float
        As of `nn.GroupNorm`.
    """

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor, *, groups: int, eps: float
    ) -> None:
        self.weight, self.bias = weight, bias
        self.groups, self.eps = groups, eps
        self.to_weight, self.to_bias = torch.empty_like(weight), torch.empty_like(bias)
        self.kept: list[tuple[torch.Tensor, ...]] = []

    def learn(self, x: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return x normalised."""
        self.kept = []
        made = [self._normalised(m, own) for m, own in enumerate(x)]
        self.kept = [kept for _, kept in made]
        return channels_last(torch.stack([out for out, _ in made]))

    def back(self, grad: torch.Tensor) -> torch.Tensor:
        """Return the gradient of x; those of weight and bias are kept until they are asked for."""
        turned, kept = [], self.kept
        self.kept = []
        for m, (rows, mean, rstd) in enumerate(kept):
            own = grad[m].transpose(0, 1)
            to_x, self.to_weight[m], self.to_bias[m] = aten.native_group_norm_backward(
                own, rows, mean, rstd, self.weight[m], *self._sizes(rows), self.groups, ALL
            )
            turned.append(to_x.transpose(0, 1))
        return channels_last(torch.stack(turned))

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return x normalised."""
        return channels_last(torch.stack([self._normalised(m, own)[0] for m, own in enumerate(x)]))

    def _normalised(
        self, m: int, own: torch.Tensor
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Return one member's values (c, n, h, w, t) normalised, and what the way back needs."""
        rows = own.transpose(0, 1)
        out, mean, rstd = aten.native_group_norm(
            rows, self.weight[m], self.bias[m], *self._sizes(rows), self.groups, self.eps
        )
        return out.transpose(0, 1), (rows, mean, rstd)

    def _sizes(self, rows: torch.Tensor) -> tuple[int, int, int]:
        n, channels = rows.shape[:2]
        return n, channels, rows.shape[2:].numel()


def _wide(per_channel: torch.Tensor) -> torch.Tensor:
    return per_channel[:, :, None, None, None, None]
