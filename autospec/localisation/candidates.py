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
from autospec.evaluate.fitted import ROOT_WORDS, Fitted
from autospec.evaluate.kernels import curved_kernel, fit_gpr, fit_ridge, fit_svr, linear_kernel
from autospec.evaluate.views import FOUR_VIEWS, SNV_VIEW
from autospec.localisation.farm import FarmSpectra, Sees
from autospec.localisation.result import MEAN, PLSR_LOCAL, Uses
from autospec.transfer.library_prior import LibraryPrior, fit_library_prior
from autospec.transfer.memory import fit_memory_based
from autospec.transfer.prior_regression import fit_on_prior
from autospec.transfer.spiking import (
    correct_slope_and_bias,
    fit_global_plsr,
    fit_selected_plsr,
    fit_spiked_plsr,
)

# How auto's members on a library prior share its weight, by what they read: the name's ending,
# words, preprocessings, starting weight.
READINGS = (
    ("", "four preprocessings", FOUR_VIEWS, 2.0),
    (", derivative", "the first derivative", FOUR_VIEWS[1:2], 1.0),
    (", SNV", "SNV spectra", SNV_VIEW, 1.0),
)


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
        One a reading of `READINGS`; on cube roots, if no lab value of the library is negative.
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
    return LibraryModels(
        library=library,
        plsr=fit_global_plsr(library, seed=seed),
        priors=tuple(
            fit_library_prior(
                library, root=is_nonnegative(library.target), recipes=recipes, seed=seed
            )
            for _, _, recipes, _ in READINGS
        ),
    )


def is_nonnegative(target: FloatArray) -> bool:
    """Say whether none of (n,) lab values is negative: then scales of roots and logs are open."""
    return float(target.min()) >= 0.0


def farm_candidates(train: Spectra, folds: tuple[Fold, ...]) -> Iterator[Candidate]:
    """Lay out the members that learn from the farm's rows only."""

    def plan(
        name: str, about: str, start: float, fit: Callable[[], Fitted], twin: float = 0
    ) -> Candidate:
        return Candidate(
            name=name, about=about, uses="farm", sees="own", start=start, fit=fit, twin=twin
        )

    tuned = cache(lambda: tune_plsr(train, folds, (train.target,))[0])
    yield plan(MEAN, "the mean of the training rows", 0, lambda: _mean(train))
    yield plan(
        PLSR_LOCAL,
        "PLSR on the farm's rows, preprocessing and components tuned",
        0,
        lambda: _best(tuned()),
    )
    yield plan(
        "PLSR averaged",
        "PLSR of twelve preprocessings, averaged",
        0,
        lambda: _averaged(tuned(), train.target),
    )
    four = partial(fit_gpr, train, folds, kernel=linear_kernel())
    yield plan("GPR", "Gaussian process, linear kernel on four preprocessings", 0, four)
    if is_nonnegative(train.target):
        yield plan("GPR, root", f"the same {ROOT_WORDS}", 0, partial(four, root=True))
    yield plan(
        "GPR SNV",
        "Gaussian process, linear and radial kernel on SNV spectra",
        0,
        partial(fit_gpr, train, folds, kernel=curved_kernel(), recipes=SNV_VIEW),
    )
    yield plan(
        "ridge", "ridge regression on four preprocessings", 0, lambda: fit_ridge(train, folds)
    )
    yield plan("SVR", "support vector regression, radial kernel", 1, lambda: fit_svr(train, folds))
    if have_cubist():
        yield plan("Cubist", "rules with linear models", 0, lambda: fit_cubist(train, folds))


def library_candidates(
    models: LibraryModels, farm: FarmSpectra, folds: tuple[Fold, ...], selected: IntArray | None
) -> Iterator[Candidate]:
    """Lay out the members that learn from the library, or from both."""
    local, library = farm.aligned, models.library

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
        lambda: fit_memory_based(library, local, folds, root=is_nonnegative(library.target)),
    )
    for (ending, words, _, weight), prior in zip(READINGS, models.priors, strict=True):
        yield plan(
            f"library prior{ending}",
            f"linear regression on {words}, its prior what the library's fields say",
            partial(_on_prior, prior, local, folds),
            start=weight,
        )
        yield Candidate(
            name=f"no prior{ending}",
            about=f"the same on {words} without what the library knows",
            uses="farm",
            sees="aligned",
            start=0,
            fit=partial(_without_prior, prior, local, folds),
            twin=weight,
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
    fitted = _on_prior(replace(prior, scale=0.0, sources=prior.sources[:1]), local, folds)
    return replace(fitted, detail="")
