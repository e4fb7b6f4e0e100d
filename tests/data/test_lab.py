"""Lab values in a table of their own, joined to scans and to tables of spectra."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospec.data.findings import Findings
from autospec.data.id_matching import match_ids
from autospec.data.readers import Examination, ReadOptions, examine, read_spectra
from tests.data.instruments.made_scans import reflectance, write_asd
from tests.data.soil_tables import AXIS, soil_reflectance, soil_table

N = 24


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Return a folder of two scans of each of 24 samples."""
    for i, soil in enumerate(reflectance(N)):
        for r in (1, 2):
            write_asd(tmp_path / "scans", f"S{i + 1:03d}_{r}.asd", soil * (1 + r / 1000))
    return tmp_path / "scans"


def lab(folder: Path, *lines: str, head: str = "id,soc") -> Path:
    """Write a lab's table."""
    path = folder / "lab.csv"
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def rows(spell: str = "S{:03d}") -> list[str]:
    """Return a row a sample."""
    return [f"{spell.format(i + 1)},{10 + i}" for i in range(N)]


def said(lines: tuple[str, ...], *words: str) -> bool:
    """Say whether one line holds all the words."""
    return any(all(word in line for word in words) for line in lines)


def joined(path: Path, table: Path, **options: object) -> Examination:
    """Examine spectra with a lab's table."""
    return examine(path, replace(ReadOptions(lab=table), **options))  # type: ignore[arg-type]


def test_lab_values_reach_the_samples_of_the_scans(scans: Path) -> None:
    found = joined(scans, lab(scans.parent, *reversed(rows())))
    assert found.spectra is not None, found.problems
    s = found.spectra
    assert s.ids == tuple(f"S{i + 1:03d}" for i in range(N))
    np.testing.assert_array_equal(s.target, 10.0 + np.arange(N))
    assert (s.target_name, s.target_unit) == ("soc", "g/kg")
    assert said(found.recognised, "lab values of 24 samples joined from lab.csv")
    assert said(s.provenance, "lab values from lab.csv (sha256")


def test_case_and_zeros_are_overlooked_where_that_is_unique(scans: Path) -> None:
    found = joined(scans, lab(scans.parent, *rows("s{}")))
    assert found.spectra is not None
    assert found.spectra.labelled().n == N
    assert said(found.mended, "24 ids joined without regard to case", "'S001' = 's1'")


def test_ids_that_two_spellings_could_mean_are_not_joined(scans: Path) -> None:
    found = joined(scans, lab(scans.parent, *rows()[1:], "s1,5", "s01,6"))
    assert found.spectra is not None
    assert np.isnan(found.spectra.target[0])
    assert said(found.recognised, "1 sample without a row in lab.csv: 'S001'")
    assert said(found.recognised, "2 samples of lab.csv without a spectrum: 's1', 's01'")


def test_what_is_left_over_on_either_side_is_listed_and_kept(scans: Path) -> None:
    found = joined(scans, lab(scans.parent, *rows()[2:], *(f"Z{i},7" for i in range(25))))
    assert found.spectra is not None
    assert (found.spectra.n, found.spectra.labelled().n) == (N, N - 2)
    assert said(found.recognised, "2 samples without a row", "'S001', 'S002'")
    assert said(found.recognised, "25 samples of lab.csv", "'Z19' and 5 more")


def test_a_column_of_files_goes_before_the_names(scans: Path) -> None:
    lines = [
        f"C:\\data\\S{i + 1:03d}_{r}{'.ASD' if r == 1 else ''},site-{i},{10 + i}"
        for i in range(N)
        for r in (1, 2)
    ]
    found = joined(scans, lab(scans.parent, *lines, head="file,id,soc"))
    assert found.spectra is not None, found.problems
    assert found.spectra.ids == tuple(f"site-{i}" for i in range(N))
    assert said(found.recognised, "'file' names the scans")


def test_a_column_of_files_alone_names_the_samples_too(scans: Path) -> None:
    lines = [f"S{i + 1:03d}_{r}.asd,{10 + i}" for i in range(N) for r in (1, 2)]
    found = joined(scans, lab(scans.parent, *lines, head="file,soc"))
    assert found.spectra is not None, found.problems
    assert found.spectra.ids[0] == "S001"
    assert found.spectra.labelled().n == N


def test_a_longer_name_that_the_lab_knows_is_no_replicate(tmp_path: Path) -> None:
    soils = reflectance(N)
    for i in range(N):
        write_asd(tmp_path / "scans", f"farm2-{i + 1}.asd", soils[i])
    found = joined(tmp_path / "scans", lab(tmp_path, *rows("farm2-{}")))
    assert found.spectra is not None
    assert found.spectra.n == N


def test_groups_and_fields_stand_in_the_lab_table(scans: Path) -> None:
    lines = [f"{row},P{i // 6},F{i // 12}" for i, row in enumerate(rows())]
    table = lab(scans.parent, *lines, head="id,soc,plot,farm")
    found = joined(scans, table, group_column="plot", field_column="farm")
    assert found.spectra is not None, found.problems
    assert found.spectra.groups == tuple(f"P{i // 6}" for i in range(N))
    assert found.spectra.fields == tuple(f"F{i // 12}" for i in range(N))


def test_units_and_ranges_are_the_readers_own(scans: Path) -> None:
    lines = [f"S{i + 1:03d},{1 + i / 10}" for i in range(N)]
    found = joined(scans, lab(scans.parent, *lines, head="id,SOC (%)"))
    assert found.spectra is not None
    np.testing.assert_allclose(found.spectra.target, 10 + np.arange(N))
    lines[3] = "S004,-2"
    found = joined(scans, lab(scans.parent, *lines, head="id,SOC (%)"))
    assert said(found.problems, "(id S004): soc = -20 g/kg (-2 in the file); want 0 to 600")


@pytest.mark.parametrize(
    ("lines", "head", "words"),
    [
        (["X1,5", "X2,6"], "id,soc", ("no id of the spectra", "'S001'", "'X1'", "column 'file'")),
        ([*rows(), "S001,99"], "id,soc", ("row 26 (id S001): '99' but '10' in row 2",)),
        (
            ["a.asd,S001,1", "A.ASD,S002,2"],
            "file,id,soc",
            ("row 3 (id S002): file 'A.ASD' is of 'S001'",),
        ),
        (rows(), "who,soc", ("no column names the samples", "'who'")),
        (rows(), "id,sand", ("no target column",)),
        (rows(), "id,id", ("columns 1, 2 are all called 'id'",)),
        ([*rows(), "S1,2,3"], "id,soc", ("row 26: 3 cells; want 2",)),
        (rows()[:19], "id,soc", ("19 samples with a value of soc", "at least 20")),
    ],
)
def test_faults_of_the_lab_table_are_worded(
    scans: Path, lines: list[str], head: str, words: tuple[str, ...]
) -> None:
    found = joined(scans, lab(scans.parent, *lines, head=head))
    assert found.spectra is None
    assert said(found.problems, *words), found.problems


def test_an_id_column_that_neither_table_has_is_a_problem(scans: Path) -> None:
    found = joined(scans, lab(scans.parent, *rows()), id_column="plot")
    assert said(found.problems, "lab.csv: header: --id 'plot' is not a column")


def test_rows_of_one_id_with_one_value_are_merged(scans: Path) -> None:
    found = joined(scans, lab(scans.parent, *rows(), "S001,", "S002,11.0", ",5"))
    assert found.spectra is not None
    assert found.spectra.target[:2].tolist() == [10, 11]
    assert said(found.mended, "lab.csv: 1 row without an id: skipped")


def test_a_missing_lab_table_is_named(scans: Path) -> None:
    found = joined(scans, scans.parent / "lap.csv")
    assert said(found.problems, "lap.csv: no such file")


def spectra_table(path: Path, header: list[str], ids: list[str]) -> Path:
    """Write a table of spectra without lab values."""
    values = soil_reflectance(len(ids))
    lines = [
        f"{i}," + ",".join(f"{v:.6f}" for v in row) for i, row in zip(ids, values, strict=True)
    ]
    path.write_text("\n".join([",".join(header), *lines]) + "\n", encoding="utf-8")
    return path


def test_lab_values_join_a_table_of_spectra(tmp_path: Path) -> None:
    ids = [f"S{i + 1:03d}" for i in range(N)]
    path = spectra_table(tmp_path / "spectra.csv", ["id", *map(str, AXIS)], ids)
    s = read_spectra(path, ReadOptions(lab=lab(tmp_path, *reversed(rows("S{}")))))
    assert s.ids == tuple(ids)
    np.testing.assert_array_equal(s.target, 10.0 + np.arange(N))


def test_with_a_lab_table_the_target_comes_from_there_alone(tmp_path: Path) -> None:
    path = soil_table(n=N).write(tmp_path / "farm.csv")
    lines = [f"S-{i + 1},{100 + i}" for i in range(N)]
    s = read_spectra(path, ReadOptions(lab=lab(tmp_path, *lines)))
    np.testing.assert_array_equal(s.target, 100.0 + np.arange(N))


def test_a_table_without_ids_cannot_be_joined(tmp_path: Path) -> None:
    path = spectra_table(tmp_path / "spectra.csv", ["who", *map(str, AXIS)], ["a"] * N)
    assert said(joined(path, lab(tmp_path, *rows())).problems, "no column names the samples")


def test_a_tables_replicates_are_kept_unless_asked(tmp_path: Path) -> None:
    ids = [f"S{i // 2 + 1:03d}" for i in range(2 * N)]
    path = spectra_table(tmp_path / "spectra.csv", ["id", *map(str, AXIS)], ids)
    table = lab(tmp_path, *rows())
    kept = read_spectra(path, ReadOptions(lab=table))
    mean = read_spectra(path, ReadOptions(lab=table, replicates="average"))
    assert (kept.n, mean.n) == (2 * N, N)
    np.testing.assert_allclose(mean.values, (kept.values[::2] + kept.values[1::2]) / 2)


OSSL = {
    "visnir": [f"scan_visnir.{a}_ref" for a in AXIS],
    "mir": [f"scan_mir.{a}_abs" for a in range(600, 4001, 20)],
}
OSSL_TARGETS = {
    "oc_usda.c729_w.pct": ("soc", "soc", 10.0),
    "oc_iso.10694_w.pct": ("soc", "soc", 10.0),
    "clay.tot_usda.a334_w.pct": ("clay", "clay", 1.0),
    "clay.tot_iso.11277_w.pct": ("clay", "clay", 1.0),
    "ph.h2o_usda.a268_index": ("ph", "ph", 1.0),
}


@pytest.mark.parametrize("target", OSSL_TARGETS)
@pytest.mark.parametrize("kind", ["visnir", "mir"])
def test_ossl_tables_of_spectra_and_lab_values_are_joined_by_layer(
    tmp_path: Path, kind: str, target: str
) -> None:
    word, name, factor = OSSL_TARGETS[target]
    layers = [f"uuid-{i}" for i in range(N)]
    bands = OSSL[kind]
    nm = np.asarray(AXIS[: len(bands)], dtype=float)
    values = soil_reflectance(N, axis=tuple(nm.astype(int).tolist()))
    if kind == "mir":
        wn = np.arange(600.0, 4001.0, 20.0)
        values = 0.2 + values[:, :1] + np.exp(-(((wn - 3400) / 250) ** 2))
    table = {"dataset.code_ascii_txt": ["KSSL.SSL"] * N, "id.layer_uuid_txt": layers}
    table |= {"id.sample_local_c": ["7"] * N, "scan.visnir.model.code_any_txt": ["x"] * N}
    table |= {b: values[:, k].tolist() for k, b in enumerate(bands)}
    pq.write_table(pa.table(table), tmp_path / f"ossl_{kind}_L0.parquet")
    cells = [f"{layer},{2 + i / 10}" for i, layer in enumerate(reversed(layers))]
    soillab = lab(tmp_path, *cells, head=f"id.layer_uuid_txt,{target}")
    s = read_spectra(tmp_path / f"ossl_{kind}_L0.parquet", ReadOptions(lab=soillab, target=word))
    assert s.ids == tuple(layers)
    assert (s.target_name, s.axis_unit) == (name, "nm" if kind == "visnir" else "cm-1")
    np.testing.assert_allclose(s.target, (2 + np.arange(N)[::-1] / 10) * factor)


@given(
    ids=st.lists(st.from_regex(r"[sS]0{0,2}[1-9]", fullmatch=True), max_size=8),
    known=st.lists(st.from_regex(r"[sS]0{0,2}[1-9]", fullmatch=True), max_size=8, unique=True),
)
def test_no_two_spellings_ever_share_a_loose_match(ids: list[str], known: list[str]) -> None:
    matched = match_ids([(i,) for i in ids], known, Findings())
    for name, found in zip(ids, matched, strict=True):
        assert found is None or found in known
        assert found == name or name not in known
    loose = {(f, i) for i, f in zip(ids, matched, strict=True) if f is not None}
    assert len(loose) == len({f for f, _ in loose})
