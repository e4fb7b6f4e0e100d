"""JCAMP-DX files: every form of numbers, the format's own checks, and what is refused."""

from __future__ import annotations

import io
import re

import jcamp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.data.instruments.jcamp_dx import read_jcamp
from autospec.errors import DataError
from tests.data.instruments.made_scans import NM, WN, absorbance_wn, jcamp_text, reflectance

SOIL = absorbance_wn()
FORMS = ("affn", "pac", "sqz", "dif", "pairs")


def edited(old: str, new: str, form: str = "affn") -> bytes:
    """Return a good file with one text replaced."""
    text = jcamp_text(WN, SOIL, form=form)
    assert old in text
    return text.replace(old, new, 1).encode()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_form_gives_the_spectrum(form: str, newline: str) -> None:
    scan = read_jcamp(jcamp_text(WN, SOIL, form=form).replace("\n", newline).encode())
    np.testing.assert_allclose(scan.values, SOIL[::-1], atol=5.1e-7)  # half of YFACTOR
    np.testing.assert_allclose(scan.axis, WN[::-1], rtol=1e-7)  # pairs have 8 digits
    assert (scan.axis_unit, scan.quantity) == ("cm-1", "absorbance")


@settings(max_examples=40, deadline=None)
@given(
    whole=st.lists(st.integers(-99_999, 99_999), min_size=20, max_size=60),
    runs=st.lists(st.integers(1, 30), min_size=20, max_size=60),
    form=st.sampled_from(["affn", "pac", "sqz", "dif"]),
)
def test_any_whole_numbers_come_back_also_long_runs(
    whole: list[int], runs: list[int], form: str
) -> None:
    y = np.repeat(whole, (runs * 3)[: len(whole)]).astype(np.float64)
    y[0] = y[1] + 1  # not flat
    x = np.linspace(400.0, 4000.0, len(y))
    scan = read_jcamp(jcamp_text(x, y, form=form, factor=1.0).encode())
    np.testing.assert_array_equal(scan.values, y)


@pytest.mark.parametrize("form", ["affn", "pairs"])
def test_the_package_jcamp_reads_the_same_plain_numbers(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content = jcamp_text(WN, SOIL, form=form).encode()
    twin = jcamp.read(io.BytesIO(content))
    np.testing.assert_allclose(read_jcamp(content).values[::-1], twin["y"], rtol=1e-12)


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("1000A0JS1", [10, *range(11, 22)]),  # S1: the step stands eleven times
        ("1000A0TA5", [10, 10, 15]),  # T: the value stands twice
        ("1000 1.5E2 2.5e+01", [150, 25]),  # exponents in plain numbers
        ("1000E5F6", [55, 66]),  # the same letter in the squeezed form
        ("1000+1-2+3", [1, -2, 3]),
        ("1000@a1%J", [0, -11, -11, -10]),
    ],
)
def test_numbers_as_the_standard_writes_them(line: str, values: list[float]) -> None:
    y = [*values, *range(30)]
    x = np.linspace(1000.0, 1000.0 + len(y) - 1, len(y))
    rest = "\n".join(f"{1000 + len(values) + k} {k}" for k in range(30))
    if "J" in line:  # a line in differences is followed by the value it ended with
        rest = f"{1000 + len(values) - 1} {values[-1]}\n{rest}"
    head = jcamp_text(x, np.asarray(y, dtype=np.float64), factor=1.0).split("##XYDATA")[0]
    scan = read_jcamp(f"{head}##XYDATA=(X++(Y..Y))\n{line}\n{rest}\n##END=\n".encode())
    assert scan.values.tolist() == y


@pytest.mark.parametrize(
    ("unit", "scale"), [("NANOMETERS", 1.0), ("MICROMETERS", 1e-3), ("nm", 1.0)]
)
def test_wavelengths_come_in_nm(unit: str, scale: float) -> None:
    text = jcamp_text(NM * scale, reflectance()[0], units=(unit, "REFLECTANCE"))
    scan = read_jcamp(text.encode())
    np.testing.assert_allclose(scan.axis, NM, rtol=1e-12)
    assert (scan.axis_unit, scan.quantity) == ("nm", "reflectance")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 tables of data"),
        (b"\x00\xff" * 100, "0 tables of data"),
        (edited("##END=", ""), "no ##END="),
        (edited("##NPOINTS=700", ""), "no ##NPOINTS="),
        (edited("##NPOINTS=700", "##NPOINTS=1000000000"), "declares 1,000,000,000 bands"),
        (edited("##NPOINTS=700", "##NPOINTS=1e400"), "'1e400'|declares"),
        (edited("##NPOINTS=700", "##NPOINTS=many"), "'many'; want a number"),
        (edited("##NPOINTS=700", "##NPOINTS=701"), "where .* is due|700 values and NPOINTS"),
        (edited("##NPOINTS=700", "##NPOINTS=699"), "more values than the 699"),
        (edited("1/CM", "SECONDS"), "XUNITS= 'SECONDS'"),
        (edited("ABSORBANCE", "TRANSMITTANCE"), "YUNITS= 'TRANSMITTANCE'"),
        (edited("##XYDATA=(X++(Y..Y))", "##NTUPLES=x"), "0 tables of data"),
        (edited("##END=", "##XYDATA=(XY..XY)\n1 1\n##END="), "2 tables of data"),
        (edited("##END=", "oops\n##END="), "begins with 'oops'"),
        (edited("##END=", "600 1 ?\n##END="), "a value is missing"),
        (edited("Y))\n", "Y))\n7500 1 x\n"), "x' in the table; want numbers"),
        (edited("##END=", "600 " + "1" * 200_000 + "\n##END="), "a line of 200,004 characters"),
    ],
)
def test_other_files_are_refused(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_jcamp(content)


def test_a_lost_line_is_noticed_by_its_neighbours() -> None:
    lines = jcamp_text(WN, SOIL).splitlines()
    with pytest.raises(DataError, match="lines are missing"):
        read_jcamp("\n".join(lines[:20] + lines[21:]).encode())


def test_a_changed_digit_in_differences_is_noticed() -> None:
    lines = jcamp_text(WN, SOIL, form="dif").splitlines()
    k = next(k for k, line in enumerate(lines) if k > 11 and re.search(r"[J-Rj-r]\d*$", line))
    lines[k] += "9"
    with pytest.raises(DataError, match="where the last one ended"):
        read_jcamp("\n".join(lines).encode())


def test_endless_repeats_take_no_memory() -> None:
    content = edited("##END=", "600A1s99999999\n##END=")
    with pytest.raises(DataError, match="more values than"):
        read_jcamp(content)
