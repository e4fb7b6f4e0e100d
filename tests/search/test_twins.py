"""Twins miss one fold each; the winner and PLSR carry them into the result and to the caller."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import optuna
import pytest

from autospec.data.preprocess import Preprocessing
from autospec.data.spectra import Spectra
from autospec.data.splits import SplitPlan, make_folds, make_split_plan
from autospec.errors import TrialFailed
from autospec.evaluate.baselines import fit_plsr
from autospec.evaluate.calibrated import CalibratedModel
from autospec.evaluate.trust import bounds
from autospec.nets.architecture import Architecture, ConvBlock
from autospec.search import final, trusting, twins
from autospec.search.candidates import Candidate, refit_seconds
from autospec.search.design import Design
from autospec.search.final import Evaluated, FinalEvaluation, refit
from autospec.search.job import Execution, search
from autospec.search.result import ModelResult, TrialRecord
from autospec.search.settings import SearchSettings
from autospec.search.twins import Twins, plsr_twins_seconds
from autospec.training.config import TrainingConfig
from tests.conftest import made_spectra

FOLDS, EPOCHS = 3, 3
SETTINGS = SearchSettings(folds=FOLDS, members=2, seed=3)


def made_design(target_transform: str = "log1p") -> Design:
    return Design(
        preprocessing=Preprocessing(quantity="absorbance", step=20.0),
        architecture=Architecture(conv=(ConvBlock(kernel=3, filters=4, activation="ReLU"),), fc=()),
        training=TrainingConfig(
            max_epochs=9,
            batch_size=16,
            target_transform=target_transform,  # type: ignore[arg-type]
        ),
    )


def made_twins(train: Spectra) -> Twins:
    return Twins(train=train, folds=make_folds(train, FOLDS, 1, 0), settings=SETTINGS, device="cpu")


def calibrate(train: Spectra, kind: str) -> CalibratedModel:
    made = made_twins(train)
    if kind == "plsr":
        return made.calibrate_plsr(fit_plsr(train, made.folds))
    design = made_design()
    model = refit(train, design, EPOCHS, SETTINGS, "cpu")
    return made.calibrate_networks(model, design, EPOCHS)


@pytest.fixture(scope="module")
def train() -> Spectra:
    return made_spectra(n=42, b=40)


@pytest.mark.parametrize("kind", ["networks", "plsr"])
def test_each_row_is_predicted_by_the_twin_that_missed_it(train: Spectra, kind: str) -> None:
    calibrated = calibrate(train, kind)
    folds, c = made_twins(train).folds, calibrated.calibration
    assert len(calibrated.twins) == FOLDS
    for number, (fold, twin) in enumerate(zip(folds, calibrated.twins, strict=True)):
        assert {c.twin_of[row] for row in fold.score} == {number}
        by_twin = twin.predict(train.values[fold.score])
        np.testing.assert_array_equal(c.out_of_fold[fold.score], by_twin)


@pytest.mark.parametrize("kind", ["networks", "plsr"])
def test_a_twin_does_not_know_the_lab_values_of_its_fold(train: Spectra, kind: str) -> None:
    """Canary: the other lab values of one fold change every twin but its own, bit for bit."""
    fold = made_twins(train).folds[1]
    target = train.target.copy()
    target[fold.score] = target[fold.score][::-1] * 1.5
    changed = replace(train, target=target)
    folds = made_twins(train).folds  # of the first: the second's own are stratified anew
    settings = {"folds": folds, "settings": SETTINGS, "device": "cpu"}
    pair = [Twins(train=rows, **settings) for rows in (train, changed)]  # type: ignore[arg-type]
    design, plsr = made_design(), fit_plsr(train, folds)
    first, second = (
        one.calibrate_plsr(plsr) if kind == "plsr" else one.calibrate_networks(plsr, design, EPOCHS)
        for one in pair
    )
    same = [
        np.array_equal(a.predict(train.values), b.predict(train.values))
        for a, b in zip(first.twins, second.twins, strict=True)
    ]
    assert same == [False, True, False]


@pytest.mark.parametrize("kind", ["networks", "plsr"])
def test_twins_are_the_same_each_time(train: Spectra, kind: str) -> None:
    first, second = (calibrate(train, kind).calibration for _ in range(2))
    np.testing.assert_array_equal(first.out_of_fold, second.out_of_fold)


@pytest.mark.parametrize(("transform", "log"), [("log1p", True), ("z-score", False)])
def test_residuals_are_taken_where_the_networks_learned(
    train: Spectra, transform: str, log: bool
) -> None:
    design = made_design(transform)
    calibrated = made_twins(train).calibrate_networks(
        refit(train, design, EPOCHS, SETTINGS, "cpu"), design, EPOCHS
    )
    assert calibrated.calibration.log is log


def test_twins_of_plsr_choose_anew_within_their_fold(train: Spectra) -> None:
    calibrated = calibrate(train, "plsr")
    for fold, twin in zip(made_twins(train).folds, calibrated.twins, strict=True):
        rows = train.rows(fold.fit)
        slow = fit_plsr(rows, make_folds(rows, FOLDS, 1, SETTINGS.seed))
        np.testing.assert_array_equal(twin.predict(train.values), slow.predict(train.values))


def test_with_many_rows_twins_of_plsr_keep_its_recipe(
    train: Spectra, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twins, "MAX_TUNED_ROWS", 10)
    made = made_twins(train)
    plsr = fit_plsr(train, made.folds)
    kept = made.calibrate_plsr(plsr)
    assert {twin.recipe for twin in kept.twins} == {plsr.recipe}  # type: ignore[attr-defined]


def test_too_few_groups_to_tune_on_are_said() -> None:
    train = made_spectra(n=20)
    train = replace(train, groups=tuple("ab"[i % 2] for i in range(20)))
    folds = make_folds(train, 2, 1, 0)
    made = Twins(train=train, folds=folds, settings=SETTINGS, device="cpu")
    with pytest.raises(TrialFailed, match="a single group to tune PLSR on"):
        made.calibrate_plsr(fit_plsr(train, folds))


def test_time_for_the_twins_of_plsr_grows_with_folds_and_falls_with_one_recipe() -> None:
    few, many = (plsr_twins_seconds(2.0, n, SETTINGS) for n in (1000, 1001))
    assert few == pytest.approx(4.0)  # three twins, each on two thirds of the rows
    assert many == pytest.approx(few / 12)
    repeated = plsr_twins_seconds(2.0, 1000, replace(SETTINGS, repeats=5))
    assert repeated == pytest.approx(4.0 * 4 / 16)  # tuned on 15 folds and all rows, twins on 3


def test_time_is_kept_back_for_refit_and_twins() -> None:
    trial = TrialRecord(
        number=0, state="complete", value=1.0, params={}, curve=(1.0,) * 10, best_epoch=5, seconds=9
    )
    networks_s = 9 / 10 / FOLDS * 5  # a fold's network up to the best epoch
    expected = networks_s * (2 * FOLDS / (FOLDS - 1) + FOLDS)
    assert refit_seconds((trial,), SETTINGS, FOLDS) == pytest.approx(expected)
    worse = replace(trial, number=1, value=2.0, label="published: x")
    both = refit_seconds((trial, worse), SETTINGS, FOLDS)
    assert both == pytest.approx(expected + networks_s * 2 * FOLDS / (FOLDS - 1))


def evaluate(spectra: Spectra, settings: SearchSettings) -> Evaluated:
    """Run the final evaluation of one design that was never searched."""
    plan: SplitPlan = make_split_plan(spectra, n_folds=settings.folds, repeats=settings.repeats)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    while True:
        params = study.ask(settings.space.distributions()).params
        overrun = settings.space.decode(params).overrun(spectra.axis, settings.caps)
        if max(overrun.values()) <= 0:
            break
    trial = TrialRecord(number=0, state="complete", value=1.0, params=params, best_epoch=EPOCHS)
    return FinalEvaluation(
        spectra=spectra,
        plan=plan,
        plsr=fit_plsr(spectra.rows(plan.train), plan.folds),
        settings=settings,
        device="cpu",
        on_step=lambda text: None,
    ).run((Candidate(name=final.WINNER, kind="winner", trial=trial),))


def rows_of(found: Evaluated) -> dict[str, ModelResult]:
    return {model.name: model for model in found.models}


def test_results_carry_the_bounds_that_the_kept_models_give(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    found = evaluate(spectra, replace(small_settings, repeats=2))
    values = found.test.values
    for name, key in final.KEPT.items():
        row, kept = rows_of(found)[name], found.calibrated[key]
        assert row.trust is not None
        predicted = kept.model.predict(values)
        np.testing.assert_array_equal(row.predicted, predicted)
        lower, upper = bounds(kept, values, predicted, row.trust.level)
        np.testing.assert_array_equal([row.lower, row.upper], [lower, upper])
        held = (lower <= found.test.target) & (found.test.target <= upper)
        assert row.trust.covered == held.mean()
        assert kept.domain.measure(values).inside == found.in_domain
        assert row.trust.inside == sum(found.in_domain)
        assert kept.calibration.n == spectra.n - found.test.n  # each row once, in spite of repeats
    assert rows_of(found)["mean"].trust is None
    assert found.notes == ()


def test_a_twin_that_cannot_be_trained_is_noted(
    spectra: Spectra, small_settings: SearchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise TrialFailed("the loss is not finite in epoch 2")

    monkeypatch.setattr(Twins, "_network_twins", fail)
    found = evaluate(spectra, small_settings)
    winner, plsr = (rows_of(found)[name] for name in final.KEPT)
    assert winner.scores is not None
    assert winner.trust is None
    assert plsr.trust is not None
    assert list(found.calibrated) == ["plsr"]
    assert found.notes == (
        "autospec winner has no intervals and cannot be kept: the loss is not finite in epoch 2.",
    )


def test_a_level_that_the_rows_cannot_support_is_noted(
    spectra: Spectra, small_settings: SearchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trusting, "DEFAULT_LEVEL", 0.99)
    found = evaluate(spectra, small_settings)
    assert [model.trust for model in found.models] == [None] * 3
    assert len(found.in_domain) == found.test.n
    assert "wants at least 99 calibration rows; this model has 45" in found.notes[0]
    assert set(found.calibrated) == {"winner", "plsr"}  # a lower level may still be asked for


def test_a_search_hands_over_the_winner_and_plsr_once_it_is_scored(
    spectra: Spectra, small_settings: SearchSettings
) -> None:
    given: dict[str, CalibratedModel] = {}
    execution = Execution(device="cpu", on_model=given.__setitem__)
    result = search(spectra, settings=replace(small_settings, trials=1), execution=execution)
    assert list(given) == ["winner", "plsr"]
    by_row = dict(zip(spectra.ids, spectra.values, strict=True))
    values = np.array([by_row[name] for name in result.test_ids])
    for name, key in final.KEPT.items():
        np.testing.assert_array_equal(
            given[key].model.predict(values), result.model(name).predicted
        )
        assert not set(given[key].train.ids) & set(result.test_ids)
