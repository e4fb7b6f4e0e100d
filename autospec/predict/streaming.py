"""Predict a file of any number of rows in bounded memory: blocks in, blocks out, in their order.

The main thread reads and writes; blocks are computed by as many threads as there are cores, each
with one torch and one BLAS thread, so that no digit depends on how many cores there are. A row
that cannot be used keeps its place in the output, with the reason. What a block's predictions are
is `autospec.predict.predictions`' matter; what the file looks like, `autospec.predict.output`'s.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autospec.data.batches import BadRow, Batch, Batches
from autospec.data.findings import count
from autospec.data.onto_axis import OntoAxis, fit_onto
from autospec.data.spectra import AxisUnit, FloatArray, Quantity, Spectra
from autospec.errors import SHOWN_PROBLEMS, DataError
from autospec.predict.answers import Block, one_thread_each
from autospec.predict.document import ModelBundle
from autospec.predict.output import Output, OutputRows, open_output
from autospec.predict.predictions import BLOCK_ROWS, BundleRunner

IN_FLIGHT = 2  # blocks that wait beside those at work, so that no worker does
FIRST_ID = "id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a file is: rows written, rows in all (None where the file does not say), seconds."""

    rows: int
    total: int | None
    seconds: float

    @property
    def eta_s(self) -> float | None:
        """Seconds to go, as far as they can be told."""
        if self.total is None or not self.rows:
            return None
        return self.seconds / self.rows * max(self.total - self.rows, 0)


Computed = tuple[OutputRows, tuple[BadRow, ...]]
ProgressCallback = Callable[[Progress], None]
RowsCallback = Callable[[OutputRows], None]


def silent(progress: Progress) -> None:
    """Tell nobody."""


def unseen(rows: OutputRows) -> None:
    """Show the rows to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """Spectra to predict, block by block.

    Parameters
    ----------
    axis : float64, shape (b,)
        Their bands, strictly ascending, in `axis_unit`.
    axis_unit : {"nm", "cm-1"}
    quantity : {"reflectance", "absorbance"}
    n_rows : int or None
        Where it is known beforehand.
    id_header : str
        What the samples' names are called.
    blocks : iterable of Batch
        Rows in the order of the file.
    placed : bool
        Whether the batches have places.
    """

    axis: FloatArray
    axis_unit: AxisUnit
    quantity: Quantity
    n_rows: int | None
    id_header: str
    blocks: Iterable[Batch]
    placed: bool = False


def table_source(batches: Batches) -> Source:
    """Return an open table as a source."""
    return Source(
        axis=batches.axis,
        axis_unit=batches.axis_unit,
        quantity=batches.quantity,
        n_rows=batches.n_rows,
        id_header=batches.id_header or FIRST_ID,
        blocks=batches,
        placed=batches.placed,
    )


def spectra_source(spectra: Spectra, left_out: Sequence[tuple[str, str]] = ()) -> Source:
    """Return spectra that are already in memory as a source; rows are counted from 1.

    Parameters
    ----------
    spectra : Spectra
        What can be predicted.
    left_out : sequence of (str, str)
        Names and reasons of scans that cannot be: bad rows behind the others.
    """
    return Source(
        axis=spectra.axis,
        axis_unit=spectra.axis_unit,
        quantity=spectra.quantity,
        n_rows=spectra.n + len(left_out),
        id_header=FIRST_ID,
        blocks=_blocks(spectra, left_out),
    )


def _blocks(spectra: Spectra, left_out: Sequence[tuple[str, str]]) -> Iterator[Batch]:
    for start in range(0, spectra.n, BLOCK_ROWS):
        values = spectra.values[start : start + BLOCK_ROWS]
        yield Batch(
            ids=spectra.ids[start : start + BLOCK_ROWS],
            row_numbers=np.arange(start + 1, start + 1 + len(values), dtype=np.int64),
            values=values,
            good=np.ones(len(values), dtype=np.bool_),
            bad=(),
        )
    if left_out:
        numbers = np.arange(spectra.n + 1, spectra.n + 1 + len(left_out), dtype=np.int64)
        yield Batch(
            ids=tuple(name for name, _ in left_out),
            row_numbers=numbers,
            values=np.empty((0, spectra.b)),
            good=np.zeros(len(left_out), dtype=np.bool_),
            bad=tuple(
                BadRow(row_number=k, id=name, reason=why)
                for k, (name, why) in zip(numbers.tolist(), left_out, strict=True)
            ),
        )


@dataclass(slots=True, kw_only=True)
class Summary:
    """What became of a file; it grows block by block.

    Parameters
    ----------
    rows, predicted, outside : int
        Rows in all, those predicted, of these those outside the domain.
    bad : list of BadRow
        The first 20 rows that were not predicted.
    total : float
        Sum of the predictions.
    seconds : float
    """

    rows: int = 0
    predicted: int = 0
    outside: int = 0
    bad: list[BadRow] = field(default_factory=list)
    total: float = 0.0
    seconds: float = 0.0

    @property
    def mean(self) -> float | None:
        """Mean of the predictions; None without any."""
        return self.total / self.predicted if self.predicted else None

    def add(self, rows: OutputRows, bad: tuple[BadRow, ...]) -> None:
        """Take in a block."""
        self.rows += len(rows.ids)
        self.predicted += rows.numbers.shape[1]
        self.outside += int(np.sum(~rows.inside))
        self.bad += bad[: SHOWN_PROBLEMS - len(self.bad)]
        self.total += math.fsum(rows.numbers[0])


def check_source(bundle: ModelBundle, source: Source, name: str) -> OntoAxis:
    """Find the way from the source's bands to the model's.

    Parameters
    ----------
    bundle, source
        The model, and what it is to predict.
    name : str
        Of the file, for messages.

    Raises
    ------
    DataError
        If the file does not cover the model's range.
    """
    try:
        return fit_onto(
            source.axis,
            source.axis_unit,
            source.quantity,
            bundle.axis,
            bundle.axis_unit,
            bundle.quantity,
        )
    except DataError as error:
        raise DataError([f"{name}: {problem}" for problem in error.problems]) from error


def first_rows(source: Source, onto: OntoAxis) -> FloatArray:
    """Return the good rows (n, b) of the first block that has any, on the model's bands."""
    for batch in source.blocks:
        if len(batch.values):
            return onto.transform(batch.values)
    raise DataError("no row has a usable spectrum")


def predict_source(
    runner: BundleRunner,
    source: Source,
    onto: OntoAxis,
    path: Path,
    *,
    progress: ProgressCallback = silent,
    watch: RowsCallback = unseen,
) -> Summary:
    """Predict every row of a source into a file.

    Parameters
    ----------
    runner : BundleRunner
        Of a model, a level and a device.
    source : Source
        What to predict.
    onto : OntoAxis
        From `check_source`.
    path : Path
        CSV, or Parquet where it ends in .parquet; replaced whole, or left as it was.
    progress : callable (Progress) -> None
        Told after every block.
    watch : callable (OutputRows) -> None
        Shown the rows of every block, in their order, once they are taken in.

    Raises
    ------
    DataError
        If the source breaks off, or no row of it can be predicted.
    OutputError
        If the file cannot be written.
    """

    def work(batch: Batch) -> Computed:
        return predict_block(runner, onto, batch)

    unit = runner.bundle.target_unit
    opened = open_output(path, source.id_header, runner.level, unit, places=source.placed)
    blocks = in_order(work, source.blocks, runner.workers)
    return write_computed(opened, blocks, source.n_rows, progress, watch)


def write_computed(
    opened: AbstractContextManager[Output],
    blocks: Generator[Computed],
    total: int | None,
    progress: ProgressCallback,
    watch: RowsCallback = unseen,
) -> Summary:
    """Write computed blocks in their order, and sum them up.

    Raises
    ------
    DataError
        If no row of `total` (None: not known) could be predicted: no file is left then.
    """
    started, summary = time.monotonic(), Summary()
    with opened as output, closing(blocks) as computed:
        for rows, bad in computed:
            output.write(rows)
            watch(rows)
            summary.add(rows, bad)
            summary.seconds = time.monotonic() - started
            progress(Progress(rows=summary.rows, total=total, seconds=summary.seconds))
        if not summary.predicted:  # inside: a file of nothing must not replace another
            rows_told = count(summary.rows, "row")
            raise DataError([f"none of {rows_told} can be predicted:", *_lines(summary)])
    return summary


def _lines(summary: Summary) -> list[str]:
    return [f"row {row.row_number} (id {row.id}): {row.reason}" for row in summary.bad]


def predict_block(runner: BundleRunner, onto: OntoAxis, batch: Batch) -> Computed:
    """Predict the good rows of a block; return what is written, and the rows without prediction."""
    numbers, told = runner.measure_block(onto.transform(batch.values))
    known = np.isfinite(numbers[0])
    good = batch.good.copy()
    good[batch.good] = known
    reasons = np.full(len(good), "", dtype=object)
    reasons[batch.good] = told
    reasons[~batch.good] = [row.reason for row in batch.bad]
    bad = tuple(
        BadRow(row_number=int(batch.row_numbers[i]), id=batch.ids[i], reason=reasons[i])
        for i in np.flatnonzero(~good).tolist()
    )
    reasons[~good] = [f"not predicted: {row.reason}" for row in bad]
    rows = OutputRows(
        ids=batch.ids,
        row_numbers=batch.row_numbers,
        good=good,
        numbers=numbers[:, known],
        inside=np.array([not reason for reason in told], dtype=np.bool_)[known],
        reasons=tuple(reasons),
        places=batch.places,
    )
    return rows, bad


def in_order(
    work: Callable[[Block], Computed], blocks: Iterable[Block], workers: int
) -> Generator[Computed]:
    """Yield ``work(block)`` for every block in turn; few are in memory at a time.

    The blocks are read by the caller's thread, and computed by `workers` others.
    """
    waiting: deque[Future[Computed]] = deque()
    with one_thread_each(workers) as pool:
        try:
            for block in blocks:
                waiting.append(pool.submit(work, block))
                if len(waiting) >= workers + IN_FLIGHT:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
