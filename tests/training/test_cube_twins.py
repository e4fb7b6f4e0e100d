"""The folds' networks of a training: the same training again, without what each fold misses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.splits import CubeSplit, make_cube_split
from autospec.data.cubes.synthetic import SyntheticSettings, synthesise
from autospec.errors import TrialFailed
from autospec.training.cube_ensemble import CubeEnsemble
from autospec.training.cube_fit import train_cubes
from autospec.training.cube_training import TrainResult, TrainSettings
from autospec.training.cube_twins import calibrate_training
from autospec.training.fit_config import FitConfig
from autospec.training.train_run import TrainRun
from tests.training.small_task import ALONE
from tests.training.test_cube_fit import TINY


@pytest.fixture(scope="module")
def cubes() -> Cubes:
    return synthesise(SyntheticSettings(n=140, window=6, steps=3, height=48, width=48), 0)[1]


def trained(cubes: Cubes, **how: Any) -> tuple[TrainResult, CubeEnsemble]:
    numbers: dict[str, Any] = {"max_epochs": 4, "learning_rate": 1e-2, "batch_size": 16, **how}
    settings = TrainSettings(
        architecture=TINY,
        split=CubeSplit(kind="random", folds=3),
        config=FitConfig(**numbers),
        target_transform="log1p",
    )
    made = train_cubes(cubes, name="made", settings=settings, run=TrainRun(processes=ALONE))
    assert made is not None
    return made


@pytest.mark.parametrize(
    "how",
    [
        {"schedule": "cosine"},
        {"schedule": "plateau", "max_epochs": 14, "patience": 14, "learning_rate": 3e-2},
        {"schedule": "constant", "max_epochs": 8, "patience": 2, "learning_rate": 3e-2},
    ],
    ids=["cosine", "plateau", "stopped early"],
)
def test_the_twin_of_the_watched_fold_is_the_network_itself(
    cubes: Cubes, how: dict[str, Any]
) -> None:
    """It learns from the same samples: rates, steps and the epoch that is kept have to be equal."""
    result, model = trained(cubes, **how)
    calibrated = calibrate_training(cubes, result, model)
    assert len(calibrated.twins) == 3
    found = [twin.predict(cubes) for twin in calibrated.twins]
    np.testing.assert_array_equal(found[0], model.predict(cubes))
    assert not np.array_equal(found[1], found[0])
    assert calibrated.calibration.log


def test_lab_values_that_a_twin_misses_do_not_teach_it(cubes: Cubes) -> None:
    result, model = trained(cubes)
    plan = make_cube_split(cubes, result.settings.split).plan
    target = cubes.target.copy()
    target[plan.train[plan.folds[1].score]] += 50.0
    other = replace(cubes, target=target)
    twins = [calibrate_training(c, result, model).twins[1] for c in (cubes, other)]
    np.testing.assert_array_equal(twins[0].predict(cubes), twins[1].predict(cubes))


@pytest.mark.parametrize("after", [0, 4])
def test_interrupted_it_fails_and_says_so(cubes: Cubes, after: int) -> None:
    result, model = trained(cubes)
    asked = iter(range(100))
    with pytest.raises(TrialFailed, match=r"was interrupted|ended before its first epoch"):
        calibrate_training(cubes, result, model, interrupted=lambda: next(asked) >= after)
