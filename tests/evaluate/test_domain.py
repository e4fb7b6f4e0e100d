"""The applicability domain: who is inside, who is out, and spectra that do not vary."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autospec.data.spectra import FloatArray, Spectra
from autospec.data.splits import make_folds
from autospec.evaluate import domain as module
from autospec.evaluate.domain import DISTANCES, SHARE_INSIDE, Domain, Space, fit_domain

AXIS = np.arange(400.0, 2480.0, 10.0)


def soils(
    n: int, seed: int, *, absorbers: tuple[int, ...] = (0, 1, 2, 3), noise: float = 1e-3
) -> Spectra:
    """Reflectance of n soils: a slope and four of eight absorbers in amounts of their own."""
    rng = np.random.default_rng(seed)
    shapes = np.random.default_rng(7)
    centres, widths = shapes.uniform(400, 2480, 8), shapes.uniform(40, 200, 8)
    bands = np.exp(-0.5 * ((AXIS - centres[:, None]) / widths[:, None]) ** 2)[list(absorbers)]
    amounts = rng.lognormal(-2.5, 0.5, (n, len(absorbers)))
    level = rng.normal(0.5, 0.05, (n, 1)) - 1e-4 * (AXIS - 400)
    absorbance = level + amounts @ bands + noise * rng.normal(size=(n, len(AXIS)))
    return table(10**-absorbance)


def table(values: FloatArray) -> Spectra:
    names = tuple(f"s{i}" for i in range(len(values)))
    return Spectra(
        values=values,
        axis=AXIS,
        axis_unit="nm",
        quantity="reflectance",
        ids=names,
        groups=names,
        fields=("f",) * len(values),
        target=np.arange(len(values), dtype=float),
        target_name="soc",
        target_unit="g/kg",
    )


def fitted(train: Spectra, folds: int = 5) -> Domain:
    return fit_domain(train, make_folds(train, folds, 1, 0))


@pytest.mark.parametrize(("n", "low"), [(30, 0.90), (100, 0.93)])
def test_about_95_percent_of_new_rows_of_the_same_kind_are_inside(n: int, low: float) -> None:
    """Over 20 training sets; of 30 rows not even their own extremes bound 95 % of new ones."""
    shares = [
        np.mean(fitted(soils(n, seed)).measure(soils(200, 1000 + seed).values).inside)
        for seed in range(20)
    ]
    assert low < np.mean(shares) < 0.975


@pytest.mark.parametrize("n", [30, 100])
@pytest.mark.parametrize(
    "name", ["percent for fraction", "absorbance for reflectance", "other soil", "noise", "shifted"]
)
def test_spectra_of_another_kind_are_outside(name: str, n: int) -> None:
    new = soils(50, 99).values
    rng = np.random.default_rng(0)
    odd = {
        "percent for fraction": 100 * new,
        "absorbance for reflectance": -np.log10(new),
        "other soil": soils(50, 99, absorbers=(4, 5, 6, 7)).values,
        "noise": np.clip(new + 0.05 * rng.normal(size=new.shape), 0.01, 1),
        "shifted": np.roll(new, 20, axis=1),
    }[name]
    measured = fitted(soils(n, 1)).measure(odd)
    assert np.mean(measured.inside) < 0.05
    assert all(
        bool(why) != well for why, well in zip(measured.reasons, measured.inside, strict=True)
    )


def test_distances_are_those_of_a_slow_twin() -> None:
    train, new = soils(40, 2), soils(6, 3)
    domain = fitted(train)
    x, seen = (-np.log10(part.values) for part in (train, new))
    mean, space = x.mean(axis=0), domain.space
    scores = (x - mean) @ space.loadings.T
    measured = domain.measure(new.values)
    for i, row in enumerate(seen):
        own = np.array([sum((row - mean) * loading) for loading in space.loadings])
        rest = row - mean - own @ space.loadings
        sd = scores.std(axis=0, ddof=1)
        near = min(np.sqrt(np.sum(((own - other) / sd) ** 2)) for other in scores)
        found = (measured.q[i], measured.t2[i], measured.nearest[i])
        # of sums of squares of absorbances near 1
        np.testing.assert_allclose(found, (rest @ rest, np.sum((own / sd) ** 2), near), rtol=1e-8)


def test_reasons_name_the_distance_and_its_limit() -> None:
    space = Space(mean=np.zeros(2), loadings=np.eye(2)[:1], sd=np.ones(1), scores=np.zeros((1, 1)))
    domain = Domain(
        axis=np.array([400.0, 401.0]),
        quantity="absorbance",
        space=space,
        limits=np.array([1.0, 4.0, 9.0]),
    )
    measured = domain.measure(np.array([[0.5, 0.5], [0.0, 2.0], [3.0, 0.0], [10.0, 2.0]]))
    assert measured.inside == (True, False, False, False)
    assert measured.reasons == (
        "",
        "Q 4 above 1",
        "T² 9 above 4",
        "Q 4 above 1; T² 100 above 4; nearest 10 above 9",
    )
    assert DISTANCES == ("Q", "T²", "nearest")


def test_the_limits_hold_95_percent_of_the_held_out_rows_together() -> None:
    rng = np.random.default_rng(0)
    held = rng.lognormal(size=(3, 400))
    limits = module.limits_of(held)
    share = np.mean((held <= limits[:, None]).all(axis=0))
    assert SHARE_INSIDE <= share < SHARE_INSIDE + 0.01


@pytest.mark.parametrize(
    "name", ["one spectrum", "all flat", "every spectrum twice", "fewer than components"]
)
def test_spectra_that_do_not_vary_break_nothing(name: str) -> None:
    some = soils(20, 5)
    train = {
        "one spectrum": table(np.repeat(some.values[:1], 20, axis=0)),
        "all flat": table(np.full((20, len(AXIS)), 0.5)),
        "every spectrum twice": table(np.repeat(some.values[:10], 2, axis=0)),
        "fewer than components": some.rows(np.arange(4)),
    }[name]
    domain = fitted(train, folds=2)
    again, other = domain.measure(train.values), domain.measure(soils(5, 6).values ** 3)
    for found in (again, other):
        assert np.isfinite([found.q, found.t2, found.nearest]).all()
    assert np.mean(again.inside) >= 0.9
    assert not any(other.inside)


def test_of_many_rows_a_part_is_kept_for_the_nearest_distance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_NEIGHBOURS", 50)
    train = soils(200, 0)
    domain = fitted(train)
    assert domain.space.scores.shape[0] == 50
    shares = domain.measure(soils(300, 1).values).inside
    assert 0.9 < np.mean(shares) <= 1


def test_replicates_are_left_out_together() -> None:
    """Else the nearest row of a held-out scan would be its own other scan, and the limit near 0."""
    base = soils(30, 4)
    again = base.values[np.repeat(np.arange(30), 2)]
    scans = again * (1 + 1e-4 * np.random.default_rng(0).normal(size=again.shape))
    names = tuple(f"s{i // 2}" for i in range(60))
    whole = replace(table(scans), ids=names, groups=names)
    apart = table(scans)
    limit = fitted(whole).limits[2]
    assert limit > 2 * np.median(fitted(apart).measure(scans).nearest)
    assert np.mean(fitted(whole).measure(soils(300, 9).values).inside) > 0.85


def test_a_training_row_is_its_own_nearest_neighbour_exactly() -> None:
    scores = np.random.default_rng(0).standard_normal((9, 2)) * 1e3
    space = Space(mean=np.zeros(2), loadings=np.eye(2), sd=np.ones(2), scores=scores)
    np.testing.assert_array_equal(space.measure(scores)[2], 0.0)
