"""Every method chooses exactly what was asked, and covers the spectra better than chance."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.data import hypercube
from autospec.data.hypercube import latin_hypercube, strata
from autospec.data.planning import measure_coverage
from autospec.data.sampling import (
    FIT_ROWS,
    NO_ROWS,
    WHOLE_KMEANS_ROWS,
    SamplingMethod,
    choose_samples,
    kennard_stone,
    principal_scores,
)
from autospec.data.spectra import FloatArray, IntArray
from autospec.errors import UsageError

METHODS = get_args(SamplingMethod)
METHODS_THAT_LOOK = tuple(m for m in METHODS if m != "random")


def clouds(n: int = 400, *, b: int = 30, seed: int = 0) -> FloatArray:
    """Spectra of one crowd and three small groups far from it: chance misses the groups."""
    rng = np.random.default_rng(seed)
    centres = np.vstack([np.zeros(3), 4 * np.eye(3)])
    which = np.where(rng.random(n) < 0.94, 0, rng.integers(1, 4, n))
    points = centres[which] + 0.3 * rng.normal(size=(n, 3))
    return np.asarray(points @ rng.normal(size=(3, b)) + 1e-3 * rng.normal(size=(n, b)))


@pytest.fixture(autouse=True)
def few_swaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hypercube, "SWAPS", 1500)


def slow_kennard_stone(points: FloatArray, n_wanted: int, kept: list[int]) -> list[int]:
    """The definition, with every distance computed anew."""
    taken = list(kept)
    if not taken:
        taken = [int(np.argmax(np.linalg.norm(points - points.mean(axis=0), axis=1)))]
    while len(taken) < len(kept) + n_wanted:
        rest = [i for i in range(len(points)) if i not in taken]
        nearest = [min(np.linalg.norm(points[i] - points[j]) for j in taken) for i in rest]
        taken.append(rest[int(np.argmax(nearest))])
    return taken[len(kept) :]


@given(seed=st.integers(0, 10_000), n=st.integers(3, 30), share=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_kennard_stone_is_its_slow_twin(seed: int, n: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, 3))
    kept = rng.choice(n, int(share * (n - 1)), replace=False).tolist()
    wanted = int(rng.integers(1, n - len(kept) + 1))
    found = kennard_stone(points, wanted, np.asarray(kept, dtype=np.int64))
    assert found.tolist() == slow_kennard_stone(points, wanted, kept)


def test_kennard_stone_takes_the_ends_of_a_line_then_its_middle() -> None:
    line = np.array([[0.0], [1.0], [2.0], [5.0], [10.0]])
    assert kennard_stone(line, 3).tolist() == [4, 0, 3]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_wanted", [1, 2, 17, 59, 60])
@pytest.mark.parametrize("kept", [0, 1, 10])
def test_exactly_the_number_wanted_all_distinct_none_kept(
    method: SamplingMethod, n_wanted: int, kept: int
) -> None:
    values = clouds(60 + kept)
    keep = np.arange(kept) * 3
    chosen = choose_samples(values, n_wanted, method, seed=1, keep=keep)
    assert chosen.dtype == np.int64
    assert len(set(chosen.tolist())) == len(chosen) == n_wanted
    assert not set(chosen.tolist()) & set(keep.tolist())
    assert set(chosen.tolist()) <= set(range(60 + kept))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("values", [np.ones((20, 5)), np.repeat(clouds(4), 5, axis=0)])
def test_equal_spectra_are_still_distinct_rows(method: SamplingMethod, values: FloatArray) -> None:
    chosen = choose_samples(values, 12, method)
    assert len(set(chosen.tolist())) == 12


@pytest.mark.parametrize("method", METHODS_THAT_LOOK)
def test_copies_are_chosen_last(method: SamplingMethod) -> None:
    values = np.repeat(clouds(6, seed=2), 5, axis=0)
    chosen = choose_samples(values, 6, method)
    if method == "clhs":  # quantiles part equal values by row, so copies may stand for each other
        assert len(set((chosen // 5).tolist())) >= 4
    else:
        assert len(set((chosen // 5).tolist())) == 6


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_chooses_the_same(method: SamplingMethod) -> None:
    first, again = (choose_samples(clouds(), 20, method, seed=5) for _ in "12")
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("method", ["clhs", "random"])
def test_another_seed_chooses_others(method: SamplingMethod) -> None:
    first, other = (choose_samples(clouds(), 20, method, seed=s).tolist() for s in (5, 6))
    assert set(first) != set(other)


def test_a_large_table_is_chosen_from_by_parts_of_it() -> None:
    values = clouds(max(FIT_ROWS, WHOLE_KMEANS_ROWS) + 500, b=8)
    first, again = (choose_samples(values, 30, "kmeans", seed=1) for _ in "12")
    np.testing.assert_array_equal(first, again)
    assert len(set(first.tolist())) == 30


@pytest.mark.parametrize("n_wanted", [0, -1, 51])
@pytest.mark.parametrize("method", METHODS)
def test_more_than_there_are_is_refused(method: SamplingMethod, n_wanted: int) -> None:
    with pytest.raises(UsageError, match=f"{n_wanted} samples are wanted of 50.*1 to 50"):
        choose_samples(clouds(60), n_wanted, method, keep=np.arange(10))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("method", ["kennard-stone", "kmeans"])
def test_chosen_rows_cover_planted_groups_better_than_chance(
    method: SamplingMethod, seed: int
) -> None:
    values = clouds(seed=seed)
    scores = principal_scores(values)
    draws = [choose_samples(values, 15, "random", seed=s) for s in range(20)]
    chance = [measure_coverage(scores, draw) for draw in draws]
    found = measure_coverage(scores, choose_samples(values, 15, method, seed=seed))
    assert found.farthest < 0.75 * np.mean([c.farthest for c in chance])
    if method == "kmeans":  # Kennard–Stone covers the edges, not the crowd
        assert found.explained > max(c.explained for c in chance)


@pytest.mark.parametrize("method", ["clhs", "kmeans"])
def test_the_first_of_a_choice_spread_as_kennard_stone_would(method: SamplingMethod) -> None:
    values = clouds()
    chosen = choose_samples(values, 15, method)
    among = principal_scores(values)[chosen]
    assert kennard_stone(among, 15).tolist() == list(range(15))


def test_the_choice_fills_the_space_around_kept_rows() -> None:
    line = np.linspace(0, 1, 101)[:, None] * np.ones(4)
    kept = np.arange(51)  # the lower half is known already
    chosen = choose_samples(line, 4, "kennard-stone", keep=kept)
    assert chosen.tolist()[0] == 100
    assert chosen.min() > 55
    assert choose_samples(line, 4, "kmeans", keep=kept).min() >= 51


def missed(scores: FloatArray, rows: IntArray) -> int:
    """Count quantiles without a row, over all components."""
    found = strata(scores, len(rows))[rows]
    return sum(len(rows) - len(set(column.tolist())) for column in found.T)


@pytest.mark.parametrize("seed", range(3))
def test_the_hypercube_fills_far_more_quantiles_than_chance(seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(300, 4))
    chosen = latin_hypercube(scores, 25, seed, NO_ROWS)
    draws = [np.random.default_rng(s).choice(300, 25, replace=False) for s in range(50)]
    assert missed(scores, chosen) < 0.5 * min(missed(scores, d) for d in draws)


def test_the_hypercube_keeps_the_correlation_of_the_variables_better_than_chance() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(500, 2)) @ np.array([[1.0, 0.8], [0.0, 0.6]])
    wanted = np.corrcoef(scores.T)[0, 1]
    found = [latin_hypercube(scores, 20, seed, NO_ROWS) for seed in range(5)]
    draws = [rng.choice(500, 20, replace=False) for _ in range(50)]
    off, chance = (
        np.mean([abs(np.corrcoef(scores[rows].T)[0, 1] - wanted) for rows in sets])
        for sets in (found, draws)
    )
    assert off < 0.7 * chance


def test_kept_rows_fill_quantiles_of_the_hypercube() -> None:
    scores = np.linspace(0, 1, 200)[:, None]
    kept = np.arange(0, 100, 10)  # ten rows, evenly in the lower half
    chosen = latin_hypercube(scores, 10, 0, kept)
    assert missed(scores, np.concatenate([kept, chosen])) == 0
    assert chosen.min() >= 100


@given(n=st.integers(1, 60), parts=st.integers(1, 60))
def test_strata_hold_equal_counts(n: int, parts: int) -> None:
    counts = np.bincount(strata(np.random.default_rng(n).normal(size=(n, 1)), parts)[:, 0])
    assert len(counts) <= parts
    assert n < parts or counts.max() - counts.min() <= 1


def test_scores_are_uncorrelated_of_mean_0_and_variance_1() -> None:
    scores = principal_scores(clouds(50, b=8))
    assert scores.shape[1] == 3  # the planted dimensions
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scores.T @ scores / 50, np.eye(3), atol=1e-9)


def test_scores_do_not_see_an_offset_or_a_factor_of_all_spectra() -> None:
    values = clouds(50, b=8)
    first, second = principal_scores(values), principal_scores(3.0 + 0.1 * values)
    np.testing.assert_allclose(np.abs(first), np.abs(second), atol=1e-8)  # rounding of the 3.0
