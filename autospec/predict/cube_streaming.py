"""Predict a set of cubes into a file, block by block; the blocks' numbers are another file's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from autospec.data.batches import BadRow
from autospec.data.cubes.cubes import Cubes
from autospec.predict.cube_predictions import CubeBundleRunner, blocks_of
from autospec.predict.output import OutputRows, open_output
from autospec.predict.streaming import (
    FIRST_ID,
    Computed,
    ProgressCallback,
    Summary,
    in_order,
    silent,
    write_computed,
)


def predict_cubes_into(
    runner: CubeBundleRunner, cubes: Cubes, path: Path, *, progress: ProgressCallback = silent
) -> Summary:
    """Predict every one of n cubes into a file, with their places; rows are counted from 1.

    Parameters
    ----------
    runner : CubeBundleRunner
        Of a model, a level and a device.
    cubes : Cubes
        Of the model's channels, in its order: from `autospec.predict.cube_matching.fit_cubes`.
    path : Path
        CSV, or Parquet where it ends in .parquet; replaced whole, or left as it was.
    progress : callable (Progress) -> None
        Told after every block.

    Raises
    ------
    DataError
        If no sample can be predicted.
    OutputError
        If the file cannot be written.
    """
    blocks, numbered = blocks_of(cubes), []
    first = 1
    for block in blocks:
        numbered.append((first, block))
        first += block.n

    def work(part: tuple[int, Cubes]) -> Computed:
        return predict_block(runner, *part)

    opened = open_output(path, FIRST_ID, runner.level, runner.bundle.target_unit, places=True)
    return write_computed(opened, in_order(work, numbered, runner.workers), cubes.n, progress)


def predict_block(runner: CubeBundleRunner, first: int, cubes: Cubes) -> Computed:
    """Predict a block whose first sample is row `first`; return what is written, and bad rows."""
    numbers, told = runner.measure_block(cubes)
    known = np.isfinite(numbers[0])
    row_numbers = np.arange(first, first + cubes.n)
    bad = tuple(
        BadRow(row_number=int(row_numbers[i]), id=cubes.ids[i], reason=told[i])
        for i in np.flatnonzero(~known).tolist()
    )
    reasons = tuple(
        why if ok else f"not predicted: {why}" for why, ok in zip(told, known.tolist(), strict=True)
    )
    rows = OutputRows(
        ids=cubes.ids,
        row_numbers=row_numbers,
        good=known,
        numbers=numbers[:, known],
        inside=np.array([not reason for reason in told], dtype=np.bool_)[known],
        reasons=reasons,
        places=np.stack([cubes.x, cubes.y]),
    )
    return rows, bad
