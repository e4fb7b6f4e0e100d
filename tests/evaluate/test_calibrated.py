"""Calibrating a model: each row by the twin that missed it, and a domain of the same rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from autospec.data.spectra import FloatArray
from autospec.data.splits import Fold, make_folds
from autospec.errors import TrialFailed
from autospec.evaluate.baselines import MeanModel, fit_mean
from autospec.evaluate.calibrated import CalibratedModel, calibrate, fit_twins
from tests.evaluate.test_domain import soils

TRAIN = soils(24, 0)
FOLDS = make_folds(TRAIN, 4, 1, 0)


def fit(fold: Fold) -> MeanModel:
    return fit_mean(TRAIN.rows(fold.fit))


def made(*, log: bool = False) -> CalibratedModel:
    return calibrate(fit_mean(TRAIN), TRAIN, FOLDS, fit, log=log)


def test_each_row_is_predicted_by_the_twin_that_missed_it() -> None:
    calibration = made().calibration
    for i in range(TRAIN.n):
        fold = FOLDS[calibration.twin_of[i]]
        assert i in fold.score and i not in fold.fit
        assert calibration.out_of_fold[i] == TRAIN.target[fold.fit].mean()
    assert np.array_equal(calibration.observed, TRAIN.target)


@pytest.mark.parametrize("log", [False, True])
def test_what_was_given_is_kept(log: bool) -> None:
    calibrated = made(log=log)
    assert len(calibrated.twins) == len(FOLDS)
    assert calibrated.train is TRAIN and calibrated.calibration.log is log
    assert calibrated.model.predict(TRAIN.values[:1])[0] == TRAIN.target.mean()
    assert np.array_equal(calibrated.domain.axis, TRAIN.axis)
    assert np.mean(calibrated.domain.measure(TRAIN.values).inside) > 0.8


@dataclass(frozen=True)
class Broken:
    def predict(self, values: FloatArray) -> FloatArray:
        return np.full(len(values), np.nan)


def test_a_twin_that_predicts_no_number_fails_the_calibration() -> None:
    with pytest.raises(TrialFailed, match="not finite"):
        fit_twins(TRAIN, FOLDS, lambda fold: Broken(), log=False)


@pytest.mark.parametrize(
    "folds", [FOLDS[:-1], (*FOLDS, FOLDS[0])], ids=["a row missed by none", "a row missed twice"]
)
def test_folds_that_do_not_score_each_row_once_are_our_fault(folds: tuple[Fold, ...]) -> None:
    with pytest.raises(AssertionError, match="missed by"):
        fit_twins(TRAIN, folds, fit, log=False)
