"""Blocks hold what `read_spectra` holds, a bad row costs only itself, and memory stays bounded."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from soil_tables import AXIS, Table, soil_reflectance, soil_table

from autospec.data import batches, parquet_blocks, tables
from autospec.data.batches import BadRow, Batch, open_batches
from autospec.data.readers import DEFAULT_OPTIONS, ReadOptions, examine, read_spectra
from autospec.errors import DataError, UsageError

PREDICT = ReadOptions(need_target=False, min_labelled=0)
FEW = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def parquet(table: Table, path: Path, *, group: int = 1000, text: bool = False) -> Path:
    """Write a table as Parquet, bands as text or as numbers, NaN where a cell is none."""

    def number(cell: str) -> float | None:
        try:
            return float(cell)
        except ValueError:
            return None

    cells = table.columns()
    typed = {h: c if text or h == "id" else [number(x) for x in c] for h, c in cells.items()}
    pq.write_table(pa.table(typed), path, row_group_size=group)
    return path


def read_all(
    path: Path, options: ReadOptions = DEFAULT_OPTIONS, *, block_rows: int = 8192
) -> tuple[np.ndarray, list[Batch]]:
    """Return the good spectra of a file and its batches."""
    with open_batches(path, options, block_rows=block_rows) as opened:
        found = list(opened)
        b = len(opened.axis)
    return np.concatenate([np.empty((0, b)), *(batch.values for batch in found)]), found


def bad_of(found: list[Batch]) -> tuple[BadRow, ...]:
    return tuple(row for batch in found for row in batch.bad)


FORMS: dict[str, Callable[[Table, Path], Path]] = {
    "csv": lambda table, folder: table.write(folder / "farm.csv"),
    "parquet": lambda table, folder: parquet(table, folder / "farm.parquet"),
    "groups": lambda table, folder: parquet(table, folder / "farm.parquet", group=7),
    "text parquet": lambda table, folder: parquet(table, folder / "farm.parquet", text=True),
}


@FEW
@given(block_rows=st.integers(1, 45), n=st.integers(20, 40), form=st.sampled_from(sorted(FORMS)))
def test_blocks_of_any_size_hold_what_read_spectra_reads(
    tmp_path: Path, block_rows: int, n: int, form: str
) -> None:
    path = FORMS[form](soil_table(n=n), tmp_path)
    whole = read_spectra(path, PREDICT)
    with open_batches(path, block_rows=block_rows) as opened:
        np.testing.assert_array_equal(opened.axis, whole.axis)
        assert (opened.axis_unit, opened.quantity) == (whole.axis_unit, whole.quantity)
        assert opened.id_header == "id"
        assert opened.n_rows == (None if form == "csv" else n)
        found = list(opened)
    np.testing.assert_array_equal(np.concatenate([b.values for b in found]), whole.values)
    assert tuple(i for b in found for i in b.ids) == whole.ids
    numbers = np.concatenate([b.row_numbers for b in found])
    np.testing.assert_array_equal(numbers, np.arange(2, n + 2))
    assert max(len(b.ids) for b in found) <= block_rows
    assert all(b.good.all() and not b.bad for b in found)


def spoiled(n: int = 30) -> Table:
    """A table whose rows 2, 4, 6 ... hold one fault each, all others good."""
    table = soil_table(n=n)
    rows = table.rows
    rows[0][2:] = ["0.3"] * len(AXIS)
    rows[2][5] = ""
    rows[4][5] = "NA"
    rows[6][7] = "0.3x"
    rows[8][7] = "inf"
    rows[10][9] = "-9999"
    rows[12][2:] = [str(100 * float(c)) for c in rows[12][2:]]
    rows[14][2:] = [str(float(c) / 100) for c in rows[14][2:]]
    rows[16][2:] = [""] * len(AXIS)
    return table


SPOILED = {
    2: "flat spectrum, 0.3 in all 215 bands",
    4: "1 band of 215 without a value, first '380' (empty)",
    6: "1 band of 215 without a value, first '380' (empty)",
    8: "band '400' = '0.3x'; want a number",
    10: "band '400' = inf; want a finite number",
    12: "1 band of 215 without a value, first '420' (-9999",
    14: "want -0.1 to 2 for reflectance in this file's scale",
    16: "the largest value is",
    18: "215 bands of 215 without a value",
}


@pytest.mark.parametrize("block_rows", [1, 3, 11, 100])
@pytest.mark.parametrize("form", ["csv", "text parquet"])
def test_every_bad_row_is_listed_and_the_others_are_kept(
    tmp_path: Path, form: str, block_rows: int
) -> None:
    path = FORMS[form](spoiled(), tmp_path)
    values, found = read_all(path, block_rows=block_rows)
    bad = {row.row_number: row for row in bad_of(found)}
    assert {k: SPOILED[k] in bad[k].reason for k in SPOILED} == dict.fromkeys(SPOILED, True)
    assert set(bad) == set(SPOILED)
    assert all(row.id == f"S-{k - 1}" for k, row in bad.items())
    good = [i for i in range(30) if i + 2 not in SPOILED]
    np.testing.assert_array_equal(values, np.array(soil_table().column_floats())[good])
    marks = np.concatenate([b.good for b in found])
    np.testing.assert_array_equal(np.flatnonzero(marks), good)
    assert tuple(i for b in found for i in b.ids) == tuple(f"S-{i + 1}" for i in range(30))


@pytest.mark.parametrize("row", [4, 6, 8, 10, 12, 14, 18])
def test_a_reason_is_worded_as_the_training_reader_words_it(tmp_path: Path, row: int) -> None:
    path = spoiled().write(tmp_path / "farm.csv")
    reason = next(r.reason for r in bad_of(read_all(path)[1]) if r.row_number == row)
    assert f"farm.csv: row {row} (id S-{row - 1}): {reason}" in examine(path, PREDICT).problems


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    bad=st.sets(st.integers(0, 39), max_size=39),
    block_rows=st.integers(1, 50),
    fault=st.sampled_from(["", "text", "inf", "-999"]),
    form=st.sampled_from(["csv", "text parquet"]),
)
def test_bad_rows_anywhere_cost_only_themselves(
    tmp_path: Path, bad: set[int], block_rows: int, fault: str, form: str
) -> None:
    table = soil_table(n=40)
    wanted = np.array(table.column_floats())[[i for i in range(40) if i not in bad]]
    for i in bad:
        table.rows[i][2 + i] = fault
    values, found = read_all(FORMS[form](table, tmp_path), block_rows=block_rows)
    np.testing.assert_array_equal(values, wanted)
    assert [row.row_number for row in bad_of(found)] == sorted(i + 2 for i in bad)


def test_ragged_rows_long_labels_and_two_marks_are_bad_rows_of_text(tmp_path: Path) -> None:
    table = soil_table()
    table.rows[3].append("1")
    table.rows[5].pop()
    table.rows[7][0] = "x" * 2000
    table.rows[9][4] = "0,09"
    values, found = read_all(table.write(tmp_path / "farm.csv"), block_rows=4)
    assert [(row.row_number, row.id) for row in bad_of(found)] == [
        (5, "row 5"), (7, "row 7"), (9, "row 9"), (11, "S-10"),
    ]  # fmt: skip
    reasons = [row.reason for row in bad_of(found)]
    for reason, words in zip(
        reasons,
        ("218 cells; want 217", "216 cells", "2,000 characters", "one decimal mark"),
        strict=True,
    ):
        assert words in reason
    assert len(values) == 26


def test_a_long_label_in_parquet_is_a_bad_row(tmp_path: Path) -> None:
    table = soil_table()
    table.rows[7][0] = "x" * 2000
    values, found = read_all(parquet(table, tmp_path / "farm.parquet"))
    assert [(row.row_number, row.id) for row in bad_of(found)] == [(9, "row 9")]
    assert "more than 1,000 characters" in bad_of(found)[0].reason
    assert len(values) == 29


def test_text_in_very_many_cells_is_still_told_row_by_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autospec.data.text_tables.MAX_BAD_CELLS", 3)
    table = soil_table()
    for row in table.rows[10:20]:
        row[5] = "wet"
    bad = bad_of(read_all(table.write(tmp_path / "farm.csv"))[1])
    assert [row.row_number for row in bad] == list(range(12, 22))
    assert "'380' = 'wet'" in bad[0].reason
    assert "(text or empty)" in bad[-1].reason


def test_row_numbers_are_those_of_the_file_when_rows_are_blank(tmp_path: Path) -> None:
    lines = soil_table(n=20).text().splitlines()
    path = tmp_path / "farm.csv"
    path.write_text("\n".join([*lines[:4], "", ",,", *lines[4:]]), encoding="utf-8")
    with open_batches(path, block_rows=2) as opened:
        found = list(opened)
        assert "2 blank rows skipped" in opened.mended
    numbers = np.concatenate([b.row_numbers for b in found]).tolist()
    assert numbers == [2, 3, 4, *range(7, 24)]


def test_repeated_and_missing_names_are_fine(tmp_path: Path) -> None:
    table = soil_table()
    table.rows[1][0] = table.rows[0][0]
    table.rows[2][0] = "NA"
    with open_batches(table.write(tmp_path / "farm.csv")) as opened:
        (batch,) = opened
        assert "1 row without an id: named by row number" in opened.mended
    assert batch.ids[:4] == ("S-1", "S-1", "row 4", "S-4")
    assert batch.good.all()


def test_without_an_id_column_rows_are_named_by_number(tmp_path: Path) -> None:
    table = soil_table(n=20)
    table.header[0] = "depth"
    with open_batches(table.write(tmp_path / "farm.csv")) as opened:
        assert opened.id_header is None
        (batch,) = opened
        assert not opened.mended
    assert batch.ids == tuple(f"row {k}" for k in range(2, 22))


def test_lab_values_are_not_read_whatever_they_hold(tmp_path: Path) -> None:
    table = soil_table()
    for row in table.rows:
        row[1] = "much"
    options = ReadOptions(target="clay", group_column="plot", target_unit="stone")
    with open_batches(table.write(tmp_path / "farm.csv"), options) as opened:
        assert "not read: 'soc' (lab values)" in opened.recognised
        assert all(batch.good.all() for batch in opened)


@pytest.mark.parametrize(
    ("made", "quantity", "divisor"),
    [
        (soil_table(scale=100), "reflectance", 100.0),
        (soil_table(scale=10_000), "reflectance", 10_000.0),
        (soil_table(absorbance=True), "absorbance", 1.0),
    ],
)
@pytest.mark.parametrize("form", ["csv", "groups"])
def test_the_scale_is_decided_as_for_training(
    tmp_path: Path, made: Table, quantity: str, divisor: float, form: str
) -> None:
    path = FORMS[form](made, tmp_path)
    with open_batches(path, block_rows=6) as opened:
        assert (opened.quantity, opened.divisor) == (quantity, divisor)
        values = np.concatenate([b.values for b in opened])
        assert any(line.startswith(f"quantity: {quantity}") for line in opened.recognised)
        assert any("divided by" in line for line in opened.mended) is (divisor != 1)
    np.testing.assert_array_equal(values, read_spectra(path, PREDICT).values)


@pytest.mark.parametrize("block_rows", [1, 5, 100])
def test_the_first_row_in_percent_does_not_decide(tmp_path: Path, block_rows: int) -> None:
    table = soil_table()
    table.rows[0][2:] = [str(100 * float(c)) for c in table.rows[0][2:]]
    values, found = read_all(table.write(tmp_path / "farm.csv"), block_rows=block_rows)
    assert [row.row_number for row in bad_of(found)] == [2]
    assert values.max() < 1


@pytest.mark.parametrize("form", ["csv", "groups"])
def test_bad_rows_at_the_start_are_read_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(batches, "DECIDING_ROWS", 4)
    table = soil_table()
    for row in table.rows[:21]:
        row[9] = ""
    values, found = read_all(FORMS[form](table, tmp_path))
    assert (len(values), len(bad_of(found))) == (9, 21)


def test_descending_wavenumbers_come_out_ascending(tmp_path: Path) -> None:
    table = soil_table()
    table.header[2:] = [f"wn_{1e7 / a:.3f}" for a in AXIS]
    path = table.write(tmp_path / "farm.csv")
    whole = read_spectra(path, PREDICT)
    with open_batches(path) as opened:
        np.testing.assert_array_equal(opened.axis, whole.axis)
        assert opened.axis_unit == "cm-1"
        assert any("descending" in line for line in opened.mended)
        (batch,) = opened
    np.testing.assert_array_equal(batch.values, whole.values)


def head(change: Callable[[Table], object]) -> Table:
    table = soil_table()
    change(table)
    return table


@pytest.mark.parametrize(
    ("table", "options", "words"),
    [
        (head(lambda t: t.header.__setitem__(3, "350.0")), DEFAULT_OPTIONS,
            ("columns 3, 4 ('350', '350.0') are the same band", "one column a band")),
        (head(lambda t: t.header.__setitem__(slice(2, None), [f"b{k}" for k in range(215)])),
            DEFAULT_OPTIONS, ("no column is a band",)),
        (soil_table(axis=AXIS[:19]), DEFAULT_OPTIONS, ("19 bands; want at least 20",)),
        (soil_table(), ReadOptions(id_column="idd"), ("--id 'idd'", "Did you mean 'id'?")),
        (soil_table(scale=1e6), DEFAULT_OPTIONS, ("fit no scale", "Convert the values")),
        (soil_table(absorbance=True), ReadOptions(quantity="reflectance"),
            ("--quantity says reflectance", "Pass --quantity absorbance")),
        (soil_table(n=0), DEFAULT_OPTIONS, ("no rows below the header",)),
        (head(lambda t: [r.__setitem__(9, "") for r in t.rows]), DEFAULT_OPTIONS,
            ("row 2 (id S-1): 1 band of 215 without a value",)),
    ],
)  # fmt: skip
def test_what_no_row_can_mend_is_refused_with_the_file_and_next_step(
    tmp_path: Path, table: Table, options: ReadOptions, words: tuple[str, ...]
) -> None:
    path = table.write(tmp_path / "farm.csv")
    with pytest.raises(DataError) as error, open_batches(path, options):
        pass
    assert all(line.startswith("farm.csv: ") for line in error.value.problems)
    assert any(all(w in line for w in words) for line in error.value.problems)


def test_broken_quoting_is_named_where_it_is_met(tmp_path: Path) -> None:
    path = tmp_path / "farm.csv"
    path.write_text(soil_table().text() + 'S-31,"9\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"farm.csv: row 32: the quoting breaks here"):
        read_all(path)


def test_longer_tables_are_read_than_training_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 10)
    monkeypatch.setattr(tables, "MAX_DECODED_BYTES", 100)
    monkeypatch.setattr(tables, "MAX_FILE_BYTES", 100)
    for form in ("csv", "parquet"):
        assert len(read_all(FORMS[form](soil_table(), tmp_path))[0]) == 30


@pytest.mark.parametrize(
    ("module", "cap", "form", "words"),
    [
        (batches, "MAX_STREAMED_BYTES", "csv", "want at most 10"),
        (tables, "MAX_COLUMNS", "parquet", "217 columns; want at most 10"),
        (parquet_blocks, "MAX_GROUP_ROWS", "parquet", "row group 1: 30 rows"),
        (parquet_blocks, "MAX_CHUNK_BYTES", "parquet", "Write the file again in row groups"),
    ],
)
def test_every_cap_of_a_stream_is_met_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, cap: str, form: str, words: str
) -> None:
    monkeypatch.setattr(module, cap, 10)
    with pytest.raises(DataError, match=words):
        read_all(FORMS[form](soil_table(), tmp_path))


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_table_is_read_again_from_its_start(tmp_path: Path, form: str) -> None:
    with open_batches(FORMS[form](spoiled(), tmp_path), block_rows=8) as opened:
        next(iter(opened))
        first, second = list(opened), list(opened)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.values, b.values)
        assert (a.ids, a.bad) == (b.ids, b.bad)


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_second_reading_ends_the_first(tmp_path: Path, form: str) -> None:
    path = FORMS[form](soil_table(), tmp_path)
    with open_batches(path, block_rows=8) as opened:
        first = iter(opened)
        next(first)
        assert len(list(opened)) >= 4
        with pytest.raises(UsageError, match="second reading"):
            list(first)


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_callers_error_passes_as_it_is_and_the_file_is_closed(tmp_path: Path, form: str) -> None:
    path = FORMS[form](soil_table(), tmp_path)
    opened = None

    def use() -> None:
        nonlocal opened
        with open_batches(path, block_rows=8) as opened:
            for _ in opened:
                raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        use()
    assert opened is not None
    with pytest.raises(UsageError, match="closed"):
        list(opened)
    gc.collect()  # a reader left half-way must not complain


@pytest.mark.parametrize("block_rows", [0, -1])
def test_a_block_has_rows(tmp_path: Path, block_rows: int) -> None:
    path = soil_table().write(tmp_path / "farm.csv")
    with (
        pytest.raises(UsageError, match="block_rows"),
        open_batches(path, block_rows=block_rows),
    ):
        pass


def wide_parquet(path: Path, rows: int, group: int | None = None) -> Path:
    """Write float32 soil spectra of 216 bands and one name a row."""
    axis = tuple(range(350, 2510, 10))
    base = soil_reflectance(64, axis=axis).astype(np.float32)
    rng = np.random.default_rng(0)
    columns: dict[str, pa.Array] = {"id": pa.array([f"S-{i}" for i in range(rows)])}
    for k, nm in enumerate(axis):
        noise = rng.normal(0, 1e-3, rows).astype(np.float32)  # packs as badly as real spectra
        columns[str(nm)] = pa.array(np.resize(base[:, k], rows) + noise)
    pq.write_table(pa.table(columns), path, row_group_size=group or rows)
    return path


def rss_while_streaming(path: Path, rows: int = 8192) -> tuple[int, int]:
    """Read a file in blocks in a fresh process; return its good rows and its memory's growth."""
    script = (
        "import resource, sys; from autospec.data import batches\n"
        "batches.DECIDING_ROWS = rows = int(sys.argv[2])\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "with batches.open_batches(sys.argv[1], block_rows=rows) as opened:\n"
        "    n = sum(len(b.values) for b in opened)\n"
        "print(n, (peak() - before) * 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), str(rows)],
        capture_output=True,
        text=True,
        check=True,
    )
    n, growth = map(int, done.stdout.split())
    return n, growth


@pytest.mark.slow
def test_one_huge_row_group_is_read_in_little_memory(tmp_path: Path) -> None:
    n, growth = rss_while_streaming(wide_parquet(tmp_path / "long.parquet", 300_000))
    assert n == 300_000
    # The table is 518 MB as float64; 64 MB of store and a few copies of 14 MB blocks measure 180.
    assert growth < 350 * 1024**2


def test_memory_does_not_grow_with_the_rows_of_a_text(tmp_path: Path) -> None:
    grown = []
    text = soil_table(n=500).text().splitlines(keepends=True)
    for times in (2, 20):
        path = tmp_path / f"{times}.csv"
        path.write_text(text[0] + "".join(text[1:]) * times, encoding="utf-8")
        n, growth = rss_while_streaming(path, rows=500)
        assert n == 500 * times
        grown.append(growth)
    # 18 × 500 rows of 215 bands would be 15 MB of numbers more, and the checks copy them.
    assert grown[1] - grown[0] < 8 * 1024**2


def test_bytes_beyond_the_store_go_to_disk_and_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_blocks, "STORE_BYTES", 10)
    monkeypatch.setattr(parquet_blocks, "_DECODE_BYTES", 1000)
    path = wide_parquet(tmp_path / "farm.parquet", 900, group=400)
    values, _ = read_all(path, block_rows=111)
    np.testing.assert_array_equal(values, read_spectra(path, PREDICT).values)


@pytest.mark.parametrize(("cap", "words"), [(100, "at most 100 are used"), (2**62, "are free")])
def test_a_group_that_would_fill_the_disk_is_refused_before_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cap: int, words: str
) -> None:
    monkeypatch.setattr(parquet_blocks, "STORE_BYTES", 10)
    monkeypatch.setattr(parquet_blocks, "MAX_STORE_BYTES", cap)
    usage = SimpleNamespace(free=200)
    monkeypatch.setattr(parquet_blocks, "disk_usage", lambda _: usage)
    path = parquet(soil_table(), tmp_path / "farm.parquet")
    with pytest.raises(DataError, match=rf"no room for .*{words}.* row groups of"):
        read_all(path)


def test_a_full_temporary_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, max_size: int) -> None: ...
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None: ...
        def write(self, _: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet_blocks, "SpooledTemporaryFile", Full)
    path = parquet(soil_table(), tmp_path / "farm.parquet")
    with pytest.raises(DataError, match=r"no room for .* bytes .*set TMPDIR"):
        read_all(path)


@FEW
@given(data=st.data(), form=st.sampled_from(["csv", "parquet"]))
def test_flipped_bytes_raise_nothing_but_a_data_error(
    tmp_path: Path, data: st.DataObject, form: str
) -> None:
    path = FORMS[form](soil_table(n=21), tmp_path)
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    problems: tuple[str, ...] = ()
    values, found = np.empty((0, 0)), []
    try:
        values, found = read_all(path, block_rows=5)
    except DataError as error:
        problems = error.problems
    assert bool(problems) != bool(found)
    assert all(line.startswith(path.name) for line in problems)
    assert np.isfinite(values).all()
    assert len(values) == sum(int(b.good.sum()) for b in found)
