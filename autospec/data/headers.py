"""Band headers: which columns are bands, where they lie and in what unit; no files, no values.

A header is read by the conventions in `parse_header`. Columns of one convention make a block,
and one block becomes the spectrum (`choose_bands`). Bare numbers need three more rules, since
years, depths and plot numbers are bare numbers too:

1. *Run.* When 20 or more bare numbers stand side by side, up to three others standing apart
   from them are not bands.
2. *Step.* Up to three whole numbers from 1900 to 2100 at an end of the run that break its
   direction, or stand more than ten steps away from it, are years and not bands.
3. *Unit.* Bare numbers are wavenumbers when the largest is above 3000, or above 2600 in
   descending order (the manner of infrared instruments); otherwise wavelengths in nm.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autospec.data.findings import count, some
from autospec.data.spectra import AxisUnit, Quantity

MIN_BANDS = 20
MAX_STRAYS = 3
LIMITS: dict[AxisUnit | None, tuple[float, float]] = {
    "nm": (200.0, 30_000.0),
    "cm-1": (100.0, 50_000.0),
    None: (300.0, 15_000.0),
}
EXAMPLES = "350, X350, 350nm, wl_350, wn_5397.9, scan_visnir.350_ref"

_N = r"(?P<number>\d{3,5}(?:[.,]\d{0,15})?)"
_CM = r"[\s.]?cm\s?(?:\^?[-−.]\s?1|\^?⁻¹)"
_CONVENTIONS: tuple[tuple[str, AxisUnit | None, Quantity | None, str], ...] = (
    ("350", None, None, _N),
    ("X350", None, None, rf"x{_N}"),
    ("350nm", "nm", None, rf"x?{_N}[\s.]?nm"),
    ("600cm-1", "cm-1", None, rf"x?{_N}{_CM}"),
    ("wl_350", "nm", None, rf"(?:wl|wavelength|lambda|nm)[_.\s-]?{_N}(?:\s?nm)?"),
    ("wn_600", "cm-1", None, rf"(?:wn|wavenumber)[_.\s-]?{_N}(?:{_CM})?"),
    ("spc.350", None, None, rf"(?:spc|spec|spectra|spectrum)[_.\s]{_N}"),
    ("ref_350", None, "reflectance", rf"(?:ref|refl|reflectance)[_.\s]{_N}"),
    ("abs_350", None, "absorbance", rf"(?:abs|absorbance)[_.\s]{_N}"),
    ("scan_visnir.350_ref", "nm", "reflectance", rf"scan_visnir[._]{_N}_ref"),
    ("scan_visnir.350_abs", "nm", "absorbance", rf"scan_visnir[._]{_N}_abs"),
    ("scan_mir.600_abs", "cm-1", "absorbance", rf"scan_mir[._]{_N}_abs"),
    ("scan_mir.600_ref", "cm-1", "reflectance", rf"scan_mir[._]{_N}_ref"),
)
_PATTERNS = tuple(
    (style, unit, quantity, re.compile(pattern, re.IGNORECASE | re.ASCII))
    for style, unit, quantity, pattern in _CONVENTIONS
)
_BARE_STYLES = frozenset({"350", "X350"})
_RENAMED = re.compile(r"(?P<stem>.*\d)\.\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class BandHeader:
    """One header, read as a band.

    Parameters
    ----------
    position : float
        Wavelength (nm) or wavenumber (cm⁻¹).
    axis_unit : {"nm", "cm-1"} or None
        None when the header does not say.
    quantity : {"reflectance", "absorbance"} or None
        None when the header does not say.
    style : str
        The convention, shown by its example (``wl_350``).
    """

    position: float
    axis_unit: AxisUnit | None
    quantity: Quantity | None
    style: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BandChoice:
    """The columns taken for the spectrum, in ascending order of position.

    Parameters
    ----------
    columns : tuple of int, length b
        Column numbers in the file, counted from 0.
    positions : tuple of float, length b
        Band positions in `axis_unit`.
    axis_unit : {"nm", "cm-1"}
        What the positions are.
    quantity : {"reflectance", "absorbance"} or None
        What the headers say the values are; None when they do not say.
    recognised, mended, problems : tuple of str
        One sentence for each choice, change and fault.
    """

    columns: tuple[int, ...] = ()
    positions: tuple[float, ...] = ()
    axis_unit: AxisUnit = "nm"
    quantity: Quantity | None = None
    recognised: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Columns of one convention, in file order."""

    style: str
    columns: tuple[int, ...]
    positions: tuple[float, ...]
    axis_unit: AxisUnit
    quantity: Quantity | None
    says_unit: bool
    strays: tuple[int, ...]


def parse_header(header: str, axis_unit: AxisUnit | None = None) -> BandHeader | None:
    """Read one column header as a band.

    Parameters
    ----------
    header : str
        The raw header; spaces around it are ignored and case does not matter.
    axis_unit : {"nm", "cm-1"}, optional
        What the user says of a header that names no unit.

    Returns
    -------
    BandHeader or None
        None when the header is not a band by any convention, or lies outside 200–30,000 nm,
        100–50,000 cm⁻¹, or 300–15,000 when neither it nor the user names a unit.
    """
    band = _match(header)
    if band is None:
        return None
    low, high = LIMITS[band.axis_unit or axis_unit]
    return band if low <= band.position <= high else None


def _match(header: str) -> BandHeader | None:
    """Read a header by the conventions, wherever it lies."""
    text = header.strip()
    for style, unit, quantity, pattern in _PATTERNS:
        if match := pattern.fullmatch(text):
            position = float(match["number"].replace(",", "."))
            return BandHeader(position=position, axis_unit=unit, quantity=quantity, style=style)
    return None


def choose_bands(header: Sequence[str], axis_unit: AxisUnit | None = None) -> BandChoice:
    """Choose the columns that are the spectrum.

    Parameters
    ----------
    header : sequence of str
        The raw headers, in file order.
    axis_unit : {"nm", "cm-1"}, optional
        Keep only a block that can have this unit, and read bare numbers in it.

    Returns
    -------
    BandChoice
        The largest block in nm, or the largest in cm⁻¹ when there is none in nm; blocks below
        20 bands count only when there is no larger one. No columns and a problem when
        nothing fits.
    """
    blocks = _blocks(header, axis_unit)
    fitting = [b for b in blocks if axis_unit in (None, b.axis_unit)]
    if not fitting:
        return BandChoice(problems=(_nothing_fits(header, blocks, axis_unit),))
    enough = [b for b in fitting if len(b.columns) >= MIN_BANDS] or fitting
    in_nm = [b for b in enough if b.axis_unit == "nm"] or enough
    best = max(in_nm, key=lambda b: len(b.columns))
    others = tuple(b for b in blocks if b is not best)
    order = np.argsort(best.positions, kind="stable")
    return BandChoice(
        columns=tuple(best.columns[i] for i in order),
        positions=tuple(best.positions[i] for i in order),
        axis_unit=best.axis_unit,
        quantity=best.quantity,
        recognised=_recognised(header, best, others, axis_unit),
        mended=_order_sentence(best),
        problems=_duplicates(header, best),
    )


def _blocks(header: Sequence[str], axis_unit: AxisUnit | None) -> list[_Block]:
    """Gather the band headers by convention."""
    found: dict[str, list[tuple[int, BandHeader]]] = defaultdict(list)
    for column, text in enumerate(header):
        band = parse_header(text, axis_unit)
        if band is not None:
            found[band.style].append((column, band))
    return [_block(style, members, axis_unit) for style, members in found.items()]


def _block(style: str, members: list[tuple[int, BandHeader]], axis_unit: AxisUnit | None) -> _Block:
    """Make one block: set strays of bare numbers apart and settle the unit."""
    columns = [column for column, _ in members]
    positions = [band.position for _, band in members]
    strays: list[int] = []
    if style in _BARE_STYLES:
        strays = _apart(columns)
        run = [m for m in zip(columns, positions, strict=True) if m[0] not in strays]
        strays += _years(run)
    left_out = set(strays)
    kept = [(c, p) for c, p in zip(columns, positions, strict=True) if c not in left_out]
    said = members[0][1].axis_unit
    return _Block(
        style=style,
        columns=tuple(c for c, _ in kept),
        positions=tuple(p for _, p in kept),
        axis_unit=said or axis_unit or _bare_unit([p for _, p in kept]),
        quantity=members[0][1].quantity,
        says_unit=said is not None,
        strays=tuple(strays),
    )


def _bare_unit(positions: Sequence[float]) -> AxisUnit:
    """Tell wavelengths from wavenumbers by range and order (rule 3)."""
    top = max(positions)
    descending = positions[0] > positions[-1]
    return "cm-1" if top > 3000 or (top > 2600 and descending) else "nm"


def _apart(columns: list[int]) -> list[int]:
    """Return the columns that stand apart from a run of 20 or more (rule 1)."""
    cuts = np.flatnonzero(np.diff(columns) > 1) + 1
    runs = [run.tolist() for run in np.split(np.asarray(columns), cuts)]
    longest = max(runs, key=len)
    if len(longest) < MIN_BANDS:
        return []
    return [c for run in runs if run is not longest and len(run) <= MAX_STRAYS for c in run]


def _years(members: list[tuple[int, float]]) -> list[int]:
    """Return the columns at either end that are years out of step (rule 2)."""
    if len(members) < MIN_BANDS:
        return []
    steps = np.diff([p for _, p in members])
    signs = np.sign(steps)
    direction = float(np.sign(np.median(steps)))
    if np.mean(signs == direction) < 0.9:
        return []
    odd = (signs != direction) | (np.abs(steps) > 10 * np.median(np.abs(steps)))
    years: list[int] = []
    for part, breaks in ((members, odd), (members[::-1], odd[::-1])):
        ends = [
            k + 1
            for k in range(MAX_STRAYS)
            if breaks[k] and all(_year_like(p) for _, p in part[: k + 1])
        ]
        if ends:
            years += [c for c, _ in part[: ends[-1]]]
    return years


def _year_like(position: float) -> bool:
    """Say whether a bare number could be a calendar year."""
    return position.is_integer() and 1900 <= position <= 2100


def _nothing_fits(header: Sequence[str], blocks: list[_Block], axis_unit: AxisUnit | None) -> str:
    """Say why no column can be a band, and what would help."""
    if blocks:
        found = some(header[b.columns[0]] for b in blocks)
        return (
            f"header: the bands found (such as {found}) are not in {axis_unit}; "
            f"want bands in {axis_unit}. Drop --axis-unit {axis_unit}."
        )
    return (
        f"header: no column is a band (columns: {some(header)}); want headers such as "
        f"{EXAMPLES}, one column a band and one row a sample. Rename the columns."
    )


def _recognised(
    header: Sequence[str],
    best: _Block,
    others: tuple[_Block, ...],
    axis_unit: AxisUnit | None,
) -> tuple[str, ...]:
    """State the block that was taken and everything that was left."""
    low, high = min(best.positions), max(best.positions)
    said = (
        "as the headers say"
        if best.says_unit
        else (
            "as --axis-unit says"
            if axis_unit
            else "by the range of the bare numbers; "
            f"pass --axis-unit {'cm-1' if best.axis_unit == 'nm' else 'nm'} if that is wrong"
        )
    )
    lines = [
        f"{count(len(best.columns), 'band')} like {header[best.columns[0]]!r}, "
        f"{low:g} to {high:g} {best.axis_unit} ({said})"
    ]
    for other in others:
        unit = other.axis_unit
        hint = f". Pass --axis-unit {unit} to use them" if unit != best.axis_unit else ""
        lines.append(
            f"not taken for bands: {count(len(other.columns), 'column')} like "
            f"{header[other.columns[0]]!r} ({unit}), another convention{hint}"
        )
    strays = [header[c] for block in (best, *others) for c in block.strays]
    if strays:
        lines.append(f"not taken for bands: {some(strays)}, out of step with the other bands")
    outside = [
        h for h in header if parse_header(h) is None and (b := _match(h)) and b.style == best.style
    ]
    if outside:
        lines.append(f"not taken for bands: {some(outside)}, outside the range of soil spectra")
    return tuple(lines)


def _order_sentence(block: _Block) -> tuple[str, ...]:
    """Say that the bands had to be sorted, when they had to."""
    steps = np.diff(block.positions)
    if bool(np.all(steps >= 0)):
        return ()
    order = "in descending order" if bool(np.all(steps <= 0)) else "not in order"
    return (f"the bands were {order}: sorted ascending by position",)


def _duplicates(header: Sequence[str], block: _Block) -> tuple[str, ...]:
    """Find bands at one position, and headers renamed by a program that met duplicates."""
    at: dict[float, list[int]] = defaultdict(list)
    for column, position in zip(block.columns, block.positions, strict=True):
        at[position].append(column)
    lines = [
        f"header: columns {', '.join(str(c + 1) for c in same)} "
        f"({some(header[c] for c in same)}) are the same band, {position:g} {block.axis_unit}; "
        "want one column a band. Remove or rename all but one."
        for position, same in at.items()
        if len(same) > 1
    ]
    whole = np.mean([p.is_integer() for p in block.positions])
    names = {header[c] for c in block.columns}
    renamed = [
        (c, match["stem"])
        for c, p in zip(block.columns, block.positions, strict=True)
        if whole >= 0.9 and not p.is_integer() and (match := _RENAMED.fullmatch(header[c]))
        if match["stem"] in names
    ]
    lines += [
        f"header: column {c + 1} ({header[c]!r}) looks like a second {stem!r} that a program "
        "renamed; want one column a band. Remove it, or give it its true position."
        for c, stem in renamed
    ]
    return tuple(lines)
