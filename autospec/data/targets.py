"""Target cells to lab values in one unit: no-values, conversions and ranges; no spectra here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autospec.data.checks import NO_VALUE_NUMBERS
from autospec.data.findings import Findings, RowNames, count
from autospec.data.labels import Kind, TargetColumn, read_unit
from autospec.data.spectra import FloatArray
from autospec.data.text_tables import parse_number

MIN_LABELLED = 20
SOM_PER_SOC = 1.724  # van Bemmelen: organic matter holds 58 % carbon
PERCENT_LOOK = 15.0
NAMES: dict[Kind, str] = {"soc": "soc", "som": "soc", "clay": "clay", "ph": "ph"}
RANGES: dict[Kind, tuple[float, float]] = {
    "soc": (0.0, 600.0),
    "som": (0.0, 600.0),
    "clay": (0.0, 100.0),
    "ph": (2.0, 12.0),
}
_CARBON = {"g/kg": 1.0, "g/dm3": 1.0, "%": 10.0, "mg/kg": 0.001}
_FACTORS: dict[Kind, dict[str, float]] = {
    "soc": _CARBON,
    "som": _CARBON,
    "clay": {"%": 1.0, "g/kg": 0.1},
}
_HOME: dict[Kind, str] = {"soc": "g/kg", "som": "g/kg", "clay": "%"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TargetValues:
    """Lab values in one unit; NaN where a row has none.

    Parameters
    ----------
    values : float64, shape (n,)
        In `unit`.
    name, unit : str
        For example "soc" and "g/kg".
    """

    values: FloatArray
    name: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRules:
    """What is said of the target: its unit, whether negatives stay, whether it is needed."""

    unit: str | None = None
    allow_negative: bool = False
    needed: bool = True
    min_labelled: int = MIN_LABELLED


def unit_factor(name: str, found: str, wanted: str) -> float | None:
    """Return the factor that takes values of a target from one unit to another.

    Parameters
    ----------
    name : str
        Such as "soc" or "clay".
    found, wanted : str
        Units in any spelling that `read_unit` knows.

    Returns
    -------
    float or None
        None when autospec knows no conversion.
    """
    if found == wanted:
        return 1.0
    factors = next((known for kind, known in _FACTORS.items() if kind == name), {})
    source, home = factors.get(read_unit(found) or found), factors.get(read_unit(wanted) or wanted)
    return None if source is None or home is None else source / home


def read_target_values(
    cells: Sequence[str],
    target: TargetColumn,
    rules: TargetRules,
    rows: RowNames,
    findings: Findings,
) -> TargetValues:
    """Read, convert and check the target cells.

    Parameters
    ----------
    cells : sequence of str, length n
        The column as written.
    target : TargetColumn
        What the column is.
    rules : TargetRules
        What the user says of it.
    rows : RowNames
        How rows are named.
    findings : Findings
        Receives sentences and problems.

    Returns
    -------
    TargetValues
        SOC and SOM as SOC in g/kg, clay in %, anything else as it stands.
    """
    values = _parse(cells, target, rows, findings)
    factor, unit = _conversion(values, target, rules.unit, findings)
    converted = values * factor
    name = NAMES.get(target.kind, target.header)
    native = None if factor == 1 else values
    findings.refuse(_out_of_range(converted, native, (name, unit), target, rules, rows))
    labelled = converted[np.isfinite(converted)]
    missing = int(np.isnan(converted).sum())
    if missing:
        findings.recognised.append(
            f"{missing} of {count(len(cells), 'row')} without {name}: kept, unlabelled"
        )
    if rules.needed:
        _check_enough(labelled, (name, unit), rules.min_labelled, findings)
    return TargetValues(values=converted, name=name, unit=unit)


def _parse(
    cells: Sequence[str], target: TargetColumn, rows: RowNames, findings: Findings
) -> FloatArray:
    """Read cells as numbers; codes for no value become NaN."""
    values = np.full(len(cells), np.nan)
    problems = []
    commas = 0
    for i, cell in enumerate(cells):
        try:
            values[i] = parse_number(cell)
        except ValueError:
            problems.append(
                f"{rows[i]}: {target.header} = {cell[:40]!r}; want a number, or an empty cell for "
                "no lab value. Correct the cell."
            )
        commas += "," in cell
    findings.refuse(problems)
    if commas > len(problems):
        findings.mended.append(
            f"decimal commas in column {target.header!r} were read as decimal points"
        )
    coded = np.isin(values, NO_VALUE_NUMBERS)
    if coded.any():
        findings.mended.append(
            f"{count(int(coded.sum()), 'cell')} of column {target.header!r} with -9999 or -999: "
            "read as missing"
        )
        values[coded] = np.nan
    return values


def _conversion(
    values: FloatArray, target: TargetColumn, option: str | None, findings: Findings
) -> tuple[float, str]:
    """Return the factor to the home unit, and that unit; state where both come from."""
    factors = _FACTORS.get(target.kind)
    if factors is None:
        return 1.0, _as_it_stands(target, option, findings)
    home = _HOME[target.kind]
    unit = read_unit(option) if option else target.unit
    if option and unit not in factors:
        findings.problems.append(
            f"--target-unit {option!r} is not a unit of {target.kind}; want one of "
            f"{', '.join(factors)}."
        )
        return 1.0, home
    if unit not in factors:
        unit = home
        findings.recognised.append(_assumed(values, target, home))
    else:
        source = "--target-unit" if option else "the header"
        findings.recognised.append(f"target unit: {unit} ({source})")
    return _state_factor(factors[unit], unit, target.kind, findings), home


def _state_factor(factor: float, unit: str, kind: Kind, findings: Findings) -> float:
    """Add SOM's share of carbon to a factor, and state every conversion."""
    said = {"%": "% × 10 = g/kg", "mg/kg": "mg/kg ÷ 1000 = g/kg", "g/dm3": "g/dm3 taken as g/kg"}
    if kind == "clay":
        said = {"g/kg": "g/kg ÷ 10 = %"}
    if unit in said:
        findings.mended.append(f"target converted: {said[unit]}")
    if kind == "som":
        findings.mended.append(f"target converted: SOC = SOM ÷ {SOM_PER_SOC}")
        return factor / SOM_PER_SOC
    return factor


def _assumed(values: FloatArray, target: TargetColumn, home: str) -> str:
    """Word the assumption of a unit that neither the header nor the user gives."""
    finite = values[np.isfinite(values)]
    line = f"target unit: not in the header, {home} assumed"
    if home == "g/kg" and finite.size and finite.max() <= PERCENT_LOOK:
        line += (
            f"; the largest {target.header} is {finite.max():g}, which looks like %: "
            "pass --target-unit % if it is"
        )
    return line


def _as_it_stands(target: TargetColumn, option: str | None, findings: Findings) -> str:
    """Name the unit of a target that is not converted."""
    if target.kind == "ph":
        return "pH"
    unit = option or target.unit or ""
    findings.recognised.append(f"target unit: {unit or 'not known'}, values taken as they stand")
    return unit


def _out_of_range(
    values: FloatArray,
    native: FloatArray | None,
    name_unit: tuple[str, str],
    target: TargetColumn,
    rules: TargetRules,
    rows: RowNames,
) -> list[str]:
    """Word the values that no soil has."""
    name, unit = name_unit
    low, high = RANGES.get(target.kind, (-np.inf, np.inf))
    floor = -np.inf if rules.allow_negative and low == 0 else low
    lines = []
    with np.errstate(invalid="ignore"):
        wrong = np.isinf(values) | (values < floor) | (values > high)
    for i in np.flatnonzero(wrong).tolist():
        if np.isinf(values[i]):
            lines.append(
                f"{rows[i]}: {name} = {values[i]}; want a finite number. Correct the cell."
            )
            continue
        written = "" if native is None else f" ({native[i]:g} in the file)"
        step = "Correct the cell."
        if low == 0:
            step = (
                "Pass --allow-negative to keep it."
                if values[i] < low
                else f"Correct the cell, or pass --target-unit if the column is not in {unit}."
            )
        shown = "" if name == "ph" else f" {unit}"
        lines.append(
            f"{rows[i]}: {name} = {values[i]:g}{shown}{written}; want {low:g} to {high:g}. {step}"
        )
    return lines


def _check_enough(
    labelled: FloatArray, target: tuple[str, str], wanted: int, findings: Findings
) -> None:
    """Refuse too few labelled rows, and a target (name, unit) that never changes."""
    name, unit = target
    if labelled.size < wanted:
        findings.problems.append(
            f"{count(labelled.size, 'row')} with a value of {name}; want at least {wanted}. "
            "Add samples with lab values, or pass --target with another column."
        )
    if labelled.size > 1 and labelled.min() == labelled.max():
        findings.problems.append(
            f"{name} = {labelled[0]:g} {unit} in all {labelled.size} labelled rows; want values "
            "that vary. Pass --target with another column."
        )
