"""A plan names samples, not scans, and measures itself beside chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autospec.data.planning import measure_coverage, plan_samples
from autospec.data.sampling import choose_samples
from autospec.data.spectra import Spectra
from autospec.errors import UsageError
from tests.conftest import made_spectra


def scanned(times: int, n: int = 30) -> Spectra:
    """Every sample scanned so often, scans of one sample apart in the table."""
    once = made_spectra(n)
    rows = np.tile(np.arange(n), times)
    noise = 1e-4 * np.random.default_rng(0).normal(size=(n * times, once.b))
    many = once.rows(rows)
    return replace(many, values=many.values + noise)


def test_a_plan_holds_the_samples_in_the_order_of_choice() -> None:
    spectra = made_spectra(40)
    plan = plan_samples(spectra, 8, "kmeans", seed=2)
    rows = choose_samples(spectra.values, 8, "kmeans", seed=2)
    assert [s.id for s in plan.samples] == [spectra.ids[i] for i in rows]
    assert [s.order for s in plan.samples] == list(range(1, 9))
    assert (plan.n_samples, plan.method, plan.seed) == (40, "kmeans", 2)


def test_replicates_are_averaged_and_chosen_once() -> None:
    plan = plan_samples(scanned(3), 30)
    assert len({s.id for s in plan.samples}) == 30
    assert {s.scans for s in plan.samples} == {3}
    spectra = scanned(3)
    means = spectra.values.reshape(3, 30, -1).mean(axis=0)
    wanted = [spectra.ids[i] for i in choose_samples(means, 5)]
    assert [s.id for s in plan_samples(spectra, 5).samples] == wanted


def test_more_samples_than_there_are_is_refused_even_if_there_are_scans() -> None:
    with pytest.raises(UsageError, match="31 samples are wanted of 30"):
        plan_samples(scanned(3), 31)


def test_lab_values_do_not_change_the_choice() -> None:
    spectra = made_spectra()
    bare = replace(spectra, target=np.full(spectra.n, np.nan))
    first, second = plan_samples(spectra, 10), plan_samples(bare, 10)
    assert [s.id for s in first.samples] == [s.id for s in second.samples]
    assert {s.labelled for s in first.samples} == {True}
    assert {s.labelled for s in second.samples} == {False}
    assert (first.n_labelled, second.n_labelled) == (60, 0)


def test_one_labelled_scan_labels_the_sample() -> None:
    spectra = scanned(2)
    half = replace(spectra, target=np.where(np.arange(60) < 30, np.nan, spectra.target))
    assert plan_samples(half, 5).n_labelled == 30


def test_labelled_samples_may_count_as_chosen() -> None:
    spectra = made_spectra()
    known = replace(spectra, target=np.where(np.arange(60) < 20, spectra.target, np.nan))
    plan = plan_samples(known, 10, keep_labelled=True)
    assert plan.n_kept == plan.n_labelled == 20
    assert not {s.id for s in plan.samples} & set(spectra.ids[:20])
    with pytest.raises(UsageError, match="41 samples are wanted of 40"):
        plan_samples(known, 41, keep_labelled=True)


@pytest.mark.parametrize("method", ["kennard-stone", "kmeans"])
def test_the_coverage_stands_beside_that_of_chance(method: str) -> None:
    two_dimensional = made_spectra(200, noise=0)
    plan = plan_samples(two_dimensional, 10, method)  # type: ignore[arg-type]
    assert plan.coverage.farthest < plan.random.farthest
    assert plan.coverage.explained <= 1


def test_all_samples_cover_themselves_wholly() -> None:
    plan = plan_samples(made_spectra(25), 25)
    assert plan.coverage.explained == plan.random.explained == 1
    assert plan.coverage.farthest == 0


def test_coverage_is_what_its_definition_says() -> None:
    line = np.array([[0.0], [1.0], [2.0], [9.0]])
    found = measure_coverage(line, np.array([0, 2]))
    spread = np.mean((line - 3.0) ** 2)
    assert found.explained == pytest.approx(1 - (0 + 1 + 0 + 49) / 4 / spread)
    assert found.farthest == pytest.approx(7 / np.sqrt(spread))


def test_equal_spectra_are_covered_by_any_one() -> None:
    assert measure_coverage(np.ones((5, 2)), np.array([3])).explained == 1
