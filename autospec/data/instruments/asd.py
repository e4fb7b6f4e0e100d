"""ASD FieldSpec files (``.asd``), versions 1 to 8; calibration, classifiers and GPS are not read.

Layout, little-endian, from ASD Inc., *ASD File Format, version 8*:

======  ========  =====================================================================
offset  type      what
======  ========  =====================================================================
0       3 chars   "ASD" (version 1), "as2" to "as8"
186     uint8     data type: 0 raw, 1 reflectance, 2 radiance, 6 transmittance, 8 absorbance
191     float32   wavelength of the first band, nm
195     float32   step, nm
199     uint8     number format: 0 float32, 1 int32, 2 float64
204     uint16    bands (channels)
484     numbers   the target's spectrum
next    int16     from version 2: flag of the white reference; two times of 8 bytes follow
next    text      uint16 length of the description, and so many bytes
next    numbers   the white reference, in the target's format
======  ========  =====================================================================

The instrument's program writes raw counts of target and reference side by side whatever the data
type says (it names what was on the screen), so where there is a reference the reflectance is
target / reference: both were scanned with the integration time and gains that stand once in the
header. Other programs write reflectance itself; then the target is no larger than reflectance is.
"""

from __future__ import annotations

import struct

import numpy as np

from autospec.data.instruments.scan import Scan, check_count, make_scan
from autospec.data.spectra import FloatArray
from autospec.errors import DataError

MAGIC = (b"ASD", b"as2", b"as3", b"as4", b"as5", b"as6", b"as7", b"as8")
HEADER_BYTES = 484
REFERENCE_BYTES = 18  # flag and two times; the description follows
REFLECTANCE_TOP = 2.0  # above the brightest soil as a fraction, below any raw count
_NUMBERS = {0: "<f4", 1: "<i4", 2: "<f8"}
_TYPES = {
    0: "raw counts",
    1: "reflectance",
    2: "radiance",
    3: "no units",
    4: "irradiance",
    5: "a quality index",
    6: "transmittance",
    7: "an unknown quantity",
    8: "absorbance",
}
_FROM_REFERENCE = (0, 1, 2)


def read_asd(content: bytes) -> Scan:
    """Read an ASD file.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    Scan
        Reflectance, or absorbance where the file holds that.

    Raises
    ------
    DataError
        If it is cut off, or holds neither and no white reference to get there.
    """
    if content[:3] not in MAGIC:
        raise DataError("not an ASD file: it does not begin with ASD or as2 to as8.")
    if len(content) < HEADER_BYTES:
        raise DataError(
            f"cut off: the header has {HEADER_BYTES} bytes and the file {len(content)}. "
            "Copy it again from the instrument."
        )
    first, step = struct.unpack_from("<2f", content, 191)
    (bands,) = struct.unpack_from("<H", content, 204)
    kind, number = content[186], content[199]
    if number not in _NUMBERS:
        raise DataError(f"number format {number}; want 0 (float), 1 (integer) or 2 (double).")
    dtype = np.dtype(_NUMBERS[number])
    end = HEADER_BYTES + bands * dtype.itemsize
    check_count(bands, end, len(content))
    target = np.frombuffer(content, dtype, bands, HEADER_BYTES).astype(np.float64)
    axis = first + step * np.arange(bands, dtype=np.float64)
    if kind == 8:
        return make_scan(axis, "nm", target, "absorbance", "ASD absorbance")
    if kind == 1 and np.median(np.abs(target)) <= REFLECTANCE_TOP:
        return make_scan(axis, "nm", target, "reflectance", "ASD reflectance")
    reference = _reference(content, end, bands, dtype)
    if reference is None or kind not in _FROM_REFERENCE:
        raise DataError(
            f"it holds {_TYPES.get(kind, f'data of type {kind}')}"
            f"{'' if reference is not None else ' and no white reference'}; want reflectance, or "
            "raw counts with a white reference. Export reflectance from the instrument's program."
        )
    dark = int(np.sum(~(reference > 0)))
    if dark:
        raise DataError(
            f"the white reference is not above 0 in {dark} of {bands} bands; want a reference "
            "scan. Take a new white reference and scan again."
        )
    form = "ASD, target / white reference"
    return make_scan(axis, "nm", target / reference, "reflectance", form)


def _reference(
    content: bytes, start: int, bands: int, dtype: np.dtype[np.generic]
) -> FloatArray | None:
    """Return the white reference, or None where the file has none."""
    text = start + REFERENCE_BYTES
    if content[:3] == b"ASD" or len(content) < start + 2 or content[start : start + 2] == b"\0\0":
        return None
    if len(content) < text + 2:
        raise DataError(
            "cut off inside the white reference's header. Copy it again from the instrument."
        )
    (length,) = struct.unpack_from("<H", content, text)
    begin = text + 2 + length
    check_count(bands, begin + bands * dtype.itemsize, len(content))
    return np.frombuffer(content, dtype, bands, begin).astype(np.float64)
