"""JCAMP-DX files (``.dx``, ``.jdx``) of one spectrum, plain or compressed; no peak tables.

Numbers come as AFFN (plain), or as ASDF: SQZ writes sign and first digit as one letter, DIF writes
differences, DUP repeats. After a line that ends in DIF form, the next line begins with the value
it ended with, which is checked and dropped. Format: McDonald & Wilks 1988, JCAMP-DX: a standard
form for exchange of infrared spectra in computer readable form, Applied Spectroscopy 42, 151–162,
doi:10.1366/0003702884428734.

The package jcamp was looked at: it reads repeats of ten and more wrongly and without a word, fails
on repeats after SQZ, prints to stdout, and makes an axis of any length that a header declares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from autospec.data.instruments.scan import Scan, check_count, make_scan
from autospec.data.spectra import AxisUnit, Quantity
from autospec.errors import DataError

MAX_TEXT_BYTES = 8 * 1024**2
MAX_LINE_CHARS = 100_000
_UNITS: dict[str, tuple[AxisUnit, float]] = {
    **dict.fromkeys(("1/CM", "CM-1", "CM^-1", "WAVENUMBER", "WAVENUMBERS"), ("cm-1", 1.0)),
    **dict.fromkeys(("NANOMETERS", "NANOMETRES", "NANOMETER", "NM"), ("nm", 1.0)),
    **dict.fromkeys(("MICROMETERS", "MICROMETRES", "MICROMETER", "UM", "µM"), ("nm", 1000.0)),
}
_QUANTITIES: dict[str, Quantity | None] = {
    **dict.fromkeys(("ABSORBANCE", "LOG(1/R)", "LOG 1/R", "-LOG(R)"), "absorbance"),
    **dict.fromkeys(
        ("REFLECTANCE", "%REFLECTANCE", "% REFLECTANCE", "PERCENT REFLECTANCE"), "reflectance"
    ),
    **dict.fromkeys(("ARBITRARY UNITS", "ARBITRARY", ""), None),
}
_NEEDED = ("XUNITS", "YUNITS", "FIRSTX", "LASTX", "NPOINTS")
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]\d{1,3})?", re.ASCII)
_AFFN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_ASDF = re.compile(r"(?P<code>[@A-Ia-i%J-Rj-rS-Zs+-])(?P<digits>\d*)|(?P<bare>\d+)", re.ASCII)
_SQZ = {**dict(zip("@ABCDEFGHI", range(10), strict=True)),
        **dict(zip("abcdefghi", range(-1, -10, -1), strict=True))}  # fmt: skip
_DIF = {**dict(zip("%JKLMNOPQR", range(10), strict=True)),
        **dict(zip("jklmnopqr", range(-1, -10, -1), strict=True))}  # fmt: skip
_DUP = dict(zip("STUVWXYZs", range(1, 10), strict=True))


@dataclass(slots=True)
class _Ordinates:
    """The Y values read so far; never more than the header declares."""

    wanted: int
    values: list[float] = field(default_factory=list)
    in_difference: bool = False
    step: float = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Append a value, or refuse the table that goes on for too long."""
        if times > self.wanted - len(self.values):
            raise DataError(f"more values than the {self.wanted:,} of NPOINTS. Export it again.")
        self.values.extend([value] * times)


def read_jcamp(content: bytes) -> Scan:
    """Read a JCAMP-DX file.

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
        If it is cut off, holds no or several spectra, or fails one of the format's own checks.
    """
    if len(content) > MAX_TEXT_BYTES:
        raise DataError(f"{len(content):,} bytes of text; want at most {MAX_TEXT_BYTES:,}.")
    records, form, lines = _split(content.decode("latin-1"))
    missing = [label for label in _NEEDED if label not in records]
    if missing:
        raise DataError(f"no ##{missing[0]}= in it; want a JCAMP-DX spectrum. Export it again.")
    unit, scale = _unit(records["XUNITS"])
    quantity = _quantity(records["YUNITS"])
    bands = int(_number(records, "NPOINTS"))
    check_count(bands, 0, 0)
    if form == "(XY..XY)":
        axis, values = _pairs(lines, bands)
        axis = axis * _number(records, "XFACTOR", 1.0)
    else:
        axis = np.linspace(_number(records, "FIRSTX"), _number(records, "LASTX"), bands)
        values = np.asarray(_table(lines, axis, _number(records, "XFACTOR", 1.0)))
    if len(values) != bands:
        raise DataError(
            f"cut off: {len(values):,} values and NPOINTS says {bands:,}. Copy it again."
        )
    values = values * _number(records, "YFACTOR", 1.0)
    return make_scan(axis * scale, unit, values, quantity, "JCAMP-DX")


def _split(text: str) -> tuple[dict[str, str], str, list[str]]:
    """Cut the text into labelled records and the lines of its one data table."""
    records: dict[str, str] = {}
    tables: list[tuple[str, list[str]]] = []
    inside = False
    for written in text.splitlines():
        line = written.split("$$", 1)[0].strip()
        if line.startswith("##"):
            label, _, value = line[2:].partition("=")
            label = re.sub(r"[\s/_-]", "", label).upper()
            inside = label in ("XYDATA", "XYPOINTS")
            if inside:
                tables.append((re.sub(r"\s", "", value).upper(), []))
            records.setdefault(label, value.strip())
        elif inside and line:
            if len(line) > MAX_LINE_CHARS:
                raise DataError(f"a line of {len(line):,} characters. Export it again.")
            tables[-1][1].append(line)
    if len(tables) != 1 or tables[0][0] not in ("(X++(Y..Y))", "(XY..XY)"):
        kinds = ", ".join(kind[:20] for kind, _ in tables[:3]) or "none"
        raise DataError(
            f"{len(tables)} tables of data ({kinds}); want one of (X++(Y..Y)) or (XY..XY). "
            "Export one spectrum a file."
        )
    if "END" not in records:
        raise DataError("cut off: there is no ##END=. Copy it again.")
    return records, *tables[0]


def _number(records: dict[str, str], label: str, default: float | None = None) -> float:
    """Return a record's number; a decimal comma counts as a point."""
    if label not in records and default is not None:
        return default
    text = records[label].replace(",", ".")
    if not _AFFN.fullmatch(text) or not np.isfinite(float(text)):
        raise DataError(f"##{label}= {text[:40]!r}; want a number. Export it again.")
    return float(text)


def _unit(text: str) -> tuple[AxisUnit, float]:
    known = _UNITS.get(text.upper())
    if known is None:
        raise DataError(f"##XUNITS= {text[:40]!r}; want 1/CM, NANOMETERS or MICROMETERS.")
    return known


def _quantity(text: str) -> Quantity | None:
    word = text.upper()
    if word not in _QUANTITIES:
        raise DataError(f"##YUNITS= {text[:40]!r}; want ABSORBANCE or REFLECTANCE.")
    return _QUANTITIES[word]


def _pairs(lines: list[str], bands: int) -> tuple[np.ndarray, np.ndarray]:
    """Read a table of pairs."""
    numbers: list[float] = []
    for line in lines:
        for cell in re.split(r"[,;\s]+", line.strip(",; ")):
            if not _AFFN.fullmatch(cell):
                raise DataError(f"{cell[:20]!r} in the table; want numbers. Export it again.")
            numbers.append(float(cell))
        if len(numbers) > 2 * bands:
            raise DataError(f"more pairs than the {bands:,} of NPOINTS. Export it again.")
    table = np.array(numbers[: len(numbers) // 2 * 2]).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _table(lines: list[str], axis: np.ndarray, x_factor: float) -> list[float]:
    """Read the lines of X and as many Y as fit; X and repeated Y are the format's checks."""
    found = _Ordinates(wanted=len(axis))
    slack = abs(axis[1] - axis[0]) + abs(x_factor)
    for line in lines:
        match = _PLAIN.match(line)
        if match is None:
            raise DataError(f"a data line begins with {line[:20]!r}; want a number. Export again.")
        check = found.values.pop() if found.in_difference and found.values else None
        here = float(match[0]) * x_factor
        if len(found.values) < len(axis) and abs(here - axis[len(found.values)]) > slack:
            raise DataError(
                f"a data line at X = {here:g} where {axis[len(found.values)]:g} is due: lines are "
                "missing or changed. Copy it again."
            )
        found.in_difference = False
        start = len(found.values)
        for value, times in _ordinates(line[match.end() :], found):
            found.add(value, times)
        if check is not None and (len(found.values) == start or found.values[start] != check):
            raise DataError("a data line does not begin where the last one ended. Copy it again.")
    return found.values


def _ordinates(text: str, state: _Ordinates) -> Iterator[tuple[float, int]]:
    """Yield the Y values of a line and how often each stands there."""
    if "?" in text:
        raise DataError("a value is missing ('?'); want a number in every band. Scan again.")
    cells = re.split(r"[,;\s]+", text.strip(",; \t"))
    if all(_AFFN.fullmatch(cell) for cell in cells) and ("." in text or not _coded(text)):
        yield from ((float(cell), 1) for cell in cells)
        return
    last: float | None = None
    end = 0
    for match in _ASDF.finditer(text):
        if text[end : match.start()].strip(", \t"):
            break
        end = match.end()
        code, digits = match["code"], match["digits"] or ""
        if code in _DUP:
            if last is None:
                break
            times = int(f"{_DUP[code]}{digits}"[:9]) - 1
            for value, count in _repeat(last, times, state):
                last = value
                yield value, count
            continue
        state.in_difference = code in _DIF
        if code in _DIF:
            if last is None:
                break
            state.step = _whole(f"{_DIF[code]}{digits}")
            last += state.step
        else:
            last = _whole(f"{_SQZ.get(code, code or '')}{digits}{match['bare'] or ''}")
        yield last, 1
    if text[end:].strip(", \t"):
        raise DataError(f"{text[end : end + 20]!r} in the table; want numbers. Export it again.")


def _whole(text: str) -> float:
    """Return a decoded whole number."""
    if len(text) > 18 or not text.lstrip("+-"):
        raise DataError(f"{text[:20]!r} in the table; want numbers. Export it again.")
    return float(text)


def _repeat(last: float, times: int, state: _Ordinates) -> Iterator[tuple[float, int]]:
    """Yield a value again, or go on by the same difference."""
    if not state.in_difference:
        yield last, times
        return
    for k in range(1, times + 1):
        yield last + k * state.step, 1


def _coded(text: str) -> bool:
    """Say whether a line without decimal points has letters of the compressed forms."""
    return any(c in "eE" for c in text) and not re.search(r"[eE][+-]", text)
