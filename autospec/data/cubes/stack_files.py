"""`read_stack` and `write_stack`: raster stacks on disk; checks and zip have their own rooms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autospec.data.cubes.cube_checks import (
    check_names,
    check_order,
    clean_cells,
    report_cells,
)
from autospec.data.cubes.cubes import Float32Array
from autospec.data.cubes.npz import NpzFile, is_grid, named, open_npz
from autospec.data.cubes.npz_fields import (
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
from autospec.data.cubes.stacks import Affine, RasterStack
from autospec.data.findings import Findings, some
from autospec.data.spectra import FloatArray
from autospec.errors import DataError

STACK_FORM = "autospec-stack-1"
LAYOUT = Layout(
    form=STACK_FORM,
    main="dynamic",
    keys={
        "format": Key(axes=("",), kinds="US", what=f"the text {STACK_FORM}"),
        "dynamic": Key(
            axes=("tchw",),
            kinds="fiu",
            what="dates from the oldest, channels, rows from north, columns from west",
            needed=True,
        ),
        "static": Key(axes=("shw",), kinds="fiu", what="layers that do not change"),
        "channels": Key(axes=("c",), kinds="US", what="one name a channel", needed=True),
        "static_channels": Key(axes=("s",), kinds="US", what="one name a static layer"),
        "times": Key(axes=("t",), kinds="MUS", what="one date a layer", needed=True),
        "transform": Key(
            axes=("6",),
            kinds="fiu",
            what="x = a·column + b·row + c, y = d·column + e·row + f of a cell's corner",
            needed=True,
        ),
        "crs": Key(axes=("",), kinds="USiu", what="the crs of the grid: EPSG:4326", needed=True),
        "synthetic": Key(axes=("",), kinds="biu", what="True of made-up data"),
        "provenance": Key(axes=("k", ""), kinds="US", what="sentences: where the data are from"),
    },
)


def read_stack(path: str | Path) -> RasterStack:
    """Read a raster stack, or refuse it with every problem at once.

    Parameters
    ----------
    path : str or Path
        An .npz of a stack; or NetCDF, Zarr, GeoTIFF or a folder of those, with the extra ``cubes``.

    Returns
    -------
    RasterStack
        `provenance` holds what the file says, its name and SHA-256, and every sentence of what was
        recognised and mended.

    Raises
    ------
    DataError
        If the file has any problem; nothing is read in part.
    """
    findings = Findings()
    stack = None
    try:
        stack = find_stack(Path(path), findings)
    except DataError as error:
        findings.problems.extend(error.problems)
    if stack is None or findings.problems:
        raise DataError(named(Path(path), findings.problems))
    return stack


def find_stack(path: Path, findings: Findings) -> RasterStack | None:
    """Read a stack as `read_stack` does; problems go to `findings`, and then None comes back.

    Raises
    ------
    DataError
        If the file cannot be opened at all.
    """
    if is_grid(path):
        from autospec.data.cubes.grids import read_grid_stack

        return read_grid_stack(path)
    with open_npz(path) as npz:
        return assemble_stack(npz, findings)


def assemble_stack(npz: NpzFile, findings: Findings) -> RasterStack | None:
    """Check every array and put the stack together; None if there is any problem.

    Raises
    ------
    DataError
        If the file holds something else, or is damaged or above a cap.
    """
    sound = _check_keys(npz, findings)
    if "dynamic" not in sound or not _is_of_size(npz, findings):
        return None
    channels, static_channels = _names(npz, sound, findings)
    times = None
    if "times" in sound:
        times = read_times(npz, "times", (1, sound.sizes["t"]), findings)
    if times is not None:
        check_order(times, ("", ()), findings)
    dynamic, static = _layers(npz, sound, (channels, static_channels), findings)
    place = _place(npz, sound, findings)
    if findings.problems or times is None or place is None:
        return None
    transform, flip, crs = place
    lines = read_lines(npz, "provenance", findings) if "provenance" in sound else ()
    return RasterStack(
        dynamic=dynamic[:, :, ::-1] if flip else dynamic,
        static=static[:, ::-1] if flip else static,
        channels=channels,
        static_channels=static_channels,
        times=times[0],
        transform=transform,
        crs=crs,
        synthetic="synthetic" in sound and read_flag(npz, "synthetic"),
        provenance=(*lines, npz.told, *findings.recognised, *findings.mended),
    )


def _check_keys(npz: NpzFile, findings: Findings) -> Sound:
    """Check what the file says it is, and the names, kinds and axes of its arrays."""
    form = file_form(npz, LAYOUT, findings)
    if form is not None:
        raise DataError(
            f"this holds {form!r}, not a raster stack ({STACK_FORM}). Samples need no stack: pass "
            "them by --cube."
        )
    _check_georeference(npz)
    static_keys = {"static", "static_channels"} & npz.members.keys()
    if len(static_keys) == 1:
        findings.problems.append(
            f"key {min(static_keys)!r} alone; want 'static' and 'static_channels' together. Add "
            "the other, or leave it out."
        )
    return check_layout(npz.members, LAYOUT, findings)


def _check_georeference(npz: NpzFile) -> None:
    """Refuse at once a file of bare arrays: one message instead of one for every key."""
    lacking = [key for key in ("transform", "crs") if key not in npz.members]
    if "dynamic" in npz.members or len(lacking) < 2:
        return
    held = "; ".join(member.describe() for member in npz.members.values()) or "no array"
    lacking = [name for name, key in LAYOUT.keys.items() if key.needed and name not in npz.members]
    raise DataError(
        f"holds {held[:300]}: it does not say where on earth its cells lie. Want also the keys "
        f"{', '.join(lacking)}; transform and crs are the georeference. Save them by numpy.savez "
        "with the arrays, as docs/cubes.md shows, or pass the GeoTIFF or NetCDF it came from."
    )


def _is_of_size(npz: NpzFile, findings: Findings) -> bool:
    """Refuse an axis of length 0, and what would not fit the cap in memory."""
    member = npz.members["dynamic"]
    if member.size == 0:
        findings.problems.append(
            f"key 'dynamic' has shape {member.shape}; want at least one of everything. "
            "Save it again."
        )
        return False
    arrays = [m for m in npz.members.values() if m.name in ("dynamic", "static")]
    others = sum(m.bytes for m in npz.members.values() if m not in arrays)
    check_bytes(sum(4 * m.size * (1 + m.fortran) for m in arrays) + others)
    return True


def _names(
    npz: NpzFile, sound: Sound, findings: Findings
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read the names of the layers, with stand-ins for messages where they cannot be read."""
    found = read_words(npz, "channels", findings) if "channels" in sound else None
    channels = found or stand_ins("channel", sound.sizes["c"])
    static = None
    if "static_channels" in sound:
        static = read_words(npz, "static_channels", findings)
    static_channels = static or stand_ins("static", sound.sizes.get("s", 0))
    check_names((*channels, *static_channels), "channels", "layer", findings)
    return channels, static_channels


def _layers(
    npz: NpzFile,
    sound: Sound,
    names: tuple[Sequence[str], Sequence[str]],
    findings: Findings,
) -> tuple[Float32Array, Float32Array]:
    """Read the layers: NaN where there is no value."""
    channels, static_channels = names
    for key in ("dynamic", "static"):
        if key in sound and npz.members[key].dtype.newbyteorder("=") != np.float32:
            findings.mended.append(f"{key}: {npz.members[key].dtype} read as float32")
    dynamic = npz.read("dynamic", np.dtype(np.float32))
    t, c, h, w = dynamic.shape
    counts = clean_cells(dynamic.reshape(t * c, h * w))
    dates = tuple(str(i + 1) for i in range(t))
    report_cells(counts, ("date", dates), channels, findings)
    blank = np.flatnonzero(counts.valid.reshape(t, c).sum(axis=0) == 0).tolist()
    empty = [channels[k] for k in blank]
    static: Float32Array = np.empty((0, h, w), dtype=np.float32)
    if "static" in sound and static_channels:
        static = npz.read("static", np.dtype(np.float32))
        found = clean_cells(static.reshape(len(static), h * w))
        report_cells(found, ("static layers", ("",)), static_channels, findings)
        empty += [static_channels[k] for k in np.flatnonzero(found.valid == 0).tolist()]
    if empty:
        findings.problems.append(
            f"no value anywhere: {some(empty)}; want values in every layer. Leave out the channel "
            "or fill it."
        )
    return dynamic, static


def _place(npz: NpzFile, sound: Sound, findings: Findings) -> tuple[Affine, bool, str] | None:
    """Read where the grid lies, and whether its rows must be turned to run from the north."""
    crs = read_crs(read_word(npz, "crs", findings) or "", findings) if "crs" in sound else ""
    if "transform" not in sound:
        return None
    numbers = read_numbers(npz, "transform")
    a, b, c, d, e, f = numbers.tolist()
    if not np.isfinite(numbers).all() or b or d or a <= 0 or e == 0:
        gdal = e == 0 and b > 0 and f != 0
        hint = (
            f"This looks like GDAL's order; save ({b:g}, 0, {a:g}, 0, {f:g}, {d:g})."
            if gdal
            else "Reproject the stack to a grid with north up."
        )
        findings.problems.append(
            f"key 'transform' = ({', '.join(f'{v:g}' for v in numbers)}); want (a, 0, c, 0, e, f) "
            f"with a > 0 and e < 0: x = a·column + c, y = e·row + f. {hint}"
        )
        return None
    h, w = npz.members["dynamic"].shape[2:]
    flip = e > 0
    if flip:
        findings.mended.append("rows from south to north: turned to run from the north")
        e, f = -e, f + e * h
    cells: FloatArray = np.array([[c + a / 2, f + e / 2], [c + a * (w - 0.5), f + e * (h - 0.5)]])
    if crs:
        names = ("north-western cell", "south-eastern cell")
        check_places(cells[:, 0], cells[:, 1], crs, names, findings)
    return (a, 0.0, c, 0.0, e, f), flip, crs


def write_stack(path: str | Path, stack: RasterStack) -> None:
    """Write a stack as .npz, date by date, whole or not at all; equal stacks give equal bytes.

    Parameters
    ----------
    path : str or Path
        The file; one that exists is replaced.
    stack : RasterStack

    Raises
    ------
    DataError
        If it is above the 2 GB that a reader takes.
    OutputError
        If the file cannot be written; what was there before is still there.
    """
    single = np.dtype(np.float32)
    t, c, h, w = stack.dynamic.shape
    static = (
        whole("static", stack.static),
        text("static_channels", stack.static_channels),
    )
    columns = (
        text("format", STACK_FORM),
        Column(
            name="dynamic",
            shape=(t, c, h, w),
            dtype=single,
            pieces=lambda: (np.asarray(stack.dynamic[i], dtype=single) for i in range(t)),
        ),
        *(static if stack.static_channels else ()),
        text("channels", stack.channels),
        whole("times", stack.times),
        whole("transform", np.asarray(stack.transform, dtype=np.float64)),
        text("crs", stack.crs),
        whole("synthetic", np.array(stack.synthetic)),
        text("provenance", stack.provenance),
    )
    write_npz(Path(path), columns)
