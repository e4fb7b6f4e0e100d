"""Where soil was sampled: columns, dates, lab values, and what is refused."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autospec.data.cubes.points import PointOptions, Points, read_points
from autospec.errors import DataError


def table(folder: Path, *lines: str) -> Path:
    """Write a table of points."""
    path = folder / "soc.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def said(points: Points, *words: str) -> bool:
    """Say whether one sentence holds all the words."""
    return any(all(word in line for word in words) for line in points.provenance)


def test_degrees_dates_and_lab_values_are_found(tmp_path: Path) -> None:
    path = table(
        tmp_path, "id,lon,lat,date,SOC (%)", "a,10.5,50,2020-05-01,1.2", "b,11,51,20200601,"
    )
    points = read_points(path)
    assert points.ids == ("a", "b")
    assert points.crs == "EPSG:4326"
    np.testing.assert_array_equal(points.x, [10.5, 11.0])
    np.testing.assert_array_equal(points.y, [50.0, 51.0])
    assert points.times is not None
    assert points.times[0] == np.datetime64("2020-05-01T23:59:59")
    np.testing.assert_array_equal(points.target, [12.0, np.nan])
    assert (points.name, points.unit) == ("soc", "g/kg")
    assert said(points, "target converted")


def test_decimal_commas_and_metres(tmp_path: Path) -> None:
    points = read_points(table(tmp_path, "X;Y;soc", "4500000,5;3100000,25;12,5"))
    assert points.crs is None
    assert points.times is None
    np.testing.assert_array_equal(
        (points.x[0], points.y[0], points.target[0]), (4500000.5, 3100000.25, 12.5)
    )
    assert said(points, "decimal commas")
    assert said(points, "that of the raster")


def test_degrees_go_before_other_coordinates(tmp_path: Path) -> None:
    points = read_points(table(tmp_path, "x,y,lon,lat", "1,2,3,4"))
    assert (points.x[0], points.y[0], points.crs) == (3.0, 4.0, "EPSG:4326")


def test_the_user_names_the_reference_system_and_the_target(tmp_path: Path) -> None:
    path = table(tmp_path, "x,y,soc,clay", "1,2,3,4")
    points = read_points(path, PointOptions(target="clay", crs="EPSG:3035"))
    assert (points.crs, points.name, points.target[0]) == ("EPSG:3035", "clay", 4.0)


def test_a_table_without_lab_values_is_unlabelled(tmp_path: Path) -> None:
    points = read_points(table(tmp_path, "lon,lat", "1,2"))
    assert np.isnan(points.target).all()
    assert points.name == ""


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        ([date(2020, 5, 1), date(2020, 5, 2)], "2020-05-01T23:59:59"),
        ([datetime(2020, 5, 1), datetime(2020, 5, 2)], "2020-05-01T23:59:59"),
        ([datetime(2020, 5, 1, 12), datetime(2020, 5, 2)], "2020-05-01T12:00:00"),
        (["2020-05-01T12:00:00+02:00", "2020-05-02"], "2020-05-01T10:00:00"),
    ],
)
def test_dates_of_parquet(tmp_path: Path, cells: list[object], first: str) -> None:
    path = tmp_path / "soc.parquet"
    pq.write_table(pa.table({"lon": [1.0, 2.0], "lat": [3.0, 4.0], "date": cells}), path)
    points = read_points(path)
    assert points.times is not None
    assert points.times[0] == np.datetime64(first)


@pytest.mark.parametrize("midnight", ["2020-05-02", "2020-05-02 00:00:00", "20200502"])
def test_a_clock_in_one_row_leaves_the_days_of_others_whole(tmp_path: Path, midnight: str) -> None:
    points = read_points(table(tmp_path, "lon,lat,date", "1,2,2020-05-01T10:30", f"1,2,{midnight}"))
    assert points.times is not None
    assert points.times.astype(str).tolist() == ["2020-05-01T10:30:00", "2020-05-02T23:59:59"]


def test_a_place_sampled_on_several_days_keeps_its_name_with_the_day(tmp_path: Path) -> None:
    path = table(
        tmp_path, "id,lon,lat,date", "a,1,2,2020-05-01", "a,1,2,2021-05-01", "b,1,2,2020-05-01"
    )
    assert read_points(path).ids == ("a@2020-05-01", "a@2021-05-01", "b")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("id,soc", "a,1"), ("no pair of coordinates", "lon and lat")),
        (("lon,lat", "1,2", "x,2"), ("row 3", "lon = 'x'", "want a number")),
        (("lon,lat", "1,", "-9999,2"), ("row 2: no lat", "row 3: no lon")),
        (("lon,lat", "50,100"), ("latitude 100", "swapped")),
        (("lon,lat", "4500000,3100000"), ("--points-crs",)),
        (("lon,lat,date", "1,2,01/05/2020"), ("row 2", "'01/05/2020'", "ISO 8601")),
        (("lon,lat,date", "1,2,2020-05-01", "1,2,"), ("row 3", "ISO 8601")),
        (("id,lon,lat", "a,1,2", "a,1,2"), ("id 'a'", "rows 2, 3", "the same sample")),
        (("lon,lat,soc", "1,2,-3"), ("row 2", "soc = -3", "--allow-negative")),
        (("lon,lat,soc,oc", "1,2,3,4"), ("2 columns could be the target", "--target")),
        (("lon,lat",), ("no rows",)),
        (("lon,lat,lat", "1,2,3"), ("are all called 'lat'",)),
    ],
)
def test_points_that_cannot_be_used_are_refused(
    tmp_path: Path, lines: tuple[str, ...], words: tuple[str, ...]
) -> None:
    with pytest.raises(DataError) as caught:
        read_points(table(tmp_path, *lines))
    assert all(word in str(caught.value) for word in ("soc.csv: ", *words)), caught.value


def test_a_target_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'ph' is not a column"):
        read_points(table(tmp_path, "lon,lat,soc", "1,2,3"), PointOptions(target="ph"))
