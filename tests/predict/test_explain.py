"""Influence: smooth occlusion finds the bands that a known model reads."""

from __future__ import annotations

import numpy as np
import pytest

from autospec.data.spectra import FloatArray, Quantity, Spectra
from autospec.data.splits import make_folds
from autospec.evaluate.domain import Domain, fit_domain
from autospec.predict.explain import (
    MOST_ROWS,
    influence,
    matched,
    mean_spectrum,
    smooth_windows,
)

AXIS = np.arange(400.0, 2500.0, 10.0)


def make_domain(quantity: Quantity = "absorbance", n: int = 40) -> tuple[Domain, FloatArray]:
    rng = np.random.default_rng(0)
    shapes = np.stack([np.sin(AXIS / 300), np.cos(AXIS / 200), AXIS / 2500])
    values = 0.5 + 0.05 * rng.standard_normal((n, 3)) @ shapes
    names = tuple(str(i) for i in range(n))
    spectra = Spectra(
        values=values.copy(),
        axis=AXIS.copy(),
        axis_unit="nm",
        quantity=quantity,
        ids=names,
        groups=names,
        fields=("f",) * n,
        target=np.zeros(n),
        target_name="soc",
        target_unit="g/kg",
    )
    return fit_domain(spectra, make_folds(spectra, 5, 1, 0)), values


@pytest.mark.parametrize("windows", [2, 7, 48])
def test_the_windows_sum_to_one_at_every_band(windows: int) -> None:
    _, shares = smooth_windows(AXIS, windows)
    np.testing.assert_allclose(shares.sum(axis=0), 1.0, rtol=1e-12)


def test_the_influence_lies_where_the_model_looks() -> None:
    domain, values = make_domain()
    band = int(np.argmin(np.abs(AXIS - 1400)))
    found = influence(lambda x: x[None, :, band] * 3.0, domain, values)
    assert abs(found.centres[np.argmax(found.size)] - 1400) <= found.centres[1] - found.centres[0]
    assert np.all(found.size[np.abs(found.centres - 1400) > 100] < 1e-9)


def test_the_influence_on_a_linear_model_is_that_of_the_features_in_the_window() -> None:
    domain, values = make_domain()
    slopes = np.random.default_rng(1).standard_normal(len(AXIS))
    found = influence(lambda x: (x @ slopes)[None], domain, values)
    _, shares = smooth_windows(AXIS, len(found.centres))
    mean = mean_spectrum(domain)
    features = [share * (values - matched(mean, values, share)) for share in shares]
    wanted = [(feature @ slopes).mean() for feature in features]
    np.testing.assert_allclose(found.mean, wanted, rtol=1e-6, atol=1e-9)


def test_the_level_within_a_window_stays() -> None:
    domain, values = make_domain()
    _, shares = smooth_windows(AXIS, 12)
    near = matched(mean_spectrum(domain), values, shares[4])
    np.testing.assert_allclose(near @ shares[4], values @ shares[4], rtol=1e-12)


def test_the_mean_spectrum_is_in_the_quantity_of_the_model() -> None:
    domain, values = make_domain("reflectance")
    np.testing.assert_allclose(mean_spectrum(domain), values.mean(axis=0), rtol=0.02)


def test_twins_bound_the_size() -> None:
    domain, values = make_domain()
    slopes = np.ones(len(AXIS))
    by = np.array([1.0, 0.5, 2.0])
    found = influence(lambda x: np.outer(by, x @ slopes), domain, values)
    np.testing.assert_allclose(found.low, found.size * 0.5)
    np.testing.assert_allclose(found.high, found.size * 2.0)


def test_many_rows_are_thinned_the_same_way_every_time() -> None:
    domain, values = make_domain()
    many = np.tile(values, (10, 1)) + np.arange(400)[:, None] * 1e-4
    first, second = (influence(lambda x: x[None, :, 9], domain, many) for _ in range(2))
    assert first.rows == MOST_ROWS
    np.testing.assert_array_equal(first.mean, second.mean)


def test_a_brighter_row_of_the_same_shape_has_no_influence() -> None:
    domain, _ = make_domain()
    values = np.array([[0.1], [0.4]]) + np.array([[0.5], [2.0]]) * mean_spectrum(domain)
    found = influence(lambda x: (x**2).sum(axis=1)[None], domain, values)
    np.testing.assert_allclose(found.size, 0.0, atol=1e-9)
