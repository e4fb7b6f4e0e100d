"""Places of rows come along with the spectra, and cost no row that lacks them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from soil_tables import Table, soil_table

from autospec.data.batches import open_batches
from autospec.errors import DataError
from tests.data.test_batches import FORMS

NO_PLACES = ["", "NA", "?", "inf", "12 m"]


def placed_table(cells: list[str]) -> Table:
    """A table whose rows have an easting by row, and these northings, in its last columns."""
    table = soil_table(n=30)
    table.header += ["east", "north"]
    for i, row in enumerate(table.rows):
        row += [str(500_000.25 + i), cells[i] if i < len(cells) else str(6_170_000 + i)]
    return table


def places_of(path: Path, x: str = "east", y: str = "north", block_rows: int = 7) -> np.ndarray:
    with open_batches(path, block_rows=block_rows, places=(x, y)) as opened:
        assert opened.placed
        parts = [batch.places for batch in opened]
    assert all(part is not None for part in parts)
    return np.concatenate([part for part in parts if part is not None], axis=1)


@pytest.mark.parametrize("form", sorted(FORMS))
def test_places_stand_in_the_order_of_the_rows(form: str, tmp_path: Path) -> None:
    found = places_of(FORMS[form](placed_table([]), tmp_path))
    wanted = np.array([500_000.25, 6_170_000.0])[:, None] + np.arange(30)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("cell", NO_PLACES)
def test_a_cell_that_is_no_number_is_no_place_and_costs_no_row(cell: str, tmp_path: Path) -> None:
    path = placed_table([cell]).write(tmp_path / "farm.csv")
    found = places_of(path)
    assert np.isnan(found[1]).tolist() == [True] + 29 * [False]
    assert np.isfinite(found[0]).all()
    with open_batches(path, places=("east", "north")) as opened:
        assert sum(len(batch.values) for batch in opened) == 30


def test_rows_that_cannot_be_predicted_keep_their_place_unless_ragged(tmp_path: Path) -> None:
    table = placed_table([])
    table.rows[2][5] = ""
    table.rows[4].append("1")
    found = places_of(table.write(tmp_path / "farm.csv"), block_rows=3)
    assert found[0, 2] == 500_002.25
    assert np.flatnonzero(np.isnan(found).any(axis=0)).tolist() == [4]


def test_decimal_commas_are_read(tmp_path: Path) -> None:
    (tmp_path / "farm.csv").write_text(placed_table([]).text(cut=";", comma=True), encoding="utf-8")
    assert places_of(tmp_path / "farm.csv")[0, 0] == 500_000.25


def test_without_the_question_there_are_no_places(tmp_path: Path) -> None:
    with open_batches(placed_table([]).write(tmp_path / "farm.csv")) as opened:
        assert not opened.placed
        assert [batch.places for batch in opened] == [None]


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ("eats", "north", "--x 'eats' is not a column of this file"),
        ("east", "nroth", "Did you mean 'north'?"),
        ("east", "east", "--x and --y are both column 'east'"),
        ("east", "450", "--y '450' is a band of the spectrum"),
    ],
)
def test_columns_that_hold_no_places_are_refused(
    x: str, y: str, words: str, tmp_path: Path
) -> None:
    path = placed_table([]).write(tmp_path / "farm.csv")
    with pytest.raises(DataError) as error, open_batches(path, places=(x, y)):
        pass
    assert any(words in line for line in error.value.problems)


def test_a_column_of_parquet_that_shares_its_name_is_refused(tmp_path: Path) -> None:
    cells = placed_table([]).columns()
    names = [*cells, "east"]
    arrays = [pa.array(cells[name]) for name in names]
    pq.write_table(pa.Table.from_arrays(arrays, names=names), tmp_path / "farm.parquet")
    with pytest.raises(DataError) as error:
        places_of(tmp_path / "farm.parquet")
    assert "'east'" in "\n".join(error.value.problems)
