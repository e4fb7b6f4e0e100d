"""Corrected, spiked and selected PLSR: equal to slow twins, honest on the folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LinearRegression

from autospec.data.spectra import FloatArray, Spectra, join_spectra
from autospec.data.splits import Fold, make_folds
from autospec.evaluate.baselines import PLSRModel, fit_mean, fit_plsr
from autospec.transfer import spiking
from autospec.transfer.spiking import (
    LOCAL_SHARES,
    Corrected,
    correct_slope_and_bias,
    fit_global_plsr,
    fit_selected_plsr,
    fit_spiked_plsr,
    weighted_pls,
)
from tests.transfer.shared_slopes import shared_slopes

# Two algorithms for one Krylov space, as in the tests of PLSR itself.
PLS_ROUNDING = 1e-6


@pytest.fixture(scope="module")
def library() -> Spectra:
    return shared_slopes(fields=2, rows=25)[0]


@pytest.fixture(scope="module")
def local() -> Spectra:
    return shared_slopes(fields=2, rows=25)[1].rows(range(20))


@pytest.fixture(scope="module")
def test_values() -> FloatArray:
    return shared_slopes(fields=2, rows=25)[1].values[20:]


@pytest.fixture(scope="module")
def folds(local: Spectra) -> tuple[Fold, ...]:
    return make_folds(local, 4, 1, 0)


@pytest.fixture(scope="module")
def model(library: Spectra) -> PLSRModel:
    return fit_global_plsr(library)


def test_the_global_model_is_plsr_on_folds_of_the_library(
    library: Spectra, model: PLSRModel, test_values: FloatArray
) -> None:
    twin = fit_plsr(library, make_folds(library, 5, 1, 0))
    np.testing.assert_array_equal(model.predict(test_values), twin.predict(test_values))


def test_the_global_model_takes_folds_of_its_own(library: Spectra, test_values: FloatArray) -> None:
    own = make_folds(library, 2, 1, 7)
    twin = fit_plsr(library, own)
    found = fit_global_plsr(library, own)
    np.testing.assert_array_equal(found.predict(test_values), twin.predict(test_values))


def test_a_large_library_tunes_on_some_rows_and_fits_on_all(
    library: Spectra, test_values: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spiking, "TUNING_ROWS", 30)
    found = fit_global_plsr(library, seed=4)
    assert len(found.out_of_fold) == 30
    x = found.pipeline.transform(library.values)
    np.testing.assert_allclose(x.mean(axis=0), 0.0, atol=1e-9)  # standardised by all rows
    twin = PLSRegression(found.components, scale=False).fit(x, library.target)
    np.testing.assert_allclose(
        found.predict(test_values),
        twin.predict(found.pipeline.transform(test_values)).ravel(),
        rtol=PLS_ROUNDING,
    )


def test_the_line_is_that_of_least_squares(
    model: PLSRModel, local: Spectra, folds: tuple[Fold, ...], test_values: FloatArray
) -> None:
    twin = LinearRegression().fit(model.predict(local.values)[:, None], local.target)
    found = correct_slope_and_bias(model, local, folds)
    wanted = twin.predict(model.predict(test_values)[:, None])
    np.testing.assert_allclose(found.predict(test_values), wanted, rtol=1e-9)


@pytest.mark.parametrize("position", range(4))
def test_the_line_of_a_fold_is_refitted_without_it(
    position: int, model: PLSRModel, local: Spectra, folds: tuple[Fold, ...]
) -> None:
    fold = folds[position]
    found = correct_slope_and_bias(model, local, folds)
    rest = local.rows(fold.fit)
    twin = correct_slope_and_bias(model, rest, make_folds(rest, 2, 1, 0))
    np.testing.assert_allclose(
        found.out_of_fold[fold.score], twin.predict(local.values[fold.score]), rtol=1e-12
    )


def test_a_lab_value_does_not_touch_its_own_out_of_fold_prediction(
    model: PLSRModel, local: Spectra, folds: tuple[Fold, ...]
) -> None:
    target = local.target.copy()
    target[3] += 100.0
    before = correct_slope_and_bias(model, local, folds).out_of_fold
    after = correct_slope_and_bias(model, replace(local, target=target), folds).out_of_fold
    mates = next(fold.score for fold in folds if 3 in fold.score)
    np.testing.assert_array_equal(after[mates], before[mates])
    others = np.setdiff1d(np.arange(local.n), mates)
    assert (after[others] != before[others]).all()


def test_constant_predictions_are_moved_by_a_bias_alone(
    library: Spectra, local: Spectra, folds: tuple[Fold, ...], test_values: FloatArray
) -> None:
    found = correct_slope_and_bias(fit_mean(library), local, folds)
    assert isinstance(found.model, Corrected) and found.model.slope == 1.0
    np.testing.assert_allclose(found.predict(test_values), local.target.mean(), rtol=1e-12)


def test_a_level_of_the_farm_is_corrected(
    library: Spectra, model: PLSRModel, folds: tuple[Fold, ...], local: Spectra
) -> None:
    moved = replace(local, target=3.0 + 0.5 * model.predict(local.values))
    found = correct_slope_and_bias(model, moved, folds)
    np.testing.assert_allclose(found.out_of_fold, moved.target, rtol=1e-9)


@pytest.mark.parametrize("components", [1, 3, 6])
def test_a_whole_weight_is_a_row_that_often(components: int) -> None:
    rng = np.random.default_rng(components)
    x, y = rng.normal(size=(12, 8)), rng.normal(size=12)
    weights = rng.integers(1, 4, 12)
    often = np.repeat(np.arange(12), weights)
    twin = PLSRegression(components, scale=False).fit(x[often], y[often])
    coefficients, x_mean, y_mean = weighted_pls(x, y, weights.astype(np.float64), components)
    np.testing.assert_allclose(coefficients[-1], twin.coef_[0], rtol=PLS_ROUNDING)
    np.testing.assert_allclose(x_mean, x[often].mean(axis=0), rtol=1e-12)
    assert y_mean == pytest.approx(y[often].mean(), rel=1e-12)


def test_only_ratios_of_weights_matter() -> None:
    rng = np.random.default_rng(0)
    x, y, weights = rng.normal(size=(9, 5)), rng.normal(size=9), rng.uniform(0.1, 2.0, 9)
    first, second = (weighted_pls(x, y, weights * by, 3)[0] for by in (1.0, 1000.0))
    np.testing.assert_allclose(first, second, rtol=1e-9)


def slow_spiking(
    model: PLSRModel, library: Spectra, local: Spectra, folds: tuple[Fold, ...]
) -> tuple[float, float, int]:
    """Lowest mean fold RMSE over shares and components, with its share and components."""
    best = (np.inf, 0.0, 0)
    for share in LOCAL_SHARES:
        for components in range(1, 13):
            errors = []
            for fold in folds:
                part = local.rows(fold.fit)
                both = join_spectra([library, part])
                weights = np.full(both.n, (1 - share) / library.n)
                weights[library.n :] = share / part.n
                x = model.pipeline.transform(both.values)
                b, x_mean, y_mean = weighted_pls(x, both.target, weights, components)
                score = local.rows(fold.score)
                predicted = (model.pipeline.transform(score.values) - x_mean) @ b[-1] + y_mean
                errors.append(np.sqrt(np.mean((predicted - score.target) ** 2)))
            best = min(best, (float(np.mean(errors)), share, components))
    return best


def test_share_and_components_are_those_of_the_slow_twin(
    model: PLSRModel,
    library: Spectra,
    local: Spectra,
    folds: tuple[Fold, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spiking, "MAX_COMPONENTS", 12)
    error, share, components = slow_spiking(model, library, local, folds)
    found = fit_spiked_plsr(model, library, local, folds)
    assert isinstance(found.model, PLSRModel)
    assert (found.model.components, f"share {share:g} of") == (
        components,
        share_words(found.detail),
    )
    assert found.model.cv_rmse == pytest.approx(error, rel=1e-9)


def share_words(detail: str) -> str:
    start = detail.index("share")
    return detail[start : detail.index("the weight") - 1]


def test_spiking_beats_the_library_alone_where_the_farm_has_a_level_of_its_own(
    model: PLSRModel, library: Spectra, folds: tuple[Fold, ...]
) -> None:
    farm = shared_slopes(fields=2, rows=25)[1]
    local, test = farm.rows(range(20)), farm.rows(range(20, farm.n))
    spiked = fit_spiked_plsr(model, library, local, folds)

    def error(predicted: FloatArray) -> float:
        return float(np.sqrt(np.mean((predicted - test.target) ** 2)))

    assert error(spiked.predict(test.values)) < 0.7 * error(model.predict(test.values))


def test_only_some_rows_of_a_large_library_spike(
    model: PLSRModel,
    library: Spectra,
    local: Spectra,
    folds: tuple[Fold, ...],
    test_values: FloatArray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spiking, "SPIKING_ROWS", 30)
    rows = np.sort(np.random.default_rng(5).permutation(library.n)[:30])
    found = fit_spiked_plsr(model, library, local, folds, seed=5)
    twin = fit_spiked_plsr(model, library.rows(rows), local, folds)
    np.testing.assert_array_equal(found.predict(test_values), twin.predict(test_values))


def test_selected_rows_train_in_every_fold_and_score_in_none(
    library: Spectra, local: Spectra, folds: tuple[Fold, ...], model: PLSRModel
) -> None:
    selected = library.rows(range(0, 40, 2))
    found = fit_selected_plsr(selected, local, folds, model.recipe)
    assert isinstance(found.model, PLSRModel) and len(found.out_of_fold) == local.n
    assert found.model.recipe == model.recipe
    errors, twin_held = [], np.empty(local.n)
    for fold in folds:
        both = join_spectra([selected, local.rows(fold.fit)])
        pipeline = found.model.pipeline.__sklearn_clone__()
        x = pipeline.fit_transform(both.values)
        twin = PLSRegression(found.model.components, scale=False).fit(x, both.target)
        twin_held[fold.score] = twin.predict(pipeline.transform(local.values[fold.score])).ravel()
        off = twin_held[fold.score] - local.target[fold.score]
        errors.append(np.sqrt(np.mean(off**2)))
    np.testing.assert_allclose(found.out_of_fold, twin_held, rtol=PLS_ROUNDING)
    assert found.model.cv_rmse == pytest.approx(np.mean(errors), rel=1e-5)
