"""Reading good and mendable files: forms, encodings, units, quantities and groups."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from soil_tables import AXIS, Table, soil_reflectance, soil_table

from autospec.data.readers import ReadOptions, examine, read_spectra
from autospec.data.text_tables import parse_number
from autospec.errors import DataError

SOC = ReadOptions(target="soc")


def said(lines: tuple[str, ...], *words: str) -> bool:
    """Say whether one line holds all the words."""
    return any(all(word in line for word in words) for line in lines)


def test_a_plain_table_is_read_as_it_is(tmp_path: Path) -> None:
    table = soil_table()
    path = table.write(tmp_path / "farm.csv")
    s = read_spectra(path)
    assert (s.n, s.b, s.axis_unit, s.quantity) == (30, len(AXIS), "nm", "reflectance")
    assert s.ids[0] == "S-1"
    assert s.groups == s.ids
    assert set(s.fields) == {"farm"}
    assert (s.target_name, s.target_unit) == ("soc", "g/kg")
    np.testing.assert_array_equal(s.values, np.array(table.column_floats()))
    assert not s.values.flags.writeable


def test_provenance_names_the_file_its_digest_and_every_sentence(tmp_path: Path) -> None:
    path = soil_table().write(tmp_path / "farm.csv")
    found = examine(path)
    assert found.spectra is not None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.spectra.provenance[0] == f"read from farm.csv (sha256 {digest})"
    assert found.spectra.provenance[1:] == found.recognised + found.mended


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_read_alike(tmp_path: Path, encoding: str, newline: str) -> None:
    plain = read_spectra(soil_table().write(tmp_path / "farm.csv"))
    text = soil_table().text().replace("\n", newline)
    other = tmp_path / "other" / "farm.csv"
    other.parent.mkdir()
    other.write_bytes(text.encode(encoding))
    found = examine(other)
    assert found.spectra is not None
    assert found.spectra.digest == plain.digest
    assert said(found.mended, "UTF-16") or said(found.mended, "byte order mark")


def test_windows_text_is_read_and_stated(tmp_path: Path) -> None:
    table = soil_table()
    table.rows[0][0] = "Skåne"
    path = tmp_path / "farm.csv"
    path.write_bytes(table.text().encode("cp1252"))
    found = examine(path)
    assert found.spectra is not None
    assert found.spectra.ids[0] == "Skåne"
    assert said(found.mended, "Windows-1252")


@pytest.mark.parametrize(("cut", "comma"), [(";", True), ("\t", True), (";", False), (",", True)])
def test_delimiters_and_decimal_commas_read_alike(tmp_path: Path, cut: str, comma: bool) -> None:
    plain = read_spectra(soil_table().write(tmp_path / "farm.csv"))
    text = soil_table().text(cut=cut, comma=comma)
    path = tmp_path / "farm.txt"
    path.write_text(text, encoding="utf-8")
    found = examine(path)
    assert found.spectra is not None, found.problems
    assert found.spectra.digest == plain.digest
    assert said(found.mended, "decimal commas in 30 rows") is comma


def test_parquet_reads_as_csv_does_also_with_text_and_half_precision_bands(tmp_path: Path) -> None:
    table = soil_table()
    plain = read_spectra(table.write(tmp_path / "farm.csv"))
    columns = table.columns()
    columns["350"] = [cell.replace(".", ",") for cell in columns["350"]]
    typed = {
        name: cells if name in ("id", "350") else [float(c) for c in cells]
        for name, cells in columns.items()
    }
    path = tmp_path / "farm.parquet"
    pq.write_table(pa.table(typed), path)
    assert read_spectra(path).digest == plain.digest


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10_000), n=st.integers(20, 40), precise=st.booleans())
def test_csv_and_parquet_round_trip_to_the_bit(
    tmp_path: Path, seed: int, n: int, precise: bool
) -> None:
    values = soil_reflectance(n, seed)
    if not precise:
        values = values.astype(np.float32).astype(np.float64)
    soc = np.random.default_rng(seed).uniform(1, 90, n)
    columns = {"id": [f"r{i}" for i in range(n)], "soc": soc.tolist()}
    columns |= {f"wl_{a}": values[:, k].tolist() for k, a in enumerate(AXIS)}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    head = ",".join(columns)
    rows = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    (tmp_path / "t.csv").write_text("\n".join([head, *rows]), encoding="utf-8")
    a, b = read_spectra(tmp_path / "t.parquet"), read_spectra(tmp_path / "t.csv")
    np.testing.assert_array_equal(a.values, values)
    np.testing.assert_array_equal(a.target, soc)
    assert a.digest == b.digest


@pytest.mark.parametrize(
    ("header", "options", "factor", "words"),
    [
        ("soc", ReadOptions(), 1.0, "g/kg assumed"),
        ("SOC (g/kg)", ReadOptions(), 1.0, "g/kg (the header)"),
        ("soc_g_kg", ReadOptions(), 1.0, "g/kg (the header)"),
        ("SOC_%", ReadOptions(), 10.0, "% (the header)"),
        ("oc_usda.c729_w.pct", ReadOptions(), 10.0, "% (the header)"),
        ("SOC_target", ReadOptions(target_unit="%"), 10.0, "% (--target-unit)"),
        ("SOM_target", ReadOptions(target_unit="percent"), 10 / 1.724, "% (--target-unit)"),
        ("SOM g kg-1", ReadOptions(), 1 / 1.724, "g/kg (the header)"),
        ("soc g dm⁻³", ReadOptions(), 1.0, "g/dm3 (the header)"),
        ("TOC mg/kg", ReadOptions(), 0.001, "mg/kg (the header)"),
    ],
)
def test_carbon_is_harmonised_to_g_per_kg(
    tmp_path: Path, header: str, options: ReadOptions, factor: float, words: str
) -> None:
    path = soil_table(target=header).write(tmp_path / "farm.csv")
    found = examine(path, options)
    assert found.spectra is not None, found.problems
    raw = read_spectra(soil_table().write(tmp_path / "raw.csv")).target
    np.testing.assert_allclose(found.spectra.target, raw * factor, rtol=1e-15)
    assert found.spectra.target_unit == "g/kg"
    assert found.spectra.target_name == "soc"
    assert said(found.recognised, words)


def test_small_carbon_without_a_unit_is_said_to_look_like_percent(tmp_path: Path) -> None:
    table = soil_table()
    for i, row in enumerate(table.rows):
        row[1] = f"{0.5 + i / 20}"
    found = examine(table.write(tmp_path / "farm.csv"))
    assert found.spectra is not None
    assert said(found.recognised, "g/kg assumed", "looks like %", "--target-unit %")


@pytest.mark.parametrize(
    ("header", "name", "unit"),
    [("clay.tot_usda.a334_w.pct", "clay", "%"), ("pH_H2O", "ph", "pH"), ("cec", "cec", "")],
)
def test_other_targets_keep_their_unit(tmp_path: Path, header: str, name: str, unit: str) -> None:
    table = soil_table(target=header)
    for i, row in enumerate(table.rows):
        row[1] = f"{5 + i / 10}"
    s = read_spectra(table.write(tmp_path / "farm.csv"), ReadOptions(target=header))
    assert (s.target_name, s.target_unit) == (name, unit)


@pytest.mark.parametrize(
    ("scale", "words"),
    [(100.0, "percent"), (10_000.0, "ten-thousandths")],
)
def test_scaled_reflectance_is_brought_to_a_fraction(
    tmp_path: Path, scale: float, words: str
) -> None:
    plain = read_spectra(soil_table().write(tmp_path / "farm.csv"))
    found = examine(soil_table(scale=scale).write(tmp_path / "scaled.csv"))
    assert found.spectra is not None, found.problems
    assert said(found.mended, words, "divided by")
    np.testing.assert_allclose(found.spectra.values, plain.values, atol=1e-6)


@pytest.mark.parametrize("axis", [AXIS, tuple(range(1100, 2500, 10))])
def test_absorbance_is_told_from_reflectance_by_its_shape(
    tmp_path: Path, axis: tuple[int, ...]
) -> None:
    found = examine(soil_table(absorbance=True, axis=axis).write(tmp_path / "farm.csv"))
    assert found.spectra is not None, found.problems
    assert found.spectra.quantity == "absorbance"
    assert said(found.recognised, "absorbance", "water band at 1930 nm")


def test_a_range_without_features_takes_the_users_word(tmp_path: Path) -> None:
    path = soil_table(axis=tuple(range(600, 800, 5))).write(tmp_path / "farm.csv")
    assert said(examine(path).problems, "--quantity reflectance or --quantity absorbance")
    s = read_spectra(path, ReadOptions(quantity="absorbance"))
    assert s.quantity == "absorbance"


def test_replicate_scans_share_a_group(tmp_path: Path) -> None:
    table = soil_table()
    table.rows[5][:2] = table.rows[4][:2]
    found = examine(table.write(tmp_path / "farm.csv"))
    assert found.spectra is not None, found.problems
    assert found.spectra.groups[4] == found.spectra.groups[5]
    assert said(found.mended, "1 id on 2 rows", "'S-5'", "replicate scans")


def test_one_spectrum_under_two_ids_is_one_group(tmp_path: Path) -> None:
    table = soil_table()
    table.rows[9][2:] = table.rows[3][2:]
    found = examine(table.write(tmp_path / "farm.csv"))
    assert found.spectra is not None, found.problems
    assert found.spectra.groups[3] == found.spectra.groups[9] == "S-4"
    assert said(found.mended, "row 5 (id S-4)", "row 11 (id S-10)", "one group")


def test_group_and_field_columns_are_kept_and_ties_hold_through_rows(tmp_path: Path) -> None:
    table = soil_table()
    table.header += ["plot", "farm"]
    for i, row in enumerate(table.rows):
        row += [f"p{i // 3}", "north" if i < 10 else ""]
    table.rows[29][-2] = ""
    table.rows[3][2:-2] = table.rows[0][2:-2]
    options = ReadOptions(group_column="plot", field_column="FARM")
    s = read_spectra(table.write(tmp_path / "home.csv"), options)
    assert s.groups[:7] == ("p0",) * 6 + ("p2",)
    assert s.groups[29] == "sample S-30"
    assert s.fields[9:11] == ("north", "home")


@pytest.mark.parametrize("cell", ["", "NA", "nan", "-9999", "-999.0", "#N/A"])
def test_rows_without_a_target_are_kept_unlabelled(tmp_path: Path, cell: str) -> None:
    table = soil_table()
    table.rows[2][1] = cell
    found = examine(table.write(tmp_path / "farm.csv"))
    assert found.spectra is not None, found.problems
    assert np.flatnonzero(np.isnan(found.spectra.target)).tolist() == [2]
    assert said(found.recognised, "1 of 30 rows without soc")
    assert said(found.mended, "-9999 or -999") is ("99" in cell)


def test_spectra_to_predict_on_need_no_target(tmp_path: Path) -> None:
    table = soil_table(n=3)
    del table.header[1]
    for row in table.rows:
        del row[1]
    path = table.write(tmp_path / "new.csv")
    assert read_spectra(path, ReadOptions(need_target=False)).labelled().n == 0
    assert said(examine(path).problems, "no target column", "--target")


def test_negatives_stay_when_asked(tmp_path: Path) -> None:
    table = soil_table()
    table.rows[0][1] = "-3.2"
    path = table.write(tmp_path / "farm.csv")
    assert read_spectra(path, ReadOptions(allow_negative=True)).target[0] == -3.2


def test_without_an_id_rows_are_named_by_number_and_blank_rows_skipped(tmp_path: Path) -> None:
    table = soil_table()
    table.header[0] = "plotcode"
    path = tmp_path / "farm.csv"
    lines = table.text().splitlines()
    blank = "," * lines[0].count(",")
    path.write_text("\n".join([*lines[:3], "", blank, *lines[3:], ""]), encoding="utf-8")
    found = examine(path)
    assert found.spectra is not None, found.problems
    assert found.spectra.ids[:3] == ("row 2", "row 3", "row 6")
    assert said(found.mended, "2 blank rows")


def test_descending_wavenumbers_are_sorted(tmp_path: Path) -> None:
    table = soil_table()
    table.header = ["id", "soc", *(f"wn_{1e7 / a:.1f}" for a in AXIS)]
    found = examine(table.write(tmp_path / "farm.csv"))
    assert found.spectra is not None, found.problems
    assert found.spectra.axis_unit == "cm-1"
    assert found.spectra.quantity == "reflectance"
    np.testing.assert_array_equal(found.spectra.values[:, ::-1], np.array(table.column_floats()))
    assert said(found.mended, "descending")


@pytest.mark.parametrize(
    ("cell", "number"),
    [("1,5", 1.5), (".5", 0.5), ("1e-3", 1e-3), (" 7 ", 7.0), ("-inf", -np.inf), ("NA", np.nan)],
)
def test_a_number_is_read(cell: str, number: float) -> None:
    np.testing.assert_equal(parse_number(cell), number)


@pytest.mark.parametrize("cell", ["1_000", "1,234.5", "<0.5", "=1+1", "0x10", "1 000", "١"])
def test_what_is_not_a_number_is_refused(cell: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_number(cell)


def test_read_spectra_raises_what_examine_found(tmp_path: Path) -> None:
    table = Table(header=["id", "soc"], rows=[["a", "1"]])
    path = table.write(tmp_path / "farm.csv")
    with pytest.raises(DataError) as caught:
        read_spectra(path, SOC)
    assert caught.value.problems == examine(path, SOC).problems
    assert caught.value.exit_code == 65
