"""The score of a 3D-CNN: nothing is fitted to the rows that score it, and equal designs tie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.scaling import CubePreprocessing
from autospec.data.splits import Fold
from autospec.errors import TrialFailed
from autospec.search.cubes.design import CubeDesign
from autospec.search.cubes.objective import CubeValidation, scored_member
from autospec.search.cubes.twins import predict_missed, train_twins
from autospec.training.cube_ensemble import fit_cube_ensemble
from autospec.training.ensemble import with_epochs
from tests.search.cubes.made_study import SPACE, made_cubes, plan_for

EPOCHS = 3


@pytest.fixture(scope="module")
def validation() -> CubeValidation:
    found = plan_for(made_cubes()).validation
    assert isinstance(found, CubeValidation)
    return found


@pytest.fixture(scope="module")
def design() -> CubeDesign:
    reference = SPACE.reference_design()
    return replace(reference, training=with_epochs(reference.training, EPOCHS))


def spoilt(cubes: Cubes, rows: np.ndarray) -> Cubes:
    """Other values and lab values in these rows."""
    values, target = cubes.values.copy(), cubes.target.copy()
    values[rows] += 1e3
    target[rows] += 50.0
    return replace(cubes, values=values, target=target)


@pytest.mark.parametrize("mask_channel", [False, True])
def test_scaling_does_not_see_the_rows_that_score(
    validation: CubeValidation, mask_channel: bool
) -> None:
    recipe, train = CubePreprocessing(mask_channel=mask_channel), validation.train
    fold = validation.folds[0]
    member = scored_member(recipe, train, fold, 0)
    other = scored_member(recipe, spoilt(train, fold.score), fold, 0)
    np.testing.assert_array_equal(member.x_fit, other.x_fit)
    np.testing.assert_array_equal(member.y_fit, other.y_fit)
    assert member.x_fit.shape == (len(fold.fit), *recipe.arriving(train.shape))
    assert member.x_fit.dtype == np.float32
    assert member.x_score is not None
    assert other.x_score is not None
    assert np.abs(other.x_score - member.x_score).max() > 10


def test_equal_designs_score_equally_wherever_they_are_trained(
    validation: CubeValidation, design: CubeDesign
) -> None:
    here = validation.evaluate(design).fold_rmse
    there = replace(validation, threads=1).evaluate(design).fold_rmse
    np.testing.assert_array_equal(there, here)
    assert here.shape == (len(validation.folds), EPOCHS)


def test_a_design_that_does_not_fit_is_lost_with_words(validation: CubeValidation) -> None:
    design = SPACE.reference_design()
    deep = replace(design.architecture, conv=(replace(design.architecture.conv[0], stride=2),) * 4)
    with pytest.raises(TrialFailed, match="does not fit"):
        validation.evaluate(replace(design, architecture=deep))


def test_a_twin_does_not_know_its_fold(validation: CubeValidation, design: CubeDesign) -> None:
    train, folds = validation.train, validation.folds
    twins = [
        train_twins(cubes, folds, design, EPOCHS, seed=0, device="cpu")[1]
        for cubes in (train, spoilt(train, folds[1].score))
    ]
    np.testing.assert_array_equal(twins[0].predict(train), twins[1].predict(train))


def test_a_row_that_no_fold_scores_has_no_prediction(
    validation: CubeValidation, design: CubeDesign
) -> None:
    train = validation.train
    half = train.n // 2
    later = (Fold(fit=np.arange(half), score=np.arange(half, train.n)),)
    twins = train_twins(train, later, design, EPOCHS, seed=0, device="cpu")
    missed = predict_missed(train, later, twins)
    assert np.isnan(missed[:half]).all()
    np.testing.assert_array_equal(missed[half:], twins[0].predict(train.rows(later[0].score)))


def test_an_ensemble_predicts_the_same_in_blocks(
    validation: CubeValidation, design: CubeDesign, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensemble = fit_cube_ensemble(
        validation.train,
        design.preprocessing,
        design.architecture,
        design.training,
        seeds=(0, 1),
        device="cpu",
    )
    whole = ensemble.predict(validation.train)
    cells = 7 * int(np.prod(validation.train.shape))
    monkeypatch.setattr("autospec.data.cubes.pieces.CELLS_AT_ONCE", cells)
    # float32 sums of a batch may be ordered by its size
    np.testing.assert_allclose(ensemble.predict(validation.train), whole, rtol=1e-5)
    assert ensemble.predict(validation.train.rows([])).shape == (0,)
    x = ensemble.scaler.transform(validation.train)
    alone = [member.predict(x) for member in ensemble.members]
    np.testing.assert_array_equal(whole, np.mean(alone, axis=0))
