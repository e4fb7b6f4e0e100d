"""The file of predictions: what stands in a cell, and which files are never written over."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospec.data.cells import FORMULA_STARTS
from autospec.data.writing import TEMPORARY
from autospec.errors import OutputError
from autospec.predict.explain import Influence
from autospec.predict.output import (
    COLUMNS,
    ROW_GROUP,
    OutputRows,
    influence_files,
    open_output,
    refuse_to_lose,
)
from autospec.report.influence_page import write_influence

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def made_rows(ids: tuple[str, ...], good: list[bool], numbers: np.ndarray) -> OutputRows:
    n = sum(good)
    return OutputRows(
        ids=ids,
        row_numbers=np.arange(2, len(ids) + 2),
        good=np.array(good),
        numbers=numbers,
        inside=np.arange(n) % 2 == 0,
        reasons=tuple("" if ok else "not predicted: band 512: empty" for ok in good),
    )


def write(path: Path, rows: OutputRows, header: str = "id") -> list[list[str]]:
    with open_output(path, header, 0.9, "g/kg") as output:
        output.write(rows)
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


@given(st.lists(NUMBERS, min_size=6, max_size=6))
def test_numbers_keep_every_digit(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float]
) -> None:
    path = tmp_path_factory.mktemp("out") / "out.csv"
    cells = write(path, made_rows(("a",), [True], np.array(numbers)[:, None]))[1]
    assert [float(cells[i]) for i in (2, 3, 4, 8, 9, 10)] == numbers


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12))
def test_any_name_comes_back_or_is_kept_from_being_a_formula(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    path = tmp_path_factory.mktemp("out") / "out.csv"
    cells = write(path, made_rows((name,), [True], np.ones((6, 1))))[1]
    assert cells[0] == (f"'{name}" if name.startswith(FORMULA_STARTS) else name)


def test_a_bad_row_has_its_name_its_number_and_its_reason_only(tmp_path: Path) -> None:
    rows = made_rows(("a", "b"), [True, False], np.ones((6, 1)))
    _, good, bad = write(tmp_path / "out.csv", rows)
    assert good[:3] == ["a", "2", "1"]
    assert good[7] == "yes"
    assert bad == ["b", "3", *[""] * 9, "not predicted: band 512: empty"]


def test_a_missing_place_is_an_empty_cell_and_x_may_be_the_name_of_the_ids(tmp_path: Path) -> None:
    rows = made_rows(("a", "b"), [True, True], np.ones((6, 2)))
    rows = replace(rows, places=np.array([[1.5, np.nan], [2.5, 3.5]]))
    with open_output(tmp_path / "out.csv", "x", 0.9, "g/kg", places=True) as output:
        output.write(rows)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        header, *found = csv.reader(stream)
    assert header[:3] == ["x_of_file", "x", "y"]
    assert [cells[:3] for cells in found] == [["a", "1.5", "2.5"], ["b", "", "3.5"]]


def test_a_name_of_ours_over_the_ids_is_told_apart(tmp_path: Path) -> None:
    head = write(tmp_path / "out.csv", made_rows(("a",), [True], np.ones((6, 1))), "row")[0]
    assert head == ["row_of_file", *COLUMNS]


def test_long_files_are_written_in_large_row_groups(tmp_path: Path) -> None:
    ids = tuple(map(str, range(ROW_GROUP // 4)))
    rows = made_rows(ids, [True] * len(ids), np.ones((6, len(ids))))
    with open_output(path := tmp_path / "out.parquet", "id", 0.9, "g/kg") as output:
        for _ in range(5):
            output.write(rows)
    assert pq.ParquetFile(path).num_row_groups == 2
    assert pq.read_metadata(path).num_rows == 5 * len(ids)


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_a_file_of_predictions_may_be_replaced(name: str, tmp_path: Path) -> None:
    with open_output(tmp_path / name, "=id", 0.9, "g/kg") as output:
        output.write(made_rows(("a",), [True], np.ones((6, 1))))
    refuse_to_lose(tmp_path / name)
    refuse_to_lose(tmp_path / f"new-{name}")


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
@pytest.mark.parametrize("content", [b"", b"id,soc\n1,2\n", b"\xff\xfe\0", b"PAR1"])
def test_any_other_file_is_left_alone(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(OutputError, match="left as it is"):
        refuse_to_lose(tmp_path / name)


@pytest.mark.parametrize("which", [0, 1])
def test_files_beside_are_told_by_their_own_content(which: int, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write(path, made_rows(("a",), [True], np.ones((6, 1))))
    parts = np.arange(3.0)
    found = Influence(centres=parts, mean=parts, size=parts, low=parts, high=parts, rows=2)
    beside = influence_files(path)
    assert write_influence(found, beside[0], title="a", axis_unit="nm", unit="%") == beside
    refuse_to_lose(path, beside)
    beside[which].write_text("centre,of mine\n<title>Influence</title>", encoding="utf-8")
    with pytest.raises(OutputError, match=f"{beside[which].name}: exists.*left as it is"):
        refuse_to_lose(path, beside)


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_a_name_that_is_no_text_is_spelt_out(name: str, tmp_path: Path) -> None:
    with open_output(tmp_path / name, "id\udcff", 0.9, "g/kg") as output:
        output.write(made_rows(("\udcff\udcfe bad",), [True], np.ones((6, 1))))
    table = pa.csv.read_csv if name.endswith(".csv") else pq.read_table
    found = table(tmp_path / name).slice(0, 1).to_pydict()
    assert found["id\\udcff"] == ["\\udcff\\udcfe bad"]


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / f".out.csv.{'a' * 12}{TEMPORARY}"
    left.write_bytes(b"half of it")
    os.utime(left, (0, 0))
    write(tmp_path / "out.csv", made_rows(("a",), [True], np.ones((6, 1))))
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        refuse_to_lose(tmp_path)
