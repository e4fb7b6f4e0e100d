"""Calibrating a model of cubes: each row by the twin that missed it, bounds that hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from autospec.data.cubes.cubes import Cubes
from autospec.data.spectra import FloatArray
from autospec.data.splits import Fold
from autospec.errors import TrialFailed, UsageError
from autospec.evaluate.cube_trust import CalibratedCubes, calibrate_cubes, cube_bounds
from tests.evaluate.made_cubes import LevelModel, fit_level, made_cubes

TRAIN = made_cubes(40)


def blocks(n: int, k: int) -> tuple[Fold, ...]:
    """Cut n rows into k blocks, two rows beside each left out of its own fold."""
    found = []
    for part in np.array_split(np.arange(n), k):
        near = np.arange(max(part[0] - 2, 0), min(part[-1] + 3, n))
        found.append(Fold(fit=np.setdiff1d(np.arange(n), near), score=part))
    return tuple(found)


def forward(n: int, k: int) -> tuple[Fold, ...]:
    """Chain k folds: each learns from all rows before those that it scores."""
    pieces = np.array_split(np.arange(n), k + 1)
    return tuple(
        Fold(fit=np.concatenate(pieces[:i]), score=pieces[i]) for i in range(1, len(pieces))
    )


def calibrated(folds: tuple[Fold, ...], *, log: bool = False) -> CalibratedCubes:
    def fit(fold: Fold) -> LevelModel:
        return fit_level(TRAIN.rows(fold.fit))

    return calibrate_cubes(fit_level(TRAIN), TRAIN, folds, fit, log=log)


@pytest.mark.parametrize("log", [False, True])
def test_each_row_is_predicted_by_the_twin_that_missed_it(log: bool) -> None:
    folds = blocks(TRAIN.n, 4)
    calibration = calibrated(folds, log=log).calibration
    wanted = np.full(TRAIN.n, np.nan)
    for fold in folds:
        wanted[fold.score] = fit_level(TRAIN.rows(fold.fit)).predict(TRAIN.rows(fold.score))
    assert np.array_equal(calibration.out_of_fold, wanted) and calibration.log is log
    assert all(i in folds[twin].score for i, twin in enumerate(calibration.twin_of))
    assert np.array_equal(calibration.observed, TRAIN.target)


def test_rows_that_no_fold_scores_are_left_out_of_the_calibration() -> None:
    folds = forward(TRAIN.n, 4)
    made = calibrated(folds)
    scored = np.concatenate([fold.score for fold in folds])
    assert made.calibration.n == len(scored) < TRAIN.n
    assert np.array_equal(made.calibration.observed, TRAIN.target[scored])
    assert set(made.calibration.twin_of) == set(range(4)) and made.train is TRAIN


def test_a_row_that_two_folds_score_is_our_fault() -> None:
    folds = blocks(TRAIN.n, 4)
    with pytest.raises(AssertionError, match="missed by one twin only"):
        calibrated((*folds, folds[0]))


@dataclass(frozen=True)
class Broken:
    def predict(self, cubes: Cubes) -> FloatArray:
        return np.full(cubes.n, np.nan)


def test_a_twin_that_predicts_no_number_fails_the_calibration() -> None:
    with pytest.raises(TrialFailed, match="not finite"):
        calibrate_cubes(Broken(), TRAIN, blocks(TRAIN.n, 4), lambda _: Broken(), log=False)


def test_about_the_level_of_new_samples_of_the_same_kind_are_held() -> None:
    made, new = calibrated(blocks(TRAIN.n, 5)), made_cubes(400, seed=9)
    predicted = made.model.predict(new)
    lower, upper = cube_bounds(made, new, predicted, 0.8)
    assert (lower <= predicted).all() and (predicted <= upper).all()
    assert 0.7 < np.mean((new.target >= lower) & (new.target <= upper)) < 0.93


def test_a_level_that_the_rows_cannot_support_is_refused() -> None:
    made = calibrated(blocks(TRAIN.n, 5))
    with pytest.raises(UsageError, match=r"level 0\.99 wants at least 99 calibration rows"):
        cube_bounds(made, TRAIN, made.model.predict(TRAIN), 0.99)
