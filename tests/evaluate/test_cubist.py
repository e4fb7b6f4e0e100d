"""Cubist: a plain refusal without the extra; with it, tuned on the folds and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from autospec.data.spectra import Spectra
from autospec.data.splits import Fold, make_folds
from autospec.errors import UsageError
from autospec.evaluate.cubist import fit_cubist, have_cubist
from autospec.evaluate.fitted import Fitted
from tests.conftest import made_spectra

with_cubist = pytest.mark.skipif(not have_cubist(), reason="the extra [baselines] is not installed")


def test_without_the_extra_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autospec.evaluate.cubist.have_cubist", lambda: False)
    train = made_spectra(20)
    with pytest.raises(UsageError, match=r'pip install "autospec-soil\[baselines\]"'):
        fit_cubist(train, make_folds(train, 4, 1, 0))


@pytest.fixture(scope="module")
def field() -> Spectra:
    return made_spectra(90)


@pytest.fixture(scope="module")
def folds(field: Spectra) -> tuple[Fold, ...]:
    return make_folds(field.rows(range(40)), 4, 1, 0)


@pytest.fixture(scope="module")
def fitted(field: Spectra, folds: tuple[Fold, ...]) -> Fitted:
    return fit_cubist(field.rows(range(40)), folds)


@with_cubist
def test_a_law_of_the_spectra_is_learnt(fitted: Fitted, field: Spectra) -> None:
    off = fitted.predict(field.values[40:]) - field.target[40:]
    assert np.sqrt(np.mean(off**2)) < 0.5 * field.target[40:].std()
    assert np.corrcoef(fitted.out_of_fold, field.target[:40])[0, 1] > 0.9


@with_cubist
def test_rows_are_predicted_each_on_its_own(fitted: Fitted, field: Spectra) -> None:
    together = fitted.predict(field.values[40:])
    np.testing.assert_allclose(fitted.predict(field.values[43:44]), together[3:4], rtol=1e-9)


@with_cubist
def test_the_same_rows_give_the_same_model(
    fitted: Fitted, field: Spectra, folds: tuple[Fold, ...]
) -> None:
    again = fit_cubist(field.rows(range(40)), folds)
    np.testing.assert_array_equal(again.predict(field.values), fitted.predict(field.values))
    assert again.detail == fitted.detail
