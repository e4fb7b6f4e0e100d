"""Places on earth: what kind of coordinates a name stands for, and how far points lie apart."""

from __future__ import annotations

import re

import numpy as np
from sklearn.neighbors import BallTree

from autospec.data.cubes.references import WEB_MERCATOR, plain_crs, unit_of
from autospec.data.spectra import FloatArray

WEB_RADIUS = 6_378_137.0  # metres: the sphere of the web's map
WEB_EDGE = np.pi * WEB_RADIUS  # its x and y end there
UNIT_TOLERANCE = 1e-4  # a metre of another law is still a metre: 10 cm in a kilometre
EARTH_KM = 6371.0088  # mean radius of the earth (IUGG)
# First and last EPSG codes of longitude and latitude in degrees, up to 5013, and later common ones
_GEOGRAPHIC = (
    *((3819, 3824), (3888, 3889), (3906, 3906), (4001, 4025), (4027, 4036), (4040, 4047)),
    *((4052, 4055), (4074, 4081), (4120, 4216), (4218, 4388), (4463, 4466), (4469, 4470)),
    *((4472, 4472), (4475, 4483), (4490, 4490), (4555, 4558), (4600, 4646), (4657, 4765)),
    *((4801, 4811), (4813, 4821), (4823, 4824), (4883, 5013)),
    *((6318, 6325), (6667, 6668), (6705, 6706), (7843, 7844), (7900, 7931), (8042, 8043)),
)
_NAMED = re.compile(r"GEOGCS\[|GEOGCRS\[|GEODCRS\[|\+proj=(longlat|latlong)\b", re.IGNORECASE)
_PROJECTED = re.compile(r"PROJCS\[|PROJCRS\[", re.IGNORECASE)
_WEB = re.compile(
    r"pseudo[ _-]?mercator|popular[ _]visuali[sz]ation|mercator_auxiliary_sphere|web[ _]mercator"
    r"|\+proj=merc\b.*\+a=6378137(\.0*)?\s+\+b=6378137(\.0*)?\b",
    re.IGNORECASE,
)


def is_geographic(crs: str) -> bool:
    """Return whether coordinates are longitude and latitude in degrees, not metres on a map.

    Parameters
    ----------
    crs : str
        "EPSG:4326", "OGC:CRS84", WKT or a PROJ string; any other name counts as projected.
    """
    crs = plain_crs(crs)
    if code := re.fullmatch(r"EPSG:(\d+)", crs):
        return any(first <= int(code[1]) <= last for first, last in _GEOGRAPHIC)
    return bool(_NAMED.search(crs)) and not _PROJECTED.search(crs)


def is_web_mercator(crs: str) -> bool:
    """Return whether coordinates are the web's map, whose metres are none: EPSG:3857."""
    return plain_crs(crs) == WEB_MERCATOR or bool(_WEB.search(crs))


def unit_problem(crs: str) -> str | None:
    """Say what is wrong with the unit of a reference system: neither degrees nor metres."""
    unit = unit_of(crs)
    wanted = np.pi / 180 if is_geographic(crs) else 1.0
    if unit is None or abs(unit[1] / wanted - 1) <= UNIT_TOLERANCE:
        return None
    return (
        f"crs {crs[:40]!r} counts in {unit[0]!r}; want metres, or longitude and latitude in "
        "degrees: distances are measured in them. Bring the data to such a crs, for example a "
        "raster with gdalwarp -t_srs."
    )


def _degrees(crs: str, xy: FloatArray) -> FloatArray | None:
    """Return longitude and latitude where coordinates are those, or can be turned into them."""
    if is_geographic(crs):
        return xy
    if not is_web_mercator(crs):
        return None
    longitude, y = xy[:, 0] / WEB_RADIUS, xy[:, 1] / WEB_RADIUS
    return np.asarray(np.degrees(np.column_stack([longitude, np.arctan(np.sinh(y))])))


def nearest_km(crs: str, xy_from: FloatArray, xy_to: FloatArray) -> FloatArray:
    """Measure how far each point lies from the nearest of others.

    Parameters
    ----------
    crs : str
        Of both.
    xy_from : float64, shape (m, 2)
        Longitude and latitude in degrees for a geographic `crs`, metres for a projected one.
    xy_to : float64, shape (k, 2)
        The others.

    Returns
    -------
    float64, shape (m,)
        Kilometres: along a great circle of a sphere of 6371.0088 km (haversine), or straight on
        the map; infinite where there are no others. The web's map is turned into longitude x/R
        and latitude atan(sinh(y/R)) first, with R = 6378137 m (IOGP 373-7-2, method 1024).
    """
    if not len(xy_from) or not len(xy_to):
        return np.full(len(xy_from), np.inf)
    some, others = _degrees(crs, xy_from), _degrees(crs, xy_to)
    if some is not None and others is not None:
        tree = BallTree(np.radians(others[:, ::-1]), metric="haversine")  # latitude first
        return np.asarray(tree.query(np.radians(some[:, ::-1]))[0][:, 0] * EARTH_KM)
    return np.asarray(BallTree(xy_to).query(xy_from)[0][:, 0] / 1000.0)


def local_km(crs: str, xy: FloatArray) -> FloatArray:
    """Lay points on a local map in kilometres, for squares; distances go by `nearest_km`.

    Parameters
    ----------
    crs : str
    xy : float64, shape (n, 2)

    Returns
    -------
    float64, shape (n, 2)
        East and north: R·cos(mean latitude)·longitude and R·latitude for a geographic `crs`
        and the web's map.
    """
    degrees = _degrees(crs, xy)
    if degrees is None:
        return np.asarray(xy / 1000.0)
    radians = np.radians(degrees)
    shrink = np.cos(radians[:, 1].mean())
    return np.asarray(EARTH_KM * radians * np.array([shrink, 1.0]))
