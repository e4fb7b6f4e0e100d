"""Coverage and domain on test rows: counted by hand, and Wilson's interval by its own property."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospec.data.spectra import FloatArray
from autospec.data.splits import make_folds
from autospec.errors import UsageError
from autospec.evaluate.baselines import fit_mean
from autospec.evaluate.calibrated import CalibratedModel, calibrate
from autospec.evaluate.conformal import Calibration, cv_plus
from autospec.evaluate.trust import (
    NORMAL_95,
    Trust,
    bounds,
    holding_bounds,
    summarise_trust,
    wilson,
)
from tests.evaluate.test_domain import soils

TRAIN, TEST = soils(40, 0), soils(30, 1)
ODD = 100 * TEST.values[:6]


@pytest.fixture(scope="module")
def calibrated() -> CalibratedModel:
    folds = make_folds(TRAIN, 5, 1, 0)
    return calibrate(
        fit_mean(TRAIN), TRAIN, folds, lambda fold: fit_mean(TRAIN.rows(fold.fit)), log=False
    )


def measured(
    calibrated: CalibratedModel,
    values: FloatArray,
    observed: FloatArray,
    predicted: FloatArray,
    level: float,
) -> Trust:
    interval = bounds(calibrated, values, predicted, level)
    inside = np.array(calibrated.domain.measure(values).inside)
    return summarise_trust(observed, predicted, interval, inside, level)


def test_what_is_measured_is_what_a_hand_counts(calibrated: CalibratedModel) -> None:
    values = np.vstack([TEST.values, ODD])
    rng = np.random.default_rng(0)
    observed = rng.uniform(-20, 60, len(values))
    predicted = calibrated.model.predict(values)
    lower, upper = bounds(calibrated, values, predicted, 0.8)
    trust = measured(calibrated, values, observed, predicted, 0.8)
    hits = sum(low <= y <= high for low, y, high in zip(lower, observed, upper, strict=True))
    assert 0 < hits < len(values)
    assert (trust.level, trust.rows, trust.covered) == (0.8, 36, hits / 36)
    assert trust.covered_low < trust.covered < trust.covered_high
    assert trust.mean_width == pytest.approx(np.mean(upper - lower))
    inside = np.array(calibrated.domain.measure(values).inside)
    assert trust.inside == inside.sum() < 36 and not inside[30:].any()
    errors = (predicted - observed) ** 2
    assert trust.rmse_inside == pytest.approx(math.sqrt(errors[inside].mean()))
    assert trust.rmse_outside == pytest.approx(math.sqrt(errors[~inside].mean()))


def test_where_no_row_is_outside_there_is_no_error_of_those(calibrated: CalibratedModel) -> None:
    rows = np.flatnonzero(calibrated.domain.measure(TEST.values).inside)
    values, observed = TEST.values[rows], TEST.target[rows]
    trust = measured(calibrated, values, observed, np.zeros(len(rows)), 0.9)
    assert trust.rmse_outside is None and trust.rmse_inside is not None


@given(seed=st.integers(0, 50), level=st.sampled_from([0.05, 0.3, 0.9]))
def test_an_interval_holds_its_prediction_and_is_no_narrower_than_cv_plus(
    seed: int, level: float
) -> None:
    rng = np.random.default_rng(seed)
    y = rng.normal(50, 5, 20)
    calibration = Calibration(
        observed=y, out_of_fold=y + rng.normal(size=20), twin_of=(0, 1) * 10, log=False
    )
    by_twin, predicted = rng.normal(50, 10, (2, 9)), rng.normal(50, 10, 9)
    lower, upper = holding_bounds(calibration, by_twin, predicted, level)
    low, high = cv_plus(calibration, by_twin, level)
    assert ((lower <= predicted) & (predicted <= upper)).all()
    assert (lower <= low).all() and (upper >= high).all()


def test_a_level_without_support_is_refused_before_the_twins_predict(
    calibrated: CalibratedModel,
) -> None:
    with pytest.raises(UsageError, match="support at most"):
        bounds(calibrated, np.empty((0, 0)), np.empty(0), 0.99)


@given(n=st.integers(1, 400), share=st.floats(0, 1))
def test_wilsons_ends_are_where_the_score_test_just_rejects(n: int, share: float) -> None:
    hits = round(share * n)
    found, low, high = wilson(hits, n)
    assert found == hits / n and 0 <= low <= found <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            score = abs(found - end) / math.sqrt(end * (1 - end) / n)
            assert score == pytest.approx(NORMAL_95, rel=1e-6)
