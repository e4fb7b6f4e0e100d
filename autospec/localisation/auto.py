"""auto: what autospec recommends, a weighted mean of members stacked on the farm's training rows.

With 30 rows, weights that are free to follow the inner cross-validation follow its noise: they do
worse than equal ones. So each member starts from a weight fixed beforehand, and only a clear
difference between out-of-fold errors moves it. Stacking is Breiman's (1996,
https://doi.org/10.1007/BF00117832); the pull to the starting weights is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from autospec.data.spectra import FloatArray
from autospec.localisation.farm import FarmSpectra
from autospec.localisation.members import Member
from autospec.localisation.result import AUTO, AUTO_LOCAL, Uses

LIBRARY_SHARE = 8 / 9  # of auto's starting weights, that of the members that learn from the library
CLIP = 0.5  # members may leave the range of the training rows by this share of it
PULL = 10.0  # of the least squared error, times the squared distance from the starting weights
SUM_TO_ONE = 1e3  # how hard: weight of that equation beside the others


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Auto:
    """auto: a weighted mean of members, each held near the range of the lab values it learned from.

    Parameters
    ----------
    name, about, uses
        As of a `Member`.
    members : tuple of Member
    weights : float64, shape (len(members),)
        Sum to 1.
    low, high : float
        The range that members' predictions are held to: one of them may extrapolate wildly.
    inner_rmse : float
        Of the out-of-fold mix: tuned, so optimistic.
    """

    name: str
    about: str
    uses: Uses
    members: tuple[Member, ...]
    weights: FloatArray
    low: float
    high: float
    inner_rmse: float

    @property
    def detail(self) -> str:
        """The weights in words, largest first."""
        order = np.argsort(-self.weights, kind="stable")
        return ", ".join(f"{self.weights[i]:.0%} {self.members[i].name}" for i in order)

    def predict(self, farm: FarmSpectra) -> FloatArray:
        """Return predictions, shape (n,)."""
        return self.mix(np.stack([member.predict(farm) for member in self.members]))

    def mix(self, each: FloatArray) -> FloatArray:
        """Return the weighted mean, shape (n,), of the members' predictions (k, n)."""
        each = np.clip(each, self.low, self.high)
        known = np.isfinite(each)
        if known.all():
            return np.asarray(self.weights @ each)
        weights = self.weights[:, None] * known  # a member without a number has no say in that row
        return np.asarray((weights * np.nan_to_num(each)).sum(axis=0) / weights.sum(axis=0))


def fit_autos(members: tuple[Member, ...], observed: FloatArray) -> tuple[Auto, ...]:
    """Return auto, and auto of the members that learn from the farm's rows only, if there is one.

    Parameters
    ----------
    members : tuple of Member
        Of one draw; at least one is in auto.
    observed : float64, shape (n,)
        Lab values of the training rows.
    """
    everyone = tuple(m for m in members if m.start > 0)
    own = tuple(m for m in members if m.uses == "farm" and m.start + m.twin > 0)
    about = "members stacked by inner folds, most of their weight on library priors"
    library = np.array([m.start * (m.uses != "farm") for m in everyone])
    alone = np.array([m.start * (m.uses == "farm") for m in everyone])
    auto = _mix(AUTO, about, everyone, observed, _start(library, alone))
    if not own:
        return (auto,)
    about = "the same, the members of the library replaced by their like without it"
    start = _start(np.array([m.twin for m in own]), np.array([m.start for m in own]))
    return auto, _mix(AUTO_LOCAL, about, own, observed, start)


def _start(library: FloatArray, alone: FloatArray) -> FloatArray:
    """Return starting weights: `library`'s share to the one, the rest to the other part."""
    if not alone.any() or not library.any():
        return np.asarray((library + alone) / (library + alone).sum())
    return np.asarray(
        LIBRARY_SHARE * library / library.sum() + (1 - LIBRARY_SHARE) * alone / alone.sum()
    )


def _mix(
    name: str,
    about: str,
    members: tuple[Member, ...],
    observed: FloatArray,
    start: FloatArray,
) -> Auto:
    reach = CLIP * float(np.ptp(observed))
    low, high = float(observed.min()) - reach, float(observed.max()) + reach
    low = max(low, 0.0) if observed.min() >= 0 else low
    held = np.clip(np.stack([m.fitted.out_of_fold for m in members]), low, high)
    weights = stack_weights(held, observed, start)
    return Auto(
        name=name,
        about=about,
        uses="both" if any(m.uses != "farm" for m in members) else "farm",
        members=members,
        weights=weights,
        low=low,
        high=high,
        inner_rmse=float(np.sqrt(np.mean((weights @ held - observed) ** 2))),
    )


def stack_weights(
    out_of_fold: FloatArray, observed: FloatArray, start: FloatArray, pull: float = PULL
) -> FloatArray:
    """Return the weight of each member.

    Minimises ‖y − Σ wᵢ oᵢ‖² + pull · e² · ‖w − s‖² over weights ≥ 0 that sum to 1, where e² is the
    squared error of the starting mix or of the best member, whichever is less: where one member is
    far better than the mix, little holds the weights back.

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
    errors = np.sqrt([np.sum((residual @ start) ** 2), *(residual**2).sum(axis=0)])
    size = float(errors.min()) or 1e-6 * float(errors.max()) or 1.0
    whole = SUM_TO_ONE * max(1.0, float(errors.max()) / size)
    k = len(start)
    equations = np.vstack([residual / size, np.sqrt(pull) * np.eye(k), whole * np.ones((1, k))])
    wanted = np.concatenate([np.zeros(len(observed)), np.sqrt(pull) * start, [whole]])
    weights, _ = nnls(equations, wanted)
    return np.asarray(weights / weights.sum())
