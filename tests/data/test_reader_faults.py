"""Untrusted files: every fault is named with its row, column, wanted value and next step."""

from __future__ import annotations

import gzip
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autospec.data import tables, text_tables
from autospec.data.readers import ReadOptions, examine, read_spectra
from autospec.errors import DataError
from tests.data.soil_tables import AXIS, Table, soil_table

Spoil = Callable[[Table], object]


def put(row: int, column: int, cell: str) -> Spoil:
    """Put a cell into a data row counted from 0."""

    def spoil(table: Table) -> None:
        table.rows[row][column] = cell

    return spoil


def each(column: int, cell: Callable[[int], str]) -> Spoil:
    """Fill a column."""

    def spoil(table: Table) -> None:
        for i, row in enumerate(table.rows):
            row[column] = cell(i)

    return spoil


def rescale(row: int, factor: float) -> Spoil:
    """Multiply one row's spectrum."""

    def spoil(table: Table) -> None:
        table.rows[row][2:] = [str(float(c) * factor) for c in table.rows[row][2:]]

    return spoil


def refused(path: Path, options: ReadOptions, words: tuple[str, ...]) -> None:
    """Check that a file is refused whole, with one line that holds all the words."""
    found = examine(path, options)
    assert found.spectra is None
    assert all(line.startswith(f"{path.name}: ") for line in found.problems)
    assert any(all(w in line for w in words) for line in found.problems), found.problems
    with pytest.raises(DataError):
        read_spectra(path, options)


NONE = ReadOptions()
FAULTS: dict[str, tuple[Spoil, ReadOptions, tuple[str, ...]]] = {
    "negative": (put(15, 1, "-3.2"), NONE,
        ("row 17 (id S-16): soc = -3.2 g/kg; want 0 to 600. Pass --allow-negative to keep it.",)),
    "absurd": (put(2, 1, "812"), NONE,
        ("row 4 (id S-3): soc = 812 g/kg; want 0 to 600.", "--target-unit")),
    "target text": (put(2, 1, "much"), NONE, ("row 4 (id S-3)", "'much'", "want a number")),
    "target formula": (put(2, 1, "=A1"), NONE, ("row 4 (id S-3)", "'=A1'", "want a number")),
    "target infinite": (put(2, 1, "inf"), NONE, ("row 4 (id S-3)", "want a finite number")),
    "target constant": (each(1, lambda _: "21"), NONE,
        ("soc = 21 g/kg in all 30 labelled rows", "want values that vary", "--target")),
    "few labels": (each(1, lambda i: str(i + 1) if i < 19 else ""), NONE,
        ("19 rows with a value of soc", "want at least 20")),
    "band empty": (put(0, 5, ""), NONE,
        ("row 2 (id S-1): 1 band of 215 without a value", "'380' (empty)", "want a number")),
    "band NA": (put(0, 5, "NA"), NONE, ("row 2 (id S-1)", "'380' (empty)")),
    "band -9999": (put(3, 2, "-9999"), NONE,
        ("row 5 (id S-4)", "'350' (-9999, a code for no value)", "remove the row")),
    "band -999": (put(3, 2, "-999.0"), NONE, ("row 5 (id S-4)", "'350' (-999, a code")),
    "band inf": (put(3, 7, "inf"), NONE, ("row 5 (id S-4): band '400' = inf", "finite number")),
    "band text": (put(3, 7, "0.3x"), NONE,
        ("row 5 (id S-4): band '400' = '0.3x'", "want a number")),
    "band thousands": (put(3, 7, "1_000"), NONE, ("row 5 (id S-4): band '400' = '1_000'",)),
    "flat": (lambda t: t.rows[4].__setitem__(slice(2, None), ["0.3"] * len(AXIS)), NONE,
        ("row 6 (id S-5): flat spectrum, 0.3 in all 215 bands", "remove the row")),
    "row in percent": (rescale(6, 100), NONE,
        ("row 8 (id S-7): band", "want -0.1 to 2 for reflectance", "one scale")),
    "row as fraction": (lambda t: [rescale(i, 100)(t) for i in range(29)], NONE,
        ("row 31 (id S-30): the largest value is", "want one scale")),
    "impossible scale": (lambda t: [rescale(i, 1e6)(t) for i in range(30)], NONE,
        ("fit no scale", "want reflectance", "Convert the values")),
    "replicates disagree": (put(5, 0, "S-1"), NONE,
        ("row 7 (id S-1): soc = 22 but 17 in row 2 of the same id", "one value a sample", "--id")),
    "one group": (lambda t: (each(0, lambda _: "S")(t), each(1, lambda _: "21")(t)), NONE,
        ("all 30 rows are in one group ('S')", "want at least 2", "--id")),
    "one group column": (lambda t: (t.header.append("plot"), [r.append("p") for r in t.rows]),
        ReadOptions(group_column="plot"), ("all 30 rows are in one group ('p')", "--group")),
    "ragged short": (lambda t: t.rows[7].pop(), NONE,
        ("row 9: 216 cells; want 217, as in the header", "Correct the row")),
    "ragged long": (lambda t: t.rows[7].append("1"), NONE,
        ("row 9: 218 cells; want 217", "row.names = FALSE")),
    "duplicate header": (lambda t: (t.header.append("soc"), [r.append("1") for r in t.rows]), NONE,
        ("columns 2, 218 are all called 'soc'", "Rename or remove")),
    "duplicate band": (lambda t: t.header.__setitem__(3, "350.0"), NONE,
        ("columns 3, 4 ('350', '350.0') are the same band, 350 nm", "one column a band")),
    "renamed band": (lambda t: t.header.__setitem__(3, "350.1"), NONE,
        ("column 4 ('350.1') looks like a second '350'", "Remove it")),
    "few bands": (lambda t: (t.header.__delitem__(slice(21, None)),
        [r.__delitem__(slice(21, None)) for r in t.rows]), NONE,
        ("19 bands; want at least 20",)),
    "no bands": (lambda t: t.header.__setitem__(slice(2, None), [f"b{k}" for k in range(215)]),
        NONE, ("no column is a band", "wl_350")),
    "no target": (lambda t: t.header.__setitem__(1, "socc"), NONE,
        ("no target column", "'socc'", "--target")),
    "misspelt target": (lambda t: t.header.__setitem__(1, "carbonate"),
        ReadOptions(target="carbonat"), ("'carbonat'", "Did you mean 'carbonate'?", "--target")),
    "two targets": (lambda t: (t.header.append("clay"), [r.append("9") for r in t.rows]), NONE,
        ("2 columns could be the target ('soc', 'clay')", "Pass --target")),
    "target is a band": (lambda _: None, ReadOptions(target="350"),
        ("'350' is both the target and a band", "--target")),
    "no such id": (lambda _: None, ReadOptions(id_column="idd"),
        ("--id 'idd' is not a column", "Did you mean 'id'?")),
    "no such group": (lambda _: None, ReadOptions(group_column="plot"),
        ("--group 'plot' is not a column",)),
    "no such field": (lambda _: None, ReadOptions(field_column="x"), ("--field 'x' is not a",)),
    "no such unit": (lambda _: None, ReadOptions(target_unit="stone"),
        ("--target-unit 'stone'", "want one of g/kg, g/dm3, %, mg/kg")),
    "acid beyond pH": (lambda t: (t.header.__setitem__(1, "ph"), each(1, lambda i: f"5.{i}")(t),
        put(1, 1, "55")(t)), NONE, ("row 3 (id S-2): ph = 55; want 2 to 12",)),
    "clay above all": (lambda t: (t.header.__setitem__(1, "clay"), put(1, 1, "410")(t)), NONE,
        ("row 3 (id S-2): clay = 410 %; want 0 to 100", "--target-unit")),
    "long label": (put(1, 0, "x" * 2000), NONE, ("row 3: column 1 holds 2,000 characters",)),
    "mixed marks": (lambda t: (put(1, 4, "0,09")(t),), NONE,
        ("row 3: decimal commas and decimal points in one row", "one decimal mark")),
    "absorbance as reflectance": (lambda t: t.rows.__setitem__(
        slice(None), soil_table(absorbance=True).rows), ReadOptions(quantity="reflectance"),
        ("--quantity says reflectance", "look like absorbance", "Pass --quantity absorbance")),
    "header says reflectance": (lambda t: (
        t.rows.__setitem__(slice(None), soil_table(absorbance=True).rows),
        t.header.__setitem__(slice(2, None), [f"scan_visnir.{a}_ref" for a in AXIS])), NONE,
        ("the headers say reflectance", "Pass --quantity absorbance")),
    "percent as absorbance": (lambda t: t.rows.__setitem__(slice(None), soil_table(scale=100).rows),
        ReadOptions(quantity="absorbance"), ("look like reflectance", "--quantity reflectance")),
    "wrong axis unit": (lambda t: t.header.__setitem__(slice(2, None), [f"wl_{a}" for a in AXIS]),
        ReadOptions(axis_unit="cm-1"), ("not in cm-1", "Drop --axis-unit cm-1")),
    "header only": (lambda t: t.rows.clear(), NONE,
        ("no rows below the header", "one row a sample")),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_with_row_column_wanted_and_next_step(
    tmp_path: Path, fault: str
) -> None:
    spoil, options, words = FAULTS[fault]
    table = soil_table()
    spoil(table)
    refused(table.write(tmp_path / "farm.csv"), options, words)


IN_PARQUET = ("negative", "band empty", "band -9999", "band text", "flat", "replicates disagree",
              "duplicate header", "duplicate band", "two targets", "header only")  # fmt: skip


@pytest.mark.parametrize("fault", IN_PARQUET)
def test_parquet_meets_the_same_checks_with_the_same_row_numbers(
    tmp_path: Path, fault: str
) -> None:
    spoil, options, words = FAULTS[fault]
    table = soil_table()
    spoil(table)
    cells = list(zip(*table.rows, strict=True)) or [()] * len(table.header)
    arrays = [pa.array(column, pa.string()) for column in cells]
    path = tmp_path / "farm.parquet"
    pq.write_table(pa.Table.from_arrays(arrays, names=table.header), path)
    refused(path, options, words)


def test_all_problems_of_a_file_come_at_once(tmp_path: Path) -> None:
    table = soil_table()
    for fault in ("negative", "band -9999", "flat", "ragged short", "renamed band"):
        FAULTS[fault][0](table)
    found = examine(table.write(tmp_path / "farm.csv"))
    assert len(found.problems) == 5
    assert found.spectra is None


def test_very_many_problems_are_counted(tmp_path: Path) -> None:
    table = soil_table(n=200)
    each(1, lambda i: str(-1 - i))(table)
    found = examine(table.write(tmp_path / "farm.csv"))
    assert len(found.problems) == 51
    assert "150 more" in found.problems[-1]


class Bomb:
    """An object that would leave a mark if it were unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", ("the file is empty (0 bytes)", "header line")),
        ("a.csv", b"\n\n \n", ("holds no text",)),
        ("a.csv", b"\xef\xbb\xbf", ("holds no text",)),
        ("a.csv", os.urandom(64) + b"\x00" * 64, ("binary data", "CSV")),
        ("a.xlsx", b"PK\x03\x04rest", ("Excel", "save the sheet as CSV")),
        ("a.csv.gz", gzip.compress(b"id,soc\n"), ("gzip", "unpack it first")),
        ("a.parquet", b"id,soc\n1,2\n", ("content is not Parquet", "rename it")),
        ("a.parquet", b"PAR1 but not really PAR1", ("Parquet footer", "cut short", "Export")),
        ("a.csv", b'id,"soc\n1,2\n', ("quotation mark is not closed",)),
        ("a.csv", b'id,soc,350\n1,2,"3\n', ("row 2", "quoting breaks", "quotation mark closed")),
        ("a.csv", b"id,soc\n1,\x81\n", ("cannot be read", "CSV (UTF-8)")),
    ],
)
def test_what_is_no_table_is_refused(
    tmp_path: Path, name: str, content: bytes, words: tuple[str, ...]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    refused(path, NONE, words)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_is_never_opened(tmp_path: Path, protocol: int) -> None:
    path, mark = tmp_path / "a.csv", tmp_path / "mark"
    path.write_bytes(pickle.dumps(Bomb(mark), protocol=protocol))
    refused(path, NONE, ("a Python pickle, which is never opened",))
    assert not mark.exists()


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    soil_table().write(tmp_path / "farm.csv")
    refused(tmp_path / "fram.csv", NONE, ("no such file", "Did you mean 'farm.csv'?"))


def test_folders_and_pipes_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, NONE, ("no scan in the folder",))
    os.mkfifo(tmp_path / "pipe.csv")
    refused(tmp_path / "pipe.csv", NONE, ("a device or a pipe",))
    refused(tmp_path / "a\x00b.csv", NONE, ("not a file name",))


def test_parquet_columns_of_other_types_are_named(tmp_path: Path) -> None:
    columns = {"id": [[1]], "soc": [1.0], **{str(a): [0.1] for a in AXIS}, "350": [True]}
    path = tmp_path / "farm.parquet"
    pq.write_table(pa.table(columns), path)
    refused(path, NONE, ("column '350' holds bool", "want numbers"))
    refused(path, NONE, ("column 'id' holds list", "want text or numbers"))


@pytest.mark.parametrize(
    ("module", "cap", "words"),
    [
        (tables, "MAX_FILE_BYTES", ("bytes; want at most 100", "Split it")),
        (tables, "MAX_COLUMNS", ("217 columns; want at most 100", "Keep the bands")),
        (tables, "MAX_DECODED_BYTES", ("bands take", "want at most 100")),
        (text_tables, "MAX_ROW_CHARS", ("row 1: longer than 100 characters",)),
    ],
)
def test_every_cap_is_met_and_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: object,
    cap: str,
    words: tuple[str, ...],
) -> None:
    monkeypatch.setattr(module, cap, 100)
    refused(soil_table().write(tmp_path / "farm.csv"), NONE, words)


def test_rows_are_capped_even_when_they_are_ragged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 10)
    path = tmp_path / "farm.csv"
    path.write_text("id,soc,350\n" + "1\n" * 11, encoding="utf-8")
    refused(path, NONE, ("11 rows; want at most 10",))


def rss_while_examining(path: Path) -> tuple[int, str]:
    """Examine a file in a fresh process; return the growth of its peak memory and its words."""
    script = (
        "import resource, sys; from autospec.data.readers import examine;"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "before = peak(); found = examine(sys.argv[1]);"
        "print((peak() - before) * 1024); print(*found.problems, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    growth, _, words = done.stdout.partition("\n")
    return int(growth), words


def constant_parquet(path: Path, rows: int, bands: int, label: str) -> None:
    """Write a Parquet file of equal cells, which packs to almost nothing."""
    band = pa.array(np.zeros(rows))
    same = pa.array(np.zeros(rows, dtype=np.int32))
    columns = {"id": pa.DictionaryArray.from_arrays(same, pa.array([label])), "soc": band}
    columns |= {f"wl_{350 + k}": band for k in range(bands)}
    pq.write_table(pa.table(columns), path, compression="zstd")


@pytest.mark.parametrize(
    ("rows", "bands", "words"),
    [(300_000, 1000, "take 2,400,000,000 bytes"), (2_000_001, 20, "2,000,001 rows; want at most")],
)
def test_a_small_parquet_that_unfolds_to_gigabytes_is_refused_in_little_memory(
    tmp_path: Path, rows: int, bands: int, words: str
) -> None:
    path = tmp_path / "bomb.parquet"
    constant_parquet(path, rows, bands, "S")
    assert path.stat().st_size < 5_000_000
    growth, said = rss_while_examining(path)
    assert words in said
    # The footer of 1000 columns takes a few MB; the table would take gigabytes.
    assert growth < 64 * 1024**2


def test_one_long_label_repeated_stays_one_label(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    constant_parquet(path, 100_000, 20, "S" * 100_000)
    growth, said = rss_while_examining(path)
    assert "column 'id' holds a cell of more than 1,000 characters" in said
    # 100,000 rows of 20 bands are 16 MB and the checks copy them; the labels unfolded are 10 GB.
    assert growth < 400 * 1024**2


@pytest.mark.parametrize("cell", ["9,", '"\n",', "99999,"])
def test_an_enormous_header_is_refused_in_little_memory(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("id,soc," + cell * 5_000_000, encoding="utf-8")
    growth, said = rss_while_examining(path)
    assert "want" in said
    assert growth < 128 * 1024**2


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary(max_size=400), name=st.sampled_from(["a.csv", "a.parquet", "a.txt"]))
def test_any_bytes_are_refused_with_a_line(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    found = examine(tmp_path / name)
    assert found.spectra is None
    assert found.problems
