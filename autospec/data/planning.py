"""`plan_samples`: which samples to send to the laboratory, and how well they stand for the rest.

Replicate scans are averaged first and chosen once. The methods are in `sampling`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.neighbors import KDTree

from autospec.data.sampling import NO_ROWS, SamplingMethod, choose_samples, principal_scores
from autospec.data.spectra import FloatArray, IntArray, Spectra

RANDOM_DRAWS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How near the chosen samples are to all samples, in the scores of `principal_scores`.

    Parameters
    ----------
    explained : float
        1 − Σd² / Σ‖x − mean‖², d the distance of a sample to the nearest chosen one: the share of
        the variance that is left when every sample is replaced by its nearest. At most 1;
        below 0 the mean spectrum would stand for them better.
    farthest : float
        The largest d, in units of the root mean square distance to the mean.
    """

    explained: float
    farthest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSample:
    """One chosen sample: its name, its scans in the table, and whether it has a lab value."""

    order: int
    id: str
    scans: int
    labelled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingPlan:
    """The samples to analyse, in the order of choice.

    Parameters
    ----------
    samples : tuple of PlannedSample
        Distinct samples.
    n_samples : int
        Samples in the table, replicates counted once.
    n_labelled : int
        Of these, samples with a lab value.
    n_kept : int
        Samples with a lab value that counted as chosen already.
    method : {"kennard-stone", "clhs", "kmeans", "random"}
        How they were chosen.
    seed : int
        Of every draw.
    coverage : Coverage
        Of the chosen and the kept samples together.
    random : Coverage
        The mean of 20 random choices of as many samples beside the kept ones.
    """

    samples: tuple[PlannedSample, ...]
    n_samples: int
    n_labelled: int
    n_kept: int
    method: SamplingMethod
    seed: int
    coverage: Coverage
    random: Coverage


def plan_samples(
    spectra: Spectra,
    n_wanted: int,
    method: SamplingMethod = "kennard-stone",
    seed: int = 0,
    keep_labelled: bool = False,
) -> SamplingPlan:
    """Choose the samples to send to the laboratory.

    Parameters
    ----------
    spectra : Spectra
        Rows of one group are scans of one sample. Lab values are not looked at, only whether
        there are any.
    n_wanted : int
        Samples to choose.
    method : {"kennard-stone", "clhs", "kmeans", "random"}
        See `choose_samples`.
    seed : int
        Fixes every draw.
    keep_labelled : bool
        Count the samples that have a lab value as chosen, and choose `n_wanted` more around them.

    Returns
    -------
    SamplingPlan

    Raises
    ------
    UsageError
        If there are fewer samples to choose from.
    """
    values, first, scans, labelled = _samples(spectra)
    kept = np.flatnonzero(labelled) if keep_labelled else NO_ROWS
    chosen = choose_samples(values, n_wanted, method, seed, kept)
    scores = principal_scores(values, seed)
    rng = np.random.default_rng(seed)
    pool = np.setdiff1d(np.arange(len(values)), kept)
    draws = [
        measure_coverage(scores, np.concatenate([kept, rng.choice(pool, n_wanted, replace=False)]))
        for _ in range(RANDOM_DRAWS)
    ]
    return SamplingPlan(
        samples=tuple(
            PlannedSample(
                order=order,
                id=spectra.ids[first[i]],
                scans=int(scans[i]),
                labelled=bool(labelled[i]),
            )
            for order, i in enumerate(chosen.tolist(), start=1)
        ),
        n_samples=len(values),
        n_labelled=int(labelled.sum()),
        n_kept=len(kept),
        method=method,
        seed=seed,
        coverage=measure_coverage(scores, np.concatenate([kept, chosen])),
        random=Coverage(
            explained=float(np.mean([draw.explained for draw in draws])),
            farthest=float(np.mean([draw.farthest for draw in draws])),
        ),
    )


def measure_coverage(scores: FloatArray, chosen: IntArray) -> Coverage:
    """Measure how near every point of `scores` (n, c) is to its nearest row of `chosen`."""
    distance = KDTree(scores[chosen]).query(scores)[0].ravel()
    spread = float(np.mean(np.sum((scores - scores.mean(axis=0)) ** 2, axis=1)))
    if spread == 0:  # equal spectra: any one stands for all
        return Coverage(explained=1.0, farthest=0.0)
    return Coverage(
        explained=float(1 - np.mean(distance**2) / spread),
        farthest=float(distance.max() / np.sqrt(spread)),
    )


def _samples(
    spectra: Spectra,
) -> tuple[FloatArray, IntArray, IntArray, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Average the rows of each group.

    Returns
    -------
    values : float64, shape (g, b)
        Mean spectra, in the order in which groups first appear.
    first, scans : int64, shape (g,)
        The first row of each group, and how many there are.
    labelled : bool, shape (g,)
        Whether any of them has a lab value.
    """
    groups = np.asarray(spectra.groups)
    _, first, inverse, scans = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first)
    place = np.argsort(order)[inverse]
    labelled = np.bincount(place, np.isfinite(spectra.target)) > 0
    if len(first) == spectra.n:
        return spectra.values, first[order], scans[order], labelled
    shares = 1.0 / scans[inverse]
    means = csr_matrix((shares, (place, np.arange(spectra.n))), (len(first), spectra.n))
    return np.asarray(means @ spectra.values), first[order], scans[order], labelled
