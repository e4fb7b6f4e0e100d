"""The map of predictions: true scale, hollow outside, intervals told, nothing fetched or run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autospec.errors import DataError
from autospec.predict.points import PointKeeper, Points
from autospec.report.points_page import (
    PointsLabels,
    east_shrinks,
    in_degrees,
    points_figure,
    points_html,
    points_words,
    write_points_page,
)

LABELS = PointsLabels(
    title="farm on scans.csv", target="soc", unit="g/kg", level=0.9, axes=("east", "north")
)
METRES = np.array([[500_000.0, 500_100, 500_300], [6_170_000, 6_170_050, 6_170_080]])
DEGREES = np.array([[15.30, 15.31, 15.33], [59.98, 60.0, 60.02]])


def made_points(places: np.ndarray = METRES, **changes: object) -> Points:
    points = Points(
        ids=("A", "B", "C"),
        row_numbers=np.array([2, 3, 5]),
        places=places,
        numbers=np.array([[10.0, 20, 30], [8, 15, 22], [13, 24, 41]]),
        inside=np.array([True, False, True]),
        reasons=("", "Q 3 of at most 1", ""),
        rows=3,
        lost=0,
        unplaced=0,
        more=0,
    )
    return replace(points, **changes)  # type: ignore[arg-type]


def test_samples_outside_are_hollow_and_share_the_scale_of_colours() -> None:
    inside, outside = points_figure(made_points(), LABELS).data
    assert (inside.marker.symbol, outside.marker.symbol) == ("circle", "circle-open")
    assert list(inside.x) == [500_000, 500_300]
    assert list(outside.marker.color) == [20]
    assert inside.marker.coloraxis == outside.marker.coloraxis == "coloraxis"


def test_the_colours_span_the_predictions_and_name_the_unit() -> None:
    axis = points_figure(made_points(), LABELS).layout.coloraxis
    assert (axis.cmin, axis.cmax) == (10, 30)
    assert axis.colorbar.title.text == "SOC (g/kg)"


def test_one_value_everywhere_has_a_scale_too() -> None:
    flat = points_figure(made_points(numbers=np.full((3, 3), 7.0)), LABELS).layout.coloraxis
    assert flat.cmin < flat.cmax


def test_a_point_tells_its_interval_and_why_it_is_outside() -> None:
    inside, outside = points_figure(made_points(), LABELS).data
    assert "90 % interval: 15.0 to 24.0 g/kg" in outside.customdata[0]
    assert "Q 3 of at most 1" in outside.customdata[0]
    assert "outside" not in inside.customdata[0]


@pytest.mark.parametrize(("places", "ratio"), [(METRES, 1.0), (DEGREES, 2.0)])
def test_a_metre_is_as_long_in_y_as_in_x(places: np.ndarray, ratio: float) -> None:
    y = points_figure(made_points(places), LABELS).layout.yaxis
    assert y.scaleanchor == "x"
    assert y.scaleratio == pytest.approx(ratio)  # at 60° a degree of longitude is half as long


@pytest.mark.parametrize(
    ("places", "degrees"),
    [
        (DEGREES, True),
        (METRES, False),
        (np.array([[0.0, 100], [0, 80]]), False),  # a local grid of metres
        (np.array([[15.0, 15.1], [89.0, 89.9]]), False),  # a degree of longitude has no length
        (np.array([[-180.0], [-33.0]]), True),
    ],
)
def test_degrees_are_told_from_metres(places: np.ndarray, degrees: bool) -> None:
    assert in_degrees(places) is degrees


def test_longitude_is_shortest_far_from_the_equator() -> None:
    found = [east_shrinks(np.array([latitude])) for latitude in (0.0, -45, 60)]
    assert found == pytest.approx([1, 2**-0.5, 0.5])


def test_rows_that_are_not_drawn_are_counted_and_degrees_said() -> None:
    words = points_words(made_points(DEGREES, unplaced=2, lost=1, more=7, rows=13))
    told = " ".join(words)
    assert "2 rows: each has no number for x or y" in told
    assert "1 row: each was not predicted" in told
    assert "7 rows: each is not drawn: the picture holds the first 3" in told
    assert "degrees" in told


def test_where_all_is_drawn_inside_and_in_metres_there_is_nothing_to_say() -> None:
    assert points_words(made_points(inside=np.ones(3, dtype=np.bool_))) == ()


def test_names_of_the_file_cannot_leave_their_place() -> None:
    bad = "</script><script>alert(1)</script><img src=x>"
    labels = PointsLabels(title=bad, target=bad, unit=bad, level=0.9, axes=(bad, bad))
    page = points_html(made_points(ids=(bad, "B", "C"), reasons=(bad, "", "")), labels)
    assert "<img src=x>" not in page
    assert "<script>alert(1)" not in page


def test_the_page_says_what_it_does_not_claim_and_needs_nothing_beside_it(tmp_path: Path) -> None:
    page = write_points_page(made_points(), tmp_path / "map.html", LABELS)
    text = page.read_text(encoding="utf-8")
    assert "no value there is predicted or interpolated" in text
    assert "SOC: 3 samples, predicted at 10.0 to 30.0 g/kg" in text
    assert "default-src 'none'" in text
    assert '<script src="' not in text
    assert [path.name for path in tmp_path.iterdir()] == ["map.html"]


def test_without_a_place_there_is_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'east' and 'north'; there is nothing to draw"):
        write_points_page(PointKeeper().points(), tmp_path / "map.html", LABELS)
    assert not list(tmp_path.iterdir())
