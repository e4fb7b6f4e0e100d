"""Regression on a library prior: believed where slopes are shared, harmless where they are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import softmax
from scipy.stats import multivariate_normal

from autospec.data.sites import load_site
from autospec.data.spectra import FloatArray, IntArray, Spectra, join_spectra
from autospec.data.splits import Fold, make_folds
from autospec.evaluate.baselines import PLSRModel
from autospec.evaluate.fitted import Fitted
from autospec.evaluate.kernels import JITTER, fit_gpr, linear_kernel
from autospec.transfer import prior_regression
from autospec.transfer.library_prior import EVERYTHING, LibraryPrior, fit_library_prior
from autospec.transfer.prior_regression import (
    LEVEL_VARIANCE,
    START,
    START_SD,
    PriorModel,
    fit_on_prior,
)
from tests.transfer.shared_slopes import shared_slopes

PLACES = range(5)  # of the sources: all fields, and four


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
    return fit_library_prior(tables[0], root=False)


@pytest.fixture(scope="module")
def fitted(prior: LibraryPrior, local: Spectra, folds: tuple[Fold, ...]) -> PriorModel:
    return fit_on_prior(prior, local, folds)


@pytest.fixture(scope="module")
def rooted(tables: tuple[Spectra, Spectra], local: Spectra, folds: tuple[Fold, ...]) -> PriorModel:
    return fit_on_prior(fit_library_prior(tables[0], root=True), local, folds)


def error(model: Fitted | PriorModel | PLSRModel, test: Spectra) -> float:
    return float(np.sqrt(np.mean((model.predict(test.values) - test.target) ** 2)))


def reversed_in_fields(library: Spectra) -> Spectra:
    """Slopes of the opposite sign."""
    return replace(library, target=library.target.max() + library.target.min() - library.target)


def permuted(library: Spectra) -> Spectra:
    """No slopes at all."""
    return replace(library, target=np.random.default_rng(0).permutation(library.target))


# --- what is believed


@pytest.mark.parametrize("seed", range(3))
def test_shared_slopes_are_believed_and_beat_a_local_model(seed: int) -> None:
    library, farm = shared_slopes(seed=seed)
    local, test = farm.rows(range(20)), farm.rows(range(20, farm.n))
    folds = make_folds(local, 4, 1, 0)
    model = fit_on_prior(fit_library_prior(library, root=False), local, folds)
    assert model.belief == pytest.approx(1.0, abs=0.1)
    assert error(model, test) < 0.9 * error(fit_gpr(local, folds, kernel=linear_kernel()), test)


def test_slopes_of_another_size_are_believed_by_their_ratio() -> None:
    library, farm = shared_slopes(seed=1, slope=0.5)
    local = farm.rows(range(20))
    model = fit_on_prior(fit_library_prior(library, root=False), local, make_folds(local, 4, 1, 0))
    # ρ multiplies slopes in the unit of the lab values, so half the slope is half the belief.
    assert model.belief == pytest.approx(0.5, abs=0.05)


def test_a_level_of_the_library_changes_nothing(
    tables: tuple[Spectra, Spectra], fitted: PriorModel, local: Spectra, folds: tuple[Fold, ...]
) -> None:
    fields = np.asarray(tables[0].fields)
    moved = tables[0].target + np.where(fields == "field-1", 500.0, -3.0)
    twin = fit_on_prior(
        fit_library_prior(replace(tables[0], target=moved), root=False), local, folds
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


@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize("spoil", [reversed_in_fields, permuted])
def test_a_library_of_other_slopes_does_little_harm(
    spoil: Callable[[Spectra], Spectra], root: bool
) -> None:
    prior = fit_library_prior(spoil(load_site("sweden-uppsala")), root=root)
    with_it, alone = [], []
    for local, test, folds in draws_of(load_site("sweden-skane")):
        with_it.append(error(fit_on_prior(prior, local, folds), test))
        alone.append(error(fit_gpr(local, folds, kernel=linear_kernel(), root=root), test))
    assert np.mean(with_it) < 1.1 * np.mean(alone)


def test_reversed_slopes_are_believed_less_than_true_ones() -> None:
    local, _, folds = draws_of(load_site("sweden-skane"))[0]
    library = load_site("sweden-uppsala")
    true, false = (
        fit_on_prior(fit_library_prior(one, root=False), local, folds).belief
        for one in (library, reversed_in_fields(library))
    )
    assert true > 0.3 and false < 0.1


# --- which field is believed


def opposed(like: str, seed: int) -> tuple[Spectra, Spectra]:
    """Return a library of two fields of opposite slopes, the farm's own in `like`; and the farm."""
    library, farm = shared_slopes(fields=2, rows=60, seed=seed)
    fields = np.asarray(library.fields)
    against = library.rows(np.flatnonzero(fields != like))
    both = join_spectra([library.rows(np.flatnonzero(fields == like)), reversed_in_fields(against)])
    return both, farm


@pytest.mark.parametrize("like", ["field-0", "field-1"])
@pytest.mark.parametrize("seed", range(2))
def test_the_weight_goes_to_the_field_that_has_the_farms_slopes(like: str, seed: int) -> None:
    library, farm = opposed(like, seed)
    local, test = farm.rows(range(20)), farm.rows(range(20, farm.n))
    folds = make_folds(local, 4, 1, 0)
    prior = fit_library_prior(library, root=False)
    model = fit_on_prior(prior, local, folds)
    weights = dict(zip((s.name for s in prior.sources), model.weights, strict=True))
    assert weights.pop(like) > 2 * sum(weights.values())
    assert model.belief > 0.5
    together = fit_on_prior(replace(prior, sources=prior.sources[:1]), local, folds)
    assert error(model, test) < 0.9 * error(together, test)


def slow_joint(
    fitted: PriorModel, place: int, local: Spectra, values: FloatArray
) -> tuple[FloatArray, Callable[[FloatArray], FloatArray]]:
    """Return mean / ρ (n,), and covariance (n, n) by settings without noise, of one source."""
    prior, law = fitted.prior, fitted.law
    centre = prior.views.transform(local.values).mean(axis=0)
    mean, covariance = prior.condition(prior.sources[place], prior.see(values, centre))
    x = fitted.views.transform(values)

    def kernel(settings: FloatArray) -> FloatArray:
        own = np.exp(settings[1]) * x @ x.T
        return settings[0] ** 2 * covariance / law.sd**2 + own + LEVEL_VARIANCE

    return mean / law.sd, kernel


def slow_loss(fitted: PriorModel, place: int, local: Spectra) -> Callable[[FloatArray], float]:
    """The joint normal density of the training rows, and the penalty: minus their logarithm."""
    z = fitted.law.forward(local.target)
    mean, kernel = slow_joint(fitted, place, local, local.values)

    def loss(settings: FloatArray) -> float:
        noise = (np.exp(settings[2]) + JITTER) * np.eye(local.n)
        normal = multivariate_normal(settings[0] * mean, kernel(settings) + noise)
        off = (settings - START) / START_SD
        return float(off @ off / 2 - normal.logpdf(z))

    return loss


@pytest.mark.parametrize("kind", ["fitted", "rooted"])
def test_weights_are_the_likelihoods_of_the_sources(
    kind: str, local: Spectra, request: pytest.FixtureRequest
) -> None:
    model: PriorModel = request.getfixturevalue(kind)
    losses = [
        slow_loss(model, place, local)(settings) for place, settings in enumerate(model.settings)
    ]
    assert model.weights.sum() == pytest.approx(1.0, abs=1e-12)
    # Losses are sums of 20 terms through two factorisations of a matrix of condition 1e6 or so.
    np.testing.assert_allclose(model.weights, softmax(-np.array(losses)), rtol=1e-6)


@pytest.mark.parametrize("place", PLACES)
def test_settings_have_the_lowest_penalised_loss_of_the_twin(
    place: int, fitted: PriorModel, local: Spectra
) -> None:
    loss, found = slow_loss(fitted, place, local), fitted.settings[place]
    assert loss(found) < loss(START)
    # A minimum: the twin's slopes, by differences of 1e-6, are 0 within what the search stops at.
    np.testing.assert_allclose(approx_fprime(found, loss, 1e-6), 0.0, atol=5e-3)


Loss = Callable[[FloatArray], tuple[float, FloatArray]]


def searched_losses(monkeypatch: pytest.MonkeyPatch) -> list[Loss]:
    """Return a list that every loss comes to stand in which is searched from now on."""
    search, losses = prior_regression.minimize, []

    def watched(loss: Loss, *args: object, **options: object) -> object:
        losses.append(loss)
        return search(loss, *args, **options)

    monkeypatch.setattr(prior_regression, "minimize", watched)
    return losses


@pytest.mark.parametrize("place", PLACES)
def test_the_search_is_given_the_slopes_of_its_loss(
    place: int,
    prior: LibraryPrior,
    local: Spectra,
    folds: tuple[Fold, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    losses = searched_losses(monkeypatch)
    model = fit_on_prior(replace(prior, sources=(prior.sources[place],)), local, folds)
    at = START + START_SD * np.random.default_rng(place).normal(size=3)
    value, slope = losses[0](at)
    numeric = approx_fprime(at, lambda settings: losses[0](settings)[0], 1e-6)
    np.testing.assert_allclose(slope, numeric, rtol=1e-4, atol=1e-3)
    constant = local.n / 2 * np.log(2 * np.pi)  # of the density: the same for all sources
    assert value + constant == pytest.approx(slow_loss(model, 0, local)(at), rel=1e-9)


def test_settings_at_which_rounding_wins_are_never_the_best(
    prior: LibraryPrior, local: Spectra, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spectra that occur twice, and a belief so large that noise is nothing beside it."""
    twice = local.rows([*range(10), *range(10)])
    losses = searched_losses(monkeypatch)
    model = fit_on_prior(prior, twice, make_folds(twice, 2, 1, 0))
    assert losses[0](np.array([1e12, 0.0, -9.0]))[0] > max(
        slow_loss(model, place, twice)(START) for place in PLACES
    )
    assert np.isfinite(model.settings).all()


@pytest.mark.parametrize("value", [0.0, 0.1, 7.0])
def test_a_farm_without_any_spread_is_predicted_as_it_is(
    value: float, prior: LibraryPrior, local: Spectra
) -> None:
    """All at the detection limit, and scanned twice: slopes of the library are not believed."""
    flat = replace(local.rows([*range(10), *range(10)]), target=np.full(20, value))
    model = fit_on_prior(prior, flat, make_folds(flat, 2, 1, 0))
    assert abs(model.belief) < 1e-4
    np.testing.assert_allclose(model.predict(local.values), value, atol=1e-3)


# --- what is predicted


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
    """Condition each source's joint normal on some training rows; then the weighted mean.

    Centre, views, law, settings and weights are of all training rows.
    """
    law, m = fitted.law, len(known)
    total = np.zeros(len(values))
    for place, settings in enumerate(fitted.settings):
        mean, kernel = slow_joint(fitted, place, local, np.vstack([local.values[known], values]))
        joint = kernel(settings)
        joint[:m, :m] += (np.exp(settings[2]) + JITTER) * np.eye(m)
        residual = law.forward(local.target[known]) - settings[0] * mean[:m]
        pull = np.linalg.solve(joint[:m, :m], residual)
        total += fitted.weights[place] * (settings[0] * mean[m:] + joint[m:, :m] @ pull)
    return law.inverse(total)


@pytest.mark.parametrize("kind", ["fitted", "rooted"])
def test_a_prediction_is_the_conditional_mean_of_the_model(
    kind: str, tables: tuple[Spectra, Spectra], local: Spectra, request: pytest.FixtureRequest
) -> None:
    model: PriorModel = request.getfixturevalue(kind)
    test = tables[1].values[20:25]
    wanted = slow_prediction(model, local, np.arange(local.n), test)
    np.testing.assert_allclose(model.predict(test), wanted, rtol=1e-7)


@pytest.mark.parametrize("kind", ["fitted", "rooted"])
@pytest.mark.parametrize("position", range(4))
def test_out_of_fold_predictions_know_no_row_of_their_fold(
    position: int,
    kind: str,
    local: Spectra,
    folds: tuple[Fold, ...],
    request: pytest.FixtureRequest,
) -> None:
    model: PriorModel = request.getfixturevalue(kind)
    fold = folds[position]
    wanted = slow_prediction(model, local, fold.fit, local.values[fold.score])
    np.testing.assert_allclose(model.out_of_fold[fold.score], wanted, rtol=1e-7)


@pytest.mark.parametrize("kind", ["fitted", "rooted"])
def test_the_model_is_the_weighted_mean_of_those_on_one_source(
    kind: str,
    tables: tuple[Spectra, Spectra],
    local: Spectra,
    folds: tuple[Fold, ...],
    request: pytest.FixtureRequest,
) -> None:
    model: PriorModel = request.getfixturevalue(kind)
    alone = [
        fit_on_prior(replace(model.prior, sources=(source,)), local, folds)
        for source in model.prior.sources
    ]
    np.testing.assert_array_equal(model.settings, np.vstack([one.settings for one in alone]))
    assert model.belief == pytest.approx(float(model.weights @ [one.belief for one in alone]))
    law, values = model.law, tables[1].values[20:]
    each = np.stack([law.forward(one.predict(values)) for one in alone])
    # Held ones are not the mean of held ones: rows of the range only.
    inside = (each > law.forward(local.target).min()) & (each < law.forward(local.target).max())
    rows = inside.all(axis=0)
    assert rows.sum() > 50
    got = law.forward(model.predict(values))
    np.testing.assert_allclose(got[rows], (model.weights @ each)[rows], rtol=1e-9, atol=1e-9)
    held = np.stack([law.forward(one.out_of_fold) for one in alone])
    np.testing.assert_allclose(
        law.forward(model.out_of_fold), model.weights @ held, rtol=1e-9, atol=1e-9
    )


def test_a_band_constant_in_the_library_is_not_blown_up(
    tables: tuple[Spectra, Spectra], local: Spectra, folds: tuple[Fold, ...]
) -> None:
    flat = tables[0].values.copy()
    flat[:, 20] = 0.5
    prior = fit_library_prior(replace(tables[0], values=flat), root=False)
    test = tables[1].rows(range(20, 120))
    model = fit_on_prior(prior, local, folds)
    assert error(model, test) < 1.1 * error(fit_gpr(local, folds, kernel=linear_kernel()), test)


# --- cube roots


def test_on_cube_roots_no_prediction_is_negative(rooted: PriorModel, local: Spectra) -> None:
    wild = np.random.default_rng(0).normal(0.0, 10.0, (20, local.b))
    assert (rooted.predict(wild) >= 0.0).all()


@pytest.mark.parametrize("lowest", [-0.5, -20.0])
def test_a_farm_of_negative_lab_values_is_learned_on_roots_too(
    lowest: float, rooted: PriorModel, local: Spectra, folds: tuple[Fold, ...]
) -> None:
    """The library's lab values decide the scale; a blank correction can go below 0 on a farm."""
    some = replace(local, target=local.target - local.target.min() + lowest)
    model = fit_on_prior(rooted.prior, some, folds)
    # Roots are steep at 0, so the line is a poorer one than where all values are far above it.
    assert np.corrcoef(model.predict(local.values), some.target)[0, 1] > 0.8
    middle = local.values.mean(axis=0)
    far = model.predict(middle + 5.0 * (local.values - middle))
    assert far.min() == pytest.approx(model.law.low**3, rel=1e-9) and model.law.low < 0.0


# --- in words


def worded(fitted: PriorModel, *weights: float) -> str:
    return replace(fitted, weights=np.array(weights), settings=np.ones((5, 3)) * 0.87).detail


def test_the_words_name_the_sources_with_a_tenth_of_the_weight_largest_first(
    fitted: PriorModel,
) -> None:
    wanted = f"weight of the library ρ = 0.87 (52% field-2, 28% {EVERYTHING}, 11% field-0)"
    assert worded(fitted, 0.28, 0.11, 0.04, 0.52, 0.05) == wanted


def test_the_words_say_that_cube_roots_were_learned(fitted: PriorModel, rooted: PriorModel) -> None:
    assert rooted.law.root and rooted.detail.endswith("), on the cube root of y")
    assert not fitted.law.root and fitted.detail.endswith(")")
    assert f"ρ = {rooted.belief:.2f}" in rooted.detail


def test_nine_sources_alike_leave_one_with_a_name() -> None:
    """There are at most nine: so at least one has a ninth of the weight, more than a tenth."""
    library, farm = shared_slopes(fields=10, rows=31, farm_rows=12)
    model = fit_on_prior(fit_library_prior(library, root=True), farm, make_folds(farm, 3, 1, 0))
    assert len(model.weights) == 9
    even = replace(model, weights=np.full(9, 1 / 9))
    assert even.detail.count("11%") == 9
