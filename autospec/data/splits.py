"""`SplitPlan`: which rows are sealed as the test set, and which inner folds score a trial.

The test rows leave through one door, `SplitPlan.unseal`, which only the final evaluation opens.
Groups (replicate scans, or a user's group column) are never cut. Rows are stratified by field
and by the size of the target, so that a fold looks like the whole.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from autospec.data.spectra import IntArray, Spectra
from autospec.errors import DataError

MIN_ROWS = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fold:
    """One inner fold, as positions within the plan's training rows."""

    fit: IntArray
    score: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SplitPlan:
    """A sealed test set and repeated, fixed inner folds.

    Parameters
    ----------
    train : int64, shape (n_train,)
        Rows of the table that the search may see, ascending.
    folds : tuple of Fold
        `repeats` times `n_folds` inner folds; positions count within `train`.
    n_folds, repeats : int
        How the folds came about.
    sealed : int64, shape (n_test,)
        Do not read; call `unseal` in the final evaluation only.
    """

    train: IntArray
    folds: tuple[Fold, ...]
    n_folds: int
    repeats: int
    sealed: IntArray

    @property
    def n_test(self) -> int:
        """How many rows are sealed."""
        return len(self.sealed)

    @property
    def digest(self) -> str:
        """SHA-256 of the train rows, the test rows and every fold."""
        h = hashlib.sha256()
        parts = [self.train, self.sealed]
        parts += [part for fold in self.folds for part in (fold.fit, fold.score)]
        for part in parts:
            h.update(np.ascontiguousarray(part, dtype="<i8").tobytes() + b"|")
        return h.hexdigest()

    def unseal(self) -> IntArray:
        """Open the test rows: only after every choice has been made."""
        return self.sealed


def make_split_plan(
    spectra: Spectra,
    *,
    test_fraction: float = 0.25,
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
) -> SplitPlan:
    """Seal a test set and lay the inner folds.

    Parameters
    ----------
    spectra : Spectra
        Labelled rows only.
    test_fraction : float
        Share of the rows to seal, 0.05 to 0.5; rounded to one in a whole number, and kept as
        nearly as whole groups allow.
    n_folds : int
        Inner folds, at least 2.
    repeats : int
        How many times the inner folds are drawn anew, at least 1.
    seed : int
        Fixes every draw.

    Returns
    -------
    SplitPlan

    Raises
    ------
    DataError
        If there are too few rows or groups to hold a test set and the folds.
    """
    assert bool(np.isfinite(spectra.target).all()), "labelled rows only"
    n_groups = len(set(spectra.groups))
    parts = max(2, round(1.0 / test_fraction))
    wanted = max(MIN_ROWS, 2 * n_folds)
    if spectra.n < wanted or n_groups < max(parts, n_folds) + n_folds:
        raise DataError(
            f"{spectra.n} labelled rows in {n_groups} groups are too few for a sealed test set "
            f"and {n_folds} folds; want at least {wanted} rows and "
            f"{max(parts, n_folds) + n_folds} groups. Add lab values, or pass fewer --folds."
        )
    first = int(np.random.SeedSequence(seed).generate_state(1)[0])
    train, sealed = _test_piece(spectra, parts, n_folds, first)
    return SplitPlan(
        train=train,
        folds=make_folds(spectra.rows(train), n_folds, repeats, seed),
        n_folds=n_folds,
        repeats=repeats,
        sealed=sealed,
    )


def make_folds(train: Spectra, n_folds: int, repeats: int, seed: int) -> tuple[Fold, ...]:
    """Lay repeated, stratified, group-whole inner folds over `train`.

    Parameters
    ----------
    train : Spectra
        Labelled rows.
    n_folds, repeats : int
        Folds a repeat, at least 2, and repeats.
    seed : int
        Fixes every draw; a repeat's folds do not depend on how many repeats there are.

    Returns
    -------
    tuple of Fold
        ``n_folds * repeats``, positions within `train`.
    """
    seeds = np.random.SeedSequence(seed).generate_state(repeats + 1)[1:]
    everything = np.arange(train.n)
    return tuple(
        Fold(fit=fit, score=score)
        for repeat_seed in seeds
        for fit, score in _stratified(train, everything, n_folds, int(repeat_seed))
    )


def _test_piece(spectra: Spectra, parts: int, n_folds: int, seed: int) -> tuple[IntArray, IntArray]:
    """Draw the piece to seal; pair of (train, sealed).

    Drawn, because the cutter deals large groups out first, so its first piece is not like the
    others: a group could be sealed under every seed, or under none.
    """
    names = np.asarray(spectra.groups)
    pieces = [
        pair
        for pair in _stratified(spectra, np.arange(spectra.n), parts, seed)
        if len(set(names[pair[0]])) >= n_folds
    ]
    assert pieces, "with 2 · n_folds groups, the piece of fewest groups leaves n_folds"
    wanted = spectra.n / parts
    off = np.array([abs(len(sealed) - wanted) for _, sealed in pieces])
    likely = np.flatnonzero(off <= max(float(off.min()), wanted / 10, 1.0))
    return pieces[int(np.random.default_rng(seed).choice(likely))]


def _stratified(
    spectra: Spectra, rows: IntArray, parts: int, seed: int
) -> list[tuple[IntArray, IntArray]]:
    """Cut `rows` into `parts` stratified, group-whole pieces; pairs of (rest, piece)."""
    groups = _group_numbers(spectra)
    strata = _strata(spectra, groups, parts)
    cutter = StratifiedGroupKFold(n_splits=parts, shuffle=True, random_state=seed)
    pairs = cutter.split(np.zeros((len(rows), 1)), strata, groups)
    return [(np.sort(rows[rest]), np.sort(rows[piece])) for rest, piece in pairs]


def _group_numbers(spectra: Spectra) -> IntArray:
    return np.unique(np.asarray(spectra.groups), return_inverse=True)[1].astype(np.int64)


def _strata(spectra: Spectra, groups: IntArray, parts: int) -> IntArray:
    """Label rows by field and target quantile; each label holds at least `parts` rows."""
    fields = np.asarray(spectra.fields)
    labels = np.zeros(spectra.n, dtype=np.int64)
    names, sizes = np.unique(fields, return_counts=True)
    pooled = sizes < 2 * parts  # a field too small for strata of its own joins the other small ones
    small = np.isin(fields, names[pooled])
    blocks = [fields == name for name in names[~pooled]]
    if blocks and small.sum() < parts:
        blocks[0] = blocks[0] | small  # too few even together: a stratum needs a row a piece
    elif small.any():
        blocks.insert(0, small)
    offset = 0
    for block in blocks:
        bins = int(np.clip(len(np.unique(groups[block])) // (2 * parts), 1, 5))
        order = np.argsort(spectra.target[block], kind="stable")
        ranks = np.argsort(order, kind="stable")
        labels[block] = offset + ranks * bins // len(ranks)
        offset += bins
    return labels
