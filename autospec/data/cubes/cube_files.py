"""`read_cubes` and `write_cubes`: samples on disk; checks and the zip have their own rooms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from autospec.data.cubes.cube_checks import Needs, blocks
from autospec.data.cubes.cubes import BoolArray, Cubes, Float32Array, TimeArray
from autospec.data.cubes.npz import NpzFile, is_grid, named, open_npz
from autospec.data.cubes.npz_fields import (
    MAX_NAMES,
    Key,
    Layout,
    Sound,
    check_layout,
    file_form,
    read_flag,
    read_lines,
    read_numbers,
    read_texts,
    read_times,
    read_word,
)
from autospec.data.cubes.npz_headers import check_bytes
from autospec.data.cubes.npz_writing import Column, text, whole, write_npz
from autospec.data.cubes.raw_cubes import RawCubes, settle_cubes
from autospec.data.findings import Findings
from autospec.errors import DataError

CUBES_FORM = "autospec-cubes-1"
TRAINING = Needs(target=True)
LAYOUT = Layout(
    form=CUBES_FORM,
    main="values",
    keys={
        "format": Key(axes=("",), kinds="US", what=f"the text {CUBES_FORM}"),
        "values": Key(
            axes=("nchwt",),
            kinds="fiu",
            what="samples, channels, rows from north, columns from west, dates from the oldest",
            needed=True,
        ),
        "valid": Key(axes=("nchwt",), kinds="biu", what="True where there is a value"),
        "channels": Key(axes=("c",), kinds="US", what="one name a channel", needed=True),
        "times": Key(
            axes=("nt", "t"), kinds="MUS", what="the dates, of each sample or of all", needed=True
        ),
        "x": Key(axes=("n",), kinds="fiu", what="longitude, or metres east", needed=True),
        "y": Key(axes=("n",), kinds="fiu", what="latitude, or metres north", needed=True),
        "crs": Key(axes=("",), kinds="USiu", what="the crs of x and y: EPSG:4326", needed=True),
        "ids": Key(axes=("n",), kinds="USiu", what="one name a sample"),
        "target": Key(axes=("n",), kinds="fiu", what="lab values, NaN where there is none"),
        "target_name": Key(axes=("",), kinds="US", what="such as soc"),
        "target_unit": Key(axes=("",), kinds="US", what="such as g/kg"),
        "cell_size": Key(axes=("",), kinds="fiu", what="side of a cell in units of the crs"),
        "synthetic": Key(axes=("",), kinds="biu", what="True of made-up data"),
        "provenance": Key(axes=("k", ""), kinds="US", what="sentences: where the data are from"),
    },
)


def read_cubes(path: str | Path, needs: Needs = Needs()) -> Cubes:  # noqa: B008 (frozen)
    """Read samples, or refuse them with every problem at once.

    Parameters
    ----------
    path : str or Path
        An .npz of samples; or NetCDF or Zarr, with the extra ``cubes``.
    needs : Needs
        What they are read for; `TRAINING` to learn from.

    Returns
    -------
    Cubes
        `provenance` holds what the file says, its name and SHA-256, and every sentence of what was
        recognised and mended.

    Raises
    ------
    DataError
        If the file has any problem; nothing is read in part.
    """
    findings = Findings()
    cubes = None
    try:
        cubes = find_cubes(Path(path), needs, findings)
    except DataError as error:
        findings.problems.extend(error.problems)
    if cubes is None or findings.problems:
        raise DataError(named(Path(path), findings.problems))
    return cubes


def find_cubes(path: Path, needs: Needs, findings: Findings) -> Cubes | None:
    """Read samples as `read_cubes` does; problems go to `findings`, and then None comes back.

    Raises
    ------
    DataError
        If the file cannot be opened at all.
    """
    if not is_grid(path):
        with open_npz(path) as npz:
            return assemble_cubes(npz, needs, findings)
    from autospec.data.cubes.grids import read_raw_cubes

    return settle_cubes(read_raw_cubes(path, findings), needs, findings)


def assemble_cubes(npz: NpzFile, needs: Needs, findings: Findings) -> Cubes | None:
    """Check every array and put the samples together; None if there is any problem.

    Raises
    ------
    DataError
        If the file holds something else, or is damaged or above a cap.
    """
    _check_form(npz, findings)
    sound = check_layout(npz.members, LAYOUT, findings)
    if "values" not in sound or not _is_of_size(npz, sound, findings):
        return None
    values, valid = _cells(npz, sound, findings)
    times = _times(npz, sound, findings)
    x, y = (
        read_numbers(npz, key) if key in sound else np.zeros(sound.sizes["n"]) for key in ("x", "y")
    )
    words = {key: _word(npz, key, sound, findings) for key in ("target_name", "target_unit")}
    if "target" not in npz.members:
        findings.recognised.append("no key 'target': every sample is unlabelled")
    raw = RawCubes(
        values=values,
        valid=valid,
        channels=read_texts(npz, "channels", findings) if "channels" in sound else None,
        ids=read_texts(npz, "ids", findings) if "ids" in sound else None,
        times=times,
        x=x,
        y=y,
        crs=_word(npz, "crs", sound, findings) if "crs" in sound else None,
        target=read_numbers(npz, "target") if "target" in sound else None,
        target_name=words["target_name"],
        target_unit=words["target_unit"],
        cell_size=float(read_numbers(npz, "cell_size")[0]) if "cell_size" in sound else 0.0,
        synthetic="synthetic" in sound and read_flag(npz, "synthetic"),
        provenance=(
            *(read_lines(npz, "provenance", findings) if "provenance" in sound else ()),
            npz.told,
        ),
    )
    return settle_cubes(raw, needs, findings)


def _check_form(npz: NpzFile, findings: Findings) -> None:
    form = file_form(npz, LAYOUT, findings)
    if form is not None:
        raise DataError(
            f"this holds {form!r}, not samples ({CUBES_FORM}). Cut samples from a raster stack by: "
            "autospec cube extract --raster FILE --points POINTS"
        )


def _is_of_size(npz: NpzFile, sound: Sound, findings: Findings) -> bool:
    """Refuse an axis of length 0, too many samples, and what would not fit the cap in memory."""
    sizes, member = sound.sizes, npz.members["values"]
    if member.size == 0:
        findings.problems.append(
            f"key 'values' has shape {member.shape}; want at least one of everything. "
            "Save it again."
        )
        return False
    if sizes["n"] > MAX_NAMES:
        findings.problems.append(
            f"{sizes['n']:,} samples; want at most {MAX_NAMES:,}. Split the file into parts."
        )
        return False
    kept = member.size * (4 * (1 + member.fortran) + 1) + sizes["n"] * sizes["t"] * 8
    passing = sum(
        m.bytes
        for m in npz.members.values()
        if m.name != "values" and (m.name, m.dtype.kind) != ("valid", "b")
    )
    check_bytes(kept + passing)
    return True


def _word(npz: NpzFile, key: str, sound: Sound, findings: Findings) -> str:
    """Read a single text; empty where there is none."""
    return (read_word(npz, key, findings) or "") if key in sound else ""


def _times(npz: NpzFile, sound: Sound, findings: Findings) -> TimeArray | None:
    """Read the dates: a row for each sample, or one for all."""
    if "times" not in sound:
        return None
    n, t = sound.sizes["n"], sound.sizes["t"]
    rows = n if npz.members["times"].size == n * t else 1
    return read_times(npz, "times", (rows, t), findings)


def _cells(npz: NpzFile, sound: Sound, findings: Findings) -> tuple[Float32Array, BoolArray]:
    """Read the values, and where the file says that there are any."""
    member = npz.members["values"]
    if member.dtype.newbyteorder("=") != np.float32:
        findings.mended.append(f"values: {member.dtype} read as float32")
    values = npz.read("values", np.dtype(np.float32))
    if "valid" not in sound:
        return values, np.ones(values.shape, dtype=bool)
    marks = npz.read("valid")
    if marks.dtype != bool and (marks.min() < 0 or marks.max() > 1):
        findings.problems.append(
            f"key 'valid' holds {marks.min()} to {marks.max()}; want True or False, 1 or 0: "
            "whether there is a value. Save it again."
        )
    return values, marks.astype(bool, copy=False)


def write_cubes(path: str | Path, cubes: Cubes) -> None:
    """Write samples as .npz, whole or not at all; equal samples give equal bytes.

    Parameters
    ----------
    path : str or Path
        The file; one that exists is replaced. Cells without a value are NaN in it.
    cubes : Cubes

    Raises
    ------
    DataError
        If they are above the 2 GB that a reader takes.
    OutputError
        If the file cannot be written; what was there before is still there.
    """
    shared = bool((cubes.times == cubes.times[:1]).all())
    columns = (
        text("format", CUBES_FORM),
        Column(
            name="values",
            shape=cubes.values.shape,
            dtype=cubes.values.dtype,
            pieces=lambda: _pieces(cubes),
        ),
        text("channels", cubes.channels),
        whole("times", cubes.times[0] if shared else cubes.times),
        whole("x", cubes.x),
        whole("y", cubes.y),
        text("crs", cubes.crs),
        text("ids", cubes.ids),
        *((whole("target", cubes.target),) if np.isfinite(cubes.target).any() else ()),
        text("target_name", cubes.target_name),
        text("target_unit", cubes.target_unit),
        *((whole("cell_size", np.array(cubes.cell_size)),) if cubes.cell_size else ()),
        whole("synthetic", np.array(cubes.synthetic)),
        text("provenance", cubes.provenance),
    )
    check_bytes(cubes.valid.nbytes + cubes.times.nbytes + sum(c.bytes for c in columns))
    write_npz(Path(path), columns)


def _pieces(cubes: Cubes) -> Iterator[Float32Array]:
    """Yield the values in order, NaN where there is none."""
    for i in range(cubes.n):
        rows = cubes.values[i].reshape(-1), cubes.valid[i].reshape(-1)
        for _, part in blocks(1, rows[0].size):
            yield np.where(rows[1][part], rows[0][part], np.float32(np.nan))
