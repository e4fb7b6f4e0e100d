"""From tables to usable rows: every bad input of a localisation has one clear answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autospec.data.spectra import FloatArray, Spectra, join_spectra
from autospec.errors import DataError, UsageError
from autospec.localisation.preparation import (
    compact_spectra,
    country_rows,
    prepare,
    selection_settings,
)
from autospec.localisation.settings import LocaliseSettings
from tests.localisation.landscape import AXIS, landscape

WORLD = landscape(replicates=2)
LIBRARY, FARM = WORLD.library, WORLD.farm
SETTINGS = LocaliseSettings()


def on_axis(spectra: Spectra, axis: FloatArray) -> Spectra:
    return replace(spectra, axis=axis)


def renamed(spectra: Spectra, name: str) -> Spectra:
    ids = tuple(f"{name}-{i}" for i in range(spectra.n))
    return replace(spectra, ids=ids, groups=ids, fields=(name,) * spectra.n)


def test_rows_with_and_without_a_lab_value_are_told_apart() -> None:
    ready = prepare((LIBRARY,), FARM, SETTINGS, None)
    assert (ready.farm.own.n, ready.unlabelled.own.n) == (42, 4)
    assert ready.farm.own.ids == ready.farm.aligned.ids
    assert ready.unlabelled.own.ids == tuple(f"farm-{i}" for i in range(40, 44))
    assert np.isfinite(ready.farm.own.target).all()
    assert ready.library.n == ready.compact.n == 120
    assert ready.purged.startswith("0 library rows are the farm's own")


def test_library_rows_without_a_lab_value_are_left_out() -> None:
    target = LIBRARY.target.copy()
    target[:7] = np.nan
    ready = prepare((replace(LIBRARY, target=target),), FARM, SETTINGS, None)
    assert ready.library.ids == LIBRARY.ids[7:]


def test_the_farm_keeps_its_own_bands_and_meets_the_library_on_common_ones() -> None:
    coarse = replace(LIBRARY, values=LIBRARY.values[:, 5::2], axis=AXIS[5::2])
    ready = prepare((coarse,), FARM, SETTINGS, None)
    assert np.array_equal(ready.farm.own.axis, AXIS)
    assert np.array_equal(ready.farm.aligned.axis, ready.library.axis)
    assert ready.library.b < len(AXIS)
    assert any("the farm: 50 bands" in note for note in ready.notes)
    assert f"{ready.library.b} bands in common" in ready.aligned


def test_a_unit_with_a_known_factor_is_converted_and_told() -> None:
    percent = replace(LIBRARY, target=LIBRARY.target / 10.0, target_unit="%")
    ready = prepare((percent,), FARM, SETTINGS, None)
    np.testing.assert_allclose(ready.library.target, LIBRARY.target)
    assert any("soc in %" in note for note in ready.notes)


def test_reflectance_beside_absorbance_is_converted_and_told() -> None:
    reflectance = replace(LIBRARY, values=10.0**-LIBRARY.values, quantity="reflectance")
    ready = prepare((reflectance,), FARM, SETTINGS, None)
    np.testing.assert_allclose(ready.library.values, LIBRARY.values, atol=1e-12)
    assert any("reflectance turned into absorbance" in note for note in ready.notes)


@pytest.mark.parametrize(
    ("library", "message"),
    [
        (on_axis(LIBRARY, AXIS + 2000.0), r"covers 0% of the farm's range.*want at least 50%"),
        (replace(LIBRARY, target_name="clay"), r"target 'clay'; want the farm's, 'soc'"),
        (replace(LIBRARY, target_unit="mg/l"), r"soc in 'mg/l'; want the farm's unit, 'g/kg'"),
        (FARM, r"of 46 library rows 0 can be used: 46 library rows are the farm's own"),
        (renamed(FARM, "copy"), r"0 can be used: 46 library rows are .*46 by spectrum"),
        (LIBRARY.rows(range(39)), r"of 39 library rows 39 can be used.*want at least 40"),
        (
            replace(LIBRARY, target=np.full(LIBRARY.n, np.nan)),
            r"0 can be used.*120 have no soc; want at least 40. Pass a library",
        ),
    ],
    ids=["no shared bands", "target", "unit", "own names", "own spectra", "few", "unlabelled"],
)
def test_what_cannot_be_used_is_refused_with_what_was_wanted(
    library: Spectra, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        prepare((library,), FARM, SETTINGS, None)


def test_without_a_table_there_is_no_library() -> None:
    with pytest.raises(DataError, match="no library was given"):
        prepare((), FARM, SETTINGS, None)


def test_the_farms_own_rows_are_purged_and_counted_with_unlabelled_ones() -> None:
    """The spectra of rows that wait for a prediction would be a leak just the same."""
    by_name = replace(FARM.rows([0, 41]), target=np.full(2, 20.0))
    by_name = replace(by_name, values=by_name.values + 0.01, fields=("farm",) * 2)
    by_spectrum = replace(renamed(FARM.rows([5, 42]), "copy"), target=np.full(2, 20.0))
    spoilt = join_spectra([LIBRARY, by_name, by_spectrum])
    ready = prepare((spoilt,), FARM, SETTINGS, None)
    assert ready.library.ids == LIBRARY.ids
    assert ready.purged.startswith("4 library rows are the farm's own and were left out (2 by name")


def test_tables_that_repeat_each_others_names_are_all_kept() -> None:
    again = replace(LIBRARY, values=LIBRARY.values + 0.01)
    assert prepare((LIBRARY, again), FARM, SETTINGS, None).library.n == 240


@pytest.mark.parametrize(
    ("rows", "k"), [(45, 22), (120, 50), (400, 50), (1200, 120), (90_000, 300)]
)
def test_rs_local_selects_a_tenth_of_the_library_within_bounds(rows: int, k: int) -> None:
    assert selection_settings(rows, SETTINGS).k == k


def test_k_as_large_as_the_library_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match=r"--k 120 of 120 usable library rows; want at most 119"):
        prepare((LIBRARY,), FARM, replace(SETTINGS, k=120), None)


def test_k_counts_rows_after_the_purge() -> None:
    both = join_spectra([LIBRARY, FARM.rows(range(10))])
    with pytest.raises(UsageError, match="125 of 120 usable"):
        prepare((both,), FARM, replace(SETTINGS, k=125), None)


def test_a_country_is_a_field_of_the_library_or_where_a_known_field_lies() -> None:
    known = replace(LIBRARY, fields=("SL.125",) * 60 + ("north",) * 60)  # SL.125 is in Sweden
    assert country_rows(LIBRARY, "south") == pytest.approx(np.arange(40, 80))
    assert country_rows(known, "Sweden") == pytest.approx(np.arange(60))
    assert country_rows(known, "SL.125") == pytest.approx(np.arange(60))


def test_an_unknown_country_is_refused_with_the_nearest_and_all_known() -> None:
    with pytest.raises(
        UsageError,
        match=r"'suoth'\. Did you mean 'south'\? The library has: north, south, west\.",
    ):
        prepare((LIBRARY,), FARM, SETTINGS, "suoth")


def test_a_country_of_few_rows_has_no_networks() -> None:
    few = LIBRARY.rows([*range(40), *range(40, 69)])
    assert prepare((few,), FARM, SETTINGS, "south").country is None
    enough = prepare((LIBRARY.rows(range(70)),), FARM, SETTINGS, "south").country
    assert enough is not None and len(enough) == 30


@pytest.mark.parametrize("bands", [12, 50, 700])
def test_rs_local_reads_absorbance_on_about_a_hundred_bands(bands: int) -> None:
    axis = np.linspace(400.0, 2400.0, bands)
    values = np.random.default_rng(0).uniform(0.1, 0.9, (5, bands))
    made = replace(LIBRARY.rows(range(5)), values=values, axis=axis, quantity="reflectance")
    compact = compact_spectra(made)
    assert compact.quantity == "absorbance" and compact.ids == made.ids
    assert compact.b == len(compact.axis) <= 102
    assert compact.values.min() > 0.0


def test_rows_of_an_empty_table_stay_none() -> None:
    assert compact_spectra(LIBRARY.rows([])).n == 0
