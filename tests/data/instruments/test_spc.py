"""SPC files: every coding of Y and X, an independent reader beside ours, and what is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from spc_io.low_level.spc_raw import SpcRaw

from autospec.data.instruments.spc import read_spc
from autospec.errors import DataError
from tests.data.instruments.made_scans import NM, WN, absorbance_wn, reflectance, spc_bytes

SOIL = absorbance_wn()
GOOD = spc_bytes(WN, SOIL)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("x_values", [False, True])
@pytest.mark.parametrize(
    ("coding", "step"),
    [("float", 1e-7), ("int32", 2.0**-29), ("int16", 2.0**-13)],  # a unit of the last place
)
def test_every_coding_gives_the_spectrum(
    coding: str, step: float, x_values: bool, order: str
) -> None:
    content = spc_bytes(WN, SOIL, coding=coding, x_values=x_values, order=order)
    scan = read_spc(content)
    np.testing.assert_allclose(scan.values, SOIL[::-1], atol=step)
    np.testing.assert_allclose(scan.axis, WN[::-1], rtol=1e-6)
    assert (scan.axis_unit, scan.quantity) == ("cm-1", "absorbance")


@pytest.mark.parametrize("x_values", [False, True])
def test_spc_io_reads_the_same_floats(x_values: bool) -> None:
    content = spc_bytes(WN, SOIL, x_values=x_values)
    twin = SpcRaw.from_bytes_io(io.BytesIO(content)).subs[0]
    np.testing.assert_array_equal(read_spc(content).values[::-1], np.asarray(twin.yarray))


@pytest.mark.parametrize(("x_type", "scale"), [(3, 1.0), (2, 1e-3)])
def test_wavelengths_come_in_nm(x_type: int, scale: float) -> None:
    scan = read_spc(spc_bytes(NM * scale, reflectance()[0], types=(x_type, 129)))
    np.testing.assert_allclose(scan.axis, NM, rtol=1e-12)
    assert (scan.axis_unit, scan.quantity) == ("nm", "reflectance")


def test_units_that_say_nothing_leave_the_quantity_open() -> None:
    assert read_spc(spc_bytes(WN, SOIL, types=(1, 0))).quantity is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (GOOD[:300], "not an SPC file of the new format"),
        (GOOD[:1] + b"\x4d" + GOOD[2:], "version 4D"),
        (spc_bytes(WN, SOIL, traces=3), "3 traces in one file"),
        (spc_bytes(WN, SOIL, types=(13, 2)), "X axis of type 13"),
        (spc_bytes(WN, SOIL, types=(1, 128)), "transmittance"),
        (spc_bytes(WN, SOIL, types=(1, 1)), "interferogram"),
        (GOOD[:4] + b"\xff\xff\xff\xff" + GOOD[8:], "declares 4,294,967,295 bands"),
        (GOOD[:-1], "700 bands need 3,344 bytes and the file has 3,343"),
    ],
)
def test_other_files_are_refused(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_spc(content)
