"""`read_cubes` and `write_cubes`: samples on disk; the checks and the zip have their own rooms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from autospec.data.cubes.cube_checks import (
    TWO_DATES,
    Needs,
    blocks,
    check_coverage,
    check_cubes,
    check_names,
    check_order,
    check_target,
    clean_cells,
    clean_target,
    report_cells,
)
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
    read_times,
    read_word,
    read_words,
    stand_ins,
)
from autospec.data.cubes.npz_headers import check_bytes
from autospec.data.cubes.npz_writing import Column, text, whole, write_npz
from autospec.data.cubes.place_checks import check_places, read_crs
from autospec.data.findings import Findings
from autospec.data.spectra import FloatArray, row_name
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
    from autospec.data.cubes.grids import read_grid_cubes

    cubes = read_grid_cubes(path)
    check_cubes(cubes, cubes.valid.sum(axis=(2, 3, 4)), needs, findings)
    lines = (*cubes.provenance, *findings.recognised, *findings.mended)
    return replace(cubes, provenance=lines)


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
    n, c = sound.sizes["n"], sound.sizes["c"]
    ids = _names(npz, "ids", sound, findings) or tuple(row_name(i + 1) for i in range(n))
    channels = _names(npz, "channels", sound, findings) or stand_ins("channel", c)
    check_names(ids, "ids", "sample", findings, TWO_DATES)
    check_names(channels, "channels", "channel", findings)
    times = _times(npz, sound, ids, findings)
    x, y, crs = _places(npz, sound, ids, findings)
    target, name, unit = _target(npz, sound, findings)
    check_target(target, (name, unit), ids, needs.target, findings)
    values, valid = _cells(npz, sound, (ids, channels), needs, findings)
    lines = read_lines(npz, "provenance", findings) if "provenance" in sound else ()
    if findings.problems or times is None:
        return None
    return Cubes(
        values=values,
        valid=valid,
        channels=channels,
        times=times,
        x=x,
        y=y,
        crs=crs,
        ids=ids,
        target=target,
        target_name=name,
        target_unit=unit,
        synthetic="synthetic" in sound and read_flag(npz, "synthetic"),
        provenance=(*lines, npz.told, *findings.recognised, *findings.mended),
    )


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


def _names(npz: NpzFile, key: str, sound: Sound, findings: Findings) -> tuple[str, ...] | None:
    return read_words(npz, key, findings) if key in sound else None


def _times(npz: NpzFile, sound: Sound, ids: Sequence[str], findings: Findings) -> TimeArray | None:
    """Read the dates; where all samples share them, they are repeated for each."""
    if "times" not in sound:
        return None
    n, t = sound.sizes["n"], sound.sizes["t"]
    own = npz.members["times"].size == n * t
    times = read_times(npz, "times", (n if own else 1, t), findings)
    if times is None:
        return None
    check_order(times, ("sample", ids if own else ()), findings)
    return times if own else np.repeat(times, n, axis=0)


def _places(
    npz: NpzFile, sound: Sound, ids: Sequence[str], findings: Findings
) -> tuple[FloatArray, FloatArray, str]:
    """Read where the samples were taken, and check it as far as it is there."""
    crs = read_crs(read_word(npz, "crs", findings) or "", findings) if "crs" in sound else ""
    x, y = (
        read_numbers(npz, key) if key in sound else np.zeros(sound.sizes["n"]) for key in ("x", "y")
    )
    if crs:
        check_places(x, y, crs, ids, findings)
    return x, y, crs


def _target(npz: NpzFile, sound: Sound, findings: Findings) -> tuple[FloatArray, str, str]:
    """Read the lab values, their name and unit; without any, no sample is labelled."""
    name, unit = (
        (read_word(npz, key, findings) or "") if key in sound else ""
        for key in ("target_name", "target_unit")
    )
    if "target" in sound:
        return clean_target(read_numbers(npz, "target"), findings), name, unit
    if "target" not in npz.members:
        findings.recognised.append("no key 'target': every sample is unlabelled")
    return np.full(sound.sizes["n"], np.nan), name, unit


def _cells(
    npz: NpzFile,
    sound: Sound,
    names: tuple[Sequence[str], Sequence[str]],
    needs: Needs,
    findings: Findings,
) -> tuple[Float32Array, BoolArray]:
    """Read the values, and where there are any."""
    ids, channels = names
    member = npz.members["values"]
    if member.dtype.newbyteorder("=") != np.float32:
        findings.mended.append(f"values: {member.dtype} read as float32")
    values = npz.read("values", np.dtype(np.float32))
    shape = values.shape
    valid: BoolArray = np.ones(shape, dtype=bool)
    if "valid" in sound:
        marks = npz.read("valid")
        if marks.dtype != bool and (marks.min() < 0 or marks.max() > 1):
            findings.problems.append(
                f"key 'valid' holds {marks.min()} to {marks.max()}; want True or False, 1 or 0: "
                "whether there is a value. Save it again."
            )
        valid = marks.astype(bool, copy=False)
    rows = (shape[0] * shape[1], int(np.prod(shape[2:])))
    counts = clean_cells(values.reshape(rows), valid.reshape(rows))
    report_cells(counts, ("sample", ids), channels, findings)
    if needs.values:
        check_coverage(counts.valid.reshape(shape[:2]), rows[1], ids, channels, findings)
    return values, valid


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
