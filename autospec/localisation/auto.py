"""auto: what autospec recommends, a weighted mean of members stacked on the farm's training rows.

With 30 rows, weights that are free to follow the inner cross-validation follow its noise: they do
worse than equal ones. So each member starts from a weight fixed beforehand, and only a clear
difference between out-of-fold errors moves it. Stacking is Breiman's (1996,
https://doi.org/10.1007/BF00117832); the pull to the starting weights is ours.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from autospec.data.spectra import FloatArray

PULL = (
    10.0  # of the starting mix's squared error, times the squared distance of the weights from it
)
SUM_TO_ONE = 1e3  # how hard: weight of that equation beside the others


def stack_weights(
    out_of_fold: FloatArray, observed: FloatArray, start: FloatArray, pull: float = PULL
) -> FloatArray:
    """Return the weight of each member.

    Minimises ‖y − Σ wᵢ oᵢ‖² + pull · ‖y − Σ sᵢ oᵢ‖² · ‖w − s‖² over weights ≥ 0 that sum to 1.

    Parameters
    ----------
    out_of_fold : float64, shape (k, n)
        Prediction of each training row by folds that do not hold it, one line a member.
    observed : float64, shape (n,)
        Lab values of the training rows.
    start : float64, shape (k,)
        Starting weights s ≥ 0, summing to 1.
    pull : float
        At least 0; the larger, the nearer to `start`.

    Returns
    -------
    float64, shape (k,)
        Sum to 1.
    """
    residual = (out_of_fold - observed).T  # Σ w (o − y) = Σ w o − y, because the weights sum to 1
    size = float(np.sqrt(np.sum((residual @ start) ** 2))) or 1.0
    k = len(start)
    equations = np.vstack(
        [residual / size, np.sqrt(pull) * np.eye(k), SUM_TO_ONE * np.ones((1, k))]
    )
    wanted = np.concatenate([np.zeros(len(observed)), np.sqrt(pull) * start, [SUM_TO_ONE]])
    weights, _ = nnls(equations, wanted)
    return np.asarray(weights / weights.sum())
