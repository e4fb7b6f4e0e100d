"""Where the rows of a selection come from, and whether selections agree; no spectra here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import hypergeom

from autospec.data.spectra import IntArray
from autospec.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One field, country or other part of a library, and what a selection took from it.

    Parameters
    ----------
    name : str
        The label of its rows.
    selected, available : int
        Rows in the selection and in the library.
    share, library_share : float
        The same as shares of the selection and of the library, 0 to 1: chance makes them equal.
    """

    name: str
    selected: int
    available: int
    share: float
    library_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """How far selections of several seeds or draws agree.

    Parameters
    ----------
    selections : int
        How many there are.
    jaccard : float
        Mean over pairs of common rows over rows in either: 1 if all are the same.
    jaccard_by_chance : float
        What random selections of the same sizes would have on average.
    common : tuple of int
        Rows in at least half of the selections, ascending.
    """

    selections: int
    jaccard: float
    jaccard_by_chance: float
    common: tuple[int, ...]


def selection_sources(
    selected: Mapping[str, int], available: Mapping[str, int]
) -> tuple[Source, ...]:
    """Set where selected rows come from beside where the library's rows come from.

    Parameters
    ----------
    selected : mapping of str to int
        Selected rows of each field (`Spectra.fields`) or country, at least one in all.
    available : mapping of str to int
        Library rows of each.

    Returns
    -------
    tuple of Source
        One for every field of the library, most selected rows first, then by name.
    """
    chosen, whole = sum(selected.values()), sum(available.values())
    sources = [
        Source(
            name=name,
            selected=selected.get(name, 0),
            available=count,
            share=selected.get(name, 0) / chosen,
            library_share=count / whole,
        )
        for name, count in available.items()
    ]
    return tuple(sorted(sources, key=lambda source: (-source.selected, source.name)))


def selection_stability(selections: Sequence[IntArray], n_library: int) -> Stability:
    """Measure how far selections from one library agree.

    Parameters
    ----------
    selections : sequence of int64, shapes (k,)
        At least two, each of different rows of the library, none empty.
    n_library : int
        Library rows that could be selected: if many could not, agreement by chance is larger.

    Returns
    -------
    Stability

    Raises
    ------
    UsageError
        If there are fewer than two selections, or one is impossible.

    References
    ----------
    Jaccard 1912, https://doi.org/10.1111/j.1469-8137.1912.tb05611.x
    """
    sizes = [len(selection) for selection in selections]
    if len(sizes) < 2 or min(sizes) < 1:
        raise UsageError(
            f"selections of {sizes} rows; want at least two, none empty. Select with more seeds."
        )
    widest = max(int(np.max(selection)) for selection in selections) + 1
    if max(sizes) > n_library or any(len(np.unique(s)) < len(s) for s in selections):
        raise UsageError(
            f"selections of {sizes} rows from {n_library}; want different rows, at most all"
        )
    member = np.zeros((len(sizes), widest))
    for row, selection in zip(member, selections, strict=True):
        row[selection] = 1.0
    shared = member @ member.T
    pairs = list(combinations(range(len(sizes)), 2))
    chance = {pair: _by_chance(*pair, n_library) for pair in {_sizes(sizes, p) for p in pairs}}
    return Stability(
        selections=len(sizes),
        jaccard=float(
            np.mean([shared[i, j] / (sizes[i] + sizes[j] - shared[i, j]) for i, j in pairs])
        ),
        jaccard_by_chance=float(np.mean([chance[_sizes(sizes, pair)] for pair in pairs])),
        common=tuple(int(row) for row in np.flatnonzero(2 * member.sum(axis=0) >= len(sizes))),
    )


def _sizes(sizes: Sequence[int], pair: tuple[int, int]) -> tuple[int, int]:
    return sizes[pair[0]], sizes[pair[1]]


def _by_chance(first: int, second: int, n: int) -> float:
    """Return the mean Jaccard index of random sets of two sizes from n; common rows ~ hypergeom."""
    common = np.arange(max(0, first + second - n), min(first, second) + 1)
    index = common / (first + second - common)
    return float(np.sum(hypergeom.pmf(common, n, first, second) * index))
