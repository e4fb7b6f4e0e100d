"""The file of predictions: its columns, as CSV or Parquet, written block by block; none computed.

CSV is UTF-8 with ``\\n`` at the ends of lines; text is quoted, numbers keep every digit, and no
text runs as a formula in a spreadsheet. The file is there whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from autospec.data.cells import spreadsheet_cell
from autospec.data.spectra import FloatArray, IntArray
from autospec.data.writing import replacing, spelt_out, sweep_left_overs
from autospec.errors import OutputError

COLUMNS = {
    "row": pa.int64(),
    "prediction": pa.float64(),
    "lower": pa.float64(),
    "upper": pa.float64(),
    "level": pa.float64(),
    "unit": pa.string(),
    "in_domain": pa.string(),
    "Q": pa.float64(),
    "T2": pa.float64(),
    "nearest_distance": pa.float64(),
    "reason": pa.string(),
}
PLACES = {"x": pa.float64(), "y": pa.float64()}  # before the others, of rows that have a place
ROW_GROUP = 65536
_HEADER_BYTES = 4096
_PAGE_BYTES = 64 * 1024**2
_PAGE_MARKS = {  # the one figure of a page that may stand beside the predictions, by its name
    "-influence.html": b'data-figure="figure-1-influence"',
    "-map.html": b'data-figure="figure-1-places"',
}
_INFLUENCE_HEADER = b"centre,mean_change,mean_absolute_change,twins_low,twins_high\n"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutputRows:
    """What is written of m rows, bad ones among them, in the order of the file.

    Parameters
    ----------
    ids : tuple of str, length m
    row_numbers : int64, shape (m,)
    good : bool, shape (m,)
        Which n rows were predicted.
    numbers : float64, shape (6, n)
        Of these: prediction, lower and upper bound, Q, T² and nearest distance.
    inside : bool, shape (n,)
        Whether they are inside the domain.
    reasons : tuple of str, length m
        Why a row is outside the domain, or was not predicted; empty where all is well.
    places : float64, shape (2, m), or None
        x and y, where the file has columns of them; NaN where a row has none.
    """

    ids: tuple[str, ...]
    row_numbers: IntArray
    good: NDArray[np.bool_]
    numbers: FloatArray
    inside: NDArray[np.bool_]
    reasons: tuple[str, ...]
    places: FloatArray | None = None


@contextmanager
def open_output(
    path: Path, id_header: str, level: float | None, unit: str, *, places: bool = False
) -> Iterator[Output]:
    """Open a file of predictions to write; it appears when the block ends well.

    Parameters
    ----------
    path : Path
        CSV, or Parquet where it ends in .parquet.
    id_header : str
        Name of the first column.
    level, unit
        The same in every row.
    places : bool
        Whether rows have a place, x and y.

    Raises
    ------
    OutputError
        If it cannot be written; what was there before is still there.
    """
    parquet = is_parquet(path)
    columns = PLACES | COLUMNS if places else COLUMNS
    header = id_header if id_header not in columns else f"{id_header}_of_file"
    header = spelt_out(header if parquet else str(spreadsheet_cell(header)))
    schema = pa.schema([(header, pa.string()), *columns.items()])
    sweep_left_overs(path)
    with replacing(path) as stream:
        writer: pa.csv.CSVWriter | pa.parquet.ParquetWriter
        if parquet:
            writer = pa.parquet.ParquetWriter(stream, schema, compression="zstd")
        else:
            writer = pa.csv.CSVWriter(stream, schema)
        output = Output(writer=writer, schema=schema, escaped=not parquet, level=level, unit=unit)
        try:
            yield output
            output.flush()
        finally:
            writer.close()


class Output:
    """An open file of predictions; made by `open_output`."""

    def __init__(
        self,
        *,
        writer: pa.csv.CSVWriter | pa.parquet.ParquetWriter,
        schema: pa.Schema,
        escaped: bool,
        level: float | None,
        unit: str,
    ) -> None:
        self._writer, self._schema, self._escaped = writer, schema, escaped
        self._level, self._unit = level, unit
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def write(self, rows: OutputRows) -> None:
        """Take rows in; they are written by the thousands."""
        self._waiting.append(self._batch(rows))
        self._rows += len(rows.ids)
        if self._rows >= ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        """Write what was taken in."""
        if self._waiting:
            table = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(table.combine_chunks())
        self._waiting, self._rows = [], 0

    def _batch(self, rows: OutputRows) -> pa.RecordBatch:
        ids, reasons = tuple(map(spelt_out, rows.ids)), tuple(map(spelt_out, rows.reasons))
        if self._escaped:
            ids, reasons = _escape(ids), _escape(reasons)
        m, good = len(ids), rows.good
        inside = np.full(m, "", dtype=object)
        inside[good] = np.where(rows.inside, "yes", "no")
        columns = [
            pa.array(ids, pa.string()),
            *(
                pa.array(axis, pa.float64(), mask=np.isnan(axis))
                for axis in (() if rows.places is None else rows.places)
            ),
            pa.array(rows.row_numbers, pa.int64()),
            *(_spread(v, good) for v in rows.numbers[:3]),
            pa.array([self._level] * m, pa.float64(), mask=~good),
            pa.array(np.full(m, self._unit, dtype=object), pa.string(), mask=~good),
            pa.array(inside, pa.string(), mask=~good),
            *(_spread(v, good) for v in rows.numbers[3:]),
            pa.array(reasons, pa.string(), mask=np.array([not r for r in reasons])),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)


def _escape(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(spreadsheet_cell(text)) for text in texts)


def _spread(values: FloatArray, good: NDArray[np.bool_]) -> pa.Array:
    """Put the numbers of good rows (n,) in their places among m rows; the others are empty."""
    out = np.full(len(good), np.nan)
    out[good] = values
    return pa.array(out, mask=np.isnan(out))


def is_parquet(path: Path) -> bool:
    """Say whether a file of this name is written as Parquet."""
    return path.suffix.lower() == ".parquet"


def influence_files(path: Path) -> tuple[Path, Path]:
    """Return the page and the table of ``--explain`` beside a file of predictions."""
    page = path.with_name(f"{path.stem}-influence.html")
    return page, page.with_suffix(".csv")


def picture_file(path: Path) -> Path:
    """Return the page of ``--picture`` beside a file of predictions."""
    return path.with_name(f"{path.stem}-map.html")


def refuse_to_lose(path: Path, beside: tuple[Path, ...] = ()) -> None:
    """Refuse to write over a file unless an earlier prediction wrote it.

    Parameters
    ----------
    path : Path
        Of the predictions.
    beside : tuple of Path
        From `influence_files` and `picture_file`, where these are written too; each is told by its
        own content.

    Raises
    ------
    OutputError
        If another file, or a folder, is in the way.
    """
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; want a file. Choose another with -o.")
    checks = {path: _is_ours, **dict.fromkeys(beside, _is_beside)}
    for found, is_ours in checks.items():
        if found.exists() and not is_ours(found):
            raise OutputError(
                f"{found}: exists, and autospec predict did not write it; it is left as it is. "
                "Move it, or choose another name with -o."
            )


def _is_ours(path: Path) -> bool:
    try:
        if is_parquet(path):
            names: list[str] = pa.parquet.read_schema(path).names
            return names[-len(COLUMNS) :] == list(COLUMNS)
        with path.open("rb") as stream:
            first = stream.readline(_HEADER_BYTES).decode("utf-8", "replace")
        ours = ",".join(f'"{name}"' for name in COLUMNS)
        return first.endswith(f",{ours}\n")
    except (OSError, pa.ArrowException):
        return False


def _is_beside(path: Path) -> bool:
    """Say whether a file is a table of ``--explain``, or a page of that name."""
    try:
        with path.open("rb") as stream:
            if path.suffix == ".csv":
                return stream.read(len(_INFLUENCE_HEADER)) == _INFLUENCE_HEADER
            page = stream.read(_PAGE_BYTES)
        return any(path.name.endswith(name) and mark in page for name, mark in _PAGE_MARKS.items())
    except OSError:
        return False
