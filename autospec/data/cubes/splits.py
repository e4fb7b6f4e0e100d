"""`CubeSplit`: how samples on a map are held out; blocks in space with a buffer, or time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from autospec.data.spectra import IntArray
from autospec.data.splits import SplitPlan

SplitKind = Literal["blocks", "forward", "random"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeSplit:
    """What holds samples out.

    Parameters
    ----------
    kind : {"blocks", "forward", "random"}
        Whole squares of the map; the latest dates; or single samples, which leaks.
    buffer_km : float
        No sample that is learned from lies nearer to one that is held out, at least 0.
    block_km : float or None
        Side of a square; None: chosen so that there are enough of them.
    test_fraction : float
        Share of the samples to seal.
    folds : int
        Inner folds.
    seed : int
        Fixes every draw.
    """

    kind: SplitKind = "blocks"
    buffer_km: Annotated[float, Ge(0)] = 1.2
    block_km: Annotated[float, Gt(0)] | None = None
    test_fraction: Annotated[float, Ge(0.05), Le(0.5)] = 0.25
    folds: Annotated[int, Ge(2), Le(20)] = 5
    seed: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CubeSplitPlan:
    """A split of labelled samples, and what can be said of it.

    Parameters
    ----------
    plan : SplitPlan
        Training rows, inner folds, sealed rows; rows dropped for the buffer are in neither.
    kind : {"blocks", "forward", "random"}
    block_of : int64, shape (n,)
        The square, or piece of time, of each sample, from 0.
    block_km : float
        Side of a square; 0 without squares.
    dropped : int64, shape (d,)
        Samples left out of training because they lie within the buffer of a sealed one.
    dropped_in_folds : tuple of int
        How many each inner fold leaves out for its own held-out samples.
    nearest_km : float
        Shortest distance between a training and a sealed sample.
    nearest_in_folds_km : tuple of float
        The same within each inner fold.
    """

    plan: SplitPlan
    kind: SplitKind
    block_of: IntArray
    block_km: float
    dropped: IntArray
    dropped_in_folds: tuple[int, ...]
    nearest_km: float
    nearest_in_folds_km: tuple[float, ...]
