"""RS-Local v2 (our reading): balanced draws, criteria, groups, early stop, weights, sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autospec import DataError, RSLocalSettings, rs_local
from autospec.errors import UsageError
from autospec.transfer.draws import balanced_draws, independent_draws
from autospec.transfer.tuning import TargetGrid, choose_target
from tests.transfer.planted import planted

CASE = planted(300, 20, b=50, seed=2)
V2 = RSLocalSettings(version="v2", k=40, b=6, r=0.1, components=6, tolerance=0.0)


@pytest.mark.parametrize(("n", "k", "b"), [(41, 40, 3), (80, 40, 5), (100, 30, 4), (7, 3, 11)])
def test_balanced_draws_test_every_row_exactly_b_times(n: int, k: int, b: int) -> None:
    draws = list(balanced_draws(np.random.default_rng(0), n, k, b))
    rows = np.concatenate([d.rows for d in draws])
    tested = np.concatenate([d.tested for d in draws])
    assert rows.shape == (b * -(-n // k), k)
    assert all(len(set(row)) == k for row in rows.tolist())
    np.testing.assert_array_equal(np.bincount(rows[tested], minlength=n), np.full(n, b))


def test_groups_stand_side_by_side() -> None:
    groups = np.repeat(np.arange(20), 3)
    for draws in balanced_draws(np.random.default_rng(0), 60, 20, 4, groups):
        order = groups[draws.rows[draws.tested]]
        assert (np.diff(order) != 0).sum() == 19  # each group is one run


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_independent_draws_do_not_know_the_pieces(at_once: int) -> None:
    wanted = next(independent_draws(np.random.default_rng(3), 50, 10, 8, 10**6)).rows
    pieces = independent_draws(np.random.default_rng(3), 50, 10, 8, at_once)
    np.testing.assert_array_equal(np.concatenate([d.rows for d in pieces]), wanted)
    assert wanted.shape == (40, 10)


@pytest.mark.parametrize(
    "criteria",
    [("response",), ("reconstruction",), ("response", "similarity"), ("response", "range")],
    ids="+".join,
)
def test_each_criterion_falls_and_gives_the_wanted_rows(criteria: tuple[str, ...]) -> None:
    settings = replace(V2, criteria=criteria)
    selection = rs_local(CASE.library, CASE.local, settings, device="cpu")
    assert len(selection.indices) == 40
    assert selection.trace[0].judged_by == criteria[0]
    assert selection.trace[-1].error_mean < selection.trace[0].error_mean


@pytest.mark.parametrize(
    ("criteria", "least"),
    [
        (("response",), 1.5),
        (("similarity",), 1.5),
        (("response", "reconstruction"), 1.5),
        # a PLS space of other soils reconstructs most of a farm's spectra too: a weak judge alone
        (("reconstruction",), 1.1),
    ],
    ids=["response", "similarity", "response+reconstruction", "reconstruction"],
)
def test_planted_rows_are_found(criteria: tuple[str, ...], least: float) -> None:
    asked = RSLocalSettings(
        version="v2", k=60, b=15, r=0.08, components=6, target=120, tolerance=1e-6
    )
    settings = replace(asked, criteria=criteria)
    found = []
    for seed in range(3):
        case = planted(1200, 30, b=60, seed=seed, moved=3)
        indices = rs_local(case.library, case.local, settings, device="cpu").indices
        found.append(case.enrichment(indices))
    assert np.mean(found) >= least


def test_reconstruction_and_similarity_need_no_local_lab_values() -> None:
    settings = replace(V2, criteria=("reconstruction", "similarity"))
    blind = replace(CASE.local, target=np.full(CASE.local.n, np.nan))
    first = rs_local(CASE.library, blind, settings, device="cpu")
    second = rs_local(CASE.library, CASE.local, settings, device="cpu")
    np.testing.assert_array_equal(first.indices, second.indices)
    with pytest.raises(DataError, match="0 local rows can judge"):
        rs_local(CASE.library, blind, V2, device="cpu")


def test_dropping_by_quantile_ends_at_the_wanted_rows() -> None:
    count = rs_local(CASE.library, CASE.local, V2, device="cpu")
    quantile = rs_local(CASE.library, CASE.local, replace(V2, drop="quantile"), device="cpu")
    assert len(quantile.indices) == len(count.indices) == 40
    assert quantile.trace[0].dropped <= 0.1 * 300


def test_groups_live_and_die_together() -> None:
    groups = tuple(f"g{i // 3}" for i in range(300))
    library = replace(CASE.library, groups=groups)
    selection = rs_local(library, CASE.local, replace(V2, grouped=True, target=60), device="cpu")
    sizes = np.unique([groups[i] for i in selection.indices], return_counts=True)[1]
    # a cut that must end at a number may open one group a generation
    assert (sizes < 3).sum() <= len(selection.trace)
    assert (sizes == 3).mean() > 0.6


def test_patience_returns_the_best_generation() -> None:
    shuffled = np.random.default_rng(0).permutation(CASE.local.target)
    local = replace(CASE.local, target=shuffled)
    settings = replace(V2, patience=1, r=0.02)
    selection = rs_local(CASE.library, local, settings, device="cpu")
    means = [g.error_mean for g in selection.trace]
    best = int(np.argmin(means))
    assert selection.stopped == "patience"
    assert len(selection.indices) == selection.trace[best].size > 40
    assert len(means) == best + 2


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_weights_give_the_local_rows_their_share(share: float) -> None:
    settings = replace(V2, local_share=share)
    selection = rs_local(CASE.library, CASE.local, settings, device="cpu")
    assert selection.weights is not None
    np.testing.assert_allclose(20 / (20 + selection.weights.sum()), share)


def test_the_target_is_chosen_by_rows_that_did_not_judge() -> None:
    grid = TargetGrid(sizes=(5, 20, 60, 4000), shares=(0.2, 0.4), folds=3)
    settings = replace(V2, b=2)
    choice = choose_target(CASE.library, CASE.local, settings, grid=grid, seed=1, device="cpu")
    assert choice.skipped == (5, 4000)
    assert [(c.k, c.r) for c in choice.candidates] == [(20, 0.2), (20, 0.4), (60, 0.2), (60, 0.4)]
    best = min(choice.candidates, key=lambda c: c.rmse)
    assert (choice.settings.k, choice.settings.r) == (best.k, best.r)
    assert choice.settings.wanted == best.k
    again = choose_target(CASE.library, CASE.local, settings, grid=grid, seed=1, device="cpu")
    assert again == choice


def test_a_choice_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(DataError, match=r"8 labelled local rows .* 5 folds"):
        choose_target(CASE.library, CASE.local.rows(range(8)), V2)
    with pytest.raises(UsageError, match="none is possible"):
        choose_target(CASE.library, CASE.local, V2, grid=TargetGrid(sizes=(5,)))
