"""Sizes of columns read from the footer are those that pyarrow tells of a sound file."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.data import parquet_blocks, parquet_footer, parquet_tables
from autospec.data.batches import open_batches
from autospec.data.parquet_footer import check_footer, group_bytes, unpacked_bytes
from autospec.data.readers import ReadOptions, examine
from autospec.errors import DataError
from tests.data.soil_tables import soil_table

COLUMNS = {
    "id": pa.array([f"s{k}" for k in range(21)]),
    "kind": pa.array(["a", "b", "c"] * 7).dictionary_encode(),
    "x": np.arange(21.0),
    "n": np.arange(21, dtype=np.int32),
    "yes": np.arange(21) % 2 == 0,
    "nested": pa.array([[1.0, None], [], None] * 7),
    "struct": pa.array([{"a": 1, "b": "x"}] * 21),
}
WRITTEN: dict[str, dict[str, object]] = {
    "plain": {},
    "groups": {"row_group_size": 5},
    "zstd": {"compression": "zstd", "version": "1.0", "data_page_version": "2.0"},
    "indexed": {"write_page_index": True, "store_schema": False},
    "bare": {"write_statistics": False, "use_dictionary": False},
}


def told(**how: object) -> io.BytesIO:
    stream = io.BytesIO()
    pq.write_table(pa.table(COLUMNS), stream, **how)
    return stream


@pytest.mark.parametrize("how", WRITTEN)
def test_sizes_are_those_of_pyarrow(how: str) -> None:
    stream = told(**WRITTEN[how])
    meta = pq.ParquetFile(stream).metadata
    groups = [meta.row_group(g) for g in range(meta.num_row_groups)]
    wanted = [
        {
            (c := group.column(k)).path_in_schema: c.total_uncompressed_size
            for k in range(group.num_columns)
        }
        for group in groups
    ]
    assert list(unpacked_bytes(stream)) == wanted
    assert group_bytes(pq.ParquetFile(stream)) == [sum(sizes.values()) for sizes in wanted]


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=3))
def test_any_footer_gives_sizes_or_a_data_error(changes: list[tuple[int, int]]) -> None:
    content = bytearray(told().getvalue())
    size = int.from_bytes(content[-8:-4], "little")
    for at, value in changes:
        content[len(content) - 8 - size + at % size] = value
    try:
        groups = list(unpacked_bytes(io.BytesIO(bytes(content))))
    except DataError:
        return
    assert all(isinstance(size, int) for group in groups for size in group.values())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PAR1PAR1", "cut short"),
        (b"PAR1" + (99).to_bytes(4, "little") + b"PAR1", "99 bytes in a file of 12"),
    ],
)
def test_a_footer_that_is_not_there_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        check_footer(io.BytesIO(content))


def test_a_footer_above_the_cap_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_footer, "MAX_FOOTER_BYTES", 100)
    with pytest.raises(DataError, match="want at most 100"):
        check_footer(told())


def soil_parquet(path: Path, extra: int = 0) -> Path:
    """Write a table with bands; `extra` characters in a column that nobody wants."""
    table = soil_table()
    columns = {name: [row[k] for row in table.rows] for k, name in enumerate(table.header)}
    cells = {n: pa.array(c if n == "id" else [float(x) for x in c]) for n, c in columns.items()}
    cells["remark"] = pa.array([str(k) * extra for k in range(len(table.rows))])
    pq.write_table(pa.table(cells), path, row_group_size=10, use_dictionary=False)
    return path


def test_only_wanted_columns_count_towards_the_cap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = soil_parquet(tmp_path / "a.parquet", extra=5000)
    monkeypatch.setattr(parquet_tables, "MAX_DECODED_BYTES", 150_000)
    assert examine(path).problems == ()
    monkeypatch.setattr(parquet_tables, "MAX_DECODED_BYTES", 20_000)
    (problem,) = examine(path, ReadOptions()).problems
    assert "the columns unpack to" in problem


def test_blocks_are_the_same_however_columns_are_portioned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = soil_parquet(tmp_path / "a.parquet")
    with open_batches(path) as table:
        whole = [batch.values for batch in table]
    monkeypatch.setattr(parquet_blocks, "MAX_CHUNK_BYTES", 1000)  # so that columns are asked
    monkeypatch.setattr(parquet_blocks, "_DECODE_BYTES", 500)
    with open_batches(path) as table:
        parts = [batch.values for batch in table]
    np.testing.assert_array_equal(np.vstack(parts), np.vstack(whole))
    monkeypatch.setattr(parquet_blocks, "MAX_CHUNK_BYTES", 10)
    with pytest.raises(DataError, match="unpacks to"), open_batches(path) as table:
        next(iter(table))
