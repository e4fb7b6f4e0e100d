"""`CubeSplit`: how samples on a map are held out; blocks in space with a buffer, or time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le
from sklearn.model_selection import KFold

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.places import local_km, nearest_km
from autospec.data.spectra import FloatArray, IntArray
from autospec.data.splits import MIN_ROWS, Fold, SplitPlan
from autospec.errors import DataError

SplitKind = Literal["blocks", "forward", "random"]
LEAKAGE_WARNING = (
    "a random split leaks: neighbouring samples share cells and soil, so a model that knows the "
    "neighbours of a held-out sample looks better than it will be elsewhere"
)
MIN_FIT = 10  # samples that a fold learns from
MIN_SCORE = 2
MIN_SQUARES = 20
HALVINGS = 16
LEAST_KM = 1e-3  # side of the first square where all samples stand in one place


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeSplit:
    """What holds samples out.

    Parameters
    ----------
    kind : {"blocks", "forward", "random"}
        Whole squares of the map; the latest dates; or single samples, which leaks.
    buffer_km : float
        No sample that is learned from lies nearer to one that is held out, at least 0. Places are
        so far apart; the windows round them share no cell from the window's diagonal on.
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
        The square, or piece of time, of each sample, from 0; random: its own number.
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


def make_cube_split(cubes: Cubes, split: CubeSplit) -> CubeSplitPlan:
    """Seal test samples and lay the inner folds, far enough apart.

    Parameters
    ----------
    cubes : Cubes
        Labelled samples only.
    split : CubeSplit
        "blocks": whole squares of the map are sealed and scored; training samples within
        `buffer_km` of a sealed one leave the plan, and within each fold those within it of a
        scored one are not fitted. "forward": the latest dates are sealed, and each fold is scored
        on dates after those that it is fitted on. "random": single samples; it leaks, see
        `LEAKAGE_WARNING`. The buffer is for "blocks" alone.

    Returns
    -------
    CubeSplitPlan

    Raises
    ------
    DataError
        If there are too few samples, squares or dates, or if too few are left after the buffer.
    """
    assert bool(np.isfinite(cubes.target).all()), "labelled samples only"
    wanted = max(MIN_ROWS, 4 * split.folds)
    if cubes.n < wanted:
        raise DataError(
            f"{cubes.n} samples with a lab value are too few for a sealed test set and "
            f"{split.folds} folds; want at least {wanted}. Add lab values, or pass fewer --folds."
        )
    kinds = {"blocks": _blocks, "forward": _forward, "random": _random}
    draft = kinds[split.kind](cubes, split)
    made = _measured(cubes, split, draft)
    if split.kind == "blocks":
        check_apart(cubes, made, split.buffer_km)
    return made


def random_folds(n: int, folds: int, seed: int) -> tuple[Fold, ...]:
    """Deal n rows to folds one by one, whatever lies beside them: to show what that leaks.

    Parameters
    ----------
    n, folds : int
        Rows, and at most as many folds.
    seed : int
        Fixes the draw.

    Returns
    -------
    tuple of Fold
        Each row is scored once.
    """
    cutter = KFold(folds, shuffle=True, random_state=seed)
    return tuple(Fold(fit=fit, score=score) for fit, score in cutter.split(np.arange(n)))


def check_apart(cubes: Cubes, made: CubeSplitPlan, buffer_km: float) -> None:
    """Measure again, from coordinates alone, that nothing learned from is near what is held out.

    Raises
    ------
    AssertionError
        If a training sample lies within `buffer_km` of a sealed one, or a fitted one of a scored
        one: our own mistake.
    """
    xy = np.column_stack([cubes.x, cubes.y])
    train = xy[made.plan.train]
    used = np.concatenate([made.plan.train, made.dropped])
    pairs = [(train, xy[np.setdiff1d(np.arange(cubes.n), used)])]  # the door stays closed
    pairs += [(train[fold.fit], train[fold.score]) for fold in made.plan.folds]
    for kept, held in pairs:
        apart = float(nearest_km(cubes.crs, kept, held).min())
        assert apart >= buffer_km, f"a buffer of {buffer_km} km, yet {apart} km apart"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Draft:
    """A split without its distances: rows of the table, and folds as positions in `train`."""

    train: IntArray
    test: IntArray
    folds: tuple[Fold, ...]
    block_of: IntArray
    block_km: float = 0.0


def _blocks(cubes: Cubes, split: CubeSplit) -> _Draft:
    """Deal whole squares; then keep the buffer, around the test set and inside each fold."""
    xy = np.column_stack([cubes.x, cubes.y])
    parts = max(2, round(1.0 / split.test_fraction))
    wanted = max(parts, 2 * split.folds)
    block_km, block_of = _squares(local_km(cubes.crs, xy), split)
    if block_of.max() + 1 < wanted:
        raise DataError(
            f"the samples lie in {block_of.max() + 1} squares of {block_km:.3g} km: too few for a "
            f"sealed test set and {split.folds} folds; want at least {wanted}. Pass fewer --folds "
            "or a smaller --block-km, or hold out dates with --split forward."
        )
    rng = np.random.default_rng(np.random.SeedSequence((split.seed, 1)))
    piece = _deal(block_of, cubes.target, parts, rng)
    sealed = np.flatnonzero(piece == _test_piece(piece, block_of, split.folds, rng))
    rest = np.setdiff1d(np.arange(cubes.n), sealed)
    train = rest[nearest_km(cubes.crs, xy[rest], xy[sealed]) >= split.buffer_km]
    left = len(np.unique(block_of[train]))
    if left < split.folds:
        raise DataError(_too_few_left(len(train), left, split))
    fold_of = _deal(block_of[train], cubes.target[train], split.folds, rng)
    folds = []
    for k in range(split.folds):
        score = np.flatnonzero(fold_of == k)
        fit = np.flatnonzero(fold_of != k)
        far = nearest_km(cubes.crs, xy[train[fit]], xy[train[score]]) >= split.buffer_km
        folds.append(Fold(fit=fit[far], score=score))
        if len(folds[-1].fit) < MIN_FIT or len(score) < MIN_SCORE:
            raise DataError(_too_few_left(len(folds[-1].fit), left, split))
    return _Draft(
        train=train, test=sealed, folds=tuple(folds), block_of=block_of, block_km=block_km
    )


def _too_few_left(rows: int, squares: int, split: CubeSplit) -> str:
    return (
        f"a buffer of {split.buffer_km:g} km leaves {rows} samples to learn from, of {squares} "
        f"squares; want at least {MIN_FIT}, of {split.folds}. Pass a smaller --buffer-km, "
        "a larger --block-km or fewer --folds."
    )


def _squares(km: FloatArray, split: CubeSplit) -> tuple[float, IntArray]:
    """Return the side of the squares, and the square of each sample, numbered from 0."""
    origin = km.min(axis=0)
    if split.block_km is not None:
        return split.block_km, _numbered(km, origin, split.block_km)
    side = max(float(np.ptp(km, axis=0).max()), LEAST_KM) * (1 + 1e-9)  # all in one square
    best = side, _numbered(km, origin, side)
    for _ in range(HALVINGS):
        if best[1].max() + 1 >= max(4 * split.folds, MIN_SQUARES):
            break
        side /= 2
        numbers = _numbered(km, origin, side)
        if numbers.max() > best[1].max():
            best = side, numbers
    return best


def _numbered(km: FloatArray, origin: FloatArray, side: float) -> IntArray:
    cells = np.floor((km - origin) / side).astype(np.int64)
    numbers = np.unique(cells, axis=0, return_inverse=True)[1]
    return np.asarray(numbers, dtype=np.int64).reshape(-1)


def _deal(block_of: IntArray, target: FloatArray, parts: int, rng: np.random.Generator) -> IntArray:
    """Deal whole squares to `parts` like ones; return the part of each sample.

    The largest first, each to the part that then comes nearest, in the sense of chi-square, to an
    equal share of all samples and of each third of the target.
    """
    squares, number = np.unique(block_of, return_inverse=True)
    third = np.argsort(np.argsort(target, kind="stable"), kind="stable") * 3 // len(target)
    counts = np.zeros((len(squares), 4))
    np.add.at(counts, (number, third), 1.0)
    counts[:, 3] = counts[:, :3].sum(axis=1)
    wanted = np.maximum(counts.sum(axis=0) / parts, 1e-9)
    order = rng.permutation(len(squares))
    order = order[np.argsort(-counts[order, 3], kind="stable")]
    have, part = np.zeros((parts, 4)), np.zeros(len(squares), dtype=np.int64)
    for square in order:
        worse = ((have + counts[square] - wanted) ** 2 - (have - wanted) ** 2) / wanted
        part[square] = int(np.argmin(worse.sum(axis=1)))
        have[part[square]] += counts[square]
    return np.asarray(part[number])


def _test_piece(piece: IntArray, block_of: IntArray, folds: int, rng: np.random.Generator) -> int:
    """Draw the piece to seal among those of about the wanted size that leave enough squares."""
    sizes = np.bincount(piece)
    n_squares = len(np.unique(block_of))
    leaves = np.array([n_squares - len(np.unique(block_of[piece == k])) for k in range(len(sizes))])
    off = np.where(leaves >= folds, np.abs(sizes - len(piece) / len(sizes)), np.inf)
    assert np.isfinite(off).any(), "with 2 · folds squares, the piece of fewest leaves enough"
    likely = np.flatnonzero(off <= max(float(off.min()), len(piece) / len(sizes) / 10))
    return int(rng.choice(likely))


def _forward(cubes: Cubes, split: CubeSplit) -> _Draft:
    """Seal the latest dates; fit each fold on the pieces of time before the one it scores."""
    last = cubes.times[:, -1]
    dates, date_of, sizes = np.unique(last, return_inverse=True, return_counts=True)
    if len(dates) < split.folds + 2:
        raise DataError(
            f"the samples end on {len(dates)} different dates: too few for {split.folds} folds in "
            f"order of time and a sealed test set; want at least {split.folds + 2}. Pass fewer "
            "--folds, or hold out squares of the map with --split blocks."
        )
    earlier = np.cumsum(sizes)  # samples up to and with each date
    firsts = np.arange(split.folds + 1, len(dates))  # dates that the sealed ones may begin with
    off = np.abs(cubes.n - earlier[firsts - 1] - split.test_fraction * cubes.n)
    first = int(firsts[np.argmin(off)])
    pieces = split.folds + 1
    piece = np.full(len(dates), pieces, dtype=np.int64)
    begin = 0
    for k in range(pieces):
        end = int(np.searchsorted(earlier[:first], (k + 1) / pieces * earlier[first - 1])) + 1
        end = min(max(end, begin + 1), first - (pieces - 1 - k))  # a date for each piece
        piece[begin:end], begin = k, end
    block_of = np.asarray(piece[date_of], dtype=np.int64).reshape(-1)
    train, sealed = np.flatnonzero(block_of < pieces), np.flatnonzero(block_of == pieces)
    own = block_of[train]
    folds = tuple(
        Fold(fit=np.flatnonzero(own < k), score=np.flatnonzero(own == k)) for k in range(1, pieces)
    )
    if len(folds[0].fit) < MIN_FIT:
        raise DataError(
            f"the first fold in order of time would be fitted on {len(folds[0].fit)} samples; want "
            f"at least {MIN_FIT}. Pass fewer --folds, or hold out squares with --split blocks."
        )
    return _Draft(train=train, test=sealed, folds=folds, block_of=block_of)


def _random(cubes: Cubes, split: CubeSplit) -> _Draft:
    rng = np.random.default_rng(np.random.SeedSequence((split.seed, 2)))
    drawn = rng.permutation(cubes.n)
    n_test = round(split.test_fraction * cubes.n)
    train, sealed = np.sort(drawn[n_test:]), np.sort(drawn[:n_test])
    folds = random_folds(len(train), split.folds, split.seed)
    return _Draft(train=train, test=sealed, folds=folds, block_of=np.arange(cubes.n))


def _measured(cubes: Cubes, split: CubeSplit, draft: _Draft) -> CubeSplitPlan:
    """Add what was dropped, and the distances that are left."""
    xy = np.column_stack([cubes.x, cubes.y])
    train = xy[draft.train]
    used = np.concatenate([draft.train, draft.test])
    blocks = split.kind == "blocks"
    dropped_in_folds = tuple(
        len(train) - len(fold.fit) - len(fold.score) if blocks else 0 for fold in draft.folds
    )
    return CubeSplitPlan(
        plan=SplitPlan(
            train=draft.train,
            folds=draft.folds,
            n_folds=split.folds,
            repeats=1,
            sealed=draft.test,
        ),
        kind=split.kind,
        block_of=draft.block_of,
        block_km=draft.block_km,
        dropped=np.setdiff1d(np.arange(cubes.n), used),
        dropped_in_folds=dropped_in_folds,
        nearest_km=float(nearest_km(cubes.crs, train, xy[draft.test]).min()),
        nearest_in_folds_km=tuple(
            float(nearest_km(cubes.crs, train[fold.fit], train[fold.score]).min())
            for fold in draft.folds
        ),
    )
