"""The mean model and PLSR: against scikit-learn, tuned on the folds given and on nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression

from autospec.data.preprocess import Preprocessing, make_pipeline
from autospec.data.sites import load_site
from autospec.data.spectra import Spectra
from autospec.data.splits import Fold, make_folds, make_split_plan
from autospec.evaluate.baselines import (
    AVERAGING_POWER,
    MAX_COMPONENTS,
    PLSRModel,
    average_plsr,
    fit_in_blocks,
    fit_mean,
    fit_plsr,
    plsr_recipes,
    refit_plsr,
    tune_plsr,
)
from autospec.evaluate.metrics import metric_table


def made(n: int, seed: int = 0, b: int = 40) -> Spectra:
    """Reflectance that follows the target through two broad bands, under scatter and noise."""
    rng = np.random.default_rng(seed)
    axis = 1000.0 + 10.0 * np.arange(b)
    target = rng.uniform(5.0, 40.0, n)
    bands = np.exp(-0.5 * ((axis[:, None] - [1100.0, 1300.0]) / 40.0) ** 2)
    depth = np.stack([target / 200.0, rng.uniform(0.0, 0.2, n)], axis=1)
    brightness = rng.uniform(0.8, 1.2, (n, 1))
    values = brightness * (0.5 - depth @ bands.T) + rng.normal(0, 0.003, (n, b))
    ids = tuple(f"s{i}" for i in range(n))
    return Spectra(
        values=values,
        axis=axis,
        axis_unit="nm",
        quantity="reflectance",
        ids=ids,
        groups=ids,
        fields=("made",) * n,
        target=target,
        target_name="soc",
        target_unit="g/kg",
    )


def same_choice(first: PLSRModel, second: PLSRModel) -> bool:
    def choice(model: PLSRModel) -> tuple[Preprocessing, int, float]:
        return model.recipe, model.components, model.cv_rmse

    return choice(first) == choice(second)


def test_the_mean_model_predicts_the_training_mean() -> None:
    train = made(30)
    model = fit_mean(train)
    np.testing.assert_array_equal(
        model.predict(made(4).values), np.full(4, np.mean(train.target.tolist()))
    )


@pytest.mark.parametrize("site", ["france", "sweden-skane", "brazil-mato-grosso"])
def test_coefficients_are_those_of_scikit_learn(site: str) -> None:
    train = load_site(site)
    model = fit_plsr(train, make_folds(train, 5, 1, 0))
    x = make_pipeline(model.recipe, train.axis, train.quantity).fit_transform(train.values)
    twin = PLSRegression(n_components=model.components, scale=False).fit(x, train.target)
    # Two algorithms for the same Krylov space: rounding grows with the components, to about
    # 1e-9 of the largest coefficient at 20 of them.
    largest = np.abs(twin.coef_).max()
    np.testing.assert_allclose(model.coefficients, twin.coef_[0], atol=1e-7 * largest)
    np.testing.assert_allclose(model.predict(train.values), twin.predict(x).ravel(), rtol=1e-6)


def slow_tuning(train: Spectra, folds: tuple[Fold, ...]) -> tuple[float, int, Preprocessing]:
    """Every recipe, number of components and fold by scikit-learn, one fit at a time."""
    best = (np.inf, 0, Preprocessing())
    limit = min(MAX_COMPONENTS, min(len(fold.fit) for fold in folds) - 1)
    for recipe in plsr_recipes(step=2.0):  # 390 nm / 216, in whole nm
        parts = []
        for fold in folds:
            pipeline = make_pipeline(recipe, train.axis, train.quantity)
            x = pipeline.fit_transform(train.values[fold.fit])
            parts.append((fold, x, pipeline.transform(train.values[fold.score])))
        for components in range(1, limit + 1):
            errors = []
            for fold, x, x_score in parts:
                pls = PLSRegression(n_components=components, scale=False)
                pls.fit(x, train.target[fold.fit])
                predicted = pls.predict(x_score).ravel()
                errors.append(np.sqrt(np.mean((predicted - train.target[fold.score]) ** 2)))
            best = min(best, (float(np.mean(errors)), components, recipe), key=lambda b: b[0])
    return best


@pytest.mark.parametrize("seed", range(2))
def test_tuning_finds_the_lowest_mean_fold_rmse_of_its_slow_twin(seed: int) -> None:
    train = made(18, seed)
    folds = make_folds(train, 3, 1, seed)
    model = fit_plsr(train, folds)
    cv_rmse, components, recipe = slow_tuning(train, folds)
    assert (model.components, model.recipe) == (components, recipe)
    assert model.cv_rmse == pytest.approx(cv_rmse, rel=1e-6)  # as the predictions above


def test_twelve_recipes_are_tried_at_the_wanted_step() -> None:
    recipes = plsr_recipes(7.0)
    assert len(set(recipes)) == len(recipes) == 12
    assert {r.step for r in recipes} == {7.0}


def test_rows_outside_the_folds_do_not_touch_the_tuning() -> None:
    train = made(40)
    folds = make_folds(train.rows(range(30)), 3, 1, 0)
    target = train.target.copy()
    target[30:] = target[30:][::-1]
    first, second = fit_plsr(train, folds), fit_plsr(replace(train, target=target), folds)
    assert same_choice(first, second)
    assert not np.array_equal(first.coefficients, second.coefficients)


def test_the_score_rows_of_a_fold_are_what_it_is_judged_by() -> None:
    train = made(40)
    (fold,) = make_folds(train, 4, 1, 0)[:1]
    target = train.target.copy()
    target[fold.score] = np.random.default_rng(0).permutation(target[fold.score])
    true = fit_plsr(train, (fold,)).cv_rmse
    permuted = fit_plsr(replace(train, target=target), (fold,)).cv_rmse
    assert permuted > 2 * true


def test_other_folds_give_another_score() -> None:
    train = made(40)
    scores = {fit_plsr(train, make_folds(train, 4, 1, seed)).cv_rmse for seed in range(3)}
    assert len(scores) == 3


def test_24_rows_are_enough() -> None:
    train = load_site("france").rows(range(24))
    model = fit_plsr(train, make_folds(train, 5, 1, 0))
    assert 1 <= model.components <= 18  # 19 rows a fit, one degree of freedom to the mean
    assert np.isfinite(model.predict(train.values)).all()
    assert 0 < model.cv_rmse < 2 * train.target.std()


def test_replicates_and_few_bands_stop_at_the_rank_without_a_warning() -> None:
    # 20 bands under SNV have rank 19 at most; 40 rows of 20 spectra no more.
    once = made(20, b=20)
    train = once.rows([*range(20), *range(20)])
    model = fit_plsr(train, make_folds(train, 4, 1, 0))
    assert 1 <= model.components <= 19
    assert np.isfinite(model.coefficients).all()


def test_a_constant_target_gives_the_mean() -> None:
    train = replace(made(30), target=np.full(30, 7.0))
    model = fit_plsr(train, make_folds(train, 3, 1, 0))
    np.testing.assert_allclose(model.predict(train.values), 7.0, rtol=1e-12)


@pytest.mark.parametrize("repeats", [1, 2])
def test_out_of_fold_predictions_are_those_of_refits_by_hand(repeats: int) -> None:
    train = made(24)
    folds = make_folds(train, 3, repeats, 0)
    model = fit_plsr(train, folds)
    twin = np.zeros(train.n)
    for fold in folds:
        part = refit_plsr(model, train.rows(fold.fit))
        twin[fold.score] += part.predict(train.values[fold.score]) / repeats
    np.testing.assert_allclose(model.out_of_fold, twin, rtol=1e-9)


def test_a_refit_keeps_choice_and_scores_and_takes_the_rows_it_is_given() -> None:
    train, more = made(24), made(60, seed=1)
    tuned = fit_plsr(train, make_folds(train, 3, 1, 0))
    found = refit_plsr(tuned, more)
    assert same_choice(found, tuned) and found.out_of_fold is tuned.out_of_fold
    x = make_pipeline(tuned.recipe, more.axis, more.quantity).fit_transform(more.values)
    twin = PLSRegression(tuned.components, scale=False).fit(x, more.target)
    np.testing.assert_allclose(found.predict(more.values), twin.predict(x).ravel(), rtol=1e-6)


@pytest.mark.parametrize("recipe", plsr_recipes(20.0), ids=lambda recipe: recipe.describe())
@pytest.mark.parametrize("rows", [7, 30, 1000])
def test_fitting_in_blocks_is_fitting_at_once(recipe: Preprocessing, rows: int) -> None:
    train = made(30)
    at_once = make_pipeline(recipe, train.axis, train.quantity)
    in_blocks = make_pipeline(recipe, train.axis, train.quantity)
    wanted = at_once.fit_transform(train.values)
    np.testing.assert_allclose(fit_in_blocks(in_blocks, train.values, rows), wanted, atol=1e-9)
    np.testing.assert_allclose(in_blocks.transform(train.values), wanted, atol=1e-9)


@pytest.fixture(scope="module")
def tuned() -> tuple[PLSRModel, ...]:
    train = made(30)
    (models,) = tune_plsr(train, make_folds(train, 3, 1, 0), (train.target,))
    return models


def test_tuning_gives_one_model_a_recipe_and_the_best_is_the_plsr(
    tuned: tuple[PLSRModel, ...],
) -> None:
    assert [model.recipe for model in tuned] == list(plsr_recipes(tuned[0].recipe.step))
    train = made(30)
    best = fit_plsr(train, make_folds(train, 3, 1, 0))
    assert same_choice(best, min(tuned, key=lambda model: model.cv_rmse))


def test_targets_tuned_together_are_those_tuned_alone() -> None:
    train, recipes = made(30), plsr_recipes(20.0)[3:5]
    folds = make_folds(train, 3, 1, 0)
    together = tune_plsr(train, folds, (train.target, np.log1p(train.target)), recipes)
    assert [len(models) for models in together] == [2, 2]
    ((_, alone),) = tune_plsr(train, folds, (np.log1p(train.target),), recipes)
    assert same_choice(together[1][1], alone) and alone.recipe == recipes[1]
    np.testing.assert_array_equal(together[1][1].out_of_fold, alone.out_of_fold)
    np.testing.assert_array_equal(together[1][1].coefficients, alone.coefficients)


def test_an_average_weighs_by_the_eighth_power_of_the_error(tuned: tuple[PLSRModel, ...]) -> None:
    average = average_plsr(tuned, made(30).target)
    shares = [model.cv_rmse**-AVERAGING_POWER for model in tuned]
    np.testing.assert_allclose(average.weights, np.array(shares) / sum(shares), rtol=1e-9)


@pytest.mark.parametrize("position", [0, 17])
def test_an_average_predicts_the_weighted_mean(position: int, tuned: tuple[PLSRModel, ...]) -> None:
    average, test = average_plsr(tuned, made(30).target), made(20, seed=1)
    weights = average.weights.tolist()
    pairs = list(zip(weights, tuned, strict=True))
    wanted = sum(weight * model.predict(test.values)[position] for weight, model in pairs)
    assert average.predict(test.values)[position] == pytest.approx(wanted, rel=1e-12)
    held = sum(weight * model.out_of_fold[position] for weight, model in pairs)
    assert average.out_of_fold[position] == pytest.approx(held, rel=1e-12)


def test_the_average_of_one_model_is_that_model_held_near_the_lab_values(
    tuned: tuple[PLSRModel, ...],
) -> None:
    values, target = made(20, seed=1).values, made(30).target
    average = average_plsr(tuned[:1], target)
    low, high = target.min() - target.std(), target.max() + target.std()
    wanted = np.clip(tuned[0].predict(values), low, high)
    np.testing.assert_array_equal(average.predict(values), wanted)
    wild = replace(tuned[0], coefficients=1e3 * tuned[0].coefficients)
    extremes = np.unique(average_plsr((wild,), target).predict(values))
    assert extremes.min() == low and extremes.max() == high


def test_a_model_without_error_takes_all_the_weight(tuned: tuple[PLSRModel, ...]) -> None:
    average = average_plsr((tuned[0], replace(tuned[1], cv_rmse=0.0)), made(30).target)
    np.testing.assert_allclose(average.weights, [0.0, 1.0], atol=1e-300)


def sealed_ccc(target_seed: int | None) -> float:
    """CCC of PLSR on the sealed rows of a real field, its target permuted by the seed."""
    field = load_site("switzerland")
    if target_seed is not None:
        shuffled = np.random.default_rng(target_seed).permutation(field.target)
        field = replace(field, target=shuffled)
    plan = make_split_plan(field, seed=0)
    model = fit_plsr(field.rows(plan.train), plan.folds)
    test = field.rows(plan.unseal())
    return float(metric_table(test.target, model.predict(test.values))["ccc"])


def test_a_permuted_target_cannot_be_predicted() -> None:
    found = [sealed_ccc(seed) for seed in range(5)]
    # A CCC of 24 unrelated pairs is no wider than their correlation: sd 1/sqrt(23) = 0.21, and
    # 0.093 for the mean of five; two of those.
    assert abs(np.mean(found)) <= 0.19


def test_the_true_target_can_be_predicted() -> None:
    assert sealed_ccc(None) > 0.5
