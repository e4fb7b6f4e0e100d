"""`MapNetwork`: a network of maps with its scaling: tiles in, maps in the targets' units out.

What a network is given is scaled to [0, 1] by what is learned from. Cells without a value become
−0.01 ("sentinel"), or their channel's mean ("mask"), with one channel more that tells the share of
channels that have a value there; where nothing that is learned from lacks one, there is no such
channel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import nn

from autospec.data.cubes.cubes import Float32Array
from autospec.data.maps.problem import MapAims
from autospec.data.maps.scaling import NO_VALUE, MapScaler
from autospec.data.maps.tiles import Tile
from autospec.data.spectra import FloatArray
from autospec.nets.cnn_transformer import CNNTransformer
from autospec.nets.map_sizes import CNNTransformerSizes
from autospec.nets.seeding import weights_from
from autospec.training.map_settings import Gaps
from autospec.training.trainer import one_thread

LEAST_SHARE = 0.01  # a mean at the end of its range would begin a bounded head where it is flat


class MapBatch(NamedTuple):
    """Tiles as tensors on a device: what a network is given, and what is wanted of it.

    Parameters
    ----------
    x : float32, shape (b, t, c, h, w)
        Scaled inputs, the share of channels with a value last, if there is one.
    static : float32, shape (b, s, h, w), or None
        None where s = 0.
    present : bool, shape (b, t)
    base : float32, shape (b, t, k, h, w), or None
        What the network's answer is added to; None: nothing.
    y : float32, shape (b, t, k, h, w)
        Scaled targets, 0 where not valid.
    valid : bool, shape (b, t, k, h, w)
    counted : bool, shape (b, t, h, w)
    months : int64, shape (b, t)
    """

    x: torch.Tensor
    static: torch.Tensor | None
    present: torch.Tensor
    base: torch.Tensor | None
    y: torch.Tensor
    valid: torch.Tensor
    counted: torch.Tensor
    months: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapNetwork:
    """A network of maps, and what stands before and behind it.

    Parameters
    ----------
    sizes : CNNTransformerSizes
    aims : MapAims
    gaps : {"mask", "sentinel"}
        What cells without a value become.
    scaler : MapScaler
    network : CNNTransformer
        As `build_map_network` makes it, on the device where it runs.
    """

    sizes: CNNTransformerSizes
    aims: MapAims
    gaps: Gaps
    scaler: MapScaler
    network: CNNTransformer

    @property
    def device(self) -> torch.device:
        """Where the network runs."""
        return next(self.network.parameters()).device

    @property
    def changes(self) -> bool:
        """Whether the network says by how much a target differs from its last value."""
        return says_changes(self.sizes, self.aims)

    def on(self, device: torch.device) -> Self:
        """Move the network to a device; return the same."""
        self.network.to(device)
        return self

    def encode(self, tiles: Sequence[Tile]) -> MapBatch:
        """Return b tiles of one size, scaled, as tensors on the network's device."""
        scaler, mask = self.scaler, self.gaps == "mask"
        c = len(scaler.low) - tiles[0].static.shape[0]
        dynamic = np.stack([tile.dynamic for tile in tiles])
        x = self._filled(dynamic, slice(0, c))
        if mask and scaler.gappy:
            share = np.isfinite(dynamic).mean(axis=2, keepdims=True, dtype=np.float32)
            x = np.concatenate([x, share], axis=2)
        static = np.stack([tile.static for tile in tiles])
        y = self._scaled(np.stack([tile.target for tile in tiles]))
        valid = np.isfinite(y)
        return MapBatch(
            x=self._tensor(x),
            static=self._tensor(self._filled(static, slice(c, None))) if static.size else None,
            present=self._tensor(np.stack([tile.present for tile in tiles])),
            base=self._tensor(self._base(tiles)) if self.changes else None,
            y=self._tensor(np.where(valid, y, np.float32(0.0))),
            valid=self._tensor(valid),
            counted=self._tensor(np.stack([tile.counted for tile in tiles])),
            months=self._tensor(np.stack([tile.months for tile in tiles])),
        )

    def predict(self, tile: Tile) -> Float32Array:
        """Return the maps of a tile, shape (t, k, h, w), in the targets' units.

        Slots that are not present have maps too, as told by the others.
        """
        batch = self.encode([tile])
        self.network.eval()
        with one_thread(), torch.no_grad():
            scaled = answer(self.network, batch)[0].cpu().numpy().astype(np.float64)
        low, high = self.scaler.target_low, self.scaler.target_high
        values = _of_channels(low) + scaled * _of_channels(high - low)
        return values.astype(np.float32)

    def _filled(self, values: Float32Array, channels: slice) -> Float32Array:
        """Scale channels of inputs (b, ..., c, h, w), and fill cells without a value."""
        low, high = self.scaler.low[channels], self.scaler.high[channels]
        mean = self.scaler.mean[channels]
        scaled = _to_unit(values, low, high)
        fill = (mean - low) / (high - low) if self.gaps == "mask" else np.full(len(low), NO_VALUE)
        return np.where(np.isfinite(scaled), scaled, _of_channels(fill).astype(np.float32))

    def _scaled(self, values: Float32Array) -> Float32Array:
        return _to_unit(values, self.scaler.target_low, self.scaler.target_high)

    def _base(self, tiles: Sequence[Tile]) -> Float32Array:
        """Return the last values, scaled; where there are none, what is said there by default."""
        last = self._scaled(np.stack([tile.last for tile in tiles]))
        sentinel = np.full(last.shape[2], NO_VALUE)
        fill = sentinel if self.gaps == "sentinel" else mean_shares(self.scaler)
        return np.where(np.isfinite(last), last, _of_channels(fill).astype(np.float32))

    def _tensor(self, values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)


def build_map_network(
    sizes: CNNTransformerSizes,
    aims: MapAims,
    scaler: MapScaler,
    gaps: Gaps,
    n_static: int,
    seed: int,
) -> MapNetwork:
    """Build a network of maps; untrained it says the targets' last values, or their means.

    Parameters
    ----------
    sizes : CNNTransformerSizes
        How large it is; `final` is "none" where the network says changes.
    aims : MapAims
        What is asked of it.
    scaler : MapScaler
        Fitted on what it will learn from; it and `gaps` tell how many channels there are.
    gaps : {"mask", "sentinel"}
        What cells without a value become.
    n_static : int
        Channels that do not change.
    seed : int
        Fixes the initial weights. The global random state is left as it was.

    Returns
    -------
    MapNetwork
        Float32, in training mode, on the CPU; moved by its `on`.
    """
    told = gaps == "mask" and scaler.gappy
    channels, k = len(scaler.low) - n_static + told, len(aims.targets)
    changes = says_changes(sizes, aims)
    built = replace(sizes, final="none") if changes else sizes
    with weights_from(seed):
        network = CNNTransformer(channels, n_static, k, built, causal=aims.horizon > 0)
    _begin_at(network.head, np.zeros(k) if changes else _before(built.final, mean_shares(scaler)))
    return MapNetwork(sizes=sizes, aims=aims, gaps=gaps, scaler=scaler, network=network)


def answer(network: nn.Module, batch: MapBatch) -> torch.Tensor:
    """Return scaled predictions, float32 of shape (b, t, k, h, w)."""
    out: torch.Tensor = network(batch.x, batch.static, batch.present).float()
    return out if batch.base is None else batch.base + out


def says_changes(sizes: CNNTransformerSizes, aims: MapAims) -> bool:
    """Return whether a network says by how much a target differs from its last value."""
    return sizes.change and aims.horizon > 0


def mean_shares(scaler: MapScaler) -> FloatArray:
    """Return the targets' means, scaled to [0, 1], shape (k,)."""
    low, high = scaler.target_low, scaler.target_high
    shares: FloatArray = (scaler.target_mean - low) / (high - low)
    return shares


def _begin_at(head: nn.Conv2d, levels: FloatArray) -> None:
    """Let a head say `levels` (k,), whatever arrives: weights at 0, as a last layer may begin."""
    assert head.bias is not None
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.from_numpy(levels))


def _before(final: str, shares: FloatArray) -> FloatArray:
    """Return what a final activation makes `shares` of."""
    if final == "none":
        return shares
    inside = np.clip(shares, LEAST_SHARE, 1.0 - LEAST_SHARE)
    if final == "relu":
        return inside
    return np.array([math.log(share / (1.0 - share)) for share in inside])


def _to_unit(values: Float32Array, low: FloatArray, high: FloatArray) -> Float32Array:
    """Scale (..., c, h, w) so that low is 0 and high is 1; float32, as networks see it."""
    least, span = (_of_channels(n).astype(np.float32) for n in (low, high - low))
    scaled: Float32Array = (values - least) / span
    return scaled


def _of_channels(numbers: FloatArray) -> FloatArray:
    return numbers[:, None, None]
