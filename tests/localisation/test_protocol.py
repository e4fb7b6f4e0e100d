"""The study design: draws that are wanted, whole, disjoint and repeatable; and their scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autospec.data import hypercube
from autospec.data.sampling import SamplingMethod
from autospec.data.spectra import IntArray, Spectra
from autospec.data.splits import SplitPlan
from autospec.errors import DataError
from autospec.localisation.protocol import (
    inner_folds,
    lay_draws,
    open_draw,
    score_outcome,
    training_samples,
)
from autospec.localisation.result import Draw
from autospec.localisation.settings import LocaliseSettings
from tests.localisation.landscape import landscape

METHODS: tuple[SamplingMethod, ...] = ("random", "kennard-stone", "clhs", "kmeans")
FARM = landscape(unlabelled=0).farm
SCANNED_TWICE = landscape(unlabelled=0, replicates=15).farm
SETTINGS = LocaliseSettings(n=24, draws=4, seed=11)


@pytest.fixture(autouse=True)
def short_annealing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A latin hypercube of 24 rows that is good enough here, in a twentieth of the time."""
    monkeypatch.setattr(hypercube, "SWAPS", 500)


def digests(plans: tuple[SplitPlan, ...]) -> list[str]:
    return [plan.digest for plan in plans]


def samples(farm: Spectra, rows: IntArray) -> set[str]:
    return {farm.groups[i] for i in rows}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("farm", [FARM, SCANNED_TWICE], ids=["once", "replicates"])
def test_a_draw_trains_on_so_many_whole_samples_and_tests_on_all_others(
    farm: Spectra, method: SamplingMethod
) -> None:
    for plan in lay_draws(farm, replace(SETTINGS, method=method)):
        train, test = samples(farm, plan.train), samples(farm, plan.sealed)
        assert len(train) == 24
        assert train.isdisjoint(test) and train | test == set(farm.groups)
        assert np.array_equal(np.sort(np.r_[plan.train, plan.sealed]), np.arange(farm.n))


@pytest.mark.parametrize("farm", [FARM, SCANNED_TWICE], ids=["once", "replicates"])
def test_inner_folds_are_of_training_rows_and_cut_no_sample(farm: Spectra) -> None:
    for plan in lay_draws(farm, SETTINGS):
        assert len(plan.folds) == 5
        scored = np.sort(np.concatenate([fold.score for fold in plan.folds]))
        assert np.array_equal(scored, np.arange(len(plan.train)))
        inside = farm.rows(plan.train)
        for fold in plan.folds:
            assert samples(inside, fold.fit).isdisjoint(samples(inside, fold.score))


@pytest.mark.parametrize("method", METHODS)
def test_draws_differ_for_every_method(method: SamplingMethod) -> None:
    assert len(set(digests(lay_draws(FARM, replace(SETTINGS, method=method))))) == 4


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_lays_the_same_draws_and_another_seed_others(method: SamplingMethod) -> None:
    settings = replace(SETTINGS, method=method)
    first = digests(lay_draws(FARM, settings))
    assert first == digests(lay_draws(FARM, settings))
    assert set(first).isdisjoint(digests(lay_draws(FARM, replace(settings, seed=12))))


@pytest.mark.parametrize("method", METHODS)
def test_more_draws_keep_the_first_ones(method: SamplingMethod) -> None:
    settings = replace(SETTINGS, method=method)
    more = digests(lay_draws(FARM, replace(settings, draws=6)))
    assert more[:4] == digests(lay_draws(FARM, settings))


@pytest.mark.parametrize("method", METHODS)
def test_lab_values_do_not_decide_which_samples_train(method: SamplingMethod) -> None:
    settings = replace(SETTINGS, method=method)
    other = replace(FARM, target=np.random.default_rng(0).permutation(FARM.target))
    for ours, theirs in zip(lay_draws(FARM, settings), lay_draws(other, settings), strict=True):
        assert np.array_equal(ours.train, theirs.train)


def test_lab_values_of_test_rows_do_not_change_a_draw() -> None:
    plan = lay_draws(FARM, SETTINGS)[0]
    target = FARM.target.copy()
    target[plan.sealed] = 1000.0 - target[plan.sealed]
    assert lay_draws(replace(FARM, target=target), SETTINGS)[0].digest == plan.digest


@pytest.mark.parametrize(
    ("there", "wanted", "trained"),
    [(40, 24, 24), (40, 30, 30), (39, 30, 29), (20, 30, 15), (13, 30, 9), (10, 10, 7)],
)
def test_a_quarter_of_the_samples_is_kept_to_test_on(there: int, wanted: int, trained: int) -> None:
    assert training_samples(there, wanted) == trained
    plan = lay_draws(FARM.rows(range(there)), replace(SETTINGS, n=wanted))[0]
    assert (len(plan.train), plan.n_test) == (trained, there - trained)


@pytest.mark.parametrize("scans", [1, 2])
def test_nine_samples_are_refused_however_often_they_were_scanned(scans: int) -> None:
    nine = FARM.rows(np.tile(np.arange(9), scans))
    with pytest.raises(DataError, match=r"9 samples with soc; want at least 10.*Add lab values"):
        lay_draws(nine, SETTINGS)


def test_ten_samples_do() -> None:
    assert len(lay_draws(FARM.rows(range(10)), SETTINGS)) == 4


def test_a_constant_lab_value_is_refused() -> None:
    flat = replace(FARM, target=np.full(FARM.n, 12.5))
    with pytest.raises(
        DataError, match=r"all 40 samples of the farm have soc = 12\.5 g/kg; want values that"
    ):
        lay_draws(flat, SETTINGS)


def test_the_final_model_has_folds_and_no_test_rows() -> None:
    plan = inner_folds(FARM, 3)
    assert plan.n_test == 0 and len(plan.train) == FARM.n and len(plan.folds) == 5


def test_opening_a_draw_asks_every_model_for_the_test_rows() -> None:
    plan = lay_draws(FARM, SETTINGS)[2]
    draw, predicted = open_draw(
        plan, 2, [("row number", lambda rows: rows.astype(float)), ("zero", np.zeros_like)]
    )
    assert draw == Draw(number=2, train=tuple(plan.train), test=tuple(plan.sealed))
    assert set(predicted) == {"row number", "zero"}
    np.testing.assert_array_equal(predicted["row number"], draw.test)


def test_an_outcome_is_scored_on_the_test_rows() -> None:
    draw = Draw(number=0, train=(0, 1, 2), test=(3, 4, 5))
    observed = np.array([99.0, 99.0, 99.0, 1.0, 2.0, 6.0])
    outcome = score_outcome(
        draw, observed, np.array([2.0, 3.0, 7.0]), inner_rmse=0.5, detail="made", seconds=1.0
    )
    assert (outcome.rmse, outcome.me) == pytest.approx((1.0, 1.0))
    assert outcome.sde == pytest.approx(0.0, abs=1e-12)
    assert outcome.r2 == pytest.approx(1 - 3 / 14)
    assert outcome.predicted == (2.0, 3.0, 7.0) and outcome.inner_rmse == 0.5


def test_where_test_rows_are_constant_what_has_no_value_is_none() -> None:
    draw = Draw(number=0, train=(), test=(0, 1, 2))
    outcome = score_outcome(
        draw, np.full(3, 4.0), np.array([4.0, 5.0, 3.0]), inner_rmse=None, detail="", seconds=0.0
    )
    assert (outcome.ccc, outcome.r2, outcome.rpiq) == (None, None, None)
    assert outcome.rmse == pytest.approx(np.sqrt(2 / 3))


@pytest.mark.parametrize("method", METHODS)
def test_a_draw_has_the_same_rows_whichever_draws_run(method: SamplingMethod) -> None:
    settings = replace(SETTINGS, method=method)
    later = replace(settings, draws=6, first_draw=3)
    assert list(later.numbers) == [3, 4, 5]
    laid, before = lay_draws(FARM, later), digests(lay_draws(FARM, settings))
    assert digests(laid)[3] == before[3]
    assert digests(laid) == digests(lay_draws(FARM, replace(later, first_draw=0)))
