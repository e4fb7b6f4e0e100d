"""The members of one draw: every baseline on the same training rows, and auto made of some of them.

Networks live elsewhere (`strategies`). What looks at the library here either knows nothing of the
farm (`LibraryModels`, once a run) or sees the draw's training rows only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Literal

import numpy as np

from autospec.data.spectra import FloatArray, IntArray, Spectra
from autospec.data.splits import Fold
from autospec.errors import DataError, StudyFailed, TrialFailed
from autospec.evaluate.baselines import PLSRModel, average_plsr, fit_mean, tune_plsr
from autospec.evaluate.cubist import fit_cubist, have_cubist
from autospec.evaluate.fitted import Fitted, ScaledModel, TargetLaw, fit_law
from autospec.evaluate.kernels import curved_kernel, fit_gpr, fit_ridge, fit_svr, linear_kernel
from autospec.evaluate.views import SNV_VIEW
from autospec.transfer.auto import stack_weights
from autospec.transfer.library_prior import LibraryPrior, fit_library_prior, fit_on_prior
from autospec.transfer.memory import fit_memory_based
from autospec.transfer.result import AUTO, AUTO_LOCAL, MEAN, PLSR_LOCAL, Uses
from autospec.transfer.spiking import (
    correct_slope_and_bias,
    fit_global_plsr,
    fit_selected_plsr,
    fit_spiked_plsr,
)

Sees = Literal["own", "aligned"]
LIBRARY_SHARE = 0.6  # of auto's starting weights, that of the members that learn from the library
ON_PRIOR, SPIKED = 10.0, 2.0  # how these members share it
LOWEST_LOG = 0.0  # lab values below it have no place on a log scale
CLIP = 0.5  # auto may leave the range of the training rows by this share of it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FarmSpectra:
    """The same rows twice: on the farm's own bands, and on those that the library has too."""

    own: Spectra
    aligned: Spectra

    def rows(self, index: IntArray) -> FarmSpectra:
        """Return the rows at `index`."""
        return FarmSpectra(own=self.own.rows(index), aligned=self.aligned.rows(index))

    def seen(self, sees: Sees) -> Spectra:
        """Return one of the two."""
        return self.own if sees == "own" else self.aligned


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LibraryModels:
    """What is learned from the library alone, once a run, for every draw.

    Parameters
    ----------
    library : Spectra
        Aligned, purged of the farm, labelled.
    plsr : PLSRModel
        On all of it.
    priors : tuple of LibraryPrior
        On lab values, and on log(1 + y) where these allow it.
    """

    library: Spectra
    plsr: PLSRModel
    priors: tuple[LibraryPrior, ...]


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
        each = np.clip(
            np.stack([member.predict(farm) for member in self.members]), self.low, self.high
        )
        known = np.isfinite(each)
        if known.all():
            return np.asarray(self.weights @ each)
        weights = self.weights[:, None] * known  # a member without a number has no say in that row
        return np.asarray((weights * np.nan_to_num(each)).sum(axis=0) / weights.sum(axis=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """How a member is fitted, before it is."""

    name: str
    about: str
    uses: Uses
    sees: Sees
    start: float
    fit: Callable[[], Fitted]
    twin: float = 0.0


def learn_library(library: Spectra, seed: int) -> LibraryModels:
    """Learn what the library alone teaches, on every scale that its lab values allow.

    Parameters
    ----------
    library : Spectra
        Aligned, purged of the whole farm, labelled.
    seed : int
        Fixes folds and sub-samples.
    """
    logs = (False, True) if allows_log(library.target) else (False,)
    return LibraryModels(
        library=library,
        plsr=fit_global_plsr(library, seed=seed),
        priors=tuple(fit_library_prior(library, log=log, seed=seed) for log in logs),
    )


def allows_log(target: FloatArray) -> bool:
    """Say whether lab values of shape (n,) can be taken to log(1 + y)."""
    return float(target.min()) >= LOWEST_LOG


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
    for plan in (*_farm_plans(farm.own, folds), *_library_plans(models, farm, folds, selected)):
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
    about = "members stacked by inner folds, half of them on a library prior"
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


def _check(fitted: Fitted) -> None:
    if not np.isfinite(fitted.out_of_fold).all():
        raise TrialFailed("its out-of-fold predictions are not finite")


def _farm_plans(train: Spectra, folds: tuple[Fold, ...]) -> Iterator[_Plan]:
    """Lay out the members that learn from the farm's rows only."""

    def plan(
        name: str, about: str, start: float, fit: Callable[[], Fitted], twin: float = 0
    ) -> _Plan:
        return _Plan(
            name=name, about=about, uses="farm", sees="own", start=start, fit=fit, twin=twin
        )

    law = fit_law(train.target, log=allows_log(train.target))

    @cache
    def tuned() -> tuple[tuple[PLSRModel, ...], ...]:
        return tune_plsr(train, folds, (train.target, law.forward(train.target)))

    yield plan(MEAN, "the mean of the training rows", 0, lambda: _mean(train))
    yield plan(
        PLSR_LOCAL,
        "PLSR on the farm's rows, preprocessing and components tuned",
        0,
        lambda: _best(tuned()[0]),
    )
    yield plan(
        "PLSR averaged",
        "PLSR of twelve preprocessings, averaged",
        1,
        lambda: _averaged(tuned()[0], train.target),
        twin=SPIKED,
    )
    if law.log:
        yield plan(
            "PLSR averaged, log",
            "PLSR of twelve preprocessings, averaged, on log(1 + y)",
            1,
            lambda: _averaged_on_law(tuned()[1], train, law),
        )
    for log in (False, True) if law.log else (False,):
        words, suffix = (" on log(1 + y)", ", log") if log else ("", "")
        yield plan(
            f"GPR{suffix}",
            f"Gaussian process, linear kernel on four preprocessings{words}",
            1,
            partial(fit_gpr, train, folds, kernel=linear_kernel(), log=log),
        )
        yield plan(
            f"GPR SNV{suffix}",
            f"Gaussian process, linear and radial kernel on SNV spectra{words}",
            1,
            partial(fit_gpr, train, folds, kernel=curved_kernel(), log=log, recipes=SNV_VIEW),
        )
    yield plan(
        "ridge", "ridge regression on four preprocessings", 0, lambda: fit_ridge(train, folds)
    )
    yield plan("SVR", "support vector regression, radial kernel", 0, lambda: fit_svr(train, folds))
    if have_cubist():
        yield plan("Cubist", "rules with linear models", 0, lambda: fit_cubist(train, folds))


def _library_plans(
    models: LibraryModels, farm: FarmSpectra, folds: tuple[Fold, ...], selected: IntArray | None
) -> Iterator[_Plan]:
    """Lay out the members that learn from the library, or from both."""
    local, library = farm.aligned, models.library
    priors = [p for p in models.priors if not p.log or allows_log(local.target)]

    def plan(
        name: str, about: str, fit: Callable[[], Fitted], uses: Uses = "both", start: float = 0
    ) -> _Plan:
        return _Plan(name=name, about=about, uses=uses, sees="aligned", start=start, fit=fit)

    yield plan(
        "PLSR global",
        "PLSR on the library alone",
        lambda: _untouched(models.plsr, local),
        uses="library",
    )
    yield plan(
        "PLSR global, slope and bias",
        "its predictions on a line fitted to the farm",
        lambda: correct_slope_and_bias(models.plsr, local, folds),
    )
    yield plan(
        "PLSR spiked",
        "PLSR on the library and the farm's rows, these weighted",
        lambda: fit_spiked_plsr(models.plsr, library, local, folds),
        start=SPIKED,
    )
    if selected is not None:
        yield plan(
            "PLSR on K∪m",
            "PLSR on RS-Local's rows and the farm's",
            lambda: fit_selected_plsr(library.rows(selected), local, folds, models.plsr.recipe),
        )
    yield plan(
        "memory-based",
        "local Gaussian processes on the nearest library rows",
        lambda: fit_memory_based(library, local, folds, log=len(priors) > 1),
    )
    for prior in priors:
        suffix, words = (", log", " on log(1 + y)") if prior.log else ("", "")
        yield plan(
            f"library prior{suffix}",
            f"linear regression whose prior is what the library's fields share{words}",
            partial(_on_prior, prior, local, folds),
            start=ON_PRIOR / len(priors),
        )
        yield _Plan(
            name=f"no prior{suffix}",
            about=f"the same regression without what the library knows{words}",
            uses="farm",
            sees="aligned",
            start=0,
            fit=partial(_without_prior, prior, local, folds),
            twin=ON_PRIOR / len(priors),
        )


def _mean(train: Spectra) -> Fitted:
    model = fit_mean(train)
    held = (train.target.sum() - train.target) / (train.n - 1)
    return Fitted(model=model, out_of_fold=held, detail="")


def _best(tuned: tuple[PLSRModel, ...]) -> Fitted:
    best = min(tuned, key=lambda model: model.cv_rmse)
    return Fitted(
        model=best,
        out_of_fold=best.out_of_fold,
        detail=f"{best.components} components; {best.recipe.describe()}",
    )


def _averaged(tuned: tuple[PLSRModel, ...], target: FloatArray) -> Fitted:
    model = average_plsr(tuned, target)
    leading = model.models[int(np.argmax(model.weights))]
    return Fitted(
        model=model,
        out_of_fold=model.out_of_fold,
        detail=f"{model.weights.max():.0%} of it: {leading.components} components; "
        f"{leading.recipe.describe()}",
    )


def _averaged_on_law(tuned: tuple[PLSRModel, ...], train: Spectra, law: TargetLaw) -> Fitted:
    fitted = _averaged(tuned, law.forward(train.target))
    return Fitted(
        model=ScaledModel(model=fitted, law=law),
        out_of_fold=law.inverse(fitted.out_of_fold),
        detail=fitted.detail,
    )


def _untouched(model: PLSRModel, local: Spectra) -> Fitted:
    return Fitted(
        model=model,
        out_of_fold=model.predict(local.values),  # it saw no row of the farm
        detail=f"{model.components} components; {model.recipe.describe()}",
    )


def _on_prior(prior: LibraryPrior, local: Spectra, folds: tuple[Fold, ...]) -> Fitted:
    model = fit_on_prior(prior, local, folds)
    return Fitted(model=model, out_of_fold=model.out_of_fold, detail=model.detail)


def _without_prior(prior: LibraryPrior, local: Spectra, folds: tuple[Fold, ...]) -> Fitted:
    """Fit the same regression on a library whose slopes, and their spread, are all 0."""
    fitted = _on_prior(replace(prior, scale=0.0), local, folds)
    return replace(fitted, detail="")
