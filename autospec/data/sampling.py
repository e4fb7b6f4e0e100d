"""`choose_samples`: which rows of a table of spectra to analyse, by four methods; no lab values.

Distances and quantiles are taken on the scores of the first principal components (at most 10, as
many as hold 99.9 % of the variance), each scaled to a variance of 1: unscaled, the brightness of
the soil would be all that counts. No n × n matrix is made: time is O(n·k), memory beside the
spectra O(n).

- "kennard-stone": the row farthest from those chosen, again and again
  (https://doi.org/10.1080/00401706.1969.10490666). The paper starts with the two rows farthest
  apart, which costs O(n²); we start with the row farthest from the mean.
- "clhs": conditioned Latin hypercube (https://doi.org/10.1016/j.cageo.2005.12.009) on the scores:
  simulated annealing towards one row in every quantile of every component, and towards the
  correlations of the whole table.
- "kmeans": as many clusters as rows wanted; of each the row nearest the centre.
- "random": without replacement.

The last three do not order their rows. Those of "clhs" and "kmeans" are handed out in the order in
which Kennard–Stone would take them among themselves, so that the first few already spread.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.decomposition import PCA

from autospec.data.hypercube import latin_hypercube
from autospec.data.spectra import FloatArray, IntArray
from autospec.errors import UsageError

SamplingMethod = Literal["kennard-stone", "clhs", "kmeans", "random"]
MAX_COMPONENTS = 10
VARIANCE = 0.999
FIT_ROWS = 10_000
WHOLE_KMEANS_ROWS = 10_000  # above, MiniBatchKMeans: its time does not grow with the table
NO_ROWS = np.empty(0, dtype=np.int64)


def choose_samples(
    values: FloatArray,
    n_wanted: int,
    method: SamplingMethod = "kennard-stone",
    seed: int = 0,
    keep: IntArray | None = None,
) -> IntArray:
    """Choose the rows that stand for a table of spectra.

    Parameters
    ----------
    values : float64, shape (n, b)
        Spectra, one row a sample: average replicate scans before.
    n_wanted : int
        Rows to choose, at least 1.
    method : {"kennard-stone", "clhs", "kmeans", "random"}
        See the module's docstring.
    seed : int
        Fixes every draw; Kennard–Stone draws only inside a randomised PCA of large tables.
    keep : int64, shape (k,), optional
        Rows that are already analysed: the choice fills the space around them.

    Returns
    -------
    int64, shape (n_wanted,)
        Distinct rows in the order of choice, none of `keep`.

    Raises
    ------
    UsageError
        If there are fewer rows to choose from, or `n_wanted` is below 1.
    """
    kept = NO_ROWS if keep is None else np.unique(np.asarray(keep, dtype=np.int64))
    free = len(values) - len(kept)
    if not 1 <= n_wanted <= free:
        raise UsageError(
            f"{n_wanted} samples are wanted of {free} that can be chosen; want 1 to {free}. "
            "Pass a smaller --n."
        )
    if method == "random":
        pool = np.setdiff1d(np.arange(len(values)), kept)
        return np.random.default_rng(seed).choice(pool, n_wanted, replace=False)
    return choose_by_scores(principal_scores(values, seed), n_wanted, method, seed, kept)


def principal_scores(values: FloatArray, seed: int = 0) -> FloatArray:
    """Return the scores of the spectra on their first principal components.

    Parameters
    ----------
    values : float64, shape (n, b)
        Spectra.
    seed : int
        For the randomised decomposition that scikit-learn takes for large tables.

    Returns
    -------
    float64, shape (n, c)
        c ≤ 10 components that hold 99.9 % of the variance, or the first 10; of mean 0 and variance
        1, so that distances are Mahalanobis distances.
    """
    rows = np.arange(len(values))
    if len(values) > FIT_ROWS:  # components need no more rows, and the fit copies what it is given
        rows = np.sort(np.random.default_rng(seed).choice(rows, FIT_ROWS, replace=False))
    some = values if len(rows) == len(values) else values[rows]
    if not np.ptp(some, axis=0).any():
        return np.zeros((len(values), 1))  # equal spectra have no components
    pca = PCA(min(MAX_COMPONENTS, *some.shape), random_state=seed).fit(some)
    held = np.cumsum(pca.explained_variance_ratio_)
    axes = pca.components_[: int(np.searchsorted(held, VARIANCE)) + 1]
    scores = values @ axes.T
    scores -= scores.mean(axis=0)
    scores /= scores.std(axis=0)
    return np.ascontiguousarray(scores)


def choose_by_scores(
    scores: FloatArray, n_wanted: int, method: SamplingMethod, seed: int, kept: IntArray
) -> IntArray:
    """Choose rows as `choose_samples` does, from scores (n, c) that are already there."""
    if method == "kennard-stone":
        return kennard_stone(scores, n_wanted, kept)
    if method == "clhs":
        chosen = latin_hypercube(scores, n_wanted, seed, kept)
    else:
        chosen = _nearest_to_centres(scores, n_wanted, seed, kept)
    together = np.concatenate([kept, chosen])
    order = kennard_stone(scores[together], n_wanted, np.arange(len(kept)))
    return np.asarray(together[order])


def kennard_stone(scores: FloatArray, n_wanted: int, kept: IntArray = NO_ROWS) -> IntArray:
    """Take the row farthest from those taken, `n_wanted` times; the lower row among equals.

    Parameters
    ----------
    scores : float64, shape (n, c)
        Points.
    n_wanted : int
        Rows to take, at most n less the kept ones.
    kept : int64, shape (k,)
        Rows that count as taken; without any, the first is the one farthest from the mean.

    Returns
    -------
    int64, shape (n_wanted,)
        In the order taken. The distance to the nearest taken row is carried along, which is
        O(n·c) a row taken.
    """
    nearest = np.full(len(scores), np.inf)
    for row in kept:
        np.minimum(nearest, _squares(scores, scores[row]), out=nearest)
    taken = np.empty(n_wanted, dtype=np.int64)
    first = _squares(scores, scores.mean(axis=0)) if len(kept) == 0 else nearest
    first[kept] = -1.0
    taken[0] = np.argmax(first)
    nearest[kept] = -1.0
    for i in range(1, n_wanted):
        np.minimum(nearest, _squares(scores, scores[taken[i - 1]]), out=nearest)
        nearest[taken[i - 1]] = -1.0  # below any distance, so copies of a row are still rows
        taken[i] = np.argmax(nearest)
    return taken


def _squares(scores: FloatArray, point: FloatArray) -> FloatArray:
    """Return squared distances (n,) to a point, one component at a time: no (n, c) copy."""
    total = np.zeros(len(scores))
    for j, centre in enumerate(point):
        total += (scores[:, j] - centre) ** 2
    return total


def _nearest_to_centres(scores: FloatArray, n_wanted: int, seed: int, kept: IntArray) -> IntArray:
    """Return the row nearest each centre; clusters that hold a kept row are served by it.

    There is a cluster for every row wanted or kept, so at least `n_wanted` hold none of the kept;
    the largest of them are taken. Where spectra repeat there are fewer clusters than that, and
    Kennard–Stone adds the rest.
    """
    clusters = min(n_wanted + len(kept), len(np.unique(scores, axis=0)))
    kind = KMeans if len(scores) <= WHOLE_KMEANS_ROWS else MiniBatchKMeans
    model = kind(clusters, n_init=1, random_state=seed).fit(scores)
    labels = model.labels_.astype(np.int64)
    distance = np.zeros(len(scores))
    for j in range(scores.shape[1]):
        distance += (scores[:, j] - model.cluster_centers_[labels, j]) ** 2
    order = np.lexsort((distance, labels))
    found, first, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    free = ~np.isin(found, labels[kept])
    largest = np.argsort(-sizes[free], kind="stable")[:n_wanted]
    chosen = order[first[free][largest]]
    missing = n_wanted - len(chosen)
    if missing:
        more = kennard_stone(scores, missing, np.concatenate([kept, chosen]))
        chosen = np.concatenate([chosen, more])
    return np.asarray(chosen, dtype=np.int64)
