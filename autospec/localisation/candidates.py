"""The baselines of one draw, before they are fitted: their names, what they use, how to fit them.

Networks live elsewhere (`autospec.transfer.strategies`). What looks at the library here either
knows nothing of the farm (`LibraryModels`, once a run) or sees the draw's training rows only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from autospec.data.spectra import FloatArray, IntArray, Spectra
from autospec.data.splits import Fold
from autospec.evaluate.baselines import PLSRModel, average_plsr, fit_mean, tune_plsr
from autospec.evaluate.cubist import fit_cubist, have_cubist
from autospec.evaluate.fitted import Fitted, ScaledModel, TargetLaw, fit_law
from autospec.evaluate.kernels import curved_kernel, fit_gpr, fit_ridge, fit_svr, linear_kernel
from autospec.evaluate.views import SNV_VIEW
from autospec.localisation.farm import FarmSpectra, Sees
from autospec.localisation.result import MEAN, PLSR_LOCAL, Uses
from autospec.transfer.library_prior import LibraryPrior, fit_library_prior, fit_on_prior
from autospec.transfer.memory import fit_memory_based
from autospec.transfer.spiking import (
    correct_slope_and_bias,
    fit_global_plsr,
    fit_selected_plsr,
    fit_spiked_plsr,
)

ON_PRIOR, SPIKED = 10.0, 2.0  # how auto's members that use the library share its weight
LOWEST_LOG = 0.0  # lab values below it have no place on a log scale


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
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


def farm_candidates(train: Spectra, folds: tuple[Fold, ...]) -> Iterator[Candidate]:
    """Lay out the members that learn from the farm's rows only."""

    def plan(
        name: str, about: str, start: float, fit: Callable[[], Fitted], twin: float = 0
    ) -> Candidate:
        return Candidate(
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


def library_candidates(
    models: LibraryModels, farm: FarmSpectra, folds: tuple[Fold, ...], selected: IntArray | None
) -> Iterator[Candidate]:
    """Lay out the members that learn from the library, or from both."""
    local, library = farm.aligned, models.library
    priors = [p for p in models.priors if not p.log or allows_log(local.target)]

    def plan(
        name: str, about: str, fit: Callable[[], Fitted], uses: Uses = "both", start: float = 0
    ) -> Candidate:
        return Candidate(name=name, about=about, uses=uses, sees="aligned", start=start, fit=fit)

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
        yield Candidate(
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
