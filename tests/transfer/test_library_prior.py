"""What a library tells of slopes: as many sources as it has large fields, each a posterior."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor

from autospec.data.spectra import FloatArray, Spectra, join_spectra
from autospec.evaluate.kernels import JITTER, linear_kernel
from autospec.evaluate.views import FOUR_VIEWS, SNV_VIEW
from autospec.transfer import library_prior
from autospec.transfer.library_prior import (
    EVERYTHING,
    LibraryPrior,
    Source,
    fit_library_prior,
    unit_length,
)
from tests.transfer.shared_slopes import shared_slopes

SOURCES = (EVERYTHING, "field-0", "field-1", "field-2", "field-3")


@pytest.fixture(scope="module")
def tables() -> tuple[Spectra, Spectra]:
    return shared_slopes(seed=1)


@pytest.fixture(scope="module")
def library(tables: tuple[Spectra, Spectra]) -> Spectra:
    return tables[0]


@pytest.fixture(scope="module")
def local(tables: tuple[Spectra, Spectra]) -> Spectra:
    return tables[1].rows(range(20))


@pytest.fixture(scope="module")
def prior(library: Spectra) -> LibraryPrior:
    return fit_library_prior(library, root=False)


def named(prior: LibraryPrior, name: str) -> Source:
    return next(source for source in prior.sources if source.name == name)


def sized(*sizes: int, order: tuple[int, ...] = ()) -> Spectra:
    """Return a library of one field a size, named by its place; `order` is how they are joined."""
    made, _ = shared_slopes(fields=len(sizes), rows=max(sizes), farm_rows=5)
    names = np.asarray(made.fields)
    fields = [
        made.rows(np.flatnonzero(names == f"field-{i}")[:n]) for i, n in enumerate(sizes) if n
    ]
    return join_spectra([fields[i] for i in order or range(len(fields))])


def names_of(library: Spectra) -> list[str]:
    return [source.name for source in fit_library_prior(library, root=True).sources]


# --- which sources there are


@pytest.mark.parametrize(
    ("sizes", "wanted"),
    [
        ((30, 29), ["field-0"]),
        ((29, 12), []),
        ((31, 60, 5, 45), ["field-1", "field-3", "field-0"]),
        ((40, 40, 41), ["field-2", "field-0", "field-1"]),
        ((60,), []),
    ],
    ids=["one row short", "none", "largest first", "as large, by name", "one field is all"],
)
def test_all_fields_are_a_source_and_each_large_one(
    sizes: tuple[int, ...], wanted: list[str]
) -> None:
    assert names_of(sized(*sizes)) == [EVERYTHING, *wanted]


def test_the_order_of_the_rows_does_not_matter_to_the_sources() -> None:
    sizes = (31, 45, 36)
    assert names_of(sized(*sizes, order=(2, 0, 1))) == names_of(sized(*sizes))


def test_of_many_large_fields_the_eight_largest_are_sources() -> None:
    sizes = tuple(range(30, 41))
    assert names_of(sized(*sizes)) == [EVERYTHING, *(f"field-{i}" for i in range(10, 2, -1))]


def test_fields_of_one_row_each_tell_nothing_of_slopes(library: Spectra, local: Spectra) -> None:
    some = library.rows(range(0, 160, 4))
    alone = replace(some, fields=tuple(f"pit-{i}" for i in range(some.n)))
    prior = fit_library_prior(alone, root=False)
    (source,) = prior.sources
    mean, covariance = prior.condition(source, prior.see(local.values, np.zeros(len(source.slope))))
    assert np.array_equal(mean, np.zeros(20)) and np.array_equal(covariance, np.zeros((20, 20)))


# --- what a source says


def centred(library: Spectra, prior: LibraryPrior) -> tuple[FloatArray, FloatArray]:
    """Views and lab values less the means of their fields, on the scale of the sources."""
    x = prior.views.transform(library.values)
    z = np.cbrt(library.target) if prior.root else library.target
    for name in set(library.fields):
        rows = np.asarray(library.fields) == name
        x[rows], z = x[rows] - x[rows].mean(axis=0), np.where(rows, z - z[rows].mean(), z)
    return unit_length(x, x.std(axis=0)), z / z.std()


@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize("name", SOURCES)
def test_a_source_is_the_gaussian_process_of_scikit_learn_on_centred_rows(
    name: str, root: bool, library: Spectra, local: Spectra
) -> None:
    prior = fit_library_prior(library, root=root)
    x, z = centred(library, prior)
    order = np.random.default_rng(0).permutation(library.n)
    rows = order if name == EVERYTHING else order[np.asarray(library.fields)[order] == name]
    twin = GaussianProcessRegressor(linear_kernel(), alpha=JITTER, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        twin.fit(x[rows], z[rows])
    centre = prior.views.transform(local.values).mean(axis=0)
    new = unit_length(prior.views.transform(local.values) - centre, prior.spread)
    wanted, spread = twin.predict(new, return_cov=True)
    spread = spread - twin.kernel_.k2.noise_level * np.eye(local.n)  # of slopes, not of lab values
    mean, covariance = prior.condition(named(prior, name), prior.see(local.values, centre))
    np.testing.assert_allclose(mean / prior.scale, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        covariance / prior.scale**2, spread, rtol=1e-5, atol=1e-6 * spread.max()
    )


def test_a_field_is_learned_from_its_own_rows_only(library: Spectra, prior: LibraryPrior) -> None:
    theirs = np.asarray(library.fields) != "field-2"
    mirrored = np.where(theirs, -library.target, library.target)  # of the same spread
    other = fit_library_prior(replace(library, target=mirrored), root=False)
    np.testing.assert_allclose(
        named(other, "field-2").slope, named(prior, "field-2").slope, rtol=1e-9
    )
    cosine = np.corrcoef(named(other, "field-1").slope, named(prior, "field-1").slope)[0, 1]
    assert cosine == pytest.approx(-1.0, abs=1e-6)


@pytest.mark.parametrize("name", SOURCES)
def test_the_covariance_is_of_the_slopes_and_not_of_lab_values(
    name: str, prior: LibraryPrior, local: Spectra
) -> None:
    centre = prior.views.transform(local.values).mean(axis=0)
    twice = local.values[[3, 3]]
    mean, covariance = prior.condition(named(prior, name), prior.see(twice, centre))
    assert mean[0] == pytest.approx(mean[1], rel=1e-9)  # the same spectrum, the same value:
    np.testing.assert_allclose(covariance, covariance[0, 0], rtol=1e-6)  # no noise apart


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_knows_no_level_and_its_covariance_is_one(
    name: str, prior: LibraryPrior, local: Spectra
) -> None:
    centre = prior.views.transform(local.values).mean(axis=0)
    mean, covariance = prior.condition(named(prior, name), prior.see(local.values, centre))
    # Linear and centred: means of the farm's own rows sum to 0.
    assert abs(mean.sum()) < 1e-6 * np.abs(mean).sum()
    assert np.linalg.eigvalsh(covariance).min() > -1e-6 * np.trace(covariance)


def test_only_some_rows_of_a_large_source_are_held(
    library: Spectra, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_prior, "PRIOR_ROWS", 35)
    prior = fit_library_prior(library, root=False)
    assert [len(source.told) for source in prior.sources] == [35] * 5
    assert prior.rows == 35


def test_a_seed_chooses_the_rows(library: Spectra, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_prior, "PRIOR_ROWS", 35)
    first, again, other = (
        fit_library_prior(library, root=False, seed=seed).sources[0].slope for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again) and not np.allclose(first, other)


# --- scale and views


def test_the_scale_is_the_spread_within_fields_on_cube_roots(library: Spectra) -> None:
    z = np.cbrt(library.target)
    fields = np.asarray(library.fields)
    within = np.concatenate([z[fields == n] - z[fields == n].mean() for n in np.unique(fields)])
    prior = fit_library_prior(library, root=True)
    assert prior.root and prior.scale == pytest.approx(within.std(), rel=1e-9)


def test_negative_lab_values_have_cube_roots_too(library: Spectra) -> None:
    prior = fit_library_prior(replace(library, target=library.target - 50.0), root=True)
    assert all(np.isfinite(source.slope).all() for source in prior.sources)


@pytest.mark.parametrize("recipes", [FOUR_VIEWS, FOUR_VIEWS[1:2], SNV_VIEW])
def test_slopes_are_of_the_views_that_were_asked_for(recipes: tuple, library: Spectra) -> None:  # type: ignore[type-arg]
    prior = fit_library_prior(library, root=False, recipes=recipes)
    bands = prior.views.transform(library.values[:2]).shape[1]
    assert prior.recipes == recipes and bands == len(recipes) * library.b
    assert {source.slope.shape for source in prior.sources} == {(bands,)}


def test_a_band_constant_in_the_library_says_nothing(library: Spectra, local: Spectra) -> None:
    flat = library.values.copy()
    flat[:, 20] = 0.5
    prior = fit_library_prior(replace(library, values=flat), root=False, recipes=FOUR_VIEWS[:1])
    moved = local.values.copy()
    moved[:, 20] += np.linspace(0.0, 0.3, local.n)
    centre = prior.views.transform(local.values).mean(axis=0)
    for got, wanted in zip(
        prior.condition(prior.sources[0], prior.see(moved, centre)),
        prior.condition(prior.sources[0], prior.see(local.values, centre)),
        strict=True,
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)
