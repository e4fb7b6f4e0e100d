"""Ridge, Gaussian process and SVR on views: against scikit-learn, out of fold against refits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Kernel
from sklearn.linear_model import Ridge
from sklearn.svm import SVR

from autospec.data.sites import load_site
from autospec.data.spectra import FloatArray, Spectra
from autospec.data.splits import Fold, make_folds
from autospec.evaluate.fitted import Fitted, fit_law
from autospec.evaluate.kernels import (
    JITTER,
    RIDGE_PENALTIES,
    SVR_GRID,
    SVR_TUBE,
    KernelModel,
    curved_kernel,
    fit_gpr,
    fit_ridge,
    fit_svr,
    held_out,
    linear_kernel,
)
from autospec.evaluate.views import FOUR_VIEWS, fit_views
from tests.conftest import made_spectra

Fit = Callable[[Spectra, tuple[Fold, ...]], Fitted]


def fit_linear_gpr(train: Spectra, folds: tuple[Fold, ...]) -> Fitted:
    return fit_gpr(train, folds, kernel=linear_kernel())


def fit_curved_root_gpr(train: Spectra, folds: tuple[Fold, ...]) -> Fitted:
    return fit_gpr(train, folds, kernel=curved_kernel(), root=True)


def fit_root_svr(train: Spectra, folds: tuple[Fold, ...]) -> Fitted:
    return fit_svr(train, folds, root=True)


ALL: list[Fit] = [fit_ridge, fit_linear_gpr, fit_curved_root_gpr, fit_svr, fit_root_svr]


@pytest.fixture(scope="module")
def field() -> Spectra:
    site = load_site("sweden-skane")
    return site.rows(np.random.default_rng(0).permutation(site.n))


@pytest.fixture(scope="module")
def train(field: Spectra) -> Spectra:
    return field.rows(range(30))


@pytest.fixture(scope="module")
def folds(train: Spectra) -> tuple[Fold, ...]:
    return make_folds(train, 5, 1, 0)


@pytest.mark.parametrize("repeats", [1, 3])
def test_held_out_rows_are_those_of_refits_at_the_same_kernel(repeats: int) -> None:
    spectra = made_spectra(24)
    folds = make_folds(spectra, 4, repeats, 0)
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(24, 5)), rng.normal(size=24)
    kernel = x @ x.T + 0.3 * np.eye(24)
    twin = np.zeros(24)
    for fold in folds:
        weights = np.linalg.solve(kernel[np.ix_(fold.fit, fold.fit)], z[fold.fit])
        twin[fold.score] += kernel[np.ix_(fold.score, fold.fit)] @ weights / repeats
    np.testing.assert_allclose(held_out(kernel, z, folds), twin, rtol=1e-9)


def test_a_held_out_row_does_not_know_its_own_value() -> None:
    spectra = made_spectra(20)
    folds = make_folds(spectra, 4, 1, 0)
    x, z = np.random.default_rng(1).normal(size=(20, 3)), spectra.target - spectra.target.mean()
    kernel = x @ x.T + np.eye(20)
    other = z.copy()
    other[7] += 100.0
    mates = next(fold.score for fold in folds if 7 in fold.score)
    np.testing.assert_allclose(
        held_out(kernel, other, folds)[mates], held_out(kernel, z, folds)[mates], rtol=1e-7
    )


def test_ridge_is_that_of_scikit_learn_and_its_penalty_the_best_on_the_folds(
    field: Spectra, train: Spectra
) -> None:
    folds = make_folds(train, 5, 1, 0)
    views, law = fit_views(train), fit_law(train.target, root=False)
    x, z = views.transform(train.values), law.forward(train.target)

    def cv_error(penalty: float) -> float:
        square = []
        for fold in folds:
            twin = Ridge(penalty, fit_intercept=False).fit(x[fold.fit], z[fold.fit])
            square.append((twin.predict(x[fold.score]) - z[fold.score]) ** 2)
        return float(np.mean(np.concatenate(square)))

    best = min(RIDGE_PENALTIES, key=cv_error)
    twin = Ridge(best, fit_intercept=False).fit(x, z)
    found = fit_ridge(train, folds)
    assert found.detail == f"penalty {best:.2g} on four views"
    wanted = law.inverse(twin.predict(views.transform(field.values)))
    np.testing.assert_allclose(found.predict(field.values), wanted, rtol=1e-6)
    held = np.mean((found.out_of_fold - train.target) ** 2) / law.sd**2
    assert held == pytest.approx(cv_error(best), rel=1e-6)


@pytest.mark.parametrize("kernel", [linear_kernel(), curved_kernel()])
@pytest.mark.parametrize("root", [False, True])
def test_gpr_is_that_of_scikit_learn_on_one_view(
    kernel: Kernel, root: bool, field: Spectra, train: Spectra, folds: tuple[Fold, ...]
) -> None:
    found = fit_gpr(train, folds, kernel=kernel, root=root, recipes=FOUR_VIEWS[2:3])
    assert isinstance(found.model, KernelModel)
    views = fit_views(train, FOUR_VIEWS[2:3])
    y = np.cbrt(train.target) if root else train.target
    fixed = found.model.regressor.kernel_
    twin = GaussianProcessRegressor(fixed, alpha=JITTER, optimizer=None, normalize_y=True)
    twin.fit(views.transform(train.values), y)
    wanted = twin.predict(views.transform(field.values))
    # One row of the field is richer than all of training: it is held to one sd beyond them.
    low, high = max(y.min() - y.std(), 0.0), y.max() + y.std()
    wanted = np.clip(wanted, low, high) ** 3 if root else wanted
    np.testing.assert_allclose(found.predict(field.values), wanted, rtol=1e-6)
    assert twin.log_marginal_likelihood(fixed.theta) >= twin.log_marginal_likelihood(kernel.theta)


def test_svr_is_that_of_scikit_learn_at_the_best_of_the_grid(
    field: Spectra, train: Spectra, folds: tuple[Fold, ...]
) -> None:
    views, law = fit_views(train), fit_law(train.target, root=False)
    x, z = views.transform(train.values), law.forward(train.target)

    def cv_error(c: float, gamma: float) -> float:
        errors = []
        for fold in folds:
            twin = SVR(C=c, gamma=gamma, epsilon=SVR_TUBE).fit(x[fold.fit], z[fold.fit])
            errors.append(np.mean((twin.predict(x[fold.score]) - z[fold.score]) ** 2))
        return float(np.mean(errors))

    pairs = [(c, gamma) for c in SVR_GRID["C"] for gamma in SVR_GRID["gamma"]]
    c, gamma = min(pairs, key=lambda pair: cv_error(*pair))
    found = fit_svr(train, folds)
    assert found.detail == f"C {c:g}, gamma {gamma:g}"
    twin = SVR(C=c, gamma=gamma, epsilon=SVR_TUBE).fit(x, z)
    wanted = law.inverse(twin.predict(views.transform(field.values)))
    np.testing.assert_allclose(found.predict(field.values), wanted, rtol=1e-9)
    for fold in folds:
        part = SVR(C=c, gamma=gamma, epsilon=SVR_TUBE).fit(x[fold.fit], z[fold.fit])
        held = law.inverse(part.predict(x[fold.score]))
        np.testing.assert_allclose(found.out_of_fold[fold.score], held, rtol=1e-9)


@pytest.mark.parametrize("fit", ALL)
def test_rows_are_predicted_each_on_its_own(
    fit: Fit, field: Spectra, train: Spectra, folds: tuple[Fold, ...]
) -> None:
    model = fit(train, folds)
    together = model.predict(field.values)
    np.testing.assert_allclose(model.predict(field.values[5:6]), together[5:6], rtol=1e-9)


@pytest.mark.parametrize("fit", ALL)
def test_each_beats_the_mean_on_unseen_rows_of_a_real_field(
    fit: Fit, field: Spectra, train: Spectra, folds: tuple[Fold, ...]
) -> None:
    test = field.rows(range(30, field.n))

    def error(predicted: FloatArray) -> float:
        return float(np.sqrt(np.mean((predicted - test.target) ** 2)))

    model = fit(train, folds)
    assert error(model.predict(test.values)) < 0.9 * error(np.full(test.n, train.target.mean()))
    assert np.corrcoef(model.out_of_fold, train.target)[0, 1] > 0.5


@pytest.mark.parametrize("fit", ALL)
def test_the_words_say_whether_cube_roots_were_learned(
    fit: Fit, train: Spectra, folds: tuple[Fold, ...]
) -> None:
    told = fit(train, folds).detail.endswith(", on the cube root of y")
    assert told == (fit in (fit_curved_root_gpr, fit_root_svr))


@pytest.mark.parametrize("fit", [fit_curved_root_gpr, fit_root_svr])
def test_negative_lab_values_have_roots_too(fit: Fit) -> None:
    spectra = made_spectra(24)
    train = replace(spectra, target=spectra.target - float(np.median(spectra.target)))
    model = fit(train, make_folds(train, 4, 1, 0))
    assert np.corrcoef(model.predict(train.values), train.target)[0, 1] > 0.5
    assert model.predict(train.values).min() < 0.0


@pytest.mark.parametrize("fit", ALL)
def test_constant_lab_values_are_predicted(fit: Fit) -> None:
    spectra = made_spectra(24)
    train = replace(spectra, target=np.full(24, 7.0))
    model = fit(train, make_folds(train, 4, 1, 0))
    np.testing.assert_allclose(model.predict(spectra.values), 7.0, rtol=1e-6)
