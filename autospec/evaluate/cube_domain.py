"""The applicability domain of cubes: how far a window lies from those that a model learned from.

The three distances and their limits are those of `autospec.evaluate.domain`, in a principal
component space of features of a window: each channel's mean over space on each date, and its
spread over space, of values standardised by channel, gaps at the channel's mean. A window of gaps
lies at the centre of that space, so gaps have a limit of their own: a channel with fewer values
than in any training window puts its window outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.pieces import in_pieces
from autospec.data.cubes.scaling import ChannelScaler, CubePreprocessing, fit_scaler
from autospec.data.spectra import FloatArray
from autospec.data.splits import Fold
from autospec.data.tensors import Vector
from autospec.evaluate.domain import Distances, Space, components, fit_space, limits_of, tell

NAMED = 3  # channels in one reason


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CubeDomain:
    """The applicability domain of a model of cubes; made by `fit_cube_domain`.

    Parameters
    ----------
    channels : tuple of str, length c
        Of the cubes that it measures, in their order.
    scaler : ChannelScaler
        Standardises channels, without a mask channel.
    space : Space
        Of features (c·t + c).
    limits : float64, shape (3,)
        Of Q, T² and the nearest distance.
    most_missing : float64, shape (c,)
        Largest share of cells without a value in a training window, 0 to 1.
    low, high : float64, shape (c,)
        Range of each channel's window means in training, standardised: to say in words which
        channel is unlike, never to decide.
    """

    channels: tuple[str, ...]
    scaler: ChannelScaler
    space: Space
    limits: Vector
    most_missing: Vector
    low: Vector
    high: Vector

    def measure(self, cubes: Cubes) -> Distances:
        """Measure n cubes, and say of each whether it is inside, or why not."""
        assert cubes.channels == self.channels, "the channels of the domain, in its order"
        with np.errstate(over="ignore", invalid="ignore"):  # a value beyond float32 is far outside
            found = tell(self.space, self.limits, features(cubes, self.scaler))
            level = _levels(cubes, self.scaler)
        missing = _missing(cubes)
        reasons = tuple(
            "; ".join(filter(None, (self._gaps(gone), why, why and self._unlike(mean))))
            for why, gone, mean in zip(found.reasons, missing, level, strict=True)
        )
        return replace(found, inside=tuple(not reason for reason in reasons), reasons=reasons)

    def _gaps(self, missing: FloatArray) -> str:
        """Say which channels of a window lack more values, shares (c,), than any in training."""
        told = [
            f"{self.channels[i]}: {100 * missing[i]:.0f} % of its cells have no value, at most "
            f"{100 * self.most_missing[i]:.0f} % in training"
            for i in np.flatnonzero(missing > self.most_missing)
        ]
        return _shortened(told)

    def _unlike(self, level: FloatArray) -> str:
        """Say which channels of a window have means, standardised (c,), that none had before."""
        mean, sd = self.scaler.mean, self.scaler.sd
        real, low, high = (z * sd + mean for z in (level, self.low, self.high))
        told = [
            f"mean of {self.channels[i]} {real[i]:.3g}, {low[i]:.3g} to {high[i]:.3g} in training"
            for i in np.flatnonzero((level < self.low) | (level > self.high))
        ]
        return _shortened(told)


def fit_cube_domain(train: Cubes, folds: tuple[Fold, ...], seed: int = 0) -> CubeDomain:
    """Fit the domain to training windows.

    Parameters
    ----------
    train : Cubes
        n windows.
    folds : tuple of Fold
        Positions within `train`; the limits are quantiles of the distances of the windows that
        they score, each from the windows that its fold learns from. With whole blocks held out and
        a buffer these are distances from elsewhere, which is where predictions are wanted.
    seed : int
        Fixes which windows are kept where there are more than 5000.
    """
    scaler = fit_scaler(CubePreprocessing(), train)
    x = features(train, scaler)
    k = components(x, min(len(fold.fit) for fold in folds))
    level = _levels(train, scaler)
    return CubeDomain(
        channels=train.channels,
        scaler=scaler,
        space=fit_space(x, k, seed),
        limits=limits_of(
            np.concatenate([_held_distances(train, fold, k, seed) for fold in folds], axis=1)
        ),
        most_missing=_missing(train).max(axis=0),
        low=level.min(axis=0),
        high=level.max(axis=0),
    )


def features(cubes: Cubes, scaler: ChannelScaler) -> FloatArray:
    """Return what the domain sees of n cubes, shape (n, c·t + c), float64.

    First the mean over space of each channel on each date, then each channel's standard deviation
    over space, of all dates together.
    """
    parts = []
    for x in _standardised(cubes, scaler):
        means = x.mean(axis=(2, 3))
        spread = np.sqrt(((x - means[:, :, None, None]) ** 2).mean(axis=(2, 3, 4)))
        parts.append(np.concatenate([means.reshape(len(x), -1), spread], axis=1))
    return np.concatenate(parts)


def _held_distances(train: Cubes, fold: Fold, k: int, seed: int) -> FloatArray:
    """Return the distances (3, m) of a fold's scored windows; nothing of them shapes the space."""
    fitted, held = train.rows(fold.fit), train.rows(fold.score)
    scaler = fit_scaler(CubePreprocessing(), fitted)
    return fit_space(features(fitted, scaler), k, seed).measure(features(held, scaler))


def _levels(cubes: Cubes, scaler: ChannelScaler) -> FloatArray:
    """Return each channel's mean over a window, standardised, shape (n, c)."""
    return np.concatenate([x.mean(axis=(2, 3, 4)) for x in _standardised(cubes, scaler)])


def _standardised(cubes: Cubes, scaler: ChannelScaler) -> Iterator[FloatArray]:
    """Yield standardised values of some windows at a time, float64: statistics are in float64."""
    for piece in in_pieces(cubes):
        yield scaler.transform(piece).astype(np.float64)


def _missing(cubes: Cubes) -> FloatArray:
    """Return each channel's share of cells without a value, shape (n, c)."""
    return np.asarray(1.0 - cubes.valid.mean(axis=(2, 3, 4), dtype=np.float64))


def _shortened(told: list[str]) -> str:
    more = [f"{len(told) - NAMED} more channels"] if len(told) > NAMED else []
    return "; ".join(told[:NAMED] + more)
