"""How far apart two samples of points are: MMD, energy distance and classifier; no spectra here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist
from sklearn.linear_model import LogisticRegression

from autospec.data.spectra import FloatArray, IntArray

Labels = NDArray[np.str_]
AUC_FOLDS = 5
PENALTY = 0.1  # scikit-learn's C: fewer than a hundred points meet up to forty features


@dataclass(frozen=True, slots=True, kw_only=True)
class MMD:
    """A maximum mean discrepancy and its permutation test.

    Parameters
    ----------
    squared : float
        The unbiased estimate of MMD², without unit; 0 on average where both samples are of one
        distribution, so it can be a little below 0.
    p : float
        Share of the relabellings, the true one included, whose MMD² is at least as large.
    """

    squared: float
    p: float


def median_distance(points: FloatArray) -> float:
    """Return the median Euclidean distance of distinct points, the usual width of a kernel.

    Parameters
    ----------
    points : float64, shape (n, d)
        Not all the same. Pairs at distance 0 do not count: many replicates would bring the
        median, and with it every kernel value, to 0.
    """
    distances = pdist(points)
    distances = distances[distances > 0]
    assert len(distances), "points differ"
    return float(np.median(distances))


def measure_mmd(
    x: FloatArray, y: FloatArray, bandwidth: float, *, permutations: int, rng: np.random.Generator
) -> MMD:
    """Estimate MMD² with a Gaussian kernel, and test it by relabelling the points.

    Parameters
    ----------
    x, y : float64, shapes (n, d) and (m, d)
        Two samples, n and m at least 2.
    bandwidth : float
        σ in exp(−‖x − y‖² / 2σ²), > 0; see `median_distance`.
    permutations : int
        Relabellings of the pooled points, at least 1; p is at least 1 / (permutations + 1).
    rng : numpy Generator
        Draws them.

    Returns
    -------
    MMD

    References
    ----------
    Gretton et al. 2012, Journal of Machine Learning Research 13:723–773, lemma 6 (no DOI;
    https://jmlr.org/papers/v13/gretton12a.html).
    """
    n, pooled = len(x), np.vstack([x, y])
    kernel = np.exp(-cdist(pooled, pooled, "sqeuclidean") / (2 * bandwidth**2))
    np.fill_diagonal(kernel, 0.0)  # unbiased: no point beside itself
    in_x = np.zeros((permutations + 1, len(pooled)))
    in_x[:, :n] = 1.0
    in_x[1:] = rng.permuted(in_x[1:], axis=1)
    squared = _mmd_squared(kernel, in_x)
    slack = 1e-12 * (1.0 + abs(squared[0]))  # relabellings that only swap twins are ties
    return MMD(squared=float(squared[0]), p=float(np.mean(squared >= squared[0] - slack)))


def _mmd_squared(kernel: FloatArray, in_x: FloatArray) -> FloatArray:
    """Return MMD² of each labelling; kernel (N, N) with an empty diagonal, in_x (p, N) of 0, 1."""
    n = in_x[0].sum()
    m = len(kernel) - n
    of_points = kernel.sum(axis=1)
    within_x = np.einsum("pi,pi->p", in_x @ kernel, in_x)
    across = in_x @ of_points - within_x
    within_y = of_points.sum() - within_x - 2 * across
    return np.asarray(within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * across / (n * m))


def energy_distance(x: FloatArray, y: FloatArray) -> float:
    """Estimate the energy distance 2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖.

    Parameters
    ----------
    x, y : float64, shapes (n, d) and (m, d)
        Two samples, n and m at least 2.

    Returns
    -------
    float
        In the unit of the points. The means within a sample leave out a point beside itself,
        which the reference does not: so samples of different sizes can be compared, and the
        estimate can be a little below 0.

    References
    ----------
    Székely & Rizzo 2013, https://doi.org/10.1016/j.jspi.2013.03.018
    """
    return float(2 * cdist(x, y).mean() - pdist(x).mean() - pdist(y).mean())


def classifier_auc(
    x: FloatArray,
    y: FloatArray,
    x_names: Labels,
    y_names: Labels,
    rng: np.random.Generator,
) -> float:
    """Return how well logistic regression tells two samples apart, as a cross-validated AUC.

    Parameters
    ----------
    x, y : float64, shapes (n, d) and (m, d)
        Two samples, n and m at least 2.
    x_names, y_names : str, shapes (n,) and (m,)
        Rows of one name stay in one fold. In a sample of one name only, rows part all the same.
    rng : numpy Generator
        Deals the names to folds.

    Returns
    -------
    float
        The mean over the folds: 0.5 if the samples cannot be told apart, 1 if they always can;
        below 0.5 by chance. The features are the standardised coordinates and their squares, so
        that a sample inside the cloud of the other is told apart as well as one beside it. Both
        samples weigh the same.

    References
    ----------
    Lopez-Paz & Oquab 2017, https://doi.org/10.48550/arXiv.1610.06545 (there accuracy; AUC needs
    no balanced samples).
    """
    numbers = [_number(names) for names in (x_names, y_names)]
    n_folds = min(AUC_FOLDS, *(int(each.max()) + 1 for each in numbers))
    fold = np.concatenate([rng.permutation(each.max() + 1)[each] % n_folds for each in numbers])
    pooled, is_y = np.vstack([x, y]), np.repeat([False, True], [len(x), len(y)])
    scores = []
    for number in range(n_folds):
        out = fold == number
        kept, left = _features(pooled[~out], pooled[out])
        model = LogisticRegression(C=PENALTY, class_weight="balanced", solver="newton-cholesky")
        votes = model.fit(kept, is_y[~out]).decision_function(left)
        scores.append(_auc(votes[~is_y[out]], votes[is_y[out]]))
    return float(np.mean(scores))


def _number(names: Labels) -> IntArray:
    """Number the names from 0; rows of one name only are numbered one by one."""
    different, numbers = np.unique(names, return_inverse=True)
    return np.arange(len(names)) if len(different) == 1 else numbers.astype(np.int64)


def _features(fit: FloatArray, others: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return standardised coordinates and their squares, standardised too, by the rows of fit."""
    fit, others = _standardise(fit, others)
    return _standardise(np.hstack([fit, fit**2]), np.hstack([others, others**2]))


def _standardise(fit: FloatArray, others: FloatArray) -> tuple[FloatArray, FloatArray]:
    mean, sd = fit.mean(axis=0), fit.std(axis=0)
    sd[sd == 0] = 1.0
    return (fit - mean) / sd, (others - mean) / sd


def _auc(low: FloatArray, high: FloatArray) -> float:
    """Return the share of pairs in which `high` is above `low`; a tie is half a pair."""
    gap = high[:, None] - low
    return float(np.mean((gap > 0) + 0.5 * (gap == 0)))
