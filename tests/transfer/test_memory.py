"""Memory-based learning: equal to a slow twin, one row at a time, and safe beside a bad library."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit
from scipy.stats import multivariate_normal

from autospec.data.sites import load_site
from autospec.data.spectra import FloatArray, Spectra
from autospec.data.splits import Fold, make_folds
from autospec.evaluate.fitted import Fitted
from autospec.evaluate.kernels import curved_kernel, fit_gpr
from autospec.transfer import memory
from autospec.transfer.memory import (
    JITTER,
    OWN_FIELD,
    START,
    START_SD,
    Memory,
    MemoryModel,
    fit_memory_based,
    learn_settings,
    recall,
)
from tests.transfer.shared_slopes import shared_slopes

SETTINGS = np.array([-0.5, -1.0, 0.2, -0.7, -2.0, -1.5, 0.3, 0.4])


def made_memory(n: int, field: int | None, seed: int) -> Memory:
    rng = np.random.default_rng(seed)
    fields = rng.integers(0, 3, n) if field is None else np.full(n, field)
    x = rng.normal(size=(n, 4)) / 2
    return Memory(x=x, place=rng.normal(size=(n, 2)), field=fields, z=x[:, 0] + rng.normal(size=n))


def slow_covariance(x: FloatArray, field: FloatArray, settings: FloatArray) -> FloatArray:
    """The formula of the module, one pair of rows at a time; noise included."""
    a, r, length, level, noise, other_noise, q = np.exp(settings[:7])
    out = np.empty((len(x), len(x)))
    for i in range(len(x)):
        for j in range(len(x)):
            law = a * float(x[i] @ x[j])
            law += r * np.exp(-0.5 * float(((x[i] - x[j]) ** 2).sum()) / length**2)
            law *= (1.0 if field[i] == OWN_FIELD else q) * (1.0 if field[j] == OWN_FIELD else q)
            out[i, j] = law + level if field[i] == field[j] else float(expit(settings[7])) * law
        out[i, i] += (noise if field[i] == OWN_FIELD else other_noise) + JITTER
    return out


def slow_recall(
    row: FloatArray, place: FloatArray, library: Memory, local: Memory, k: int
) -> float:
    near = sorted(
        range(len(library.z)), key=lambda i: float(((library.place[i] - place) ** 2).sum())
    )
    rows = library.rows(np.array(near[:k]))
    x = np.vstack([row, rows.x, local.x])
    field = np.concatenate([[OWN_FIELD], rows.field, local.field])
    covariance = slow_covariance(x, field, SETTINGS)
    z = np.concatenate([rows.z, local.z])
    return float(covariance[0, 1:] @ np.linalg.solve(covariance[1:, 1:], z))


@pytest.mark.parametrize("k", [1, 5, 17])
def test_a_prediction_is_that_of_its_slow_twin(k: int) -> None:
    library, local = made_memory(17, None, 0), made_memory(6, OWN_FIELD, 1)
    asked = made_memory(5, OWN_FIELD, 2)
    found = recall(asked.x, asked.place, library, local, k, SETTINGS)
    both = zip(asked.x, asked.place, strict=True)
    np.testing.assert_allclose(
        found, [slow_recall(x, place, library, local, k) for x, place in both], rtol=1e-9
    )


def test_settings_have_the_lowest_penalised_loss_of_the_twin() -> None:
    rows = made_memory(24, None, 3)
    rows = replace(rows, field=np.where(np.arange(24) < 10, OWN_FIELD, rows.field))

    def loss(settings: FloatArray) -> float:
        covariance = slow_covariance(rows.x, rows.field, settings)
        off = (settings - START) / START_SD
        return float(off @ off / 2 - multivariate_normal(cov=covariance).logpdf(rows.z))

    found = learn_settings(rows)
    assert loss(found) < loss(START)
    # A minimum: the twin's slopes, by differences of 1e-5, are 0 within what the search stops at.
    np.testing.assert_allclose(approx_fprime(found, loss, 1e-5), 0.0, atol=5e-3)


@pytest.fixture(scope="module")
def tables() -> tuple[Spectra, Spectra]:
    return shared_slopes(seed=1)


@pytest.fixture(scope="module")
def folds(tables: tuple[Spectra, Spectra]) -> tuple[Fold, ...]:
    return make_folds(tables[1].rows(range(20)), 4, 1, 0)


@pytest.fixture(scope="module")
def fitted(tables: tuple[Spectra, Spectra], folds: tuple[Fold, ...]) -> Fitted:
    return fit_memory_based(tables[0], tables[1].rows(range(20)), folds)


def test_rows_are_predicted_each_on_its_own(
    fitted: Fitted, tables: tuple[Spectra, Spectra], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = tables[1].values[20:]
    together = fitted.predict(values)
    monkeypatch.setattr(memory, "BLOCK_ROWS", 7)
    np.testing.assert_allclose(fitted.predict(values[::-1])[::-1], together, rtol=1e-9)
    np.testing.assert_allclose(fitted.predict(values[3:4]), together[3:4], rtol=1e-9)


def test_out_of_fold_predictions_know_no_row_of_their_fold(
    fitted: Fitted, tables: tuple[Spectra, Spectra], folds: tuple[Fold, ...]
) -> None:
    assert isinstance(fitted.model, MemoryModel)
    model, values = fitted.model, tables[1].values
    twin = np.empty(20)
    for fold in folds:
        without = replace(model, local=model.local.rows(fold.fit))
        twin[fold.score] = without.predict(values[fold.score])
    np.testing.assert_allclose(fitted.out_of_fold, twin, rtol=1e-9)


@pytest.mark.parametrize("k", memory.NEIGHBOURS)
def test_the_neighbours_have_the_lowest_error_on_the_folds(
    k: int, fitted: Fitted, tables: tuple[Spectra, Spectra], folds: tuple[Fold, ...]
) -> None:
    assert isinstance(fitted.model, MemoryModel)
    local, target = fitted.model.local, tables[1].target[:20]
    other = replace(fitted.model, neighbours=k)
    square = [
        (
            replace(other, local=local.rows(f.fit)).predict(tables[1].values[f.score])
            - target[f.score]
        )
        ** 2
        for f in folds
    ]
    chosen = np.mean((fitted.out_of_fold - target) ** 2)
    assert chosen <= np.mean(np.concatenate(square)) * (1 + 1e-9)


def error(model: Fitted, test: Spectra) -> float:
    return float(np.sqrt(np.mean((model.predict(test.values) - test.target) ** 2)))


def test_a_library_of_the_same_law_helps_and_is_believed(
    fitted: Fitted, tables: tuple[Spectra, Spectra], folds: tuple[Fold, ...]
) -> None:
    local, test = tables[1].rows(range(20)), tables[1].rows(range(20, 120))
    assert isinstance(fitted.model, MemoryModel) and fitted.model.agreement > 0.9
    alone = fit_gpr(local, folds, kernel=curved_kernel())
    assert error(fitted, test) < 0.7 * error(alone, test)


def reversed_library(library: Spectra) -> Spectra:
    return replace(library, target=library.target.max() + library.target.min() - library.target)


def permuted_library(library: Spectra) -> Spectra:
    return replace(library, target=np.random.default_rng(0).permutation(library.target))


@pytest.mark.parametrize("spoil", [reversed_library, permuted_library])
def test_a_library_of_another_law_is_not_believed_and_does_little_harm(spoil: object) -> None:
    assert callable(spoil)
    farm, library = load_site("sweden-skane"), spoil(load_site("sweden-uppsala"))
    with_it, alone = [], []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(farm.n)
        local, test = farm.rows(order[:30]), farm.rows(order[30:])
        folds = make_folds(local, 5, 1, seed)
        fitted = fit_memory_based(library, local, folds)
        assert isinstance(fitted.model, MemoryModel) and fitted.model.agreement < 0.7
        with_it.append(error(fitted, test))
        alone.append(error(fit_gpr(local, folds, kernel=curved_kernel()), test))
    assert np.mean(with_it) < 1.1 * np.mean(alone)


def test_a_library_of_fewer_rows_than_neighbours_is_enough(
    tables: tuple[Spectra, Spectra], folds: tuple[Fold, ...]
) -> None:
    fitted = fit_memory_based(tables[0].rows(range(12)), tables[1].rows(range(20)), folds)
    assert isinstance(fitted.model, MemoryModel) and fitted.model.neighbours == 12
    assert np.isfinite(fitted.predict(tables[1].values)).all()


def test_on_cube_roots_no_prediction_is_negative(
    tables: tuple[Spectra, Spectra], folds: tuple[Fold, ...]
) -> None:
    fitted = fit_memory_based(tables[0], tables[1].rows(range(20)), folds, root=True)
    assert fitted.detail.endswith(", on the cube root of y")
    wild = np.random.default_rng(0).normal(0.0, 10.0, (20, tables[1].b))
    assert (fitted.predict(wild) >= 0.0).all()


def test_cube_roots_of_a_farm_may_be_negative(
    tables: tuple[Spectra, Spectra], folds: tuple[Fold, ...]
) -> None:
    local = tables[1].rows(range(20))
    local = replace(local, target=local.target - 50.0)
    fitted = fit_memory_based(tables[0], local, folds, root=True)
    predicted = fitted.predict(tables[1].values)
    assert predicted.min() < 0.0 and np.corrcoef(predicted, tables[1].target)[0, 1] > 0.5
