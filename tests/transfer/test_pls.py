"""The batched engine equals scikit-learn's PLS on the same draws, for any chunk and any rank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from autospec.data.spectra import FloatArray, IntArray
from autospec.transfer import rotation
from autospec.transfer.pls import Judges, judge_draws, load_engine
from autospec.transfer.rotation import find_rotation, rotate_library
from autospec.transfer.selection import CRITERIA, Criterion
from tests.transfer.planted import Planted, planted
from tests.transfer.reference import draw_error

PLANTED = planted(300, 25, b=60, seed=4)
SMOOTH = planted(300, 25, b=100, seed=0)  # all but 13 directions are noise
DRAWS = np.stack([np.random.default_rng(i).choice(300, 40, replace=False) for i in range(12)])

TWO_PRODUCTS: tuple[Criterion, ...] = ("response", "reconstruction")


def judged(
    case: Planted,
    draws: IntArray,
    *,
    components: int = 8,
    tolerance: float = 0.0,
    criteria: tuple[Criterion, ...] = ("response",),
    chunk_bytes: int | None = None,
) -> FloatArray:
    library = rotate_library(
        case.library.values, np.arange(case.library.n), case.library.target, tolerance
    )
    engine = load_engine(
        library,
        Judges(values=case.local.values, target=case.local.target),
        components=components,
        criteria=criteria,
        device="cpu",
        chunk_bytes=chunk_bytes,
    )
    return judge_draws(engine, draws)


@pytest.mark.parametrize("components", [1, 2, 5, 10, 20])
def test_errors_equal_scikit_learns(components: int) -> None:
    wanted = [draw_error(PLANTED.library, PLANTED.local, d, components) for d in DRAWS]
    got = judged(PLANTED, DRAWS, components=components)[:, 0]
    # float64 with a Gram matrix: 2e-16 times the spread of variances in 20 components, about 1e6
    np.testing.assert_allclose(got, wanted, rtol=1e-8)


@pytest.mark.parametrize("case", [PLANTED, SMOOTH], ids=["in full", "by means"])
def test_a_cut_at_the_default_tolerance_moves_errors_little(case: Planted) -> None:
    wanted = [draw_error(case.library, case.local, d, 8) for d in DRAWS]
    got = judged(case, DRAWS, tolerance=1e-10)[:, 0]
    # float32 products of rotated rows: 2e-6 at most over 1,000 draws seen
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


@pytest.mark.parametrize("components", [1, 4, 10])
def test_means_of_products_move_errors_no_more_than_float32_does(
    components: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    means, full = (
        judged(SMOOTH, DRAWS, components=components, criteria=TWO_PRODUCTS, tolerance=1e-10)
        for _ in _with_and_without_means(monkeypatch)
    )
    assert (means != full).any()
    np.testing.assert_allclose(means, full, rtol=5e-6)


def _with_and_without_means(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield
    monkeypatch.setattr(rotation, "AVERAGED", 0.0)
    yield


@pytest.mark.parametrize("case", [PLANTED, SMOOTH], ids=["in full", "by means"])
def test_a_draw_of_few_different_rows_keeps_the_components_it_has(case: Planted) -> None:
    rng = np.random.default_rng(0)
    few = np.stack([rng.choice(rng.choice(300, 6, replace=False), 40) for _ in range(5)])
    exact, got = (judged(case, few, components=10, tolerance=t) for t in (0.0, 1e-10))
    # five components are real; float32 leaves 3e-7 of the covariance, which is no sixth
    np.testing.assert_allclose(got, exact, rtol=1e-3)


@pytest.mark.parametrize("case", [PLANTED, SMOOTH], ids=["in full", "by means"])
@pytest.mark.parametrize(("chunk_bytes", "workers"), [(1, 1), (300_000, 2), (10**9, 1)])
def test_chunks_and_threads_move_no_more_than_the_last_digit(
    case: Planted, chunk_bytes: int, workers: int
) -> None:
    library = rotate_library(case.library.values, np.arange(300), case.library.target, 1e-8)
    judges = Judges(values=case.local.values, target=case.local.target)
    engine = load_engine(library, judges, components=8, device="cpu")
    other = replace(engine, chunk_bytes=chunk_bytes, workers=workers)
    # float32 products are the same to the bit; a float64 one with all draws of a chunk is not
    np.testing.assert_allclose(judge_draws(other, DRAWS), judge_draws(engine, DRAWS), rtol=1e-14)


@pytest.mark.parametrize(("case", "lead"), [(PLANTED, 0), (SMOOTH, 13)], ids=["full", "means"])
def test_means_stand_in_only_where_13_directions_hold_nearly_all(case: Planted, lead: int) -> None:
    whole = find_rotation(case.library.values, np.arange(300), 0.0)
    rest = whole.variances[13:].sum() / whole.variances.sum()
    assert rotation.find_lead(whole, 1e-10) == lead
    assert (rest <= 5e-7) == (lead > 0)
    assert rotation.find_lead(whole, 0.0) == 0


@pytest.mark.parametrize("tolerance", [0.0, 1e-8])
def test_lab_values_that_do_not_differ_cannot_be_fitted(tolerance: float) -> None:
    target = np.where(np.isin(np.arange(300), DRAWS[0]), 7.123, PLANTED.library.target)
    library = rotate_library(PLANTED.library.values, np.arange(300), target, tolerance)
    judges = Judges(values=PLANTED.local.values, target=PLANTED.local.target)
    errors = judge_draws(load_engine(library, judges, components=5, device="cpu"), DRAWS[:2])
    assert np.isnan(errors[0, 0]) and np.isfinite(errors[1, 0])


def test_reconstruction_and_similarity_equal_a_written_out_projection() -> None:
    from sklearn.cross_decomposition import PLSRegression

    rows = DRAWS[0]
    x, local = PLANTED.library.values[rows], PLANTED.local.values
    model = PLSRegression(5, scale=False).fit(x, PLANTED.library.target[rows])
    scores = (local - x.mean(axis=0)) @ model.x_rotations_
    lost = local - x.mean(axis=0) - scores @ model.x_loadings_.T
    t2 = (scores**2 / model.x_scores_.var(axis=0, ddof=1)).sum(axis=1).mean()
    got = judged(PLANTED, DRAWS[:1], components=5, criteria=("reconstruction", "similarity"))
    # scikit-learn's NIPALS stops at 1e-6 for several responses; one response needs one step
    np.testing.assert_allclose(got[0], [np.sqrt((lost**2).mean()), t2], rtol=1e-8)


def test_reconstruction_counts_what_lies_outside_a_cut_rotation() -> None:
    cut = judged(PLANTED, DRAWS, tolerance=1e-4, components=3, criteria=("reconstruction",))
    full = judged(PLANTED, DRAWS, components=3, criteria=("reconstruction",))
    # a cut at 1e-4 of the variance moves three leading components by about its root, 1 %
    np.testing.assert_allclose(cut, full, rtol=0.02)


def test_range_is_the_gap_between_outer_quantiles() -> None:
    y, local = PLANTED.library.target[DRAWS[3]], PLANTED.local.target
    gap = np.abs(np.quantile(y, [0.05, 0.95]) - np.quantile(local, [0.05, 0.95])).sum()
    np.testing.assert_allclose(judged(PLANTED, DRAWS[3:4], criteria=("range",)), [[gap]])


@pytest.mark.parametrize("chunk_bytes", [1, 200_000, 10**9])
def test_chunks_do_not_change_the_errors(chunk_bytes: int) -> None:
    got = judged(PLANTED, DRAWS, criteria=CRITERIA, chunk_bytes=chunk_bytes)
    # a batched product may sum in another order: a few units in the last place, grown by 1e3
    np.testing.assert_allclose(got, judged(PLANTED, DRAWS, criteria=CRITERIA), rtol=1e-10)


def test_a_draw_that_cannot_be_fitted_is_nan_and_harms_no_other() -> None:
    target = PLANTED.library.target.copy()
    target[DRAWS[0]] = 7.0
    library = rotate_library(PLANTED.library.values, np.arange(300), target, 0.0)
    judges = Judges(values=PLANTED.local.values, target=PLANTED.local.target)
    errors = judge_draws(load_engine(library, judges, components=5, device="cpu"), DRAWS[:2])
    alone = judge_draws(load_engine(library, judges, components=5, device="cpu"), DRAWS[1:2])
    assert np.isnan(errors[0, 0])
    np.testing.assert_allclose(errors[1], alone[0], rtol=1e-10)


def test_a_draw_of_lower_rank_keeps_the_components_it_has() -> None:
    case = planted(60, 10, b=30, seed=1, noise=0.0)  # twelve absorbers, a baseline, scatter
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 30))
    library = rotate_library(values, np.arange(60), case.library.target, 0.0)
    judges = Judges(values=case.local.values, target=case.local.target)
    draws = np.stack([rng.choice(60, 20, replace=False) for _ in range(4)])
    three, ten = (
        judge_draws(load_engine(library, judges, components=c, device="cpu"), draws)
        for c in (3, 10)
    )
    # after three components nothing is left but rounding, and the local rows lie far outside
    np.testing.assert_allclose(ten, three, rtol=1e-6)


def test_the_rotation_keeps_what_it_says() -> None:
    values = PLANTED.library.values
    cut = find_rotation(values, np.arange(300), 1e-5)
    centred = values - cut.mean
    lost = centred - (centred @ cut.basis) @ cut.basis.T
    share = (lost**2).sum() / (centred**2).sum()
    assert share <= 1e-5
    np.testing.assert_allclose(share, cut.left_out, rtol=1e-6)
    assert find_rotation(values, np.arange(300), 0.0).rank == 60


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_errors() -> None:
    library = rotate_library(PLANTED.library.values, np.arange(300), PLANTED.library.target, 0.0)
    judges = Judges(values=PLANTED.local.values, target=PLANTED.local.target)
    engine = load_engine(library, judges, components=8, criteria=CRITERIA, device="cuda")
    # the same float64 sums in another order
    np.testing.assert_allclose(
        judge_draws(engine, DRAWS), judged(PLANTED, DRAWS, criteria=CRITERIA), rtol=1e-8
    )
