"""`choose_target`: k, r and the number of rows to select, by nested cross-validation (v2, R)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from autospec.data.spectra import Spectra, join_spectra
from autospec.data.splits import Fold, make_folds
from autospec.errors import DataError, UsageError
from autospec.transfer.pls import Judges, judge_draws, load_engine
from autospec.transfer.purge import purge_library
from autospec.transfer.rotation import rotate_library
from autospec.transfer.rs_local import rs_local
from autospec.transfer.selection import RSLocalSettings

if TYPE_CHECKING:
    from autospec.training.trainer import Device

SIZES = (30, 50, 100, 150, 200, 300)
MIN_LOCAL = 9  # with 3 folds each leaves 6 judges, and 3 rows are judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One pair of settings and what it did on rows that took no part in its selections.

    Parameters
    ----------
    k : int
        Rows a draw, and rows selected.
    r : float
        Share dropped in a generation.
    rmse : float
        Pooled over all local rows, each predicted by a PLSR on the selected rows and the other
        folds' local rows; in the unit of the lab values.
    """

    k: int
    r: float
    rmse: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetChoice:
    """Settings with the chosen k, r and target.

    Parameters
    ----------
    settings : RSLocalSettings
        As given, with the winner's numbers.
    candidates : tuple of Candidate
        All that were tried. The winner's RMSE is the lowest of several, so a little optimistic.
    skipped : tuple of int
        Sizes that the components or the library do not allow.
    """

    settings: RSLocalSettings
    candidates: tuple[Candidate, ...]
    skipped: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGrid:
    """What `choose_target` tries: every size with every share, over so many folds."""

    sizes: Sequence[int] = SIZES
    shares: Sequence[float] = (0.05,)
    folds: int = 5


def choose_target(
    library: Spectra,
    local: Spectra,
    settings: RSLocalSettings | None = None,
    *,
    grid: TargetGrid | None = None,
    seed: int = 0,
    device: Device = "auto",
) -> TargetChoice:
    """Choose k, r and target by nested cross-validation on the local rows.

    In each fold the local rows outside it judge a selection of their own, a PLSR is fitted on the
    selected rows and on them, and the rows of the fold are predicted: every local row is judge
    and judged, never both in one fold. It costs folds × sizes × shares selections.

    Parameters
    ----------
    library, local : Spectra
        As for `rs_local`; the whole of `local` is purged from the library first.
    settings : RSLocalSettings, optional
        Everything but `k`, `r` and `target`.
    grid : TargetGrid, optional
        What is tried; by default the sizes 30 to 300 at r = 0.05 over 5 folds.
    seed : int
        Fixes folds and draws.
    device : {"auto", "cpu", "cuda"}
        Where draws are fitted.

    Returns
    -------
    TargetChoice
        Of the lowest RMSE; among equals the first tried.

    Raises
    ------
    DataError
        If there are too few labelled local rows for the folds.
    UsageError
        If no size is possible.
    """
    settings, grid = settings or RSLocalSettings(), grid or TargetGrid()
    local = local.labelled()
    purged = purge_library(library, local)
    if purged.count:
        library = library.rows(purged.kept)
    sizes = _possible_sizes(library, local, settings, grid)
    folds = make_folds(local, grid.folds, 1, seed)
    candidates = []
    for k in sizes:
        for r in grid.shares:
            tried = replace(settings, k=k, r=r, target=k, patience=None)
            scores = [
                _score_fold(library, local, fold, tried, seed + i, device)
                for i, fold in enumerate(folds)
            ]
            pooled = sum(len(f.score) * s**2 for f, s in zip(folds, scores, strict=True)) / local.n
            candidates.append(Candidate(k=k, r=r, rmse=float(np.sqrt(pooled))))
    best = min(candidates, key=lambda c: c.rmse)
    return TargetChoice(
        settings=replace(settings, k=best.k, r=best.r, target=best.k),
        candidates=tuple(candidates),
        skipped=tuple(k for k in grid.sizes if k not in sizes),
    )


def _possible_sizes(
    library: Spectra, local: Spectra, settings: RSLocalSettings, grid: TargetGrid
) -> list[int]:
    groups = len(set(local.groups))
    if local.n < MIN_LOCAL or grid.folds < 2 or groups < grid.folds:
        raise DataError(
            f"{local.n} labelled local rows in {groups} groups for {grid.folds} folds; want at "
            f"least {MIN_LOCAL} rows, 2 folds and a group a fold. "
            "Add lab values or use fewer folds."
        )
    largest = int(np.isfinite(library.target).sum()) - 1
    sizes = [k for k in grid.sizes if settings.components + 1 < k <= largest]
    if not sizes or not grid.shares:
        raise UsageError(
            f"sizes = {tuple(grid.sizes)}, shares = {tuple(grid.shares)}: none is possible with "
            f"{settings.components} components and {largest + 1} usable library rows; want sizes "
            f"from {settings.components + 2} to {largest} and at least one share"
        )
    return sizes


def _score_fold(
    library: Spectra,
    local: Spectra,
    fold: Fold,
    settings: RSLocalSettings,
    seed: int,
    device: Device,
) -> float:
    """Return the RMSE on a fold's rows of a PLSR on what the other local rows selected."""
    judges, scored = local.rows(fold.fit), local.rows(fold.score)
    selected = rs_local(library, judges, settings, seed=seed, device=device).pick(library)
    train = join_spectra([selected, judges])
    everything = np.arange(train.n)
    engine = load_engine(
        rotate_library(train.values, everything, train.target, settings.tolerance),
        Judges(values=scored.values, target=scored.target),
        components=settings.components,
        device=device,
    )
    return float(judge_draws(engine, everything[None])[0, 0])
