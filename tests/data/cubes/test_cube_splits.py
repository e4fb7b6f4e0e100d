"""Squares with a buffer, dates in order, and the random split that leaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.data.cubes.cubes import TIME_TYPE, Cubes
from autospec.data.cubes.places import nearest_km
from autospec.data.cubes.splits import (
    LEAKAGE_WARNING,
    CubeSplit,
    CubeSplitPlan,
    SplitKind,
    check_apart,
    make_cube_split,
    random_folds,
)
from autospec.data.spectra import FloatArray
from autospec.errors import DataError

KINDS = ("blocks", "forward", "random")


def made(
    n: int = 120,
    *,
    side_km: float = 60.0,
    seed: int = 0,
    degrees: bool = False,
    ends: int = 24,
    xy: FloatArray | None = None,
) -> Cubes:
    """One cell and two dates a sample, on a square of land; windows end on `ends` dates."""
    rng = np.random.default_rng(seed)
    if xy is None:
        xy = rng.uniform(0, side_km * 1000, (n, 2))
    if degrees:
        xy = np.array([13.0, 52.0]) + xy / 111_195.0 / np.array([np.cos(np.radians(52.3)), 1.0])
    month = rng.integers(0, ends, n)
    months = np.datetime64("2020-01") + np.stack([month, month + 1], axis=1)
    return Cubes(
        values=rng.normal(size=(n, 1, 1, 1, 2)).astype(np.float32),
        valid=np.ones((n, 1, 1, 1, 2), dtype=bool),
        channels=("a",),
        times=months.astype(TIME_TYPE),
        x=xy[:, 0].copy(),
        y=xy[:, 1].copy(),
        crs="EPSG:4326" if degrees else "EPSG:32633",
        ids=tuple(f"s{i}" for i in range(n)),
        target=rng.lognormal(3, 0.5, n),
        target_name="soc",
        target_unit="g/kg",
    )


def places(cubes: Cubes) -> FloatArray:
    return np.column_stack([cubes.x, cubes.y])


tables = st.builds(
    made,
    n=st.integers(60, 160),
    side_km=st.floats(30, 120),
    seed=st.integers(0, 999),
    degrees=st.booleans(),
)


@settings(deadline=None, max_examples=25)
@given(cubes=tables, kind=st.sampled_from(KINDS), seed=st.integers(0, 99))
def test_no_sample_has_two_roles(cubes: Cubes, kind: SplitKind, seed: int) -> None:
    m = make_cube_split(cubes, CubeSplit(kind=kind, folds=3, seed=seed))
    everything = np.concatenate([m.plan.train, m.plan.unseal(), m.dropped])
    assert np.array_equal(np.sort(everything), np.arange(cubes.n))
    assert all(not set(fold.fit) & set(fold.score) for fold in m.plan.folds)


@settings(deadline=None, max_examples=25)
@given(cubes=tables, kind=st.sampled_from(["blocks", "random"]), seed=st.integers(0, 99))
def test_each_training_sample_is_scored_once(cubes: Cubes, kind: SplitKind, seed: int) -> None:
    m = make_cube_split(cubes, CubeSplit(kind=kind, folds=3, seed=seed))
    scored = np.concatenate([fold.score for fold in m.plan.folds])
    assert np.array_equal(np.sort(scored), np.arange(len(m.plan.train)))


@settings(deadline=None, max_examples=25)
@given(cubes=tables, buffer_km=st.floats(0, 3), seed=st.integers(0, 99))
def test_the_buffer_holds_around_the_test_set_and_in_every_fold(
    cubes: Cubes, buffer_km: float, seed: int
) -> None:
    m = make_cube_split(cubes, CubeSplit(buffer_km=buffer_km, folds=3, seed=seed))
    xy = places(cubes)
    train, sealed = xy[m.plan.train], xy[m.plan.unseal()]
    pairs = [(train, sealed, m.nearest_km)] + [
        (train[fold.fit], train[fold.score], near)
        for fold, near in zip(m.plan.folds, m.nearest_in_folds_km, strict=True)
    ]
    apart = [nearest_km(cubes.crs, held, kept).min() for kept, held, _ in pairs]
    assert min(apart) >= buffer_km - 1e-9  # the other way round: rounding of the last digit
    assert apart == pytest.approx([near for _, _, near in pairs])


@pytest.mark.parametrize("degrees", [False, True])
def test_only_samples_within_the_buffer_are_dropped(degrees: bool) -> None:
    cubes = made(150, degrees=degrees)
    m = make_cube_split(cubes, CubeSplit(buffer_km=2.0))
    xy = places(cubes)
    near = nearest_km(cubes.crs, xy[m.dropped], xy[m.plan.unseal()])
    assert len(m.dropped) > 0
    assert near.max() < 2.0
    train = xy[m.plan.train]
    for fold, dropped in zip(m.plan.folds, m.dropped_in_folds, strict=True):
        inner = np.setdiff1d(np.arange(len(train)), np.concatenate([fold.fit, fold.score]))
        assert len(inner) == dropped
        assert (nearest_km(cubes.crs, train[inner], train[fold.score]) < 2.0).all()


def test_without_a_buffer_nothing_is_dropped() -> None:
    m = make_cube_split(made(), CubeSplit(buffer_km=0.0))
    assert len(m.dropped) == sum(m.dropped_in_folds) == 0


def test_a_sealed_sample_swapped_into_training_is_caught() -> None:
    cubes = made()
    m = make_cube_split(cubes, CubeSplit())
    check_apart(cubes, m, 1.2)
    train, sealed = m.plan.train.copy(), m.plan.unseal().copy()
    xy = places(cubes)[train]
    crowded = int(
        np.argmin([nearest_km(cubes.crs, xy[[i]], np.delete(xy, i, 0)) for i in range(60)])
    )
    train[crowded], sealed[0] = sealed[0], train[crowded]
    swapped = replace(m, plan=replace(m.plan, train=train, sealed=sealed))
    with pytest.raises(AssertionError, match="a buffer"):
        check_apart(cubes, swapped, 1.2)


def test_a_scored_sample_that_is_fitted_nearby_is_caught() -> None:
    cubes = made(200)
    m = make_cube_split(cubes, CubeSplit(buffer_km=2.0))
    first = m.plan.folds[0]
    everyone = np.setdiff1d(np.arange(len(m.plan.train)), first.score)
    leaky = (replace(first, fit=everyone), *m.plan.folds[1:])
    assert m.dropped_in_folds[0] > 0
    with pytest.raises(AssertionError, match="a buffer"):
        check_apart(cubes, replace(m, plan=replace(m.plan, folds=leaky)), 2.0)


def whole(m: CubeSplitPlan) -> bool:
    """Whether no square has samples in both training and test, or in two folds."""
    block = m.block_of[m.plan.train]
    roles = [set(m.block_of[m.plan.unseal()]), *(set(block[f.score]) for f in m.plan.folds)]
    return sum(map(len, roles)) == len(set.union(*roles))


@settings(deadline=None, max_examples=20)
@given(cubes=tables, seed=st.integers(0, 99))
def test_squares_are_never_cut(cubes: Cubes, seed: int) -> None:
    assert whole(make_cube_split(cubes, CubeSplit(folds=3, seed=seed)))


def test_samples_of_one_place_share_a_square() -> None:
    xy = np.random.default_rng(1).uniform(0, 60_000, (60, 2))
    m = make_cube_split(made(120, xy=np.vstack([xy, xy])), CubeSplit())
    assert np.array_equal(m.block_of[:60], m.block_of[60:])


def test_the_largest_squares_that_are_enough_are_taken() -> None:
    m = make_cube_split(made(400, side_km=64.0), CubeSplit(folds=5))
    assert m.block_km == pytest.approx(8, rel=0.02)  # 16 squares of 16 km are fewer than 20
    assert m.block_of.max() + 1 <= 81


@pytest.mark.parametrize("seed", range(4))
def test_parts_are_of_about_one_size_and_one_kind(seed: int) -> None:
    cubes = made(400, seed=seed)
    m = make_cube_split(cubes, CubeSplit(seed=seed, buffer_km=0.0))
    assert m.plan.n_test == pytest.approx(100, abs=15)
    sizes = [len(fold.score) for fold in m.plan.folds]
    assert min(sizes) >= 0.7 * max(sizes)
    target = cubes.target
    gap = abs(target[m.plan.unseal()].mean() - target[m.plan.train].mean())
    assert gap < 0.35 * target.std()  # unstratified squares of 6 samples: sd of the gap 0.12


def test_the_largest_square_is_sealed_under_some_seeds_only() -> None:
    rng = np.random.default_rng(0)
    village = np.array([30_500.0, 30_500.0]) + rng.uniform(-200, 200, (25, 2))
    cubes = made(125, xy=np.vstack([rng.uniform(0, 60_000, (100, 2)), village]))
    sealed = [
        bool(np.isin(110, make_cube_split(cubes, CubeSplit(seed=seed, folds=3)).plan.unseal()))
        for seed in range(12)
    ]
    assert any(sealed) and not all(sealed)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_fixes_the_split(kind: SplitKind) -> None:
    cubes = made(200)
    one, again, other = (
        make_cube_split(cubes, CubeSplit(kind=kind, seed=seed)).plan.digest for seed in (1, 1, 2)
    )
    assert one == again
    assert (one != other) or kind == "forward"  # dates leave nothing to draw


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 999),
    ends=st.integers(5, 40),
    fraction=st.floats(0.05, 0.5),
    n=st.integers(60, 120),
)
def test_forward_learns_from_the_past_only(seed: int, ends: int, fraction: float, n: int) -> None:
    cubes = made(n, seed=seed, ends=ends)
    last = cubes.times[:, -1]
    if len(np.unique(last)) < 5:
        return
    split = CubeSplit(kind="forward", folds=3, test_fraction=fraction)
    try:
        m = make_cube_split(cubes, split)
    except DataError as error:
        assert "first fold" in str(error)  # noqa: PT017 (few dates, so a first piece of few rows)
        return
    train = last[m.plan.train]
    assert train.max() < last[m.plan.unseal()].min()
    assert all(train[fold.fit].max() < train[fold.score].min() for fold in m.plan.folds)
    grows = [len(fold.fit) for fold in m.plan.folds]
    assert grows == sorted(grows)
    assert len(m.dropped) == 0


def test_forward_seals_about_the_wanted_share() -> None:
    m = make_cube_split(made(300, ends=60), CubeSplit(kind="forward"))
    assert m.plan.n_test == pytest.approx(75, abs=6)
    sizes = np.bincount(m.block_of)[:-1]
    assert sizes.max() - sizes.min() <= 12  # a date more or less on either side


def test_a_random_split_has_neighbours_on_both_sides() -> None:
    cubes = made(400)
    leaky = make_cube_split(cubes, CubeSplit(kind="random"))
    assert leaky.nearest_km < 1.2 <= make_cube_split(cubes, CubeSplit()).nearest_km
    assert "leak" in LEAKAGE_WARNING


@given(n=st.integers(10, 60), folds=st.integers(2, 10), seed=st.integers(0, 9))
def test_random_folds_part_the_rows(n: int, folds: int, seed: int) -> None:
    made_folds = random_folds(n, folds, seed)
    assert len(made_folds) == folds
    scored = np.concatenate([fold.score for fold in made_folds])
    assert np.array_equal(np.sort(scored), np.arange(n))
    assert all(len(fold.fit) + len(fold.score) == n for fold in made_folds)


@pytest.mark.parametrize(
    ("cubes", "split", "words"),
    [
        (made(19), CubeSplit(), "19 samples with a lab value"),
        (made(60), CubeSplit(folds=20), "want at least 80"),
        (made(60), CubeSplit(block_km=100.0), "1 squares of 100 km"),
        (made(60, side_km=0.0), CubeSplit(), "too few"),
        (made(120), CubeSplit(buffer_km=40.0), "a buffer of 40 km leaves"),
        (made(120, ends=1), CubeSplit(kind="forward"), "end on 1 different dates"),
        (made(24, ends=24), CubeSplit(kind="forward"), "the first fold"),
    ],
    ids=["few", "folds", "one square", "one place", "buffer", "one date", "short past"],
)
def test_what_cannot_be_split_is_refused_with_a_next_step(
    cubes: Cubes, split: CubeSplit, words: str
) -> None:
    with pytest.raises(DataError, match=words) as refused:
        make_cube_split(cubes, split)
    assert any(step in str(refused.value) for step in ("--folds", "--buffer-km"))
