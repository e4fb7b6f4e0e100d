"""Maps: every sample once, at its place, on axes of equal scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import plotly.graph_objects as go
import pytest

from autospec.report.cubes.maps import error_map, folds_map, roles_map, target_map
from autospec.search.cubes.result import CubeResult
from tests.report.cubes.made_cube_result import make_cube_result

MAPS = (roles_map, folds_map, target_map, error_map)
Draw = Callable[[CubeResult], go.Figure | None]


def points(figure: go.Figure | None) -> list[tuple[float, float]]:
    assert figure is not None
    return [(x, y) for trace in figure.data for x, y in zip(trace.x, trace.y, strict=True)]


@pytest.mark.parametrize("draw", [roles_map, folds_map, target_map])
def test_each_sample_is_drawn_once_at_its_place(draw: Draw) -> None:
    result = make_cube_result()
    assert sorted(points(draw(result))) == sorted((p.x, p.y) for p in result.places)


def test_errors_are_predicted_minus_observed() -> None:
    result = make_cube_result()
    figure = error_map(result)
    assert figure is not None
    test = next(trace for trace in figure.data if trace.name == "sealed test")
    winner = dict(zip(result.test_ids, result.models[0].predicted, strict=True))
    places = [p for p in result.places if p.role == "test"]
    assert list(test.marker.color) == pytest.approx([winner[p.id] - p.target for p in places])


def test_samples_in_no_fold_have_no_error() -> None:
    result = make_cube_result()
    known = sum(p.role == "test" or p.out_of_fold is not None for p in result.places)
    assert len(points(error_map(result))) == known


def test_zero_error_is_in_the_middle_of_the_scale() -> None:
    figure = error_map(make_cube_result())
    assert figure is not None
    assert all(trace.marker.cmin == -trace.marker.cmax for trace in figure.data)


@pytest.mark.parametrize("draw", MAPS)
def test_degrees_are_stretched_as_at_their_latitude(draw: Draw) -> None:
    figure = draw(make_cube_result())
    assert figure is not None
    assert figure.layout.yaxis.scaleanchor == "x"
    assert figure.layout.yaxis.scaleratio == pytest.approx(1 / math.cos(math.radians(47.5)), 0.01)
    assert "latitude (°)" in figure.layout.yaxis.title.text


@pytest.mark.parametrize("draw", MAPS)
def test_metres_are_not_stretched(draw: Draw) -> None:
    figure = draw(make_cube_result(crs="EPSG:32632"))
    assert figure is not None
    assert figure.layout.yaxis.scaleratio == 1
    assert "northing (m)" in figure.layout.yaxis.title.text


@pytest.mark.parametrize("draw", MAPS)
def test_nothing_is_drawn_of_nothing(draw: Draw) -> None:
    assert draw(replace(make_cube_result(), places=())) is None


def test_a_single_lab_value_still_has_a_scale() -> None:
    result = make_cube_result()
    flat = replace(result, places=tuple(replace(p, target=3.0) for p in result.places))
    figure = target_map(flat)
    assert figure is not None
    assert all(trace.marker.cmin < trace.marker.cmax for trace in figure.data)
