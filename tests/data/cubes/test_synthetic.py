"""Made-up stacks: covariance, seasons, memory, clouds; and what each effect can tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.data.cubes.splits import CubeSplit, make_cube_split
from autospec.data.cubes.synthetic import (
    PLANTED_STEP,
    TEMPLATE,
    Effect,
    SyntheticSettings,
    random_field,
    strongest,
    synthesise,
)
from autospec.errors import UsageError

SMALL = SyntheticSettings(n=30, height=24, width=20, dates=8)
EFFECTS: tuple[Effect, ...] = ("planted", "autocorrelated", "none")


@pytest.mark.parametrize("lag", [0, 1, 3, 6, 12])
def test_the_variogram_of_a_field_is_the_one_that_is_stated(lag: int) -> None:
    length = 3.0
    field = random_field((64, 64), length, np.random.default_rng(0), 200)
    half_squares = [
        0.5 * np.mean((field[:, lag:] - field[:, : 64 - lag]) ** 2),
        0.5 * np.mean((field[:, :, lag:] - field[:, :, : 64 - lag]) ** 2),
    ]
    # 200 fields of about (64 / 3)² / 2π independent places: standard error below 0.01
    assert half_squares == pytest.approx([1 - np.exp(-(lag**2) / (2 * length**2))] * 2, abs=0.03)


def test_a_field_has_mean_0_and_variance_1_and_opposite_edges_that_do_not_meet() -> None:
    field = random_field((40, 40), 3.0, np.random.default_rng(1), 400)
    assert field.mean() == pytest.approx(0, abs=0.02)
    assert field.var() == pytest.approx(1, abs=0.03)
    assert np.mean(field[:, 0] * field[:, -1]) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("effect", EFFECTS)
def test_everything_says_that_it_is_synthetic(effect: Effect) -> None:
    stack, cubes = synthesise(replace(SMALL, effect=effect))
    assert stack.synthetic and cubes.synthetic
    assert all("synthetic" in sentence for sentence in (*stack.provenance, *cubes.provenance))
    assert all(name.startswith("synthetic") for name in cubes.ids)
    assert (cubes.target > 0).all() and cubes.target_unit == "g/kg"


@pytest.mark.parametrize("effect", EFFECTS)
def test_the_seed_fixes_everything(effect: Effect) -> None:
    s = replace(SMALL, effect=effect)
    one, again, other = (synthesise(s, seed)[1].digest for seed in (3, 3, 4))
    assert one == again != other


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32633"])
@pytest.mark.parametrize("window", [5, 10])
def test_windows_are_those_of_the_stack_around_the_points(crs: str, window: int) -> None:
    stack, cubes = synthesise(replace(SMALL, crs=crs, window=window))
    rows, columns = (np.floor(part).astype(int) for part in stack.cell_of(cubes.x, cubes.y))
    layers = np.asarray(stack.dynamic)
    for i in range(cubes.n):
        r, c = rows[i] - window // 2, columns[i] - window // 2
        dates = np.searchsorted(stack.times, cubes.times[i])
        cut = layers[dates][:, :, r : r + window, c : c + window].transpose(1, 2, 3, 0)
        assert np.array_equal(
            np.where(cubes.valid[i, :3], cubes.values[i, :3], np.nan), cut, equal_nan=True
        )
        still = stack.static[:, r : r + window, c : c + window, None]
        assert (cubes.values[i, 3:] == still).all()


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32633"])
def test_a_cell_is_a_kilometre_on_the_ground(crs: str) -> None:
    from autospec.data.cubes.places import nearest_km

    stack, _ = synthesise(replace(SMALL, crs=crs))
    a, _, x, _, e, y = stack.transform
    corner, east, south = (np.array([p]) for p in ((x, y), (x + a, y), (x, y + e)))
    apart = [nearest_km(crs, corner, other)[0] for other in (east, south)]
    assert apart == pytest.approx([1, 1], rel=3e-3)  # the longitude of the middle of the stack


@pytest.mark.parametrize("percent", [0.0, 5.0, 30.0])
def test_the_share_without_a_value_is_the_one_asked_for(percent: float) -> None:
    stack, _ = synthesise(replace(SMALL, no_value_percent=percent))
    gone = np.isnan(np.asarray(stack.dynamic))
    assert 100 * gone.mean() == pytest.approx(percent, abs=0.1)
    assert (gone == gone[:, :1]).all()  # a cloud hides every layer
    assert np.isfinite(stack.static).all()


def test_clouds_are_blobs() -> None:
    stack, _ = synthesise(replace(SMALL, height=64, width=64, dates=24, no_value_percent=10.0))
    gone = np.isnan(np.asarray(stack.dynamic)[:, 0])
    beside = (gone[:, 1:] & gone[:, :-1]).mean() / gone[:, 1:].mean()
    assert beside > 0.6  # 0.1 if cells were lost one by one


def test_layers_have_a_season_and_remember_the_last_date() -> None:
    s = replace(SMALL, height=40, width=40, dates=60, range_cells=2.0, no_value_percent=0.0)
    stack, _ = synthesise(replace(s, effect="none"))
    ndvi = np.asarray(stack.dynamic, dtype=np.float64)[:, 2]
    by_month = ndvi.reshape(5, 12, 40, 40)
    assert ndvi.mean(axis=(1, 2))[6:8].min() > ndvi.mean(axis=(1, 2))[0:2].max() + 0.1
    departure = (by_month - by_month.mean(axis=0)).reshape(60, -1)
    again = np.mean(departure[1:] * departure[:-1]) / np.mean(departure**2)
    # 0.6, or a little less: the mean of five years that is taken out is not the season itself
    assert 0.4 < again < 0.62


def test_the_pattern_vanishes_from_every_mean() -> None:
    assert all((TEMPLATE.sum(axis=axis) == 0).all() for axis in range(3))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 999), window=st.integers(2, 6), steps=st.integers(2, 4))
def test_the_strongest_pattern_is_that_of_a_direct_loop(seed: int, window: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    strengths = np.where(rng.random((6, 9, 9)) < 0.1, rng.random((6, 9, 9)), 0.0)
    where = np.stack([rng.integers(0, 7 - steps, 5), *rng.integers(0, 10 - window, (2, 5))], axis=1)
    direct = [
        max(
            strengths[t, r, c]
            for t in range(first, first + steps - 1)
            for r in range(row, row + window - 1)
            for c in range(column, column + window - 1)
        )
        for first, row, column in where
    ]
    assert strongest(strengths, where, window, steps) == pytest.approx(direct)


def test_a_matched_filter_finds_the_planted_effect_and_the_mean_of_a_window_does_not() -> None:
    s = SyntheticSettings(no_value_percent=0.0, noise=0.0)
    _, cubes = synthesise(s, seed=1)
    ndvi = cubes.values[:, 2].astype(np.float64).transpose(0, 3, 1, 2)  # (n, t, h, w)
    views = np.lib.stride_tricks.sliding_window_view(ndvi, TEMPLATE.shape, axis=(1, 2, 3))
    response = np.einsum("nthwabc,abc->nthw", views, TEMPLATE).max(axis=(1, 2, 3))
    # not 1: a pattern that a window cuts answers by half, and two that overlap answer together
    assert np.corrcoef(response, cubes.target)[0, 1] > 0.95
    # 3 · 9 · 9 places at 1 in 200, strengths uniform: half of the windows hold none above this
    assert np.median(response) == pytest.approx(PLANTED_STEP * (1 - np.log(2) / 1.215), rel=0.15)
    mean = ndvi.mean(axis=(1, 2, 3))
    assert abs(np.corrcoef(mean, cubes.target)[0, 1]) < 0.15  # 3 standard errors at n = 400


def test_only_neighbours_tell_an_autocorrelated_target() -> None:
    from sklearn.neighbors import KNeighborsRegressor

    _, cubes = synthesise(SyntheticSettings(effect="autocorrelated", n=600, noise=0.0))
    xy = np.column_stack([cubes.x * np.cos(np.radians(cubes.y)), cubes.y])
    r2 = {}
    for kind in ("random", "blocks"):
        m = make_cube_split(cubes, CubeSplit(kind=kind))  # type: ignore[arg-type]
        train, test = m.plan.train, m.plan.unseal()
        near = KNeighborsRegressor(3).fit(xy[train], cubes.target[train])
        r2[kind] = near.score(xy[test], cubes.target[test])
    assert r2["random"] > r2["blocks"] + 0.3


def test_without_an_effect_the_target_is_that_of_no_neighbour() -> None:
    _, cubes = synthesise(SyntheticSettings(effect="none"))
    near = np.argsort(np.hypot(cubes.x[:, None] - cubes.x, cubes.y[:, None] - cubes.y), axis=1)
    assert abs(np.corrcoef(cubes.target, cubes.target[near[:, 1]])[0, 1]) < 0.15


@pytest.mark.parametrize("words", [{"window": 21}, {"steps": 9}])
def test_a_window_that_does_not_fit_is_refused(words: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="does not fit"):
        synthesise(replace(SMALL, **words))  # type: ignore[arg-type]
