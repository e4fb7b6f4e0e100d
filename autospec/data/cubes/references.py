"""Names of coordinate reference systems, as the formats of grids write them; reads no files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from autospec.errors import DataError

WGS84 = "EPSG:4326"
_WKT_KEYS = ("crs_wkt", "spatial_ref")
_ROOT_CODE = re.compile(r'(?:AUTHORITY\["EPSG","(\d+)"\]|ID\["EPSG",(\d+)\])\]\s*$')
_CODE_KEYS = ("epsg_code", "epsg", "EPSG", "EPSG_code", "crs")


def named_crs(text: str) -> str:
    """Return a reference system as "EPSG:n" where it has a code, else as WKT.

    Parameters
    ----------
    text : str
        WKT, "EPSG:31287", "31287" or a PROJ text.

    Raises
    ------
    DataError
        If it is none of these.
    """
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    plain = str(text).strip()
    try:
        crs = CRS.from_epsg(int(plain)) if plain.isdigit() else CRS.from_string(plain)
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
