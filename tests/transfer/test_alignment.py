"""Alignment: what is seen in spectra, what only in the lab value given the spectrum, and words."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple, replace

import numpy as np
import pytest
from pydantic import TypeAdapter

from autospec.data.preprocess import to_reflectance
from autospec.data.spectra import IntArray, Spectra, join_spectra
from autospec.errors import DataError, UsageError
from autospec.transfer.alignment import measure_alignment
from autospec.transfer.alignment_result import Alignment, SetName, describe
from tests.transfer.planted import as_table, planted

CASE = planted(400, 130, b=60, seed=0)  # one quarter of the library obeys the farm's law
LOCAL, HOLDOUT = CASE.local.rows(range(30)), CASE.local.rows(range(30, 130))
RELEVANT: IntArray = np.flatnonzero(CASE.relevant)[:80].astype(np.int64)
OTHERS: IntArray = np.flatnonzero(~CASE.relevant)[:80].astype(np.int64)
SETS: tuple[SetName, ...] = ("library", "selection", "random k", "nearest k")


@pytest.fixture(scope="module")
def relevant() -> Alignment:
    return measure_alignment(CASE.library, RELEVANT, LOCAL, holdout=HOLDOUT)


@pytest.fixture(scope="module")
def others() -> Alignment:
    return measure_alignment(CASE.library, OTHERS, LOCAL, holdout=HOLDOUT)


def moved(spectra: Spectra, rows: IntArray) -> Spectra:
    """Lift the spectra of all but `rows`, as another instrument would."""
    values = spectra.values.copy()
    lifted = np.ones(spectra.n, dtype=bool)
    lifted[rows] = False
    values[lifted] += 1.0
    return replace(spectra, values=values)


def test_rows_and_sizes(relevant: Alignment) -> None:
    assert tuple(row.name for row in relevant.rows) == SETS
    assert [row.n for row in relevant.rows] == [400, 80, 80, 80]
    assert (relevant.m, relevant.judged, relevant.n_judged) == (30, "holdout", 100)
    assert [row.sd is None for row in relevant.rows] == [True, True, False, True]


def test_rows_of_the_farm_s_distribution_look_like_it_on_average() -> None:
    cases = [planted(300, 30, b=40, seed=seed) for seed in range(12)]
    found = [
        measure_alignment(case.library, np.arange(80), case.local, repeats=1)
        .row("selection")
        .figures
        for case in cases
    ]
    # three standard errors of twelve cases: p is uniform, AUC has a standard deviation of 0.1
    assert np.mean([figures.mmd_p for figures in found]) == pytest.approx(0.5, abs=0.25)
    assert np.mean([figures.auc for figures in found]) == pytest.approx(0.5, abs=0.09)


def test_another_law_is_seen_by_residuals_only(relevant: Alignment, others: Alignment) -> None:
    right, wrong = relevant.row("selection").figures, others.row("selection").figures
    assert wrong.mmd_p > 0.05
    assert wrong.auc == pytest.approx(0.5, abs=0.2)
    assert wrong.sde > 5 * right.sde
    assert right.rmse < 2 * relevant.reference.rmse
    assert relevant.worse == 20 > others.worse


def test_rows_that_look_like_the_farm_are_seen_among_shifted_ones() -> None:
    library = moved(CASE.library, RELEVANT)
    alignment = measure_alignment(library, RELEVANT, LOCAL, repeats=3)
    whole, chosen = alignment.row("library").figures, alignment.row("selection").figures
    assert whole.mmd_p == pytest.approx(1 / 501)  # the smallest that 500 relabellings allow
    assert chosen.mmd_p > 0.05
    assert alignment.further == alignment.repeats
    assert alignment.row("nearest k").figures.energy < 0.1 * whole.energy


def test_bias_is_parted_from_the_rest() -> None:
    raised = replace(CASE.library, target=CASE.library.target + 50.0)
    alignment = measure_alignment(raised, RELEVANT, LOCAL, holdout=HOLDOUT, repeats=3)
    figures = alignment.row("selection").figures
    assert figures.me == pytest.approx(50.0, abs=1.0)
    assert figures.rmse**2 == pytest.approx(figures.me**2 + figures.sde**2)
    assert "mostly a constant" in describe(alignment)


def test_lab_values_are_compared_in_their_unit() -> None:
    raised = replace(CASE.library, target=CASE.library.target + 500.0)
    figures = measure_alignment(raised, RELEVANT, LOCAL, repeats=3).row("selection").figures
    gap = raised.target[RELEVANT].mean() - LOCAL.target.mean()
    assert figures.target_distance == pytest.approx(gap)  # no overlap: the difference of means


def test_the_reference_without_a_holdout_is_cross_validated() -> None:
    noise = replace(LOCAL, target=np.random.default_rng(0).permutation(LOCAL.target))
    alignment = measure_alignment(CASE.library, RELEVANT, noise, repeats=3)
    assert alignment.reference.rmse > 0.9 * noise.target.std()
    assert alignment.judged == "local"
    assert "optimistic" in alignment.note


def test_random_k_is_a_mean_with_its_spread(relevant: Alignment) -> None:
    row = relevant.row("random k")
    once = measure_alignment(CASE.library, RELEVANT, LOCAL, holdout=HOLDOUT, repeats=1)
    assert row.sd is not None
    assert min(astuple(row.sd)) > 0
    assert set(astuple(once.row("random k").sd or row.sd)) == {0.0}


def test_the_same_seed_gives_the_same_and_another_seed_does_not() -> None:
    first, again, other = (
        measure_alignment(CASE.library, RELEVANT, LOCAL, seed=seed, repeats=2) for seed in (0, 0, 1)
    )
    assert again == first
    assert other.row("random k") != first.row("random k")


def test_json_there_and_back(relevant: Alignment) -> None:
    text = json.dumps(asdict(relevant), allow_nan=False)
    assert TypeAdapter(Alignment).validate_json(text) == relevant


def test_reflectance_is_compared_as_absorbance(relevant: Alignment) -> None:
    parts = [
        replace(part, values=to_reflectance(part.values), quantity="reflectance")
        for part in (CASE.library, LOCAL, HOLDOUT)
    ]
    alignment = measure_alignment(parts[0], RELEVANT, parts[1], holdout=parts[2], repeats=3)
    figures = [each.row("selection").figures for each in (alignment, relevant)]
    # through 10**(-A) and back; residuals follow the last digits of small directions
    np.testing.assert_allclose(astuple(figures[0]), astuple(figures[1]), rtol=1e-3, atol=1e-9)


def test_large_libraries_are_thinned() -> None:
    case = planted(700, 30, b=20, seed=0)
    alignment = measure_alignment(case.library, np.arange(600), case.local, repeats=2)
    assert [row.n for row in alignment.rows] == [700, 600, 600, 600]
    assert alignment.row("library").figures.mmd_p > 0.05


def test_the_farm_s_own_rows_and_rows_without_lab_value_are_left_out() -> None:
    target = CASE.library.target.copy()
    target[OTHERS[:7]] = np.nan
    library = join_spectra([replace(CASE.library, target=target), LOCAL, HOLDOUT.rows(range(5))])
    selection = np.concatenate([RELEVANT, [400, 434]])
    alignment = measure_alignment(library, selection, LOCAL, holdout=HOLDOUT, repeats=3)
    assert [row.n for row in alignment.rows] == [393, 80, 80, 80]
    assert alignment.notes[0].startswith("35 library rows are the farm's own")
    assert alignment.notes[1].startswith("7 library rows have no lab value")
    assert alignment.notes[2] == "2 of the rows left out had been selected"


def test_local_rows_without_lab_value_count_in_spectra_only() -> None:
    target = LOCAL.target.copy()
    target[:10] = np.nan
    alignment = measure_alignment(CASE.library, RELEVANT, replace(LOCAL, target=target), repeats=3)
    assert (alignment.m, alignment.n_judged) == (30, 20)
    assert np.isfinite(alignment.reference.rmse)


@pytest.mark.parametrize(
    "selection", [[-1, 2, 3, 4, 5], [1, 1, 2, 3, 4], [1, 2, 3, 4, 400], list(range(400))]
)
def test_impossible_selections_are_refused(selection: list[int]) -> None:
    with pytest.raises(UsageError, match="want"):
        measure_alignment(CASE.library, np.array(selection), LOCAL)


def test_no_random_selection_is_refused() -> None:
    with pytest.raises(UsageError, match="repeats = 0"):
        measure_alignment(CASE.library, RELEVANT, LOCAL, repeats=0)


def test_too_few_rows_are_all_reported() -> None:
    with pytest.raises(DataError) as caught:
        measure_alignment(
            CASE.library, RELEVANT[:3], LOCAL.rows(range(4)), holdout=HOLDOUT.rows(range(2))
        )
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("which", ["local", "holdout"])
def test_another_unit_is_refused(which: str) -> None:
    tables = {"local": LOCAL, "holdout": HOLDOUT}
    tables[which] = replace(tables[which], target_unit="%")
    with pytest.raises(DataError, match="target unit"):
        measure_alignment(CASE.library, RELEVANT, tables["local"], holdout=tables["holdout"])


def test_words_for_rows_that_help_without_looking_alike(relevant: Alignment) -> None:
    words = describe(relevant)
    assert "not closer to the farm in spectra" in words
    assert "teach more about this farm than random rows do, although they look no more" in words
    assert "had no part in the selection" in words


def test_words_for_rows_that_look_alike_and_mislead(others: Alignment) -> None:
    assert "lab values follow the spectrum differently on this farm" in describe(others)


def test_words_for_rows_that_are_closer_and_help() -> None:
    words = describe(measure_alignment(moved(CASE.library, RELEVANT), RELEVANT, LOCAL, repeats=3))
    assert "are closer to the farm in spectra" in words
    assert "which judged the selection and so flatter it" in words
    assert "although" not in words


def test_words_for_rows_that_are_further() -> None:
    rest = np.setdiff1d(np.arange(CASE.library.n), OTHERS)
    alignment = measure_alignment(moved(CASE.library, rest), OTHERS, LOCAL, repeats=3)
    assert alignment.further == 0
    assert "are further from the farm in spectra" in describe(alignment)


def test_a_farm_of_one_sample_is_refused() -> None:
    one = as_table(LOCAL.values, LOCAL.target, LOCAL.axis, "farm")
    with pytest.raises(DataError, match="1 groups of labelled local rows"):
        measure_alignment(CASE.library, RELEVANT, replace(one, groups=("a",) * 30))
