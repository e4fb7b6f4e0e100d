"""What leaves a library because it is the farm's own, and what only looks like it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autospec.data.spectra import Spectra
from autospec.transfer import purge
from autospec.transfer.purge import purge_library
from tests.conftest import made_spectra


def named(spectra: Spectra, *names: str) -> Spectra:
    return replace(spectra, ids=names, groups=names)


LIBRARY = named(made_spectra(6, seed=1), "a", "b", "c", "c", "row 5", "1006")
FARM = named(made_spectra(4, seed=2), "x", "y", "row 5", "1007")


def test_a_library_of_other_samples_stays_whole() -> None:
    purged = purge_library(LIBRARY, FARM)
    assert purged.count == 0
    np.testing.assert_array_equal(purged.kept, np.arange(6))


def test_a_sample_of_the_same_name_leaves() -> None:
    purged = purge_library(LIBRARY, named(FARM, "x", "b", "row 5", "1007"))
    assert (purged.by_id, purged.count) == (1, 1)
    assert 1 not in purged.kept


@pytest.mark.parametrize(
    ("lab_value", "leaves"), [(1.0, True), (1.005, True), (np.nan, True), (1.3, False)]
)
def test_a_plain_number_is_the_same_sample_if_the_lab_values_agree(
    lab_value: float, leaves: bool
) -> None:
    farm = named(FARM, "x", "1006", "row 5", "1007")
    target = farm.target.copy()
    target[1] = lab_value * LIBRARY.target[5]
    purged = purge_library(LIBRARY, replace(farm, target=target))
    assert purged.by_id == leaves


@pytest.mark.parametrize(("digits", "leaves"), [(6, 4), (4, 4), (1, 0)])
def test_spectra_that_were_rounded_are_still_the_same(digits: int, leaves: int) -> None:
    library = named(replace(FARM, values=FARM.values.round(digits)), "p", "q", "r", "s")
    assert purge_library(library, FARM).by_spectrum == leaves


def test_a_large_library_is_compared_in_blocks_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.vstack([made_spectra(50, seed=3).values, FARM.values])
    at_once = purge._same_spectra(values, FARM.values)
    monkeypatch.setattr(purge, "BLOCK_ROWS", 7)
    np.testing.assert_array_equal(purge._same_spectra(values, FARM.values), at_once)
    assert at_once.sum() == 4


def test_a_row_number_is_no_name() -> None:
    """Both files have a fifth row without a name; that says nothing of the sample."""
    unnamed = tuple(f"row {i}" for i in range(2, 8))
    purged = purge_library(named(LIBRARY, *unnamed), named(FARM, *unnamed[:4]))
    assert purged.count == 0


def test_a_copy_leaves_whatever_it_is_called_and_its_replicates_with_it() -> None:
    values = FARM.values.copy()
    values[0] = LIBRARY.values[2]
    purged = purge_library(LIBRARY, replace(FARM, values=values))
    assert (purged.by_spectrum, purged.by_replicate) == (1, 1)
    np.testing.assert_array_equal(purged.kept, [0, 1, 4, 5])


def test_rows_without_a_name_are_no_replicates_of_each_other() -> None:
    values = FARM.values.copy()
    values[0] = LIBRARY.values[2]
    library = named(LIBRARY, "a", "b", "row 2", "row 2", "c", "d")  # of two tables
    purged = purge_library(library, replace(FARM, values=values))
    assert (purged.by_spectrum, purged.by_replicate) == (1, 0)
