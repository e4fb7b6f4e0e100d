"""ASD files: what is divided by the white reference, what is taken as it is, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from autospec.data.instruments.asd import read_asd
from autospec.errors import DataError
from tests.data.instruments.made_scans import NM, asd_bytes, reflectance

SOIL = reflectance()[0]
WHITE = 20_000.0 + 5 * np.arange(len(NM))


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("description", [b"", b"plot 7, dry"])
def test_counts_are_divided_by_the_white_reference(kind: int, description: bytes) -> None:
    scan = read_asd(asd_bytes(SOIL * WHITE, WHITE, kind=kind, description=description))
    np.testing.assert_allclose(scan.values, SOIL, rtol=1e-12)
    np.testing.assert_allclose(scan.axis, NM)
    assert (scan.axis_unit, scan.quantity) == ("nm", "reflectance")
    assert "reference" in scan.form


@pytest.mark.parametrize(("number", "rtol"), [(0, 1e-6), (1, 1e-3), (2, 1e-12)])  # as precise
def test_every_number_format_is_read(number: int, rtol: float) -> None:
    scan = read_asd(asd_bytes(SOIL * WHITE, WHITE, number=number))
    np.testing.assert_allclose(scan.values, SOIL, rtol=rtol)


@pytest.mark.parametrize("magic", [b"ASD", b"as2", b"as5", b"as8"])
def test_reflectance_is_taken_as_it_is(magic: bytes) -> None:
    scan = read_asd(asd_bytes(SOIL, magic=magic))
    np.testing.assert_array_equal(scan.values, SOIL)
    assert scan.form == "ASD reflectance"


def test_reflectance_is_not_divided_again_by_a_reference_that_is_there() -> None:
    scan = read_asd(asd_bytes(SOIL, np.ones(len(SOIL))))
    np.testing.assert_array_equal(scan.values, SOIL)


def test_absorbance_stays_absorbance() -> None:
    scan = read_asd(asd_bytes(-np.log10(SOIL), kind=8))
    assert scan.quantity == "absorbance"
    np.testing.assert_array_equal(scan.values, -np.log10(SOIL))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (asd_bytes(SOIL * WHITE, kind=0), "raw counts and no white reference"),
        (asd_bytes(SOIL * WHITE, kind=2), "radiance and no white reference"),
        (asd_bytes(SOIL * WHITE, magic=b"ASD"), "reflectance and no white reference"),
        (asd_bytes(SOIL * WHITE, WHITE, kind=6), "transmittance"),
        (asd_bytes(SOIL * WHITE, 0 * WHITE), "the white reference is not above 0 in 216 of 216"),
        (asd_bytes(SOIL * WHITE, WHITE)[:483], "the header has 484 bytes"),
        (asd_bytes(SOIL[:5]), "the file declares 5 bands"),
        (asd_bytes(SOIL, axis=NM / 10), "bands from 35 to 250 nm; want 200"),
        (asd_bytes(SOIL * np.nan), "216 of 216 bands|no white reference"),
        (asd_bytes(np.where(NM == 400, np.nan, SOIL)), "no white reference|first 400 nm"),
        (b"PK\x03\x04" + bytes(999), "does not begin with ASD"),
        (asd_bytes(SOIL).replace(b"as7", b"as9"), "does not begin with ASD"),
    ],
)
def test_what_cannot_be_reflectance_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_asd(content)


def test_a_lying_number_of_bands_is_refused_before_an_array_is_made() -> None:
    content = bytearray(asd_bytes(SOIL))
    content[204:206] = b"\xff\xff"
    with pytest.raises(DataError, match="declares 65,535 bands"):
        read_asd(bytes(content))
    content[204:206] = (20_000).to_bytes(2, "little")
    with pytest.raises(DataError, match="20,000 bands need 160,484 bytes"):
        read_asd(bytes(content))
