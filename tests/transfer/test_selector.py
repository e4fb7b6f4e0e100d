"""`RSLocalSelector` keeps scikit-learn's manners and selects what `rs_local` selects."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks as checks

from autospec import RSLocalSelector, RSLocalSettings, rs_local
from tests.transfer.planted import planted

CASE = planted(150, 15, b=40, seed=6)
SETTINGS = RSLocalSettings(k=30, b=5, r=0.2, components=5, tolerance=0.0)
X, Y = CASE.library.values, CASE.library.target
LOCAL = (CASE.local.values, CASE.local.target)


@pytest.fixture
def fitted() -> RSLocalSelector:
    selector = RSLocalSelector(SETTINGS, random_state=4, device="cpu")
    return selector.fit(X, Y, local=LOCAL)


@pytest.mark.parametrize(
    "check",
    [
        checks.check_estimator_cloneable,
        checks.check_estimator_repr,
        checks.check_get_params_invariance,
        checks.check_set_params,
        checks.check_no_attributes_set_in_init,
        checks.check_parameters_default_constructible,
    ],
    ids=lambda check: check.__name__,
)
def test_scikit_learn_checks_that_fit_nothing(check: object) -> None:
    check("RSLocalSelector", RSLocalSelector())  # type: ignore[operator]


def test_it_selects_what_the_verb_selects(fitted: RSLocalSelector) -> None:
    wanted = rs_local(CASE.library, CASE.local, SETTINGS, seed=4, device="cpu").indices
    np.testing.assert_array_equal(fitted.get_support(indices=True), wanted)
    np.testing.assert_array_equal(np.flatnonzero(fitted.get_support()), wanted)
    np.testing.assert_array_equal(fitted.transform(X), X[wanted])
    assert fitted.n_features_in_ == 40


def test_a_clone_fits_the_same(fitted: RSLocalSelector) -> None:
    again = clone(fitted)
    with pytest.raises(NotFittedError):
        again.get_support()
    with pytest.raises(NotFittedError):
        again.transform(X)
    again.fit(X, Y, local=LOCAL)
    np.testing.assert_array_equal(again.support_, fitted.support_)


def test_tables_of_other_shapes_are_refused(fitted: RSLocalSelector) -> None:
    with pytest.raises(ValueError, match="X has 149 rows, the fitted library 150"):
        fitted.transform(X[:-1])
    with pytest.raises(ValueError, match="X has 39 features"):
        fitted.transform(X[:, :-1])
    with pytest.raises(ValueError, match="local has 39 bands, X has 40"):
        clone(fitted).fit(X, Y, local=(LOCAL[0][:, :-1], LOCAL[1]))
    with pytest.raises(ValueError, match="NaN"):
        clone(fitted).fit(np.where(X.max() - 1e-9 < X, np.nan, X), Y, local=LOCAL)


def test_row_numbers_are_not_taken_for_names(fitted: RSLocalSelector) -> None:
    assert fitted.selection_.purged == 0
    both = RSLocalSelector(SETTINGS, device="cpu").fit(
        np.vstack([X, LOCAL[0]]), np.append(Y, LOCAL[1]), local=LOCAL
    )
    assert both.selection_.purged == len(LOCAL[0])


def test_groups_reach_the_settings_that_use_them() -> None:
    settings = RSLocalSettings(
        version="v2", k=30, b=3, r=0.3, components=5, tolerance=0.0, grouped=True
    )
    groups = np.arange(150) // 2
    selector = RSLocalSelector(settings, device="cpu").fit(X, Y, local=LOCAL, groups=groups)
    assert selector.support_.sum() == 30
