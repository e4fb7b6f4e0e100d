"""`read_points`: where and when soil was sampled, and the lab's value; CSV or Parquet.

Columns are found by name; cells, units and targets are read as those of spectra are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path

import numpy as np

from autospec.data.checks import NO_VALUE_NUMBERS
from autospec.data.cubes.cubes import TIME_TYPE, TimeArray
from autospec.data.cubes.references import WGS84, plain_crs
from autospec.data.findings import Findings, RowNames, count, some
from autospec.data.labels import (
    TargetColumn,
    choose_id,
    choose_target,
    read_target,
    repeated_headers,
)
from autospec.data.parquet_tables import read_parquet_header, read_parquet_rows
from autospec.data.spectra import FloatArray, row_name
from autospec.data.tables import RawTable, Wanted, check_shape, open_table
from autospec.data.targets import TargetRules, TargetValues, read_target_values
from autospec.data.text_tables import (
    NO_VALUE_WORDS,
    parse_number,
    read_text_header,
    read_text_rows,
)
from autospec.errors import DataError

DEGREES = (
    ("longitude", "latitude"),
    ("lon", "lat"),
    ("long", "lat"),
    ("lng", "lat"),
    ("longitude.point_wgs84_dd", "latitude.point_wgs84_dd"),
    ("gps_long", "gps_lat"),
)
PROJECTED = (("easting", "northing"), ("east", "north"), ("x", "y"), ("x_coord", "y_coord"))
TIMES = ("date", "time", "datetime", "sampling_date", "sample_date", "date_sampled")
DAY_END = np.timedelta64(86_399, "s")


@dataclass(frozen=True, slots=True, kw_only=True)
class PointOptions:
    """What the user says of a table of points.

    Parameters
    ----------
    target, target_unit, id_column : str, optional
        As in `readers.ReadOptions`.
    crs : str, optional
        Of the coordinates; by default EPSG:4326 for columns of degrees, else the raster's.
    allow_negative : bool, default False
        Keep negative lab values.
    """

    target: str | None = None
    target_unit: str | None = None
    id_column: str | None = None
    crs: str | None = None
    allow_negative: bool = False


NO_OPTIONS = PointOptions()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """n places with a lab value each.

    Parameters
    ----------
    ids : tuple of str, length n
        All different.
    x, y : float64, shape (n,)
        Longitude and latitude in degrees, or metres east and north.
    crs : str or None
        Of the coordinates; None: that of the raster.
    times : datetime64[s], shape (n,), or None
        When each was sampled; a date without a time of day stands for its last second.
    target : float64, shape (n,)
        NaN where there is none.
    name, unit : str
        Of the target; empty without one.
    provenance : tuple of str
        What was recognised and changed.
    """

    ids: tuple[str, ...]
    x: FloatArray
    y: FloatArray
    crs: str | None
    times: TimeArray | None
    target: FloatArray
    name: str
    unit: str
    provenance: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Which columns are what, counted from 0."""

    x: int
    y: int
    degrees: bool
    id: int | None
    time: int | None
    target: TargetColumn | None


def read_points(path: str | Path, options: PointOptions = NO_OPTIONS) -> Points:
    """Read where soil was sampled.

    Parameters
    ----------
    path : str or Path
        CSV or Parquet with columns lon/lat, longitude/latitude, easting/northing or x/y; at will
        a date (ISO 8601), an id and a lab value.
    options : PointOptions

    Returns
    -------
    Points

    Raises
    ------
    DataError
        If the table has any problem; all of them are named.
    """
    path = Path(path)
    findings = Findings()
    try:
        points = _read(path, options, findings)
    except DataError as error:
        findings.problems.extend(error.problems)
        points = None
    if points is None or findings.problems:
        raise DataError([f"{path.name}: {line}" for line in findings.problems])
    return points


def _read(path: Path, options: PointOptions, findings: Findings) -> Points | None:
    """Read one table; None when a problem was added."""
    with open_table(path, findings) as table:
        text = read_text_header(table, findings) if table.form == "text" else None
        header = text.names if text else read_parquet_header(table)
        check_shape(0, len(header), 0)
        findings.refuse(repeated_headers(header, ()))
        columns = _choose(header, options, findings)
        if columns is None or findings.problems:
            return None
        target = columns.target.column if columns.target else None
        named = (columns.x, columns.y, columns.id, columns.time, target)
        wanted = Wanted(bands=(), labels=tuple(dict.fromkeys(c for c in named if c is not None)))
        raw = (
            read_text_rows(table, text, wanted, findings)
            if text is not None
            else read_parquet_rows(table, wanted, findings)
        )
        told = f"points: {path.name} (sha256 {table.sha256})"
    if not len(raw.row_numbers):
        findings.problems.append("no rows below the header; want one row a sample.")
        return None
    return _assemble(raw, columns, header, options, (told, findings))


def _choose(header: Sequence[str], options: PointOptions, findings: Findings) -> _Columns | None:
    """Choose the columns."""
    lowered = [h.strip().lower() for h in header]
    pair = next(
        (
            (lowered.index(x), lowered.index(y), (x, y) in DEGREES)
            for x, y in (*DEGREES, *PROJECTED)
            if x in lowered and y in lowered
        ),
        None,
    )
    if pair is None:
        findings.problems.append(
            f"header: no pair of coordinates among {some(header)}; want columns lon and lat, "
            "longitude and latitude, easting and northing, or x and y. Rename them."
        )
        return None
    x, y, degrees = pair
    findings.recognised.append(f"coordinates: columns {header[x]!r} and {header[y]!r}")
    dated = next((lowered.index(word) for word in TIMES if word in lowered), None)
    if dated is not None:
        findings.recognised.append(f"date: column {header[dated]!r}")
    any_known = any(read_target(h)[0] != "other" for h in header)
    return _Columns(
        x=x,
        y=y,
        degrees=degrees,
        id=choose_id(header, options.id_column, findings),
        time=dated,
        target=choose_target(
            header, options.target, any_known or options.target is not None, findings
        ),
    )


def _assemble(
    raw: RawTable,
    columns: _Columns,
    header: Sequence[str],
    options: PointOptions,
    told: tuple[str, Findings],
) -> Points:
    """Read the cells; problems go into the findings."""
    findings = told[1]
    numbers = raw.row_numbers.tolist()
    written = [""] * len(numbers)
    if columns.id is not None:
        written = ["" if c.lower() in NO_VALUE_WORDS else c for c in raw.labels[columns.id]]
    rows = RowNames(numbers=numbers, ids=written)
    x = _coordinates(raw.labels[columns.x], header[columns.x], rows, findings)
    y = _coordinates(raw.labels[columns.y], header[columns.y], rows, findings)
    crs = _crs(columns, options, findings)
    if columns.degrees and plain_crs(options.crs or WGS84) == WGS84:
        _check_degrees(x, y, rows, findings)
    times = None if columns.time is None else _times(raw.labels[columns.time], rows, findings)
    target = TargetValues(values=np.full(len(numbers), np.nan), name=options.target or "", unit="")
    if columns.target is not None:
        rules = TargetRules(
            unit=options.target_unit, allow_negative=options.allow_negative, needed=False
        )
        cells = raw.labels[columns.target.column]
        target = read_target_values(cells, columns.target, rules, rows, findings)
    else:
        findings.recognised.append("no target column: every point is unlabelled")
    return Points(
        ids=_ids(written, times, rows, findings),
        x=x,
        y=y,
        crs=crs,
        times=times,
        target=target.values,
        name=target.name,
        unit=target.unit,
        provenance=(told[0], *findings.recognised, *findings.mended),
    )


def _crs(columns: _Columns, options: PointOptions, findings: Findings) -> str | None:
    """Return the reference system of the coordinates, and say where it comes from."""
    if options.crs:
        return options.crs
    said = f"{WGS84}, as degrees" if columns.degrees else "that of the raster"
    findings.recognised.append(f"reference system of the points: {said}")
    return WGS84 if columns.degrees else None


def _coordinates(cells: Sequence[str], name: str, rows: RowNames, findings: Findings) -> FloatArray:
    """Read one coordinate; every row needs it."""
    values = np.full(len(cells), np.nan)
    lines = []
    commas = 0
    for i, cell in enumerate(cells):
        try:
            values[i] = parse_number(cell)
        except ValueError:
            lines.append(f"{rows[i]}: {name} = {cell[:40]!r}; want a number. Correct the cell.")
            continue
        commas += "," in cell
        if not np.isfinite(values[i]) or values[i] in NO_VALUE_NUMBERS:
            lines.append(
                f"{rows[i]}: no {name}; want a coordinate in every row. Fill it in, or leave the "
                "row out."
            )
    findings.refuse(lines)
    if commas:
        findings.mended.append(f"decimal commas in column {name!r} were read as decimal points")
    return values


def _check_degrees(x: FloatArray, y: FloatArray, rows: RowNames, findings: Findings) -> None:
    """Refuse degrees that are not on earth."""
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero((np.abs(y) > 90) | (x < -180) | (x > 360))
    swapped = wrong.size and bool((np.abs(x[wrong]) <= 90).all())
    step = "Pass --points-crs if they are not degrees."
    if swapped:
        step = "Are longitude and latitude swapped?"
    findings.refuse(
        f"{rows[i]}: longitude {x[i]:g}, latitude {y[i]:g}; want -180 to 360 and -90 to 90. {step}"
        for i in wrong.tolist()
    )


def _times(cells: Sequence[str], rows: RowNames, findings: Findings) -> TimeArray | None:
    """Read dates; a day without a time of day, or at midnight, means its last second."""
    texts = ["" if c.lower() in NO_VALUE_WORDS else c for c in cells]
    if not any(texts):
        findings.recognised.append("the column of dates is empty: no dates taken")
        return None
    out = np.full(len(texts), "NaT", dtype=TIME_TYPE)
    lines = []
    for i, text in enumerate(texts):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            lines.append(
                f"{rows[i]}: date = {text[:40]!r}; want ISO 8601, such as 2020-05-01. Correct the "
                "cell."
            )
            continue
        whole = moment.time() == time(0)  # where it was sampled
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        out[i] = np.datetime64(moment, "s") + (DAY_END if whole else 0)
    findings.refuse(lines)
    return out


def _ids(
    written: Sequence[str], times: TimeArray | None, rows: RowNames, findings: Findings
) -> tuple[str, ...]:
    """Name every point differently: by id, by id and day where a place was sampled again."""
    ids = [w or row_name(n) for w, n in zip(written, rows.numbers, strict=True)]
    at: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(ids):
        at[name].append(i)
    again = {name: same for name, same in at.items() if len(same) > 1}
    lines = []
    for name, same in again.items():
        days = [] if times is None else [str(times[i])[:10] for i in same]
        if len(set(days)) < len(same):
            lines.append(
                f"id {name[:40]!r}: rows {', '.join(str(rows.numbers[i]) for i in same[:5])} are "
                "the same sample; want one row a sample and day. Average them, or name them apart."
            )
            continue
        for i, day in zip(same, days, strict=True):
            ids[i] = f"{name}@{day}"
    findings.refuse(lines)
    if again and not lines:
        findings.mended.append(f"{count(len(again), 'id')} sampled on several days: named id@day")
    return tuple(ids)
