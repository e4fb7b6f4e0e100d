"""What a chemometrician does by hand: absorbance, SNV, first derivative, PLSR; chemotools does it.

The number of components is chosen by leaving out one sample at a time, with the rule of one
standard error: the fewest components whose mean squared error is within one standard error of the
lowest (Hastie, Tibshirani & Friedman 2009, https://doi.org/10.1007/978-0-387-84858-7, 7.10).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import LeaveOneGroupOut

from autospec.data.preprocess import to_absorbance
from autospec.data.spectra import FloatArray
from peers.peer import Peer, Predict

WINDOW, ORDER = 11, 2  # bands, about 100 nm; and the degree of the polynomial
MAX_COMPONENTS = 15


def fit_by_hand(values: FloatArray, target: FloatArray, groups: Sequence[str]) -> Predict:
    """Fit PLSR on the first derivative of SNV spectra, components by one-sample-out."""
    from chemotools.derivative import SavitzkyGolay
    from chemotools.scatter import StandardNormalVariate

    snv = StandardNormalVariate()
    derivative = SavitzkyGolay(window_length=WINDOW, polyorder=ORDER, deriv=1)

    def preprocess(spectra: FloatArray) -> FloatArray:  # row by row: nothing is learnt from others
        x = snv.fit_transform(to_absorbance(spectra))
        return np.asarray(derivative.fit_transform(x))

    x = preprocess(values)
    limit = min(MAX_COMPONENTS, len(set(groups)) - 2)
    errors = np.empty((len(target), limit))
    for fit, score in LeaveOneGroupOut().split(x, target, groups):
        for a in range(limit):
            model = PLSRegression(a + 1, scale=False).fit(x[fit], target[fit])
            errors[score, a] = (model.predict(x[score]).ravel() - target[score]) ** 2
    chosen = PLSRegression(one_standard_error(errors), scale=False).fit(x, target)
    return lambda spectra: np.asarray(chosen.predict(preprocess(spectra)).ravel())


def one_standard_error(errors: FloatArray) -> int:
    """Return the fewest components within one standard error of the best, from 1.

    Parameters
    ----------
    errors : float64, shape (n, a)
        Squared error of each left-out row with 1 to a components.
    """
    means = errors.mean(axis=0)
    best = int(np.argmin(means))
    spread = errors[:, best].std(ddof=1) / np.sqrt(len(errors))
    return int(np.argmax(means <= means[best] + spread)) + 1


BY_HAND = (
    Peer(
        name="by hand",
        about="absorbance, SNV, first derivative, PLSR; one-sample-out, one standard error",
        package="chemotools",
        fit=fit_by_hand,
    ),
)
