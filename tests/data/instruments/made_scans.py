"""Writers of instrument files by their published layouts, for the tests; no tests here."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.data.soil_tables import soil_reflectance

Floats = NDArray[np.float64]
NM = np.arange(350.0, 2501.0, 10.0)
WN = np.linspace(7500.0, 600.0, 700)


def reflectance(n: int = 1, seed: int = 0, axis: Floats = NM) -> Floats:
    """Return n soil spectra on an axis in nm."""
    return soil_reflectance(n, seed, tuple(axis.tolist()))


def absorbance_wn(seed: int = 0) -> Floats:
    """Return one absorbance spectrum on `WN`, with the O–H stretch of soil at 3400 cm⁻¹."""
    rng = np.random.default_rng(seed)
    peaks = ((3400, 250, 0.5), (2920, 40, 0.05), (1640, 60, 0.2), (1030, 80, 0.9))
    made = sum(h * np.exp(-(((WN - c) / w) ** 2)) for c, w, h in peaks)
    return np.asarray(0.2 + rng.uniform(0.8, 1.2) * made)


def asd_bytes(
    target: Floats,
    reference: Floats | None = None,
    *,
    kind: int = 1,
    number: int = 2,
    magic: bytes = b"as7",
    axis: Floats = NM,
    description: bytes = b"",
) -> bytes:
    """Return an ASD file: header of 484 bytes, target, and the reference where one is given."""
    dtype = {0: "<f4", 1: "<i4", 2: "<f8"}[number]
    header = bytearray(484)
    header[:3] = magic
    header[179] = 7
    header[186] = kind
    struct.pack_into("<2f", header, 191, axis[0], axis[1] - axis[0])
    header[199] = number
    struct.pack_into("<H", header, 204, len(target))
    struct.pack_into("<L", header, 390, 17)
    parts = [bytes(header), np.asarray(target).astype(dtype).tobytes()]
    if magic != b"ASD":
        parts.append(struct.pack("<h2q", 0 if reference is None else -1, 7, 8))
        parts.append(struct.pack("<H", len(description)) + description)
        if reference is not None:
            parts.append(np.asarray(reference).astype(dtype).tobytes())
    return b"".join(parts)


def spc_bytes(
    x: Floats,
    y: Floats,
    *,
    coding: str = "float",
    order: str = "<",
    x_values: bool = False,
    types: tuple[int, int] = (1, 2),
    traces: int = 1,
) -> bytes:
    """Return an SPC file of one trace, its Y as floats, or as 32- or 16-bit integers."""
    exponent = -128 if coding == "float" else int(np.ceil(np.log2(np.abs(y).max()))) + 1
    flags = (0x80 if x_values else 0) | (0x01 if coding == "int16" else 0)
    version = 0x4B if order == "<" else 0x4C
    header = struct.pack("4B", flags, version, 0, exponent % 256)
    header += struct.pack(f"{order}IddI", len(x), x[0], x[-1], traces) + bytes(types)
    parts = [header.ljust(512, b"\0")]
    if x_values:
        parts.append(np.asarray(x).astype(f"{order}f4").tobytes())
    parts.append(bytes(32))  # one trace: its exponent is the file header's
    if coding == "float":
        parts.append(np.asarray(y).astype(f"{order}f4").tobytes())
    else:
        bits = 16 if coding == "int16" else 32
        whole = np.round(y / 2.0 ** (exponent - bits))
        parts.append(whole.astype(f"{order}i{bits // 8}").tobytes())
    return b"".join(parts)


def jcamp_text(
    x: Floats,
    y: Floats,
    *,
    form: str = "affn",
    units: tuple[str, str] = ("1/CM", "ABSORBANCE"),
    factor: float = 1e-6,
) -> str:
    """Return a JCAMP-DX file; `form` is affn, pac, sqz, dif or pairs."""
    whole = [round(v / factor) for v in y.tolist()]
    step = (x[-1] - x[0]) / (len(x) - 1)
    lines: list[str] = []
    if form == "pairs":
        lines = [f"{a:.8g}, {v * factor!r}" for a, v in zip(x.tolist(), whole, strict=True)]
        factor = 1.0
    else:
        for start in range(0, len(x), 8):
            part = whole[start : start + 8]
            if form == "dif" and start:
                lines.append(f"{x[0] + (start - 1) * step:.6f}" + _dif(part, whole[start - 1]))
            else:
                coded = {"affn": _affn, "pac": _pac, "sqz": _sqz, "dif": _dif}[form](part)
                lines.append(f"{x[0] + start * step:.6f}{coded}")
        if form == "dif":  # the last value stands alone again, to be checked
            lines.append(f"{x[-1]:.6f}{_letters(whole[-1], '@ABCDEFGHI', 'abcdefghi')}")
    table = "##XYPOINTS=(XY..XY)" if form == "pairs" else "##XYDATA=(X++(Y..Y))"
    head = [
        "##TITLE=a soil $$ with a comment",
        "##JCAMP-DX=4.24",
        "##DATA TYPE=INFRARED SPECTRUM",
        f"##XUNITS={units[0]}",
        f"##YUNITS={units[1]}",
        f"##FIRSTX={float(x[0])!r}",
        f"##LASTX={float(x[-1])!r}",
        f"##NPOINTS={len(x)}",
        "##XFACTOR=1.0",
        f"##YFACTOR={factor!r}",
    ]
    return "\n".join([*head, table, *lines, "##END=", ""])


def _affn(part: Sequence[int], before: int | None = None) -> str:
    return "".join(f" {v}" for v in part)


def _pac(part: Sequence[int], before: int | None = None) -> str:
    return "".join(f"{v:+d}" for v in part)


def _letters(value: int, plus: str, minus: str) -> str:
    digits = str(abs(value))
    letter = plus[int(digits[0])] if value >= 0 else minus[int(digits[0]) - 1]
    return letter + digits[1:]


def _sqz(part: Sequence[int], before: int | None = None) -> str:
    coded, k = "", 0
    while k < len(part):
        run = 1
        while k + run < len(part) and part[k + run] == part[k]:
            run += 1
        coded += _letters(part[k], "@ABCDEFGHI", "abcdefghi") + _dup(run)
        k += run
    return coded


def _dif(part: Sequence[int], before: int | None = None) -> str:
    """Code a line; `before` is the value that the line before ended with."""
    values = list(part) if before is None else [before, *part]
    coded = _letters(values[0], "@ABCDEFGHI", "abcdefghi")
    steps = [b - a for a, b in pairwise(values)]
    k = 0
    while k < len(steps):
        run = 1
        while k + run < len(steps) and steps[k + run] == steps[k]:
            run += 1
        coded += _letters(steps[k], "%JKLMNOPQR", "jklmnopqr") + _dup(run)
        k += run
    return coded


def _dup(run: int) -> str:
    return "" if run == 1 else _letters(run, "?STUVWXYZs", "")


def opus_bytes(
    *spectra: tuple[int, Floats, Floats], unit: str = "WN", extra: Sequence[tuple[int, bytes]] = ()
) -> bytes:
    """Return an OPUS file of spectra (type code, x, y), and of other blocks of any code.

    Type 4 is absorbance, 5 transmittance, 12 reflectance.
    """
    blocks: list[tuple[int, bytes]] = []
    for code, x, y in spectra:
        data = np.asarray(y).astype("<f4")
        status = b"".join(
            (
                _parameter(b"DPF", 0, struct.pack("<i", 1)),
                _parameter(b"NPT", 0, struct.pack("<i", len(y))),
                _parameter(b"FXV", 1, struct.pack("<d", x[0])),
                _parameter(b"LXV", 1, struct.pack("<d", x[-1])),
                _parameter(b"CSF", 1, struct.pack("<d", 1.0)),
                _parameter(b"MXY", 1, struct.pack("<d", float(data.max()))),
                _parameter(b"MNY", 1, struct.pack("<d", float(data.min()))),
                _parameter(b"DXU", 3, unit.encode().ljust(4, b"\0")),
                b"END\0\0\0\0\0",
            )
        )
        blocks += [(opus_kind(3, 3, 1, code), status), (opus_kind(3, 3, 0, code), data.tobytes())]
    blocks += extra
    start = 24 + 12 * (len(blocks) + 1)
    head = b"\n\n\xfe\xfe" + struct.pack("<d3i", 920622.0, 24, len(blocks) + 1, len(blocks) + 1)
    entries = struct.pack("<3i", opus_kind(0, 0, 0, 13), 3 * (len(blocks) + 1), 24)
    body = b""
    for code, written in blocks:
        content = written.ljust(-(-len(written) // 4) * 4, b"\0")
        entries += struct.pack("<3i", code, len(content) // 4, start + len(body))
        body += content
    return head + entries + body


def opus_kind(*fields: int) -> int:
    """Return a block's code from its six fields of 2, 2, 6, 7, 2 and 3 bits."""
    code = shift = 0
    for value, bits in zip(fields, (2, 2, 6, 7, 2, 3), strict=False):
        code |= value << shift
        shift += bits
    return code


def _parameter(name: bytes, kind: int, content: bytes) -> bytes:
    return name + b"\0" + struct.pack("<2h", kind, len(content) // 2) + content


def write_asd(folder: Path, name: str, spectrum: Floats, axis: Floats = NM) -> Path:
    """Write raw counts of a target and a white reference."""
    folder.mkdir(exist_ok=True)
    white = 20_000.0 + 5 * np.arange(len(axis))
    path = folder / name
    path.write_bytes(asd_bytes(spectrum * white, white, axis=axis))
    return path
