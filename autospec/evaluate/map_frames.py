"""`MapFrames`: a few thinned maps to look at, predicted and observed, and their file.

An .npz without pickles; nothing is computed here but what is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autospec.data.cubes.cubes import Float32Array
from autospec.data.cubes.npz import NpzFile, named, open_npz
from autospec.data.cubes.npz_fields import (
    Key,
    Layout,
    check_layout,
    file_form,
    read_flag,
    read_numbers,
    read_texts,
    read_word,
)
from autospec.data.cubes.npz_writing import text, whole, write_npz
from autospec.data.cubes.stacks import RasterStack
from autospec.data.findings import Findings
from autospec.data.spectra import IntArray
from autospec.errors import DataError, OutputError

MOST_DATES = 24
MOST_CELLS = 128  # along an axis
FRAMES_FORM = "autospec-map-frames-1"
LAYOUT = Layout(
    form=FRAMES_FORM,
    main="predicted",
    keys={
        "format": Key(axes=("",), kinds="US", what=f"the text {FRAMES_FORM}", needed=True),
        "predicted": Key(
            axes=("dkhw",), kinds="f", what="dates, targets, rows, columns: maps", needed=True
        ),
        "observed": Key(axes=("dkhw",), kinds="f", what="alike"),
        "dates": Key(axes=("d",), kinds="US", what="one a map", needed=True),
        "targets": Key(axes=("k",), kinds="US", what="one name a target", needed=True),
        "step": Key(axes=("",), kinds="iu", what="cells of the stack per cell", needed=True),
        "crs": Key(axes=("",), kinds="US", what="the crs of the extent", needed=True),
        "extent": Key(axes=("4",), kinds="f", what="west, south, east, north", needed=True),
        "synthetic": Key(axes=("",), kinds="b", what="True of made-up data", needed=True),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapFrames:
    """Maps of some dates, thinned to what a page can hold; NaN: no value.

    Parameters
    ----------
    dates : tuple of str, length d
        ISO 8601, oldest first.
    targets : tuple of str, length k
    observed : float32, shape (d, k, rows, columns), or None
        None where nothing was observed.
    predicted : float32, shape (d, k, rows, columns)
    step : int
        Cells of the stack per cell shown, along both axes.
    crs : str
    extent : tuple of 4 float
        (west, south, east, north) in units of the crs.
    synthetic : bool
    """

    dates: tuple[str, ...]
    targets: tuple[str, ...]
    observed: Float32Array | None
    predicted: Float32Array
    step: int
    crs: str
    extent: tuple[float, float, float, float]
    synthetic: bool


def frame_step(shape: tuple[int, int], most: int = MOST_CELLS) -> int:
    """Return every how many rows and columns of (h, w) cells one is taken: `most` at most."""
    return max(1, -(-max(shape) // most))


def frame_dates(n: int, most: int = MOST_DATES) -> IntArray:
    """Return which of n dates are shown: all, or `most` of them, evenly, first and last too."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


def frame_extent(stack: RasterStack, step: int) -> tuple[float, float, float, float]:
    """Return (west, south, east, north) of the shown cells, each as wide as `step` cells."""
    a, _, west, _, e, north = stack.transform
    rows, columns = (-(-n // step) * step for n in stack.shape)
    return west, north + e * rows, west + a * columns, north


def write_frames(path: Path, frames: MapFrames) -> None:
    """Write frames, whole or not at all; equal frames give equal bytes.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    observed = () if frames.observed is None else (whole("observed", frames.observed),)
    columns = (
        text("format", FRAMES_FORM),
        whole("predicted", frames.predicted),
        *observed,
        text("dates", frames.dates),
        text("targets", frames.targets),
        whole("step", np.array(frames.step)),
        text("crs", frames.crs),
        whole("extent", np.array(frames.extent)),
        whole("synthetic", np.array(frames.synthetic)),
    )
    write_npz(path, columns)


def read_frames(path: Path) -> MapFrames:
    """Read the frames of a training.

    Raises
    ------
    OutputError
        If the file is missing, damaged, or holds anything else.
    """
    findings = Findings()
    try:
        with open_npz(path) as npz:
            frames = _assemble(npz, findings)
    except DataError as error:
        findings.problems.extend(error.problems)
        frames = None
    if frames is None or findings.problems:
        raise OutputError(
            f"{' '.join(named(path, findings.problems))} These are the maps of a report: run the "
            "same training again, and they are written anew."
        )
    return frames


def _assemble(npz: NpzFile, findings: Findings) -> MapFrames | None:
    form = file_form(npz, LAYOUT, findings)
    if form is not None:
        findings.problems.append(f"this holds {form!r}, not maps of a training ({FRAMES_FORM}).")
        return None
    check_layout(npz.members, LAYOUT, findings)
    if findings.problems:
        return None
    dates, targets = (read_texts(npz, name, findings) for name in ("dates", "targets"))
    west, south, east, north = read_numbers(npz, "extent").tolist()
    crs = read_word(npz, "crs", findings)
    step = int(read_numbers(npz, "step")[0])
    if dates is None or targets is None or crs is None:
        return None
    if step < 1 or not np.isfinite([west, south, east, north]).all():
        findings.problems.append(f"step {step}, extent {(west, south, east, north)}: not of a map.")
        return None
    return MapFrames(
        dates=dates,
        targets=targets,
        observed=_maps(npz, "observed") if "observed" in npz.members else None,
        predicted=_maps(npz, "predicted"),
        step=step,
        crs=crs,
        extent=(west, south, east, north),
        synthetic=read_flag(npz, "synthetic"),
    )


def _maps(npz: NpzFile, name: str) -> Float32Array:
    return np.asarray(npz.read(name, np.dtype(np.float32)))
