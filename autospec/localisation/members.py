"""`Member`: one fitted model of a draw; and fitting them all on the same training rows."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from autospec.data.spectra import FloatArray, IntArray
from autospec.data.splits import Fold
from autospec.errors import DataError, StudyFailed, TrialFailed
from autospec.evaluate.fitted import Fitted
from autospec.localisation.candidates import LibraryModels, farm_candidates, library_candidates
from autospec.localisation.farm import FarmSpectra, Sees
from autospec.localisation.result import Uses


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """One fitted model of a draw.

    Parameters
    ----------
    name, about : str
        Its row in the comparison.
    uses : {"farm", "library", "both"}
        Whose lab values it learned from.
    sees : {"own", "aligned"}
        Which spectra it reads.
    fitted : Fitted
    start : float
        Its starting weight in auto beside others that use the same rows; 0: it is not in auto.
    twin : float
        Its starting weight in auto of the farm's rows only, for what a library's member has in
        auto: the same kind of model in the same place, so that the two differ by the library.
    seconds : float
        To tune and fit.
    """

    name: str
    about: str
    uses: Uses
    sees: Sees
    fitted: Fitted
    start: float
    seconds: float
    twin: float = 0.0

    def predict(self, farm: FarmSpectra) -> FloatArray:
        """Return predictions, shape (n,)."""
        return self.fitted.predict(farm.seen(self.sees).values)


def fit_members(
    models: LibraryModels,
    farm: FarmSpectra,
    folds: tuple[Fold, ...],
    selected: IntArray | None,
    *,
    only_auto: bool = False,
) -> tuple[tuple[Member, ...], dict[str, str]]:
    """Fit every baseline on the training rows of one draw.

    Parameters
    ----------
    models : LibraryModels
        What the library taught.
    farm : FarmSpectra
        The farm's training rows, all labelled, on both axes.
    folds : tuple of Fold
        Inner folds, positions within these rows.
    selected : int64, shape (k,), or None
        Rows of the library that RS-Local selected with these rows as judges.
    only_auto : bool
        Leave out what auto is not made of.

    Returns
    -------
    members, failures
        A member that cannot be fitted has its reason in `failures` and is missed by none.

    Raises
    ------
    StudyFailed
        If nothing is left to make auto of.
    """
    members: list[Member] = []
    failures: dict[str, str] = {}
    for plan in (
        *farm_candidates(farm.own, folds),
        *library_candidates(models, farm, folds, selected),
    ):
        if only_auto and not plan.start:
            continue
        clock = time.monotonic()
        try:
            fitted = plan.fit()
            _check(fitted)
        except (np.linalg.LinAlgError, ValueError, DataError, TrialFailed) as error:
            failures[plan.name] = str(error)
            continue
        members.append(
            Member(
                name=plan.name,
                about=plan.about,
                uses=plan.uses,
                sees=plan.sees,
                fitted=fitted,
                start=plan.start,
                seconds=time.monotonic() - clock,
                twin=plan.twin,
            )
        )
    if not any(member.start for member in members):
        reasons = "; ".join(f"{name}: {why}" for name, why in failures.items())
        raise StudyFailed(f"no member of auto could be fitted. {reasons}")
    return tuple(members), failures


def _check(fitted: Fitted) -> None:
    if not np.isfinite(fitted.out_of_fold).all():
        raise TrialFailed("its out-of-fold predictions are not finite")
