"""A folder of scans, or one scan, to one table on one axis; file names become ids in `names`.

A file that cannot be read is named and left out: it never costs the good ones. All scans come onto
the axis that most of them have. Axes whose bands lie within a tenth of their spacing are one axis;
a scan of another is brought onto it by `bands` if it covers it and is not coarser, else left out.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from autospec.data.bands import SAME_BAND, band_weights, mean_step
from autospec.data.checks import read_scale, scale_faults
from autospec.data.findings import Findings, count
from autospec.data.headers import BandChoice
from autospec.data.instruments.files import WANTED, read_scan, scan_format
from autospec.data.instruments.scan import Scan
from autospec.data.onto_axis import as_quantity, turned
from autospec.data.quantities import FRACTION_TOP
from autospec.data.spectra import AxisUnit, FloatArray, Quantity
from autospec.data.tables import MAX_DECODED_BYTES
from autospec.data.writing import spelt_out
from autospec.errors import DataError, shorten

MAX_SCANS = 20_000

LeftOut = tuple[str, str]  # the file's name, and why its scan cannot be used


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScanTable:
    """Scans on one axis.

    Parameters
    ----------
    names : tuple of str, length n
        File names, in alphabetical order; bytes of them that are no text are spelt out.
    values : float64, shape (n, b)
        As the files hold them.
    axis : float64, shape (b,)
        Band positions, ascending.
    axis_unit : {"nm", "cm-1"}
        Their unit.
    quantity : {"reflectance", "absorbance"} or None
        What the files declare; None when none of them does.
    sha256 : str
        Digest of the names and digests of the files.
    left_out : tuple of (str, str)
        Name of each file that cannot be used, and why.
    """

    names: tuple[str, ...]
    values: FloatArray
    axis: FloatArray
    axis_unit: AxisUnit
    quantity: Quantity | None
    sha256: str
    left_out: tuple[LeftOut, ...]


def holds_scans(path: Path) -> bool:
    """Say whether a path is a folder or an instrument's file."""
    try:
        return path.is_dir() or scan_format(path) is not None
    except (OSError, ValueError):  # a name that no file can have: the table reader words it
        return False


def read_scans(path: Path, findings: Findings) -> ScanTable:
    """Read one instrument file, or every one in a folder (not those in folders inside it).

    Parameters
    ----------
    path : Path
        From `holds_scans`.
    findings : Findings
        Receives what was found, what was brought onto the axis and what was left out.

    Returns
    -------
    ScanTable

    Raises
    ------
    DataError
        If no scan can be used, or there are more than `MAX_SCANS` or `MAX_DECODED_BYTES` of them.
    UsageError
        If the package that reads a format is not installed.
    """
    table = gather_scans(path, findings)
    bad = [f"{name}: {why}" for name, why in table.left_out]
    if bad:
        verb = "is" if len(bad) == 1 else "are"
        findings.mended.append(f"{count(len(bad), 'scan')} cannot be used and {verb} left out:")
        findings.mended.extend(shorten(bad))
    return table


def gather_scans(path: Path, findings: Findings) -> ScanTable:
    """Do as `read_scans`, but leave it to the caller to tell of the scans that are left out."""
    paths = _list(path, findings) if path.is_dir() else [path]
    scans, digests, bad = _read_all(paths)
    if not scans:
        # the caller names the path
        raise DataError([f"{name}: {why}" if path.is_dir() else why for name, why in bad])
    forms = Counter(scan.form for scan in scans)
    told = ", ".join(f"{form} ({n})" for form, n in forms.most_common())
    findings.recognised.append(f"{count(len(scans), 'scan')} read: {told}")
    main = _commonest(scans)
    scans, strays = _on_axis(scans, main, findings)
    scans, strange = _in_quantity(scans, findings)
    scans, beyond = _of_scale(scans)
    names = tuple(scan.name for scan in scans)
    digest = "\n".join(f"{name} {digests[name]}" for name in names)
    return ScanTable(
        names=names,
        values=np.array([scan.values for scan in scans]),
        axis=main.axis,
        axis_unit=main.axis_unit,
        quantity=next((s.quantity for s in scans if s.quantity), None),
        sha256=hashlib.sha256(digest.encode()).hexdigest(),
        left_out=(*bad, *strays, *strange, *beyond),
    )


def _list(folder: Path, findings: Findings) -> list[Path]:
    """Return the scans of a folder by name; hidden files are skipped, others counted."""
    paths: list[Path] = []
    others: Counter[str] = Counter()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.is_file():
                    continue
                path = Path(entry.path)
                if scan_format(path) is None:
                    others[path.suffix.lower() or "no suffix"] += 1
                else:
                    paths.append(path)
                if len(paths) + others.total() > MAX_SCANS:
                    raise DataError(
                        f"more than {MAX_SCANS:,} files in the folder; want at most so many. "
                        "Sort the scans into several folders."
                    )
    except OSError as error:
        raise DataError(f"the folder cannot be listed: {error.strerror or error}.") from error
    if others:
        kinds = ", ".join(f"{n} {spelt_out(suffix[:20])}" for suffix, n in others.most_common(5))
        findings.recognised.append(f"{count(others.total(), 'other file')} passed over: {kinds}")
    if not paths:
        raise DataError(f"no scan in the folder; want {WANTED}. Pass the folder that holds them.")
    return sorted(paths, key=lambda path: path.name)


def _read_all(paths: Sequence[Path]) -> tuple[list[Scan], dict[str, str], list[LeftOut]]:
    """Return the good scans, the digests of their files, and why each bad one is."""
    scans: list[Scan] = []
    digests: dict[str, str] = {}
    bad: list[LeftOut] = []
    axes: dict[bytes, FloatArray] = {}
    size = 0
    for path in paths:
        name = spelt_out(path.name)
        try:
            scan, digests[name] = read_scan(path)
        except DataError as error:
            whys = [line.removeprefix(f"{path.name}: ") for line in error.problems]
            bad.append((name, "; ".join(whys)))
            continue
        axis = axes.setdefault(scan.axis.tobytes(), scan.axis)  # equal axes are kept once
        scans.append(replace(scan, name=name, axis=axis))
        size += scan.values.nbytes
        if size > MAX_DECODED_BYTES:
            raise DataError(
                f"the scans take more than {MAX_DECODED_BYTES:,} bytes of memory. Sort them into "
                "several folders."
            )
    return scans, digests, bad


def _commonest(scans: Sequence[Scan]) -> Scan:
    """Return the first scan on the axis that most scans have."""
    kinds: list[tuple[Scan, int]] = []
    for scan in scans:
        k = next((k for k, kind in enumerate(kinds) if _same_axis(kind[0], scan)), None)
        if k is None:
            kinds.append((scan, 1))
        else:
            kinds[k] = (kinds[k][0], kinds[k][1] + 1)
    return max(kinds, key=lambda kind: kind[1])[0]


def _same_axis(a: Scan, b: Scan) -> bool:
    """Say whether the bands of two scans are the same within a tenth of their spacing."""
    if a.axis is b.axis and a.axis_unit == b.axis_unit:
        return True
    if a.axis_unit != b.axis_unit or len(a.axis) != len(b.axis):
        return False
    return bool(np.all(np.abs(a.axis - b.axis) <= SAME_BAND * np.mean(np.diff(a.axis))))


def _on_axis(
    scans: Sequence[Scan], main: Scan, findings: Findings
) -> tuple[list[Scan], list[LeftOut]]:
    """Bring scans onto one axis; return those that can be, and why each other cannot."""
    kept: list[Scan] = []
    bad: list[LeftOut] = []
    moved: list[str] = []
    weights: dict[bytes, csr_matrix] = {}
    for scan in scans:
        if _same_axis(main, scan):
            kept.append(scan)
            continue
        other = _in_unit(scan, main.axis_unit)
        why = _cannot_serve(other.axis, main.axis)
        if why:
            bad.append((scan.name, f"{_bands(scan)}, where most scans have {_bands(main)}; {why}"))
            continue
        key = other.axis.tobytes()
        if key not in weights:
            weights[key] = band_weights(other.axis, main.axis)
        moved.append(scan.name)
        kept.append(replace(other, axis=main.axis, values=np.asarray(other.values @ weights[key])))
    if moved:
        findings.mended.append(
            f"{count(len(moved), 'scan')} on other bands (first {moved[0]!r}) brought onto those "
            f"of most scans: {_bands(main)}"
        )
    return kept, bad


def _in_unit(scan: Scan, unit: AxisUnit) -> Scan:
    """Turn wavelengths into wavenumbers or back."""
    if scan.axis_unit == unit:
        return scan
    return replace(scan, axis=turned(scan.axis), values=scan.values[::-1], axis_unit=unit)


def _cannot_serve(axis: FloatArray, main: FloatArray) -> str:
    """Say why bands cannot be brought onto the main ones; an empty string if they can."""
    step = mean_step(main, float(main[0]), float(main[-1]))
    if axis[0] > main[0] + SAME_BAND * step or axis[-1] < main[-1] - SAME_BAND * step:
        return "it does not cover them"
    if mean_step(axis, float(main[0]), float(main[-1])) > (1 + SAME_BAND) * step:
        return "its bands lie farther apart"
    return ""


def _in_quantity(scans: Sequence[Scan], findings: Findings) -> tuple[list[Scan], list[LeftOut]]:
    """Bring scans into the quantity that most of them declare."""
    declared = Counter(scan.quantity for scan in scans if scan.quantity)
    if len(declared) < 2:
        return list(scans), []
    wanted = declared.most_common(1)[0][0]
    kept: list[Scan] = []
    bad: list[LeftOut] = []
    converted = 0
    for scan in scans:
        if scan.quantity in (None, wanted):
            kept.append(scan)
        elif wanted == "reflectance" or (
            scan.values.min() > 0 and scan.values.max() <= FRACTION_TOP
        ):
            values = as_quantity(scan.values, scan.quantity, wanted)
            kept.append(replace(scan, values=values, quantity=wanted))
            converted += 1
        else:
            bad.append((scan.name, "reflectance that is no fraction, where most are absorbance"))
    findings.mended.append(f"{count(converted, 'scan')} turned into {wanted}, as most scans are")
    return kept, bad


def _of_scale(scans: Sequence[Scan]) -> tuple[list[Scan], list[LeftOut]]:
    """Set apart the scans that no soil shows in the scale of the others."""
    values = np.array([scan.values for scan in scans])
    bands = BandChoice(
        positions=tuple(scans[0].axis.tolist()),
        axis_unit=scans[0].axis_unit,
        quantity=next((scan.quantity for scan in scans if scan.quantity), None),
    )
    scale = read_scale(values, bands, None, Findings())
    if scale is None:  # the reader words why
        return list(scans), []
    wrong = dict(scale_faults(values, scale, bands))
    if len(wrong) == len(scans):
        return list(scans), []
    kept = [scan for i, scan in enumerate(scans) if i not in wrong]
    return kept, [(scans[i].name, text) for i, text in wrong.items()]


def _bands(scan: Scan) -> str:
    return f"{len(scan.axis)} bands, {scan.axis[0]:g} to {scan.axis[-1]:g} {scan.axis_unit}"
