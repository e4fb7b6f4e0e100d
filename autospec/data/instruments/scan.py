"""`Scan`: one spectrum as an instrument's file holds it, read under caps and checked; no formats.

Every file is untrusted: it is at most `MAX_SCAN_BYTES` long, at most `MAX_COLUMNS` bands wide, and
a reader compares what a header declares with the bytes that are there before it makes an array.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from autospec.data.checks import plain
from autospec.data.headers import LIMITS, MIN_BANDS
from autospec.data.spectra import AxisUnit, FloatArray, Quantity
from autospec.data.tables import MAX_COLUMNS
from autospec.errors import DataError

MAX_SCAN_BYTES = 64 * 1024**2
_STRANGE = 1e6  # no scale of reflectance or absorbance reaches it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scan:
    """One spectrum of one file.

    Parameters
    ----------
    axis : float64, shape (b,)
        Band positions, strictly ascending, in `axis_unit`.
    axis_unit : {"nm", "cm-1"}
        Wavelength in nm or wavenumber in cm⁻¹.
    values : float64, shape (b,)
        As the file holds them, all finite; the scale is settled with the other scans'.
    quantity : {"reflectance", "absorbance"} or None
        What the file declares; None when it declares nothing.
    name : str
        The file's name.
    form : str
        What was read, such as "ASD, target / white reference".
    """

    axis: FloatArray
    axis_unit: AxisUnit
    values: FloatArray
    quantity: Quantity | None
    name: str
    form: str


def read_content(path: Path) -> bytes:
    """Return the bytes of a scan's file.

    Raises
    ------
    DataError
        If it is no plain file, empty, larger than `MAX_SCAN_BYTES` or cannot be read.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise DataError("no plain file; want an instrument's file. Save the scan to one.")
        check_scan_size(found.st_size)
        with path.open("rb") as handle:
            content = handle.read(MAX_SCAN_BYTES + 1)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}. Check permissions.") from error
    check_scan_size(len(content))  # it may have grown
    return content


def check_scan_size(size: int) -> None:
    """Refuse an empty file and one above the cap."""
    if size == 0:
        raise DataError("the file is empty (0 bytes); want one scan. Copy it again.")
    if size > MAX_SCAN_BYTES:
        raise DataError(
            f"the file has {size:,} bytes; want one scan of at most {MAX_SCAN_BYTES:,}. "
            "Export the spectrum alone."
        )


def check_count(bands: int, needed: int, size: int) -> None:
    """Refuse a declared number of bands that is none, or that the file is too short for.

    Parameters
    ----------
    bands : int
        As the file declares.
    needed : int
        Bytes of a file that holds so many.
    size : int
        Bytes there are.

    Raises
    ------
    DataError
        Before an array is made.
    """
    if not MIN_BANDS <= bands <= MAX_COLUMNS:
        raise DataError(
            f"the file declares {bands:,} bands; want {MIN_BANDS} to {MAX_COLUMNS:,}. "
            "Export the spectrum again."
        )
    if needed > size:
        raise DataError(
            f"cut off: {bands:,} bands need {needed:,} bytes and the file has {size:,}. "
            "Copy it again from the instrument."
        )


def make_scan(
    axis: ArrayLike,
    axis_unit: AxisUnit,
    values: ArrayLike,
    quantity: Quantity | None,
    form: str,
) -> Scan:
    """Check a spectrum and bring it into ascending order; the caller names it.

    Parameters
    ----------
    axis, values : array_like, shape (b,)
        Positions and values, in the file's order.
    axis_unit : {"nm", "cm-1"}
        Unit of the positions.
    quantity : {"reflectance", "absorbance"} or None
        What the file declares.
    form : str
        What was read.

    Raises
    ------
    DataError
        If bands or values are not what a spectrum has.
    """
    x = np.array(axis, dtype=np.float64)
    y = np.array(values, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise DataError(f"{x.size} band positions for {y.size} values; want as many. Export again.")
    check_count(len(x), 0, 0)
    if x[0] > x[-1]:
        x, y = x[::-1].copy(), y[::-1].copy()
    low, high = LIMITS[axis_unit]
    if not (np.isfinite(x).all() and np.all(np.diff(x) > 0)):
        raise DataError("the band positions do not go one way; want a plain spectrum.")
    if x[0] < low or x[-1] > high:
        raise DataError(
            f"bands from {x[0]:g} to {x[-1]:g} {axis_unit}; want {low:g} to {high:g}. "
            "Is this a soil spectrum?"
        )
    bad = np.flatnonzero(~(np.abs(y) < _STRANGE) | ~plain(y))
    if len(bad):
        k = bad[0]
        raise DataError(
            f"{len(bad)} of {len(y)} bands without a usable value, first {x[k]:g} {axis_unit} "
            f"({y[k]:g}); want a number in every band. Scan the sample again."
        )
    if y.min() == y.max():
        raise DataError(f"flat spectrum, {y[0]:g} in all {len(y)} bands. Scan the sample again.")
    return Scan(axis=x, axis_unit=axis_unit, values=y, quantity=quantity, name="", form=form)
