"""`settle_cubes`: the one path from what a file of samples holds to checked `Cubes`.

Every reader ends here, so that a code for no value, a doubled name or a flood of NaN is met alike
in each format; how a format is decoded is its reader's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec.data.cubes.cube_checks import (
    TWO_DATES,
    Needs,
    check_coverage,
    check_names,
    check_order,
    check_target,
    check_words,
    clean_cells,
    clean_target,
    report_cells,
)
from autospec.data.cubes.cubes import BoolArray, Cubes, Float32Array, TimeArray
from autospec.data.cubes.place_checks import check_places, read_crs
from autospec.data.findings import Findings
from autospec.data.spectra import FloatArray, row_name


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawCubes:
    """Samples as a file has them: the axes are right, and nothing else is checked.

    Parameters
    ----------
    values : float32, shape (n, c, h, w, t)
        May hold NaN, infinities and codes; cleaned in place, so nobody else's.
    valid : bool, shape (n, c, h, w, t)
        What the file says; changed in place.
    channels, ids : tuple of str, or None
        None where the file has none that can be read.
    times : datetime64[s], shape (n, t) or (1, t), or None
        One row is for all samples; None where the file's dates cannot be read.
    x, y : float64, shape (n,)
    crs : str or None
        As it is written; None where the lack is told already.
    target : float64, shape (n,), or None
    target_name, target_unit : str
    cell_size : float
        As in `Cubes`, but any number.
    synthetic : bool
    provenance : tuple of str
        Of the file, and its name.
    """

    values: Float32Array
    valid: BoolArray
    channels: tuple[str, ...] | None
    ids: tuple[str, ...] | None
    times: TimeArray | None
    x: FloatArray
    y: FloatArray
    crs: str | None
    target: FloatArray | None
    target_name: str
    target_unit: str
    cell_size: float
    synthetic: bool
    provenance: tuple[str, ...]


def settle_cubes(raw: RawCubes, needs: Needs, findings: Findings) -> Cubes | None:
    """Clean and check samples of any format.

    Parameters
    ----------
    raw : RawCubes
        Used up.
    needs : Needs
        What they are read for.
    findings : Findings
        Receives what was mended and what is wrong.

    Returns
    -------
    Cubes or None
        None if there is any problem, those that the reader had found among them.
    """
    n, c = raw.values.shape[:2]
    ids, channels = _names(raw, n, c, findings)
    times = _times(raw, ids, findings)
    crs = "" if raw.crs is None else read_crs(raw.crs, findings)
    if crs:
        check_places(raw.x, raw.y, crs, ids, findings)
    target = np.full(n, np.nan)
    if raw.target is not None:
        target = clean_target(raw.target, findings)
    check_target(target, (raw.target_name, raw.target_unit), ids, needs.target, findings)
    _cells(raw, (ids, channels), needs, findings)
    _check_size(raw.cell_size, findings)
    if findings.problems or times is None:
        return None
    return Cubes(
        values=raw.values,
        valid=raw.valid,
        channels=channels,
        times=times,
        x=raw.x,
        y=raw.y,
        crs=crs,
        ids=ids,
        target=target,
        target_name=raw.target_name,
        target_unit=raw.target_unit,
        cell_size=raw.cell_size,
        synthetic=raw.synthetic,
        provenance=(*raw.provenance, *findings.recognised, *findings.mended),
    )


def _names(
    raw: RawCubes, n: int, c: int, findings: Findings
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return sound names of samples and channels, with stand-ins for messages."""
    ids = tuple(row_name(i + 1) for i in range(n))
    channels = tuple(f"channel {k + 1}" for k in range(c))
    if raw.ids is not None and check_words("ids", raw.ids, findings):
        ids = raw.ids
    if raw.channels is not None and check_words("channels", raw.channels, findings):
        channels = raw.channels
    check_names(ids, "ids", "sample", findings, TWO_DATES)
    check_names(channels, "channels", "channel", findings)
    return ids, channels


def _times(raw: RawCubes, ids: tuple[str, ...], findings: Findings) -> TimeArray | None:
    """Check the dates; where all samples share them, they are repeated for each."""
    if raw.times is None:
        return None
    own = len(raw.times) == len(ids)
    check_order(raw.times, ("sample", ids if own else ()), findings)
    return raw.times if own else np.repeat(raw.times, len(ids), axis=0)


def _cells(
    raw: RawCubes, names: tuple[tuple[str, ...], tuple[str, ...]], needs: Needs, findings: Findings
) -> None:
    """Clean the values in place, and check them."""
    ids, channels = names
    shape = raw.values.shape
    rows = (shape[0] * shape[1], int(np.prod(shape[2:])))
    counts = clean_cells(raw.values.reshape(rows), raw.valid.reshape(rows))
    report_cells(counts, ("sample", ids), channels, findings)
    if needs.values:
        check_coverage(counts.valid.reshape(shape[:2]), rows[1], ids, channels, findings)


def _check_size(cell_size: float, findings: Findings) -> None:
    """Refuse what is no length."""
    if not (np.isfinite(cell_size) and cell_size >= 0):
        findings.problems.append(
            f"cell_size = {cell_size:g}; want the side of a cell in units of the crs, or 0 where "
            "it is not known. Correct it, or leave it out."
        )
