"""OPUS files: which spectrum is taken, and hostile blocks that never reach the package."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from autospec.data.instruments import opus
from autospec.data.instruments.opus import read_opus
from autospec.errors import DataError, UsageError
from tests.data.instruments.made_scans import (
    NM,
    WN,
    absorbance_wn,
    opus_bytes,
    opus_kind,
    reflectance,
)

A, T, R = 4, 5, 12
SOIL = absorbance_wn()
GOOD = opus_bytes((A, WN, SOIL))


def test_absorbance_is_read() -> None:
    scan = read_opus(GOOD)
    np.testing.assert_array_equal(scan.values, SOIL.astype(np.float32)[::-1])
    np.testing.assert_allclose(scan.axis, WN[::-1])
    assert (scan.axis_unit, scan.quantity, scan.form) == ("cm-1", "absorbance", "OPUS absorbance")


def test_absorbance_goes_before_reflectance_and_both_are_named() -> None:
    scan = read_opus(opus_bytes((R, WN, 10**-SOIL), (A, WN, SOIL), (T, WN, SOIL)))
    assert scan.quantity == "absorbance"
    assert scan.form == "OPUS absorbance, of a, r, t"


def test_reflectance_alone_is_taken_and_micrometres_become_nm() -> None:
    scan = read_opus(opus_bytes((R, NM / 1000, reflectance()[0]), unit="MI"))
    assert (scan.quantity, scan.axis_unit) == ("reflectance", "nm")
    np.testing.assert_allclose(scan.axis, NM)


def test_of_several_absorbance_spectra_the_last_stored_is_taken() -> None:
    scan = read_opus(opus_bytes((A, WN, SOIL), (A, WN, SOIL * 2)))
    np.testing.assert_array_equal(scan.values, (SOIL * 2).astype(np.float32)[::-1])
    assert "a (2)" in scan.form


def test_series_and_reports_are_passed_over() -> None:
    lying = struct.pack("<6i", 0, 2**31 - 1, 24, 2**31 - 1, 8, 0)
    extra = [(opus_kind(3, 3, 0, A, 0, 2), lying), (opus_kind(0, 0, 0, 0, 0, 5), b"history")]
    scan = read_opus(opus_bytes((A, WN, SOIL), extra=extra))
    assert len(scan.values) == len(SOIL)


def changed(old: bytes, new: bytes) -> bytes:
    """Return the good file with bytes replaced."""
    assert GOOD.count(old) >= 1
    return GOOD.replace(old, new, 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"ASD" + GOOD[3:], "not an OPUS file"),
        (GOOD[:20], "cut off inside the header"),
        (GOOD[:50], "cut off inside the directory"),
        (GOOD[:-4], "cut off: a block of 2,800 bytes"),
        (opus_bytes((T, WN, SOIL)), "only: t"),
        (opus_bytes(), "only: no spectrum"),
        (opus_bytes((A, WN, SOIL), unit="SEC"), "X axis in 'SEC'"),
        (changed(b"NPT\0" + struct.pack("<2hi", 0, 2, 700),
                 b"NPT\0" + struct.pack("<2hi", 0, 2, 2**31 - 1)), "a|spectrum"),
        # the package alone would walk in a circle here
        (changed(b"DPF\0" + struct.pack("<2h", 0, 2), b"DPF\0" + struct.pack("<2h", 0, -4)),
         "a parameter of a negative length"),
        (GOOD[:12] + struct.pack("<2i", -24, 9) + GOOD[20:], "cut off inside the directory"),
    ],
)  # fmt: skip
def test_other_files_are_refused(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_opus(content)


@pytest.mark.parametrize(
    ("blocks", "words"),
    [(90, "overlap"), (900, "more than 50 spectra"), (1_100, "more than 1,000 blocks")],
)
def test_blocks_that_overlap_many_times_are_refused(blocks: int, words: str) -> None:
    entry = struct.pack("<3i", opus_kind(3, 3, 0, A), 700, 24 + 12 * blocks)
    head = b"\n\n\xfe\xfe" + struct.pack("<d3i", 1.0, 24, blocks, blocks)
    with pytest.raises(DataError, match=words):
        read_opus(head + entry * blocks + bytes(2800))


def test_without_the_package_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opus, "have_brukeropus", lambda: False)
    with pytest.raises(UsageError, match=r"pip install 'autospec-soil\[instruments\]'"):
        read_opus(GOOD)
