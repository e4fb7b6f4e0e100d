"""Names of coordinate reference systems and their units, as files write them; reads no files."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from typing import Any

from autospec.errors import DataError

WGS84 = "EPSG:4326"
WEB_MERCATOR = "EPSG:3857"
_PREFIX = (
    r"epsg:{1,2}|urn:(?:x-)?ogc:def:crs:epsg:[\d.]*:|https?://(?:www\.)?opengis\.net/def/crs/epsg/[\d.]+/"
    r"|https?://(?:www\.)?opengis\.net/gml/srs/epsg\.xml#|https?://epsg\.io/"
)
_EPSG = re.compile(rf"(?:{_PREFIX})?(\d{{4,6}})", re.IGNORECASE)
_CRS8X = re.compile(
    r"(?:ogc:|urn:ogc:def:crs:ogc:[\d.]*:|https?://(?:www\.)?opengis\.net/def/crs/ogc/[\d.]+/)?crs8([34])",
    re.IGNORECASE,
)
_WGS84 = re.compile(r"wgs[ _-]?(?:19)?84", re.IGNORECASE)
# Earlier codes of the web's map; "900913" was never EPSG's, and is written so nevertheless
_WEB_CODES = ("3857", "3785", "900913", "102100", "102113")
_UNIT = re.compile(
    r'(ANGLE|LENGTH)?UNIT\s*\[\s*"([^"]{0,80})"\s*,\s*(\d*\.?\d*(?:e[+-]?\d+)?)', re.IGNORECASE
)
_BEYOND = re.compile(r"VERT_?(?:CS|CRS)\[|TARGETCRS\[", re.IGNORECASE)  # heights, other systems
_ON_EARTH = re.compile(r"(?!.*PROJ(?:CS|CRS)\[).*(?:GEOG|GEODCRS)", re.IGNORECASE | re.DOTALL)
_PROJ_UNITS = re.compile(r"\+(?:units=([\w-]+)|to_meter=([\d.]+))")
_WKT_KEYS = ("crs_wkt", "spatial_ref")
_ROOT_CODE = re.compile(r'(?:AUTHORITY\["EPSG","(\d+)"\]|ID\["EPSG",(\d+)\])\]\s*$')
_CODE_KEYS = ("epsg_code", "epsg", "EPSG", "EPSG_code", "crs")


def plain_crs(text: str) -> str:
    """Return a reference system by one spelling, "EPSG:n", where its name is one of a code.

    Parameters
    ----------
    text : str
        "EPSG:4326", "4326", "urn:ogc:def:crs:EPSG::4326",
        "http://www.opengis.net/def/crs/EPSG/0/4326", "OGC:CRS84", "WGS84" and the like; whatever
        their order of axes, x is the longitude here. Other texts come back as they are.
    """
    text = text.strip()
    if (code := _EPSG.fullmatch(re.sub(r"^esri:", "", text, flags=re.IGNORECASE))) is not None:
        return WEB_MERCATOR if code[1] in _WEB_CODES else f"EPSG:{int(code[1])}"
    if (datum := _CRS8X.fullmatch(text)) is not None:
        return WGS84 if datum[1] == "4" else "EPSG:4269"
    return WGS84 if _WGS84.fullmatch(text) else text


def unit_of(crs: str) -> tuple[str, float] | None:
    """Return the unit of a reference system, and how many metres or radians one is.

    Parameters
    ----------
    crs : str
        Of a code, by its registry, which comes with rasterio; WKT and PROJ say it themselves.

    Returns
    -------
    (str, float) or None
        None where it cannot be told: another name, or no rasterio.
    """
    crs = plain_crs(crs)
    if code := re.fullmatch(r"EPSG:(\d+)", crs):
        return _registered(int(code[1]))
    if said := _PROJ_UNITS.search(crs):
        metres = {"m": 1.0, "km": 1000.0, "ft": 0.3048, "us-ft": 1200 / 3937}
        factor = float(said[2]) if said[2] else metres.get(said[1])
        return None if factor is None else (said[1] or f"{factor:g} m", factor)
    own = crs[: found.start()] if (found := _BEYOND.search(crs)) else crs
    kind = "ANGLE" if _ON_EARTH.match(own) else "LENGTH"
    units = [u for u in _UNIT.findall(own) if u[0].upper() in ("", kind) and u[2].strip(".")]
    return (units[-1][1], float(units[-1][2])) if units else None


def _registered(code: int) -> tuple[str, float] | None:
    """Look a code's unit up, where that can be done."""
    if importlib.util.find_spec("rasterio") is None:
        return None
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        name, factor = CRS.from_epsg(code).units_factor
    except CRSError:
        return None
    return str(name), float(factor)


def named_crs(text: str) -> str:
    """Return a reference system as "EPSG:n" where it has a code, else as WKT.

    Parameters
    ----------
    text : str
        WKT, "EPSG:31287", "31287", another name that `plain_crs` knows, or a PROJ text.

    Raises
    ------
    DataError
        If it is none of these.
    """
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    plain = plain_crs(str(text))
    try:
        crs = CRS.from_string(plain)
        code = crs.to_epsg()
        if not crs.to_wkt():
            raise CRSError("it is empty")
    except (CRSError, ValueError) as error:
        raise DataError(
            f"coordinate reference system {plain[:60]!r} is not known "
            f"({str(error).splitlines()[0][:100]}); want a code such as EPSG:4326, or WKT."
        ) from error
    wkt = str(crs.to_wkt())
    if code is None and (root := _ROOT_CODE.search(wkt)):
        code = (
            root[1] or root[2]
        )  # of a definition whose details differ from the registry's, such as TOWGS84
    return f"EPSG:{code}" if code else wkt


def crs_of_attributes(attributes: Mapping[Any, Any]) -> str | None:
    """Return the reference system that CF attributes of a grid mapping name, or None."""
    for key in (*_CODE_KEYS, *_WKT_KEYS):
        said = attributes.get(key)
        if said is not None and str(said).strip():
            return named_crs(str(said))
    if attributes.get("grid_mapping_name") == "latitude_longitude":
        return WGS84
    return None
