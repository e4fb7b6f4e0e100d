"""A library and a farm come onto the same bands, quantity and unit, and every step is told."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from autospec.data.align import MAX_COST, MIN_SHARE, align, align_many
from autospec.data.spectra import AxisUnit, FloatArray, Spectra
from autospec.data.targets import unit_factor
from autospec.errors import DataError
from autospec.transfer.purge import check_comparable


def curve(wavelength_nm: FloatArray) -> FloatArray:
    """Absorbance that bends over hundreds of nm, as a soil's does."""
    return np.asarray(0.5 + 0.2 * np.sin(wavelength_nm / 300.0))


def table(
    low: float, high: float, step: float, *, name: str = "lib", n: int = 25, unit: AxisUnit = "nm"
) -> Spectra:
    """Rows of one known curve, scaled row by row."""
    axis = np.arange(low, high + step / 2, step)
    shape = curve(axis if unit == "nm" else 1e7 / axis)
    ids = tuple(f"{name}-{i}" for i in range(n))
    return Spectra(
        values=np.outer(1 + np.arange(n) / n, shape),
        axis=axis,
        axis_unit=unit,
        quantity="absorbance",
        ids=ids,
        groups=ids,
        fields=(name,) * n,
        target=np.linspace(5.0, 40.0, n),
        target_name="soc",
        target_unit="g/kg",
    )


FARM = table(400, 2400, 5, name="farm", n=21)


def assert_same_curve(spectra: Spectra) -> None:
    n = spectra.n
    wanted = np.outer(1 + np.arange(n) / n, curve(spectra.axis))
    # Averages over 10 nm of a curve that bends by 0.2/300² a nm²: 2e-6 h²·n/24 and less.
    np.testing.assert_allclose(spectra.values, wanted, atol=2e-3)


@pytest.mark.parametrize(
    "library",
    [
        table(350, 2500, 1),
        table(350, 2500, 10),
        table(420.3, 2380.1, 2.7),
        table(4000, 28000, 8, unit="cm-1"),
    ],
    ids=["finer", "coarser", "narrower", "wavenumbers"],
)
def test_library_and_farm_end_on_the_same_bands_with_the_same_curve(library: Spectra) -> None:
    aligned = align(library, FARM)
    check_comparable(aligned.library, aligned.farm)
    for side in (aligned.library, aligned.farm):
        assert_same_curve(side)
        assert side.axis[0] >= max(FARM.axis[0], 400) and side.axis[-1] <= FARM.axis[-1]
    assert aligned.library.ids == library.ids
    assert aligned.farm.ids == FARM.ids
    assert aligned.notes


def test_equal_bands_change_nothing_and_say_nothing() -> None:
    library = table(400, 2400, 5)
    aligned = align(library, FARM)
    assert aligned.library.values is library.values
    assert aligned.farm.values is FARM.values
    assert aligned.notes == ()


def test_shared_bands_are_cut_out_not_resampled() -> None:
    library = table(300, 2200, 5)
    aligned = align(library, FARM)
    np.testing.assert_array_equal(aligned.farm.values, FARM.values[:, FARM.axis <= 2200])
    np.testing.assert_array_equal(aligned.library.values, library.values[:, library.axis >= 400])
    assert "the farm: 401 bands" in aligned.notes[0]
    assert "40 bands outside dropped" in aligned.notes[0]


def test_wavelengths_become_the_wavenumbers_of_the_farm() -> None:
    farm = table(4000, 10000, 4, unit="cm-1", name="farm")
    aligned = align(table(900, 2600, 1), farm)
    assert aligned.library.axis_unit == "cm-1"
    np.testing.assert_allclose(
        aligned.library.values[0], curve(1e7 / aligned.library.axis), atol=2e-3
    )
    assert any("WN = 1e7 / WL" in note for note in aligned.notes)


@pytest.mark.parametrize("quantity", ["reflectance", "absorbance"])
def test_the_library_takes_the_quantity_of_the_farm(quantity: str) -> None:
    library = table(400, 2400, 5)
    reflecting = replace(library, values=10.0**-library.values, quantity="reflectance")
    farm = FARM if quantity == "absorbance" else replace(FARM, quantity="reflectance")
    given = reflecting if quantity == "absorbance" else library
    aligned = align(given, farm)
    wanted = library if quantity == "absorbance" else reflecting
    assert aligned.library.quantity == quantity
    np.testing.assert_allclose(aligned.library.values, wanted.values, rtol=1e-12)
    assert any(f"turned into {quantity}" in note for note in aligned.notes)


def test_percent_becomes_the_unit_of_the_farm() -> None:
    library = table(400, 2400, 5)
    percent = replace(library, target=library.target / 10, target_unit="%")
    aligned = align(percent, FARM)
    np.testing.assert_allclose(aligned.library.target, library.target, rtol=1e-14)
    assert aligned.library.target_unit == "g/kg"
    assert any("× 10 = g/kg" in note for note in aligned.notes)


@pytest.mark.parametrize(
    ("name", "found", "wanted", "factor"),
    [
        ("soc", "%", "g/kg", 10.0),
        ("soc", "g kg-1", "%", 0.1),
        ("clay", "g/kg", "%", 0.1),
        ("ph", "pH", "pH", 1.0),
        ("soc", "t/ha", "g/kg", None),
        ("ph", "pH", "g/kg", None),
        ("N", "%", "g/kg", None),
    ],
)
def test_units_convert_only_where_the_factor_is_known(
    name: str, found: str, wanted: str, factor: float | None
) -> None:
    assert unit_factor(name, found, wanted) == (factor and pytest.approx(factor))


@pytest.mark.parametrize(
    ("holes", "said"), [(1, "no band between 1000 and 1060 nm; 11 "), (2, "2 holes between 1000 ")]
)
def test_holes_between_detectors_are_told_in_one_sentence(holes: int, said: str) -> None:
    whole = table(400, 2400, 5)
    keep = (whole.axis <= 1000) | (whole.axis >= 1060)
    if holes == 2:
        keep &= (whole.axis <= 1800) | (whole.axis >= 1860)
    holed = replace(whole, values=whole.values[:, keep], axis=whole.axis[keep])
    aligned = align(holed, FARM)
    assert aligned.farm.b == FARM.b
    assert [said in note for note in aligned.notes] == [False, True]  # bands first, then holes


def test_rows_without_a_lab_value_stay() -> None:
    farm = replace(FARM, target=np.where(np.arange(21) < 5, np.nan, FARM.target))
    aligned = align(table(350, 2500, 1), farm)
    np.testing.assert_array_equal(aligned.farm.target, farm.target)


@pytest.mark.parametrize(
    ("library", "farm", "said"),
    [
        (replace(table(400, 2400, 5), target_name="clay"), FARM, "target 'clay'.*'soc'.*--target"),
        (replace(table(400, 2400, 5), target_unit="t/ha"), FARM, "'t/ha'.*'g/kg'"),
        (table(2500, 4000, 5), FARM, "covers 0%.*want at least 50%"),
        (table(400, 1300, 5), FARM, "covers 45%.*want at least 50%"),
        (table(500, 4000, 2, unit="cm-1"), FARM, "covers 0%"),
        (table(400, 2400, 200), FARM, "share 9 bands; want at least"),
        (
            table(400, 2400, 5),
            replace(FARM, target=np.full(21, 7.0)),
            "soc = 7 g/kg in all 21 labelled rows",
        ),
    ],
)
def test_what_cannot_be_aligned_is_refused_in_one_message(
    library: Spectra, farm: Spectra, said: str
) -> None:
    with pytest.raises(DataError, match=said) as caught:
        align(library, farm)
    assert len(caught.value.problems) == 1


def test_every_library_of_another_target_is_named() -> None:
    others = [replace(table(400, 2400, 5, name=f"lib{i}"), target_name="ph") for i in range(2)]
    with pytest.raises(DataError) as caught:
        align_many(others, FARM)
    assert ["lib0" in caught.value.problems[0], "lib1" in caught.value.problems[1]] == [True, True]


def test_no_library_is_refused() -> None:
    with pytest.raises(DataError, match="no library was given"):
        align_many([], FARM)


def test_libraries_of_several_axes_become_one_in_their_order() -> None:
    parts = [table(350, 2500, 1, name="a"), table(390, 2450, 7, name="b", n=30)]
    aligned = align_many(parts, FARM)
    assert aligned.library.ids == parts[0].ids + parts[1].ids
    assert aligned.library.fields == ("a",) * 25 + ("b",) * 30
    np.testing.assert_allclose(np.diff(aligned.library.axis), 7.0)
    assert_same_curve(aligned.library.rows(range(25)))
    assert_same_curve(aligned.library.rows(range(25, 55)))


def test_one_narrow_library_does_not_spoil_all() -> None:
    wide, narrow = table(350, 2500, 5, name="wide"), table(1000, 2400, 5, name="narrow")
    aligned = align_many([narrow, wide], FARM)
    assert set(aligned.library.fields) == {"wide"}
    assert aligned.farm.b == FARM.b
    assert any(
        "left out: 'narrow' (25 rows" in n and "70% of its range" in n for n in aligned.notes
    )


def test_a_large_library_may_narrow_the_range_by_a_quarter_at_most() -> None:
    small = table(350, 2500, 5, name="small", n=20)
    shorter = [table(350, top, 5, name="large", n=200) for top in (1950.0, 1850.0)]
    within, beyond = (align_many([small, large], FARM) for large in shorter)
    assert set(within.library.fields) == {"small", "large"}
    assert within.farm.axis[-1] == 1950
    assert set(beyond.library.fields) == {"small"}


def test_libraries_that_cover_too_little_are_left_out_and_named() -> None:
    aligned = align_many([table(350, 2500, 5), table(400, 900, 5, name="little")], FARM)
    assert any("left out: 'little'" in note and "covers 25%" in note for note in aligned.notes)


@pytest.mark.parametrize("seed", range(8))
def test_the_range_kept_is_the_best_of_all_by_the_stated_rule(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [
        table(
            float(rng.integers(60, 260)) * 5,
            float(rng.integers(300, 520)) * 5,
            5,
            name=f"p{i}",
            n=int(rng.integers(10, 80)),
        )
        for i in range(5)
    ] + [table(450, 2350, 5, name="sure", n=15)]
    width = float(FARM.axis[-1] - FARM.axis[0])
    spans = [(max(p.axis[0], 400.0), min(p.axis[-1], 2400.0)) for p in parts]
    shares = [(high - low) / width for low, high in spans]
    floor = max(max(shares) - MAX_COST, MIN_SHARE)
    best = 0.0
    for subset in range(1, 2 ** len(parts)):  # every set of libraries, not only nested ranges
        chosen = [i for i in range(len(parts)) if subset >> i & 1]
        if min(shares[i] for i in chosen) < MIN_SHARE:
            continue
        shared = min(spans[i][1] for i in chosen) - max(spans[i][0] for i in chosen)
        if shared / width >= floor - 1e-12:
            best = max(best, sum(parts[i].n for i in chosen) * shared)
    aligned = align_many(parts, FARM)
    found = aligned.library.n * (aligned.farm.axis[-1] - aligned.farm.axis[0])
    assert found == pytest.approx(best)


def test_no_third_table_is_made() -> None:
    library = table(350, 2500, 2.5, n=12_000)
    tracemalloc.start()
    aligned = align(library, FARM)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Beside the result: blocks of 4096 rows, which here are a third of a table twice over.
    assert peak < aligned.library.values.nbytes + 0.8 * library.values.nbytes
