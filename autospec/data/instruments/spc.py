"""Galactic/Thermo SPC files (``.spc``) of one trace, new format, either byte order.

Layout from Galactic Industries, *A Brief Guide to SPC File Format and Using GSPCIO*: a header of
512 bytes (flags 0, version 1, exponent 3, points 4, first and last X 8 and 16, traces 24, X and Y
type 28 and 29), X as float32 if the flags say so, a trace header of 32 bytes (exponent 1), then Y:
float32 if the exponent is −128, else integers to be taken times 2^(exponent − 32), or 2^(exponent
− 16) for the 16-bit form. With one trace the exponent is the file header's.

The package spc-io was looked at: it takes the trace header's exponent there too, which gives wrong
values for integer files that leave it 0, and checks no count before it allocates.
"""

from __future__ import annotations

import struct

import numpy as np

from autospec.data.instruments.scan import Scan, check_count, make_scan
from autospec.data.spectra import AxisUnit, FloatArray, Quantity
from autospec.errors import DataError

HEADER_BYTES = 512
TRACE_BYTES = 32
FLOAT_EXPONENT = -128
_SHORT, _OWN_X, _X_VALUES = 0x01, 0x40, 0x80
_ORDER = {0x4B: "<", 0x4C: ">"}
_AXES: dict[int, tuple[AxisUnit, float]] = {1: ("cm-1", 1.0), 2: ("nm", 1000.0), 3: ("nm", 1.0)}
_QUANTITIES: dict[int, Quantity | None] = {
    0: None,  # arbitrary: the values decide
    2: "absorbance",
    10: "absorbance",  # log(1/R)
    11: None,  # percent, of what it does not say
    129: "reflectance",
}
_REFUSED = {1: "an interferogram", 3: "Kubelka–Munk", 4: "counts", 128: "transmittance"}


def read_spc(content: bytes) -> Scan:
    """Read an SPC file.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    Scan

    Raises
    ------
    DataError
        If it is cut off, of the old format, holds several traces or no soil spectrum's units.
    """
    order = _ORDER.get(content[1]) if len(content) >= HEADER_BYTES else None
    if order is None:
        raise DataError(
            f"not an SPC file of the new format (512 header bytes, version 4B or 4C; found "
            f"{len(content)} bytes, version {content[1:2].hex().upper() or 'none'}). Export again."
        )
    flags, exponent = content[0], struct.unpack_from("b", content, 3)[0]
    bands, first, last, traces = struct.unpack_from(f"{order}IddI", content, 4)
    if traces != 1 or flags & _OWN_X:
        raise DataError(f"{traces:,} traces in one file; want one. Export one file a scan.")
    start = HEADER_BYTES + (4 * bands if flags & _X_VALUES else 0)
    if len(content) > start + 1 and content[start + 1] == 0x80:
        exponent = FLOAT_EXPONENT
    short = bool(flags & _SHORT) and exponent != FLOAT_EXPONENT
    check_count(bands, start + TRACE_BYTES + bands * (2 if short else 4), len(content))
    unit, quantity, scale = _meaning(content[28], content[29])
    x = (
        np.frombuffer(content, f"{order}f4", bands, HEADER_BYTES).astype(np.float64)
        if flags & _X_VALUES
        else np.linspace(first, last, bands)
    )
    y = _values(content, start + TRACE_BYTES, bands, (order, short, exponent))
    return make_scan(x * scale, unit, y, quantity, "SPC")


def _values(content: bytes, start: int, bands: int, coding: tuple[str, bool, int]) -> FloatArray:
    """Return Y: floats, or integers with their common exponent."""
    order, short, exponent = coding
    if exponent == FLOAT_EXPONENT:
        return np.frombuffer(content, f"{order}f4", bands, start).astype(np.float64)
    whole = np.frombuffer(content, f"{order}{'i2' if short else 'i4'}", bands, start)
    return whole.astype(np.float64) * 2.0 ** (exponent - (16 if short else 32))


def _meaning(x_type: int, y_type: int) -> tuple[AxisUnit, Quantity | None, float]:
    """Return unit, quantity and the factor that takes X into that unit."""
    if x_type not in _AXES:
        raise DataError(
            f"X axis of type {x_type}; want 1 (cm⁻¹), 2 (µm) or 3 (nm). Export with wavelengths "
            "or wavenumbers."
        )
    if y_type not in _QUANTITIES:
        raise DataError(
            f"it holds {_REFUSED.get(y_type, f'Y values of type {y_type}')}; want absorbance or "
            "reflectance. Export one of them."
        )
    unit, scale = _AXES[x_type]
    return unit, _QUANTITIES[y_type], scale
