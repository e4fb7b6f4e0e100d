"""Places on earth: what kind of coordinates a name stands for, and how far points lie apart."""

from __future__ import annotations

import re

import numpy as np
from sklearn.neighbors import BallTree

from autospec.data.spectra import FloatArray

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


def is_geographic(crs: str) -> bool:
    """Return whether coordinates are longitude and latitude in degrees, not metres on a map.

    Parameters
    ----------
    crs : str
        "EPSG:4326", "OGC:CRS84", WKT or a PROJ string; any other name counts as projected.
    """
    code = re.fullmatch(r"\s*EPSG:{1,2}(\d{4,6})\s*", crs, re.IGNORECASE)
    if code:
        return any(first <= int(code[1]) <= last for first, last in _GEOGRAPHIC)
    if re.fullmatch(r"\s*(OGC:)?CRS(83|84)\s*", crs, re.IGNORECASE):
        return True
    return bool(_NAMED.search(crs)) and not _PROJECTED.search(crs)


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
        the map; infinite where there are no others.
    """
    if not len(xy_from) or not len(xy_to):
        return np.full(len(xy_from), np.inf)
    if is_geographic(crs):
        tree = BallTree(np.radians(xy_to[:, ::-1]), metric="haversine")  # latitude first
        return np.asarray(tree.query(np.radians(xy_from[:, ::-1]))[0][:, 0] * EARTH_KM)
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
        East and north: R·cos(mean latitude)·longitude and R·latitude for a geographic `crs`.
    """
    if not is_geographic(crs):
        return np.asarray(xy / 1000.0)
    radians = np.radians(xy)
    shrink = np.cos(radians[:, 1].mean())
    return np.asarray(EARTH_KM * radians * np.array([shrink, 1.0]))
