"""Views: fitted on training rows, of length about 1, narrowed where bands are few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autospec.data.preprocess import Preprocessing, make_pipeline, published_step
from autospec.data.sites import load_site
from autospec.evaluate.views import FOUR_VIEWS, SNV_VIEW, fit_views
from tests.conftest import made_spectra


@pytest.mark.parametrize("recipes", [FOUR_VIEWS, SNV_VIEW, FOUR_VIEWS[2:3]])
def test_training_rows_have_length_one_on_average(recipes: tuple[Preprocessing, ...]) -> None:
    train = load_site("france")
    x = fit_views(train, recipes).transform(train.values)
    # Bands of variance 1, over the root of their number.
    assert np.mean((x**2).sum(axis=1)) == pytest.approx(1.0, rel=1e-9)
    np.testing.assert_allclose(x.mean(axis=0), 0.0, atol=1e-9)


def test_views_stand_side_by_side() -> None:
    train = load_site("sweden-skane").rows(range(40))
    views = fit_views(train)
    step = published_step(train.axis)
    alone = [
        make_pipeline(replace(recipe, step=step), train.axis, train.quantity)
        for recipe in FOUR_VIEWS
    ]
    parts = [pipeline.fit_transform(train.values) for pipeline in alone]
    wanted = np.hstack(parts) / np.sqrt(sum(part.shape[1] for part in parts))
    np.testing.assert_allclose(views.transform(train.values), wanted, rtol=1e-12)


def test_rows_outside_training_leave_the_views_alone() -> None:
    farm = made_spectra(30)
    views = fit_views(farm.rows(range(20)))
    together = views.transform(farm.values)
    np.testing.assert_allclose(views.transform(farm.values[25:]), together[25:], rtol=1e-12)


def test_the_recipe_of_a_table_is_at_its_own_step() -> None:
    train = load_site("sweden-skane")
    assert fit_views(train, SNV_VIEW).bands == 208  # 2080 nm in steps of 10


@pytest.mark.parametrize("b", [2, 3, 4, 10, 14, 15])
def test_few_bands_narrow_the_filters(b: int) -> None:
    train = made_spectra(20, b)
    x = fit_views(train).transform(train.values)
    assert x.shape == (20, 4 * b) and np.isfinite(x).all()
