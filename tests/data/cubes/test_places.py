"""Kinds of coordinates, and distances between points on earth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospec.data.cubes.places import EARTH_KM, is_geographic, local_km, nearest_km

LATITUDES = st.floats(-80, 80)
LONGITUDES = st.floats(-179, 179)


@pytest.mark.parametrize(
    "crs",
    [
        "EPSG:4326",
        "epsg:4258",
        "EPSG:7844",
        "OGC:CRS84",
        'GEOGCS["WGS 84",DATUM["WGS_1984"]]',
        "+proj=longlat +datum=WGS84",
    ],
)
def test_degrees_are_told(crs: str) -> None:
    assert is_geographic(crs)


@pytest.mark.parametrize(
    "crs",
    [
        "EPSG:32633",
        "EPSG:3857",
        "EPSG:4547",  # projected, among geographic codes
        'PROJCS["UTM 33N",GEOGCS["WGS 84"]]',
        "+proj=utm +zone=33",
        "a local grid",
    ],
)
def test_metres_are_told(crs: str) -> None:
    assert not is_geographic(crs)


@given(longitude=LONGITUDES, latitude=LATITUDES)
def test_one_degree_of_latitude_is_111_2_km(longitude: float, latitude: float) -> None:
    apart = nearest_km(
        "EPSG:4326", np.array([[longitude, latitude]]), np.array([[longitude, latitude + 1]])
    )
    assert apart[0] == pytest.approx(111.2, abs=0.1)


@given(latitude=LATITUDES)
def test_a_step_in_longitude_shrinks_with_the_cosine_of_latitude(latitude: float) -> None:
    step = 0.01  # degrees: so small that the great circle runs along the parallel, to 1e-6
    apart = nearest_km("EPSG:4326", np.array([[10.0, latitude]]), np.array([[10 + step, latitude]]))
    wanted = EARTH_KM * np.radians(step) * np.cos(np.radians(latitude))
    assert apart[0] == pytest.approx(wanted, rel=1e-5)


def test_the_date_line_is_no_distance() -> None:
    apart = nearest_km("EPSG:4326", np.array([[179.95, 0.0]]), np.array([[-179.95, 0.0]]))
    assert apart[0] == pytest.approx(11.12, abs=0.01)


@given(st.integers(0, 99))
def test_on_a_map_in_metres_the_nearest_is_that_of_a_direct_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    some, others = rng.uniform(0, 1e5, (7, 2)), rng.uniform(0, 1e5, (5, 2))
    direct = [min(np.hypot(*(p - q)) / 1000 for q in others) for p in some]
    assert nearest_km("EPSG:32633", some, others) == pytest.approx(direct)


def test_nothing_to_be_near_is_infinitely_far() -> None:
    assert np.isinf(nearest_km("EPSG:4326", np.zeros((3, 2)), np.zeros((0, 2)))).all()
    assert nearest_km("EPSG:4326", np.zeros((0, 2)), np.zeros((3, 2))).shape == (0,)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32633"])
def test_the_local_map_keeps_short_distances(crs: str) -> None:
    rng = np.random.default_rng(0)
    degrees = crs == "EPSG:4326"
    xy = (
        np.array([13.0, 52.0]) + rng.uniform(0, 0.2, (20, 2))
        if degrees
        else rng.uniform(0, 2e4, (20, 2))
    )
    km = local_km(crs, xy)
    apart = np.hypot(*(km[1:] - km[0]).T)
    measured = [nearest_km(crs, xy[:1], point[None])[0] for point in xy[1:]]
    assert apart == pytest.approx(measured, rel=3e-3)  # cos(latitude) of 0.1° from the mean


@given(longitude=LONGITUDES, latitude=LATITUDES, seed=st.integers(0, 99))
def test_distances_on_the_map_of_the_web_are_those_on_earth(
    longitude: float, latitude: float, seed: int
) -> None:
    step = np.random.default_rng(seed).uniform(-0.5, 0.5, (5, 2))
    degrees = np.array([longitude, latitude]) + step
    radius = 6_378_137.0  # the forward projection, spherical: the twin of what is turned back
    y = radius * np.log(np.tan(np.pi / 4 + np.radians(degrees[:, 1]) / 2))
    web = np.column_stack([radius * np.radians(degrees[:, 0]), y])
    for crs in ("EPSG:3857", "EPSG:900913"):
        apart = nearest_km(crs, web[:1], web[1:])
        # haversine of neighbours cancels to about 1e-8 of the earth's radius
        assert apart == pytest.approx(nearest_km("EPSG:4326", degrees[:1], degrees[1:]), abs=1e-4)
        assert local_km(crs, web) == pytest.approx(local_km("EPSG:4326", degrees), abs=1e-6)
