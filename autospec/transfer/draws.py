"""Draws of k library rows: independent as published, or balanced; no fitting here.

Everything comes from one generator in one order, so how many draws are made at a time does not
change which draws are made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from autospec.data.spectra import IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draws:
    """Some draws.

    Parameters
    ----------
    rows : int64, shape (d, k)
        Positions within the rows that are left, 0 to n − 1, none twice in a draw.
    tested : bool, shape (d, k)
        Whether the draw's error counts for the row.
    """

    rows: IntArray
    tested: np.ndarray[tuple[int, int], np.dtype[np.bool_]]


def independent_draws(
    rng: np.random.Generator, n: int, k: int, b: int, at_once: int
) -> Iterator[Draws]:
    """Yield round(n·b / k) independent draws of `k` of `n` rows without replacement (v1).

    Parameters
    ----------
    rng : numpy Generator
        Where chance comes from.
    n, k, b : int
        Rows left, rows a draw, tests a row (on average).
    at_once : int
        Draws in one piece; does not change the draws.
    """
    total = max(round(n * b / k), 1)
    for first in range(0, total, at_once):
        count = min(at_once, total - first)
        rows = np.stack([rng.choice(n, k, replace=False, shuffle=False) for _ in range(count)])
        yield Draws(rows=rows.astype(np.int64, copy=False), tested=np.ones((count, k), dtype=bool))


def balanced_draws(
    rng: np.random.Generator, n: int, k: int, b: int, groups: IntArray | None = None
) -> Iterator[Draws]:
    """Yield `b` permutations of `n` rows cut into draws of `k` (v2, R): ceil(n / k) each.

    The last draw of a permutation is filled up with the permutation's first rows, for which it
    does not count: every draw has k rows and every row is tested exactly b times.

    Parameters
    ----------
    rng : numpy Generator
        Where chance comes from.
    n, k, b : int
        Rows left (n > k), rows a draw, tests a row.
    groups : int64, shape (n,), optional
        Group of each row: groups are permuted, and rows of a group stand side by side, so that
        they meet in one draw unless it is full.
    """
    count = -(-n // k)
    tested = (np.arange(count * k) < n).reshape(count, k)
    for _ in range(b):
        if groups is None:
            order = rng.permutation(n)
        else:
            order = np.argsort(rng.permutation(int(groups.max()) + 1)[groups], kind="stable")
        filled = np.concatenate([order, order[: count * k - n]])
        yield Draws(rows=filled.reshape(count, k).astype(np.int64, copy=False), tested=tested)
