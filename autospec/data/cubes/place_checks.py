"""Checks of where samples and stacks say they lie: the reference system, its unit, coordinates."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from autospec.data.cubes.cubes import BoolArray
from autospec.data.cubes.places import WEB_EDGE, is_geographic, is_web_mercator, unit_problem
from autospec.data.cubes.references import plain_crs, unit_of
from autospec.data.findings import Findings, count
from autospec.data.spectra import FloatArray

_METRES = re.compile(r"EPSG:(32[67]\d\d|258\d\d|3035|3857)")  # UTM and Europe's: known unaided


def read_crs(written: str, findings: Findings) -> str:
    """Return the name of a coordinate reference system, those of a code in one spelling."""
    text = written.strip()
    plain = plain_crs(text)
    if plain != text:
        findings.mended.append(f"crs: {text!r} read as {plain!r}")
    if not text:
        findings.problems.append(
            "key 'crs' is empty; want the coordinate reference system of x and y, such as "
            "'EPSG:4326' for longitude and latitude. Add it and save the file again."
        )
    return plain


def check_places(
    x: FloatArray, y: FloatArray, crs: str, names: Sequence[str], findings: Findings
) -> None:
    """Refuse places that are not on earth, and units that are neither metres nor degrees.

    Parameters
    ----------
    x, y : float64, shape (n,)
    crs : str
        Of both.
    names : sequence of str, length n
        Of the places.
    findings : Findings
        Receives the problems.
    """
    lost = ~(np.isfinite(x) & np.isfinite(y))
    findings.refuse(
        f"sample {names[i]!r}: x = {x[i]:g}, y = {y[i]:g}; want two finite numbers. Fill them or "
        "remove the sample."
        for i in np.flatnonzero(lost).tolist()
    )
    if (wrong := unit_problem(crs)) is not None:
        findings.problems.append(wrong)
        return
    if not (is_geographic(crs) or _METRES.fullmatch(crs)) and unit_of(crs) is None:
        findings.recognised.append(
            f"the unit of crs {crs[:40]!r} is not known here: x and y are taken as metres"
        )
    degrees = (np.abs(x) <= 180) & (np.abs(y) <= 90)
    if is_geographic(crs):
        _check_degrees(x, y, ~degrees & ~lost, (crs[:40], names), findings)
    elif degrees.all() and len(x):
        _doubt_metres(crs, findings)
    elif is_web_mercator(crs) and (np.maximum(np.abs(x), np.abs(y))[~lost] > WEB_EDGE + 1).any():
        findings.problems.append(
            f"places beyond the edge of {crs[:40]}; want x and y within ±{WEB_EDGE:,.0f}. Correct "
            "them, or name the crs they are in."
        )


def _doubt_metres(crs: str, findings: Findings) -> None:
    """Refuse what looks like degrees under a name nobody knows; say it of one that is in metres."""
    if unit_of(crs) is None and not re.fullmatch(r"EPSG:\d+", crs):
        findings.problems.append(
            f"all x and y lie within ±180 and ±90, and crs {crs[:40]!r} is not known: degrees or "
            "metres? Want 'EPSG:4326' for longitude and latitude, or WKT for a grid in metres, "
            'such as LOCAL_CS["plot",UNIT["metre",1]]. Name the crs.'
        )
        return
    findings.recognised.append(
        f"all x and y lie within ±180 and ±90, but {crs[:40]} is taken as metres: if they "
        "are longitude and latitude, the crs is EPSG:4326"
    )


def _check_degrees(
    x: FloatArray,
    y: FloatArray,
    off: BoolArray,
    told: tuple[str, Sequence[str]],
    findings: Findings,
) -> None:
    """Refuse places that are `off` the earth; `told` is the crs, and the names of the places."""
    if not off.any():
        return
    crs, names = told
    swapped = bool(((np.abs(y[off]) <= 180) & (np.abs(x[off]) <= 90)).all())
    hint = (
        "x and y look swapped: x is the longitude, y the latitude."
        if swapped
        else "Correct them, or name the crs they are in."
    )
    first = int(np.flatnonzero(off)[0])
    findings.problems.append(
        f"{count(int(off.sum()), 'place')} not on earth, first {names[first]!r}: x = {x[first]:g}, "
        f"y = {y[first]:g}; {crs} wants longitude within ±180 and latitude within ±90 degrees. "
        f"{hint}"
    )
