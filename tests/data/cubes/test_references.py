"""Spellings of one reference system, and the unit that its coordinates are in."""

from __future__ import annotations

import numpy as np
import pytest

from autospec.data.cubes.place_checks import check_places, read_crs
from autospec.data.cubes.places import is_geographic, is_web_mercator, unit_problem
from autospec.data.cubes.references import plain_crs, unit_of
from autospec.data.findings import Findings

FEET = (
    'PROJCS["Long Island",GEOGCS["NAD83",DATUM["NAD83",SPHEROID["GRS 1980",6378137,298.257]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Lambert"],'
    'UNIT["US survey foot",0.304800609601219]]'
)
FEET_2 = (
    'PROJCRS["Long Island",BASEGEOGCRS["NAD83",DATUM["NAD83",ELLIPSOID["GRS 1980",6378137,298.257,'
    'LENGTHUNIT["metre",1]]],PRIMEM["Greenwich",0,ANGLEUNIT["degree",0.0174532925199433]]],'
    'CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["US survey foot",0.3048006096]]'
)
WITH_HEIGHT = FEET.replace("PROJCS", 'COMPD_CS["both",PROJCS', 1) + ',VERT_CS["h",UNIT["metre",1]]]'


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("urn:ogc:def:crs:EPSG::4326", "EPSG:4326"),
        ("urn:ogc:def:crs:EPSG:6.9:32633", "EPSG:32633"),
        ("http://www.opengis.net/def/crs/EPSG/0/4326", "EPSG:4326"),
        ("https://www.opengis.net/gml/srs/epsg.xml#31287", "EPSG:31287"),
        ("epsg::4258", "EPSG:4258"),
        (" 3035 ", "EPSG:3035"),
        ("WGS84", "EPSG:4326"),
        ("WGS 84", "EPSG:4326"),
        ("WGS1984", "EPSG:4326"),
        ("OGC:CRS84", "EPSG:4326"),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326"),
        ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", "EPSG:4326"),
        ("EPSG:900913", "EPSG:3857"),
        ("ESRI:102100", "EPSG:3857"),
        ("a local grid", "a local grid"),
    ],
)
def test_a_code_is_known_by_every_spelling(text: str, plain: str) -> None:
    findings = Findings()
    assert plain_crs(text) == read_crs(text, findings) == plain
    assert bool(findings.mended) == (text.strip() != plain)
    assert is_geographic(text) == (plain in ("EPSG:4326", "EPSG:4258"))


@pytest.mark.parametrize("crs", [FEET, FEET_2, WITH_HEIGHT, "+proj=utm +zone=18 +units=us-ft"])
def test_feet_are_read_from_the_text(crs: str) -> None:
    unit = unit_of(crs)
    assert unit is not None and unit[1] == pytest.approx(1200 / 3937, rel=1e-6)


@pytest.mark.parametrize("crs", [FEET, "+proj=utm +zone=33 +units=km", "+proj=lcc +to_meter=0.3"])
def test_other_units_than_metres_are_a_problem(crs: str) -> None:
    findings = Findings()
    check_places(np.array([9e5]), np.array([2e5]), crs, ["a"], findings)
    assert "want metres" in findings.problems[0]


@pytest.mark.parametrize("code", [2263, 2227, 32040, 22300, 4807])
def test_units_of_codes_are_looked_up(code: int) -> None:
    pytest.importorskip("rasterio")
    assert "counts in" in str(unit_problem(f"EPSG:{code}"))


@pytest.mark.parametrize(
    "crs",
    [
        "EPSG:32633",
        "EPSG:4326",
        "a local grid",
        "+proj=utm +zone=33 +units=m",
        'ENGCRS["plot",EDATUM["x"],CS[Cartesian,2],AXIS["x",east],LENGTHUNIT["metre",1]]',
        'GEOGCS["WGS 84",DATUM["D",SPHEROID["S",6378137,298]],UNIT["degree",0.0174532925199433]]',
    ],
)
def test_metres_and_degrees_are_let_be(crs: str) -> None:
    assert unit_problem(crs) is None


@pytest.mark.parametrize(
    ("code", "version"), [(c, v) for c in (2263, 3857, 4807, 32633, 4326) for v in ("GDAL", "2019")]
)
def test_units_read_from_text_equal_those_of_the_registry(code: int, version: str) -> None:
    CRS = pytest.importorskip("rasterio.crs").CRS
    crs = CRS.from_epsg(code)
    wkt = crs.to_wkt(version="WKT2_2019" if version == "2019" else "WKT1_GDAL")
    unit = unit_of(wkt)
    assert unit is not None and unit[1] == pytest.approx(crs.units_factor[1], rel=1e-9)
    assert is_web_mercator(wkt) == (code == 3857)


@pytest.mark.parametrize(
    ("crs", "refused"),
    [("my field", True), ('LOCAL_CS["plot",UNIT["metre",1]]', False), ("EPSG:4326", False)],
)
def test_what_looks_like_degrees_is_never_silently_metres(crs: str, refused: bool) -> None:
    findings = Findings()
    check_places(np.array([13.4, 13.5]), np.array([52.1, 52.2]), crs, ["a", "b"], findings)
    assert bool(findings.problems) == refused
    assert not refused or "degrees or metres?" in findings.problems[0]


def test_the_map_of_the_web_ends_somewhere() -> None:
    findings = Findings()
    check_places(np.array([3e7]), np.array([0.0]), "EPSG:3857", ["a"], findings)
    assert "beyond the edge" in findings.problems[0]


@pytest.mark.parametrize(("crs", "said"), [("EPSG:2263", True), ("EPSG:32633", False)])
def test_a_unit_that_cannot_be_looked_up_is_said(
    crs: str, said: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    findings = Findings()
    check_places(np.array([9e5]), np.array([2e5]), crs, ["a"], findings)
    assert not findings.problems
    assert any("taken as metres" in line for line in findings.recognised) == said
