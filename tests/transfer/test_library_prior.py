"""Regression on a library prior: believed where slopes are shared, harmless where they are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autospec.data.sites import load_site
from autospec.data.spectra import FloatArray, IntArray, Spectra
from autospec.data.splits import Fold, make_folds
from autospec.evaluate.baselines import PLSRModel
from autospec.evaluate.fitted import Fitted
from autospec.evaluate.kernels import JITTER, fit_gpr, linear_kernel
from autospec.transfer import library_prior
from autospec.transfer.library_prior import (
    LEVEL_VARIANCE,
    LibraryPrior,
    PriorModel,
    fit_library_prior,
    fit_on_prior,
)
from tests.transfer.shared_slopes import shared_slopes


@pytest.fixture(scope="module")
def tables() -> tuple[Spectra, Spectra]:
    return shared_slopes(seed=1)


@pytest.fixture(scope="module")
def local(tables: tuple[Spectra, Spectra]) -> Spectra:
    return tables[1].rows(range(20))


@pytest.fixture(scope="module")
def folds(local: Spectra) -> tuple[Fold, ...]:
    return make_folds(local, 4, 1, 0)


@pytest.fixture(scope="module")
def prior(tables: tuple[Spectra, Spectra]) -> LibraryPrior:
    return fit_library_prior(tables[0], log=False)


@pytest.fixture(scope="module")
def fitted(prior: LibraryPrior, local: Spectra, folds: tuple[Fold, ...]) -> PriorModel:
    return fit_on_prior(prior, local, folds)


def error(model: Fitted | PriorModel | PLSRModel, test: Spectra) -> float:
    return float(np.sqrt(np.mean((model.predict(test.values) - test.target) ** 2)))


def reversed_in_fields(library: Spectra) -> Spectra:
    """Slopes of the opposite sign."""
    return replace(library, target=library.target.max() + library.target.min() - library.target)


def permuted(library: Spectra) -> Spectra:
    """No slopes at all."""
    return replace(library, target=np.random.default_rng(0).permutation(library.target))


@pytest.mark.parametrize("seed", range(3))
def test_shared_slopes_are_believed_and_beat_a_local_model(seed: int) -> None:
    library, farm = shared_slopes(seed=seed)
    local, test = farm.rows(range(20)), farm.rows(range(20, farm.n))
    folds = make_folds(local, 4, 1, 0)
    model = fit_on_prior(fit_library_prior(library, log=False), local, folds)
    assert model.belief == pytest.approx(1.0, abs=0.1)
    assert error(model, test) < 0.9 * error(fit_gpr(local, folds, kernel=linear_kernel()), test)


def test_slopes_of_another_size_are_believed_by_their_ratio() -> None:
    library, farm = shared_slopes(seed=1, slope=0.5)
    local = farm.rows(range(20))
    model = fit_on_prior(fit_library_prior(library, log=False), local, make_folds(local, 4, 1, 0))
    # ρ multiplies slopes in the unit of the lab values, so half the slope is half the belief.
    assert model.belief == pytest.approx(0.5, abs=0.05)


def test_a_level_of_the_library_changes_nothing(
    tables: tuple[Spectra, Spectra], fitted: PriorModel, local: Spectra, folds: tuple[Fold, ...]
) -> None:
    fields = np.asarray(tables[0].fields)
    moved = tables[0].target + np.where(fields == "field-1", 500.0, -3.0)
    twin = fit_on_prior(
        fit_library_prior(replace(tables[0], target=moved), log=False), local, folds
    )
    values = tables[1].values[20:]
    # The kernel's settings are searched to 1e-5 or so; 500 costs three digits of the sums.
    np.testing.assert_allclose(twin.predict(values), fitted.predict(values), rtol=1e-4)


def draws_of(farm: Spectra) -> list[tuple[Spectra, Spectra, tuple[Fold, ...]]]:
    found = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(farm.n)
        local = farm.rows(order[:30])
        found.append((local, farm.rows(order[30:]), make_folds(local, 5, 1, seed)))
    return found


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("spoil", [reversed_in_fields, permuted])
def test_a_library_of_other_slopes_does_little_harm(spoil: object, log: bool) -> None:
    assert callable(spoil)
    prior = fit_library_prior(spoil(load_site("sweden-uppsala")), log=log)
    with_it, alone = [], []
    for local, test, folds in draws_of(load_site("sweden-skane")):
        with_it.append(error(fit_on_prior(prior, local, folds), test))
        alone.append(error(fit_gpr(local, folds, kernel=linear_kernel(), log=log), test))
    assert np.mean(with_it) < 1.1 * np.mean(alone)


def test_reversed_slopes_are_believed_less_than_true_ones() -> None:
    local, _, folds = draws_of(load_site("sweden-skane"))[0]
    library = load_site("sweden-uppsala")
    true, false = (
        fit_on_prior(fit_library_prior(one, log=False), local, folds).belief
        for one in (library, reversed_in_fields(library))
    )
    assert true > 0.3 and false < 0.1


def test_rows_are_predicted_each_on_its_own(
    fitted: PriorModel, tables: tuple[Spectra, Spectra]
) -> None:
    values = tables[1].values[20:]
    together = fitted.predict(values)
    np.testing.assert_allclose(fitted.predict(values[::-1])[::-1], together, rtol=1e-9)
    np.testing.assert_allclose(fitted.predict(values[3:4]), together[3:4], rtol=1e-9)
    assert fitted.predict(values[:0]).shape == (0,)


def slow_prediction(
    fitted: PriorModel, local: Spectra, known: IntArray, values: FloatArray
) -> FloatArray:
    """Condition the joint normal on some training rows; centre, views and law are of all."""
    law, m = fitted.law, len(known)
    centre = fitted.prior.views.transform(local.values).mean(axis=0)
    both = np.vstack([local.values[known], values])
    mean, covariance = fitted.prior.condition(both, centre)
    rho, own, noise = fitted.belief, *np.exp(fitted.settings[1:])
    x = fitted.views.transform(both)
    joint = rho**2 * covariance / law.sd**2 + own * x @ x.T + LEVEL_VARIANCE
    joint[:m, :m] += (noise + JITTER) * np.eye(m)
    residual = law.forward(local.target[known]) - rho * mean[:m] / law.sd
    weights = np.linalg.solve(joint[:m, :m], residual)
    return law.inverse(rho * mean[m:] / law.sd + joint[m:, :m] @ weights)


def test_a_prediction_is_the_conditional_mean_of_the_model(
    fitted: PriorModel, tables: tuple[Spectra, Spectra], local: Spectra
) -> None:
    test = tables[1].values[20:25]
    wanted = slow_prediction(fitted, local, np.arange(local.n), test)
    np.testing.assert_allclose(fitted.predict(test), wanted, rtol=1e-7)


@pytest.mark.parametrize("position", range(4))
def test_out_of_fold_predictions_know_no_row_of_their_fold(
    position: int, fitted: PriorModel, local: Spectra, folds: tuple[Fold, ...]
) -> None:
    fold = folds[position]
    wanted = slow_prediction(fitted, local, fold.fit, local.values[fold.score])
    np.testing.assert_allclose(fitted.out_of_fold[fold.score], wanted, rtol=1e-7)


def test_the_covariance_is_of_the_slopes_and_not_of_lab_values(
    prior: LibraryPrior, local: Spectra
) -> None:
    centre = prior.views.transform(local.values).mean(axis=0)
    twice = local.values[[3, 3]]
    mean, covariance = prior.condition(twice, centre)
    assert mean[0] == pytest.approx(mean[1], rel=1e-9)  # the same spectrum, the same value:
    np.testing.assert_allclose(covariance, covariance[0, 0], rtol=1e-6)  # no noise apart


def test_the_prior_knows_no_level_and_its_covariance_is_one(
    prior: LibraryPrior, local: Spectra
) -> None:
    centre = prior.views.transform(local.values).mean(axis=0)
    mean, covariance = prior.condition(local.values, centre)
    # Linear and centred: means of the farm's own rows sum to 0.
    assert abs(mean.sum()) < 1e-6 * np.abs(mean).sum()
    assert np.linalg.eigvalsh(covariance).min() > -1e-6 * np.trace(covariance)


def test_only_some_rows_of_a_large_library_are_held(
    tables: tuple[Spectra, Spectra], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_prior, "PRIOR_ROWS", 50)
    assert fit_library_prior(tables[0], log=False).rows == 50


def test_a_band_constant_in_the_library_is_not_blown_up(
    tables: tuple[Spectra, Spectra], local: Spectra, folds: tuple[Fold, ...]
) -> None:
    flat = tables[0].values.copy()
    flat[:, 20] = 0.5
    prior = fit_library_prior(replace(tables[0], values=flat), log=False)
    test = tables[1].rows(range(20, 120))
    model = fit_on_prior(prior, local, folds)
    assert error(model, test) < 1.1 * error(fit_gpr(local, folds, kernel=linear_kernel()), test)


def test_on_the_log_scale_the_words_say_so(
    tables: tuple[Spectra, Spectra], local: Spectra, folds: tuple[Fold, ...]
) -> None:
    model = fit_on_prior(fit_library_prior(tables[0], log=True), local, folds)
    assert model.law.log and model.detail.endswith(", on log(1 + y)")
    assert f"ρ = {model.belief:.2f}" in model.detail
