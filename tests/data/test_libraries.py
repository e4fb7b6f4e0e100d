"""The default library of a site is every other field of its kind, never its own."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from autospec.data import libraries
from autospec.data.align import align_many
from autospec.data.libraries import COUNTRIES, country_of, library_notes, site_library
from autospec.data.sites import SITES, find_site, load_site
from autospec.errors import UsageError

HAS_USA = importlib.util.find_spec("soilspecdl") is not None
NAMES = [s.name for s in SITES]


@pytest.mark.parametrize("name", NAMES)
def test_a_library_names_every_other_field_once_and_none_of_its_own(name: str) -> None:
    site = find_site(name)
    own = {f.dataset for f in site.fields}
    every = {f.dataset for s in SITES if s.axis_unit == site.axis_unit for f in s.fields}
    listed = library_notes(name)[0].split(": ")[1].split(" (")[0].split(", ")
    assert len(listed) == len(set(listed))
    assert set(listed) | ({"KSSL"} & every - own) == every - own
    assert not own & set(listed)


def test_the_tables_are_the_fields_that_the_note_names() -> None:
    parts = site_library("germany-nrw-42")
    assert [set(p.fields) for p in parts][:4] == [{"H.138"}, {"NRW.115"}, {"NRW.62"}, {"O.32"}]
    assert len(parts) == 4 + HAS_USA
    assert all(np.isfinite(p.target).all() for p in parts)


@pytest.mark.parametrize(("target", "why"), [("soc", "not installed"), ("ph", "no 'ph'")])
def test_a_missing_kssl_is_told(monkeypatch: pytest.MonkeyPatch, target: str, why: str) -> None:
    monkeypatch.setattr(libraries, "has_usa", lambda: target == "ph")
    assert why in library_notes("france", target)[1]
    assert "KSSL" not in {f for p in site_library("france", target) for f in p.fields}


def test_kssl_stays_out_when_not_asked_for() -> None:
    assert "KSSL" not in {f for p in site_library("france", usa=False) for f in p.fields}
    assert len(library_notes("france", usa=False)) == 1


def test_an_unknown_site_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'france'"):
        site_library("frnce")


@pytest.mark.parametrize("name", ["sweden", "japan", "brazil-mato-grosso", "china"])
def test_a_site_and_its_default_library_align(name: str) -> None:
    farm = load_site(name)
    aligned = align_many(site_library(name), farm)
    assert not set(aligned.library.fields) & set(farm.fields)
    assert aligned.library.n >= 280
    np.testing.assert_array_equal(aligned.farm.target, farm.target)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_has_its_country(name: str) -> None:
    found = {country_of(f.dataset) for f in find_site(name).fields}
    assert len(found) == 1
    assert found <= {
        "Sweden", "Switzerland", "Brazil", "Japan", "Germany", "China", "France", "USA",
    }  # fmt: skip


def test_a_field_of_the_user_has_no_country() -> None:
    assert country_of("my-farm") is None
    assert "SL.125" in COUNTRIES
