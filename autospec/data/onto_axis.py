"""`fit_onto`: spectra onto the bands of a model, by value of wavelength; no files here.

What is done, in this order, and every step told in `OntoAxis.notes`:

1. Bands on the other axis are turned by WN = 1e7 / WL (cm⁻¹, nm).
2. The file has to cover the model's range. At either end one band of the averaged spectrum that
   models read (1/216 of the range), or one of the model's own spacing if that is wider, may be
   missing, if it is no more than 1 % of the range (`MAX_OVERHANG`): the nearest band stands in.
3. Holes of the file are bridged by straight lines, over 5 % of the bands at most (`MAX_HOLES`).
4. Spectra are brought to the model's quantity first, then averaged onto its bands (see `bands`).

The pieces that `align` shares with it are here: how bands are turned, values converted and both
told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from autospec.data.bands import SAME_BAND, WIDE_GAP, band_weights, mean_step, wide_gaps
from autospec.data.findings import count
from autospec.data.preprocess import published_step, to_absorbance, to_reflectance
from autospec.data.spectra import AxisUnit, FloatArray, Quantity
from autospec.errors import DataError

SAME_AXIS = 1e-6  # nm or cm⁻¹: what text of six decimals cannot tell apart
MAX_OVERHANG = 0.01
MAX_HOLES = 0.05
COARSE = 4.0

_Gap = tuple[float, float, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OntoAxis:
    """The way from a file's bands to a model's.

    Parameters
    ----------
    b : int
        Bands of the file.
    flipped : bool
        The file is on the other axis, so its bands run the other way.
    quantity, wanted_quantity : {"reflectance", "absorbance"}
        What the file's values are, and what the model takes.
    weights : csr_matrix of shape (b, b'), or None
        From `band_weights`; None where the bands are the model's own.
    notes : tuple of str
        What was turned, converted, resampled, dropped and filled.
    """

    b: int
    flipped: bool
    quantity: Quantity
    wanted_quantity: Quantity
    weights: csr_matrix | None
    notes: tuple[str, ...]

    def transform(self, values: FloatArray) -> FloatArray:
        """Bring spectra (n, b) of the file onto the model's bands (n, b').

        Where nothing has to be done, `values` itself is returned.
        """
        assert values.ndim == 2 and values.shape[1] == self.b, "the file's own bands"
        if self.flipped:
            values = values[:, ::-1]
        values = as_quantity(values, self.quantity, self.wanted_quantity)
        return values if self.weights is None else np.asarray(values @ self.weights)


def fit_onto(
    axis: FloatArray,
    axis_unit: AxisUnit,
    quantity: Quantity,
    wanted_axis: FloatArray,
    wanted_unit: AxisUnit,
    wanted_quantity: Quantity,
) -> OntoAxis:
    """Find the way from a file's bands to a model's, or refuse.

    Parameters
    ----------
    axis : float64, shape (b,)
        Band positions of the file, strictly ascending.
    axis_unit : {"nm", "cm-1"}
        Their unit.
    quantity : {"reflectance", "absorbance"}
        What the file's values are.
    wanted_axis : float64, shape (b',)
        Band positions of the model, strictly ascending; at least two.
    wanted_unit : {"nm", "cm-1"}
        Their unit.
    wanted_quantity : {"reflectance", "absorbance"}
        What the model takes.

    Returns
    -------
    OntoAxis
        With no weights where the axes are the same to 1e-6.

    Raises
    ------
    DataError
        If the file does not cover the model's range, or has holes over more than 5 % of it.
    """
    notes: list[str] = []
    flipped = axis_unit != wanted_unit
    if flipped:
        notes.append(f"{axis_unit} turned into {wanted_unit} by WN = 1e7 / WL")
        axis = turned(axis)
    if quantity != wanted_quantity:
        notes.append(f"{quantity} turned into {wanted_quantity}")
    weights = None
    if not _same(axis, wanted_axis):
        _check_cover(axis, wanted_axis, wanted_unit)
        notes += _filled(axis, wanted_axis, wanted_unit)
        holes = _holes(axis, wanted_axis)
        _check_holes(holes, wanted_axis, wanted_unit)
        notes += tell_bands(axis, wanted_axis, wanted_unit, holes, "model band")
        notes += _coarser(axis, wanted_axis, wanted_unit)
        weights = band_weights(axis, wanted_axis)
    return OntoAxis(
        b=len(axis),
        flipped=flipped,
        quantity=quantity,
        wanted_quantity=wanted_quantity,
        weights=weights,
        notes=tuple(notes),
    )


def turned(axis: FloatArray) -> FloatArray:
    """Turn wavelengths (nm) into wavenumbers (cm⁻¹) or back, ascending again."""
    return np.asarray(1e7 / axis[::-1])


def as_quantity(values: FloatArray, quantity: Quantity, wanted: Quantity) -> FloatArray:
    """Bring spectra from one quantity to another; the same array where they are one."""
    if quantity == wanted:
        return values
    return to_absorbance(values) if wanted == "absorbance" else to_reflectance(values)


def tell_bands(
    axis: FloatArray, grid: FloatArray, unit: AxisUnit, holes: list[_Gap], noun: str
) -> list[str]:
    """Say what becomes of bands that are brought onto a grid; nothing if all stay as they are.

    Parameters
    ----------
    axis, grid : float64, shape (b,) and (b',)
        Ascending band positions in `unit`.
    unit : {"nm", "cm-1"}
        Unit of both.
    holes : list of (from, to, bands of `grid` across)
        Holes of `axis` that are bridged.
    noun : str
        What a band of the grid is called.
    """
    told = []
    if holes:
        across = count(sum(n for _, _, n in holes), noun)
        first, last = holes[0], holes[-1]
        what = "no band" if len(holes) == 1 else f"{len(holes)} holes"
        told.append(
            f"{what} between {first[0]:g} and {last[1]:g} {unit}; {across} there interpolated"
        )
    if np.array_equal(axis, grid):
        return told
    outside = int(np.sum((axis < grid[0] - 1e-6) | (axis > grid[-1] + 1e-6)))
    step = mean_step(grid, float(grid[0]), float(grid[-1]))
    dropped = f"{count(outside, 'band')} outside dropped" if outside else "none dropped"
    return [
        f"{name_bands(axis, unit)} → {count(len(grid), 'band')}, {grid[0]:g} to {grid[-1]:g} "
        f"{unit} by {step:.3g}; {dropped}",
        *told,
    ]


def name_bands(axis: FloatArray, unit: AxisUnit) -> str:
    """Return ``215 bands, 350 to 2490 nm``."""
    return f"{count(len(axis), 'band')}, {axis[0]:g} to {axis[-1]:g} {unit}"


def _same(axis: FloatArray, wanted: FloatArray) -> bool:
    return len(axis) == len(wanted) and bool(np.all(np.abs(axis - wanted) <= SAME_AXIS))


def _overhangs(axis: FloatArray, wanted: FloatArray) -> tuple[tuple[float, float], ...]:
    """Return, below and above, what the file lacks of the model's range and what may be filled."""
    most = MAX_OVERHANG * float(wanted[-1] - wanted[0])
    lacks = (float(axis[0] - wanted[0]), float(wanted[-1] - axis[-1]))
    averaged = published_step(wanted)
    steps = (float(wanted[1] - wanted[0]), float(wanted[-1] - wanted[-2]))
    return tuple(
        (lack, min(max(s, averaged), most) + SAME_AXIS)
        for lack, s in zip(lacks, steps, strict=True)
    )


def _check_cover(axis: FloatArray, wanted: FloatArray, unit: AxisUnit) -> None:
    """Refuse a file that ends before the model's range does."""
    if all(lack <= most for lack, most in _overhangs(axis, wanted)):
        return
    missing = int(np.sum((wanted < axis[0] - SAME_AXIS) | (wanted > axis[-1] + SAME_AXIS)))
    raise DataError(
        f"bands {axis[0]:g} to {axis[-1]:g} {unit}; the model wants {wanted[0]:g} to "
        f"{wanted[-1]:g} {unit}: {_share(missing, len(wanted))} are missing; want a file that "
        "covers them all. Pass spectra of the model's kind of instrument, or train a model on "
        "the bands of this file."
    )


def _filled(axis: FloatArray, wanted: FloatArray, unit: AxisUnit) -> list[str]:
    """Say at which ends the nearest band stands in."""
    slack = SAME_BAND * mean_step(wanted, float(wanted[0]), float(wanted[-1]))
    below, above = (lack for lack, _ in _overhangs(axis, wanted))
    told = []
    if below > slack:
        told.append((int(np.sum(wanted < axis[0])), "below", axis[0]))
    if above > slack:
        told.append((int(np.sum(wanted > axis[-1])), "above", axis[-1]))
    return [
        f"{count(n, 'band')} of the model {side} {end:g} {unit} filled with the value there"
        for n, side, end in told
    ]


def _holes(axis: FloatArray, wanted: FloatArray) -> list[_Gap]:
    """Return the holes of the file; a file of wide even steps is coarse and has no holes."""
    own = WIDE_GAP * float(np.median(np.diff(axis)))
    return [gap for gap in wide_gaps(axis, wanted) if gap[1] - gap[0] > own]


def _check_holes(holes: list[_Gap], wanted: FloatArray, unit: AxisUnit) -> None:
    """Refuse a file whose holes are too much of the model's range."""
    across = sum(n for _, _, n in holes)
    if across <= MAX_HOLES * len(wanted):
        return
    low, high, _ = max(holes, key=lambda gap: gap[2])
    where = f"no band between {low:g} and {high:g} {unit}"
    raise DataError(
        f"{count(len(holes), 'hole')} in the bands (the largest: {where}): "
        f"{_share(across, len(wanted))} lie there; want at most {MAX_HOLES:.0%}. Export the "
        "spectra with all bands, or train a model without these."
    )


def _coarser(axis: FloatArray, wanted: FloatArray, unit: AxisUnit) -> list[str]:
    """Say that a file is much coarser than the model."""
    low, high = float(wanted[0]), float(wanted[-1])
    own, step = mean_step(axis, low, high), mean_step(wanted, low, high)
    if own <= COARSE * step:
        return []
    return [
        f"the bands are {own:.3g} {unit} apart and the model's {step:.3g}: narrow features that "
        "the model was trained on may be lost, and its error larger"
    ]


def _share(number: int, b: int) -> str:
    """Return ``73 % of its bands (154 of 211)``, rounded up."""
    return f"{int(np.ceil(100 * number / b))} % of its bands ({number} of {b})"
