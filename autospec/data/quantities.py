"""Reflectance or absorbance, and in which scale: decided from values and soil physics, stated.

The scale follows from the median of the rows' largest values, called the top:

=================  ==============================================================
top                reading
=================  ==============================================================
up to 1.5          a fraction, or absorbance log10(1/R): the shape decides
1.5 to 6           absorbance, or very dark soils in percent: the shape decides
6 to 150           reflectance in percent
150 to 15,000      reflectance in ten-thousandths
=================  ==============================================================

The shape is what every moist or mineral soil shows: reflectance rises from the blue to the near
infrared and dips at the water band (1930 nm), the O–H overtone (1415 nm) and the O–H stretch
(3400 cm⁻¹), while absorbance does the opposite. Each test counts the rows that go either way and
speaks only when 90 % agree; the shape is known when all tests that speak say the same. On 18
real data sets (15 LimeSoDa fields, Geeves NSW, Walloon NIR, KSSL MIR) every test that covered
the range was right. Where the shape is unknown, the header or ``--quantity`` must say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec.data.findings import Findings
from autospec.data.spectra import AxisUnit, FloatArray, Quantity

FRACTION_TOP = 1.5
ABSORBANCE_TOP = 6.0
PERCENT_TOP = 150.0
SCALED_TOP = 15_000.0
AGREEMENT = 0.9

_Window = tuple[float, float]
# Name, window that is higher in reflectance or lower (sign), and the windows it is held against.
_TESTS: tuple[tuple[str, int, _Window, tuple[_Window, ...]], ...] = (
    ("the rise from 450 to 950 nm", 1, (850, 1000), ((420, 500),)),
    ("the water band at 1930 nm", -1, (1910, 1950), ((1780, 1840), (2080, 2140))),
    ("the O–H band at 1415 nm", -1, (1405, 1425), ((1320, 1360), (1520, 1600))),
    ("the O–H band at 3400 cm⁻¹", -1, (2900, 3050), ((2630, 2680), (3800, 3900))),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the values are: divide them by `divisor` to get a fraction, or absorbance."""

    quantity: Quantity
    divisor: float


def shape_says(values: FloatArray, axis: FloatArray, axis_unit: AxisUnit) -> tuple[str, str]:
    """Tell reflectance from absorbance by the shape of soil spectra.

    Parameters
    ----------
    values : float64, shape (n, b)
        Spectra in any scale; NaN where a cell has no value.
    axis : float64, shape (b,)
        Band positions, ascending.
    axis_unit : {"nm", "cm-1"}
        Unit of `axis`.

    Returns
    -------
    quantity : {"reflectance", "absorbance", ""}
        Empty when the range covers no test, or the rows or the tests disagree.
    reason : str
        The tests that spoke.
    """
    wavelength_nm = axis if axis_unit == "nm" else 1e7 / axis
    said: dict[str, list[str]] = {"reflectance": [], "absorbance": []}
    for name, sign, centre, shoulders in _TESTS:
        high = _mean(values, wavelength_nm, centre)
        sides = [_mean(values, wavelength_nm, s) for s in shoulders]
        if high is None or any(s is None for s in sides):
            continue
        step = sign * (high - np.mean([s for s in sides if s is not None], axis=0))
        step = step[np.isfinite(step)]
        if step.size and np.mean(step > 0) >= AGREEMENT:
            said["reflectance"].append(name)
        elif step.size and np.mean(step < 0) >= AGREEMENT:
            said["absorbance"].append(name)
    spoken = [quantity for quantity, names in said.items() if names]
    if len(spoken) != 1:
        return "", "no soil feature in this range tells them apart"
    return spoken[0], " and ".join(said[spoken[0]])


def decide_quantity(
    shape: tuple[str, str],
    tops: FloatArray,
    median: float,
    declared: tuple[Quantity, str] | None,
    findings: Findings,
) -> Reading | None:
    """Decide what the values are, or add the problem that stands in the way.

    Parameters
    ----------
    shape : tuple of str
        From `shape_says`.
    tops : float64, shape (n,)
        The largest value of each row.
    median : float
        The median of all values.
    declared : tuple of (quantity, source), optional
        What the option or the headers say, and which of them.
    findings : Findings
        Receives the sentence or the problem.

    Returns
    -------
    Reading or None
        None when a problem was added.
    """
    top = float(np.median(tops))
    looks, reason = shape
    found = f"the values (median {median:.3g}, top {top:.3g})"
    guess = _by_scale(top, looks, declared, median)
    if guess is None:
        findings.problems.append(_unreadable(top, found, reason))
        return None
    said, source = declared or (guess.quantity, f"by {_evidence(top, reason)}")
    if said != guess.quantity:
        findings.problems.append(
            f"bands: {source} {'say' if source.endswith('s') else 'says'} {said}, but {found} look "
            f"like {guess.quantity} (by {_evidence(top, reason)}); want {said}. "
            f"Pass --quantity {guess.quantity}, or convert the values."
        )
        return None
    findings.recognised.append(f"quantity: {said} ({source})")
    if guess.divisor != 1:
        scale = "percent" if guess.divisor == 100 else "ten-thousandths"
        findings.mended.append(
            f"reflectance in {scale} (tops of {top:.4g}): divided by {guess.divisor:,.0f}"
        )
    return guess


def _by_scale(
    top: float, looks: str, declared: tuple[Quantity, str] | None, median: float
) -> Reading | None:
    """Apply the table in the module's docstring; a declaration settles what it leaves open."""
    said = declared[0] if declared else None
    if not 0 < top <= SCALED_TOP:
        return None
    if top > ABSORBANCE_TOP:
        divisor = 100.0 if top <= PERCENT_TOP else 10_000.0
        return Reading(quantity="reflectance", divisor=divisor)
    large = top > FRACTION_TOP
    if looks == "reflectance":
        return Reading(quantity="reflectance", divisor=100.0 if large else 1.0)
    if looks == "absorbance" or said == "absorbance" or (said and (large or median > 1.0)):
        return Reading(quantity="absorbance", divisor=1.0)
    return Reading(quantity="reflectance", divisor=1.0) if said else None


def _evidence(top: float, reason: str) -> str:
    """Say what the decision rests on."""
    if top > ABSORBANCE_TOP:
        return "the size of the values"
    return f"the shape: {reason}" if not reason.startswith("no soil") else "the size of the values"


def _unreadable(top: float, found: str, reason: str) -> str:
    """Word the problem of values that no rule reads."""
    if 0 < top <= SCALED_TOP:
        return (
            f"bands: {found} could be reflectance or absorbance ({reason}); want one of "
            "them. Pass --quantity reflectance or --quantity absorbance."
        )
    return (
        f"bands: {found} fit no scale; want reflectance as a fraction, in percent or in "
        "ten-thousandths, or absorbance log10(1/R). Convert the values."
    )


def _mean(values: FloatArray, wavelength_nm: FloatArray, window: _Window) -> FloatArray | None:
    """Return each row's mean in a window of wavelengths, or None where there is no band."""
    inside = (wavelength_nm >= window[0]) & (wavelength_nm <= window[1])
    if not inside.any():
        return None
    mean: FloatArray = values[:, inside].mean(axis=1)
    return mean
