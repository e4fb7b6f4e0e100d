"""Twins and bounds of a draw: what they see, what they may not see, and how draws are pooled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from autospec.data.spectra import FloatArray
from autospec.localisation.candidates import LibraryModels, learn_library
from autospec.localisation.pieces import Piece
from autospec.localisation.protocol import inner_folds, lay_draws
from autospec.localisation.result import AUTO, DrawTrust
from autospec.localisation.trust_draw import interval_level, measure_intervals, pool_trust
from autospec.localisation.twins import fit_auto, lay_twins
from tests.localisation.landscape import QUICK, few_recipes, first_draw, landscape, made_ready

WORLD = landscape(rows=20, samples=34, unlabelled=0, replicates=4)
PREPARED = made_ready(WORLD)
PLAN = lay_draws(WORLD.farm, QUICK)[0]
TEST = PLAN.unseal()


@pytest.fixture(autouse=True, scope="module")
def light() -> Iterator[None]:
    with few_recipes():
        yield


@pytest.fixture(scope="module")
def models() -> LibraryModels:
    return learn_library(PREPARED.narrow, QUICK.seed)


@pytest.fixture(scope="module")
def baselines() -> Piece:
    return first_draw(WORLD)


@pytest.fixture(scope="module")
def measured(models: LibraryModels, baselines: Piece) -> Piece:
    return measure_intervals(PREPARED, models, PLAN, baselines, level=0.9, seed=QUICK.seed)


def test_every_row_is_missed_by_one_twin_and_replicates_together() -> None:
    twins = lay_twins(PREPARED, learn_library(PREPARED.narrow, 0), PLAN.train, 3)
    assert len(twins.folds) == 3
    scored = np.concatenate([fold.score for fold in twins.folds])
    assert sorted(scored) == list(range(len(PLAN.train)))
    for fold in twins.folds:
        groups = [{twins.train.groups[i] for i in part} for part in (fold.fit, fold.score)]
        assert not groups[0] & groups[1]


def test_a_twin_is_auto_fitted_on_the_other_rows_alone(models: LibraryModels) -> None:
    twins = lay_twins(PREPARED, models, PLAN.train, 3)
    fold = twins.folds[1]
    rows = PLAN.train[fold.fit]
    folds = inner_folds(PREPARED.raw.rows(rows), 3).folds
    alone, _ = fit_auto(PREPARED, models, rows, folds)
    held = PREPARED.raw.values[PLAN.train[fold.score]]
    np.testing.assert_array_equal(twins.fit(fold).predict(held), alone.predict(held))


def test_lab_values_of_test_rows_change_no_bound(
    models: LibraryModels, baselines: Piece, measured: Piece
) -> None:
    target = WORLD.farm.target.copy()
    target[TEST] = target[TEST][::-1] + 100.0
    other = made_ready(replace(WORLD, farm=replace(WORLD.farm, target=target)))
    again = measure_intervals(other, models, PLAN, baselines, level=0.9, seed=QUICK.seed)
    assert again.trust == measured.trust is not None


def test_bounds_hold_the_predictions_of_the_draw(baselines: Piece, measured: Piece) -> None:
    predicted = next(m.outcome.predicted for m in baselines.models if m.name == AUTO)
    assert measured.trust is not None and measured.trust.draw == baselines.draw.number
    assert (np.array(measured.trust.lower) <= predicted).all()
    assert (predicted <= np.array(measured.trust.upper)).all()
    assert len(measured.trust.inside) == len(baselines.draw.test)


def test_without_auto_there_are_no_intervals(models: LibraryModels, baselines: Piece) -> None:
    others = tuple(m for m in baselines.models if m.name != AUTO)
    piece = measure_intervals(
        PREPARED, models, PLAN, replace(baselines, models=others), level=0.9, seed=0
    )
    assert piece.trust is None and piece.failures == {AUTO: "auto has no result"}


def bounded(piece: Piece, half: FloatArray | float) -> DrawTrust:
    predicted = np.array(next(m.outcome.predicted for m in piece.models if m.name == AUTO))
    return DrawTrust(
        draw=piece.draw.number,
        level=0.9,
        lower=tuple((predicted - half).tolist()),
        upper=tuple((predicted + half).tolist()),
        inside=(True,) * len(predicted),
    )


@pytest.mark.parametrize(("half", "share"), [(1e6, 1.0), (0.0, 0.0)])
def test_bounds_that_hold_all_or_nothing_are_certain(
    baselines: Piece, half: float, share: float
) -> None:
    trust = pool_trust(PREPARED.farm.own, [baselines], [bounded(baselines, half)], 0)
    assert trust is not None and trust.rmse_outside is None
    np.testing.assert_allclose((trust.covered, trust.covered_low, trust.covered_high), share)
    assert trust.mean_width == pytest.approx(2 * half)


def test_the_same_rows_in_many_draws_do_not_make_the_coverage_more_certain(
    baselines: Piece,
) -> None:
    """Ten copies of a draw test the same few samples: Wilson's interval would be far narrower."""
    half = np.median(
        np.abs(
            np.array(next(m.outcome.predicted for m in baselines.models if m.name == AUTO))
            - PREPARED.farm.own.target[list(baselines.draw.test)]
        )
    )
    copies = [replace(baselines, draw=replace(baselines.draw, number=i)) for i in range(10)]
    one = pool_trust(PREPARED.farm.own, copies[:1], [bounded(copies[0], half)], 0)
    ten = pool_trust(PREPARED.farm.own, copies, [bounded(copy, half) for copy in copies], 0)
    assert one is not None and ten is not None and ten.rows == 10 * one.rows
    widths = [trust.covered_high - trust.covered_low for trust in (one, ten)]
    assert widths[1] > 0.8 * widths[0]


def test_without_measured_draws_there_is_no_trust(baselines: Piece) -> None:
    assert pool_trust(PREPARED.farm.own, [baselines], [], 0) is None


def test_the_level_is_what_the_smallest_draw_supports() -> None:
    few = replace(PLAN, train=PLAN.train[:8])
    assert (interval_level([PLAN]), interval_level([PLAN, few])) == (0.9, 0.8)
