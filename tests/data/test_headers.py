"""Band headers: conventions, choice of the block, years and units."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospec.data.headers import BandHeader, choose_bands, parse_header

NM = [str(k) for k in range(350, 2501, 10)]


@pytest.mark.parametrize(
    ("header", "position", "axis_unit", "quantity"),
    [
        ("350", 350, None, None),
        ("350.0", 350, None, None),
        ("350,5", 350.5, None, None),
        (" 351 ", 351, None, None),
        ("X350", 350, None, None),
        ("X350.5", 350.5, None, None),
        ("350nm", 350, "nm", None),
        ("350 nm", 350, "nm", None),
        ("X350.nm", 350, "nm", None),
        ("wl_350", 350, "nm", None),
        ("WL_431.6", 431.6, "nm", None),
        ("wavelength 350", 350, "nm", None),
        ("wn_5397.9", 5397.9, "cm-1", None),
        ("600cm-1", 600, "cm-1", None),
        ("600 cm⁻¹", 600, "cm-1", None),
        ("600 cm^-1", 600, "cm-1", None),
        ("X600.cm.1", 600, "cm-1", None),
        ("spc.1100", 1100, None, None),
        ("ref_350", 350, None, "reflectance"),
        ("abs_1100", 1100, None, "absorbance"),
        ("scan_visnir.350_ref", 350, "nm", "reflectance"),
        ("scan_mir.600_abs", 600, "cm-1", "absorbance"),
    ],
)
def test_a_band_header_is_read(
    header: str, position: float, axis_unit: str | None, quantity: str | None
) -> None:
    band = parse_header(header)
    assert band is not None
    assert (band.position, band.axis_unit, band.quantity) == (position, axis_unit, quantity)


@pytest.mark.parametrize(
    "header",
    ["", "x1", "G_K", "NDVI", "soc", "pH", "12", "299", "15001", "99nm", "wl_", "B350a", "350x",
     "3e3", "1_000", "-350", "+350", "٣٥٠", "oc_usda.c729_w.pct", "clay.tot_usda.a334_w.pct",
     "sample_350", "2020-05-01", "350;351", "inf", "350.5.1"],
)  # fmt: skip
def test_other_headers_are_not_bands(header: str) -> None:
    assert parse_header(header) is None


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_without_raising(text: str) -> None:
    assert parse_header(text) is None or isinstance(parse_header(text), BandHeader)


@given(
    st.integers(3000, 29_999).map(lambda k: k / 10),
    st.sampled_from(["{}", "X{}", "{}nm", "wl_{}", "scan_visnir.{}_ref", "{} nm"]),
)
def test_every_convention_gives_back_the_position(position: float, form: str) -> None:
    band = parse_header(form.format(position))
    assert band is not None
    assert band.position == position


@given(st.permutations(NM))
def test_the_order_in_the_file_does_not_change_the_axis(headers: list[str]) -> None:
    choice = choose_bands([f"wl_{h}" for h in headers])
    assert [headers[c] for c in choice.columns] == NM
    assert list(choice.positions) == [float(h) for h in NM]


@pytest.mark.parametrize(
    ("headers", "unit"),
    [
        (NM, "nm"),
        (NM[::-1], "nm"),
        ([str(k) for k in range(600, 4001, 10)], "cm-1"),
        ([str(k) for k in range(600, 2991, 10)], "nm"),
        ([str(k) for k in range(2990, 599, -10)], "cm-1"),
        ([f"wn_{k}" for k in range(600, 2000, 10)], "cm-1"),
        ([f"wl_{k}" for k in range(1000, 3500, 10)], "nm"),
    ],
)
def test_the_unit_follows_from_the_header_or_else_from_range_and_order(
    headers: list[str], unit: str
) -> None:
    choice = choose_bands(headers)
    assert choice.axis_unit == unit
    assert unit in choice.recognised[0]


def test_the_user_may_say_the_unit_of_bare_numbers() -> None:
    choice = choose_bands(NM, "cm-1")
    assert choice.axis_unit == "cm-1"
    assert "as --axis-unit says" in choice.recognised[0]


def test_a_unit_that_contradicts_the_headers_is_a_problem() -> None:
    choice = choose_bands([f"wl_{h}" for h in NM], "cm-1")
    assert choice.columns == ()
    assert "'wl_350'" in choice.problems[0]
    assert "Drop --axis-unit cm-1" in choice.problems[0]


OSSL = [
    "id.layer_uuid_txt",
    *(f"scan_mir.{k}_abs" for k in range(600, 4000, 2)),
    *(f"scan_visnir.{k}_ref" for k in range(350, 2501, 2)),
]


@pytest.mark.parametrize(
    ("asked", "first", "other"),
    [(None, "scan_visnir.350_ref", "scan_mir"), ("cm-1", "scan_mir.600_abs", "scan_visnir")],
)
def test_of_two_blocks_the_near_infrared_is_taken_unless_told(
    asked: None, first: str, other: str
) -> None:
    choice = choose_bands(OSSL, asked)
    assert OSSL[choice.columns[0]] == first
    assert any("not taken for bands" in line and other in line for line in choice.recognised)


@pytest.mark.parametrize(
    "headers",
    [
        ["id", "2020", "soc", *NM],
        ["id", "2020", *NM],
        ["id", *NM, "2020"],
        ["id", "2019", "2020", "2021", *NM],
        ["2020", "G_K", *NM, "NDVI", "x1"],
        ["id", "soc", *[str(k) for k in range(350, 1701, 5)], "2020"],
        ["X2020", "soc", *[f"X{k}" for k in range(350, 2500, 7)]],
    ],
)
def test_a_year_among_bare_numbers_is_not_a_band(headers: list[str]) -> None:
    choice = choose_bands(headers)
    assert choice.problems == ()
    assert list(choice.positions) == sorted(set(choice.positions))
    assert choice.positions[0] == 350
    assert len(choice.columns) >= 200
    assert any("out of step" in line and "20" in line for line in choice.recognised)


def test_shuffled_bare_numbers_stay_bands() -> None:
    choice = choose_bands(["id", *NM[100:], *NM[:100]])
    assert len(choice.columns) == len(NM)
    assert "not in order" in choice.mended[0]


def test_descending_bands_are_sorted_and_said() -> None:
    choice = choose_bands(["wn_5397.9", "wn_5396", "wn_599.8"])
    assert choice.positions == (599.8, 5396.0, 5397.9)
    assert choice.columns == (2, 1, 0)
    assert "descending" in choice.mended[0]


def test_two_columns_at_one_position_are_a_problem() -> None:
    choice = choose_bands(["id", "350", *NM])
    assert "columns 2, 3" in choice.problems[0]
    assert "350 nm" in choice.problems[0]


def test_a_header_renamed_by_a_program_is_a_problem() -> None:
    choice = choose_bands(["id", *NM[:3], "370.1", *NM[3:]])
    assert "column 5 ('370.1') looks like a second '370'" in choice.problems[0]


def test_half_steps_are_not_taken_for_renamed_headers() -> None:
    assert choose_bands([f"{350 + k / 2:g}" for k in range(200)]).problems == ()


def test_no_band_at_all_says_what_is_wanted() -> None:
    choice = choose_bands(["id", "soc", "NDVI"])
    assert "no column is a band" in choice.problems[0]
    assert "wl_350" in choice.problems[0]


def test_bands_outside_every_instrument_are_left_out_and_said() -> None:
    choice = choose_bands(["id", *(str(k) for k in range(250, 2500, 10))])
    assert choice.positions[0] == 300
    assert any("'250'" in line and "outside" in line for line in choice.recognised)


def test_bare_numbers_have_the_limits_of_the_unit_that_the_user_states() -> None:
    header = [f"{position:g}" for position in np.linspace(4000, 23_800, 100).round(2)]
    assert len(choose_bands(header, "cm-1").columns) == 100
    assert len(choose_bands(header).columns) < 100
