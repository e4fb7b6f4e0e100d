"""The scikit-learn estimators keep scikit-learn's manners."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict
from sklearn.utils.estimator_checks import parametrize_with_checks

from autospec import (
    Architecture,
    ConvBlock,
    Preprocessing,
    SearchSettings,
    SpectralRegressor,
    SpectralSearchCV,
)
from autospec.search.space import SearchSpace
from tests.conftest import made_spectra

TINY = Architecture(conv=(ConvBlock(kernel=3, filters=4, padding="same", activation="ELU"),))
FAST_SEARCH = SearchSettings(
    trials=2,
    folds=2,
    members=1,
    published=False,
    space=SearchSpace(
        conv_blocks=(1, 1),
        filters=(2, 4),
        kernel=(2, 2),
        stride=(1, 1),
        padding=("same",),
        pooling=("none",),
        fc_blocks=(0, 0),
        step=(1, 1),
        savgol=(False,),
        scatter=("none",),
        quantity=("absorbance",),
        target=("z-score",),
        max_epochs=4,
    ),
)


@parametrize_with_checks(
    [
        SpectralRegressor(TINY, epochs=30, members=1, device="cpu"),
        SpectralSearchCV(FAST_SEARCH, device="cpu"),
    ]
)
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_the_regressor_is_seeded_and_clones_equal() -> None:
    s = made_spectra(n=40)
    first = SpectralRegressor(TINY, axis=s.axis, epochs=5, members=2, device="cpu")
    predictions = [m.fit(s.values, s.target).predict(s.values) for m in (first, clone(first))]
    np.testing.assert_array_equal(*predictions)
    other = clone(first).set_params(random_state=1).fit(s.values, s.target)
    assert not np.array_equal(other.predict(s.values), predictions[0])


def test_the_regressor_beats_the_mean_out_of_fold() -> None:
    s = made_spectra(n=80)
    recipe = Preprocessing(quantity="absorbance", step=20.0)
    model = SpectralRegressor(TINY, recipe, axis=s.axis, epochs=80, members=1)
    predicted = cross_val_predict(model, s.values, s.target, cv=4)
    assert np.sqrt(np.mean((predicted - s.target) ** 2)) < 0.5 * s.target.std()


def test_an_axis_of_the_wrong_length_is_refused() -> None:
    s = made_spectra(n=20)
    with pytest.raises(ValueError, match="want 40 ascending band positions"):
        SpectralRegressor(TINY, axis=s.axis[:-1]).fit(s.values, s.target)


def test_the_search_keeps_groups_whole_and_tells_its_winner() -> None:
    s = made_spectra(n=40)
    groups = np.repeat(np.arange(20), 2)
    model = SpectralSearchCV(FAST_SEARCH, axis=s.axis, random_state=5).fit(
        s.values, s.target, groups=groups
    )
    complete = [t for t in model.trials_ if t.value is not None]
    assert model.best_score_ == min(t.value for t in complete if t.value is not None)
    assert model.best_design_.architecture.conv[0].padding == "same"
    assert model.predict(s.values).shape == (40,)
