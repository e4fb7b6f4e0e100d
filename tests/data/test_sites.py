"""Every named site loads as the site table says, in our units, with its provenance."""

from __future__ import annotations

import gzip
import importlib.util
import re
import sys
from pathlib import Path

import LimeSoDa
import numpy as np
import pandas as pd
import pytest

from autospec.data.sites import SITES, TARGET_UNITS, USA_INSTALL, Site, find_site, load_site
from autospec.errors import DataError, UsageError

HAS_USA = importlib.util.find_spec("soilspecdl") is not None
FIELDS = [s for s in SITES if len(s.fields) == 1 and s.name != "usa"]
LOADABLE = [s for s in SITES if s.name != "usa" or HAS_USA]
VOLUME = {"SSP.58", "MG.44"}
SOM = {"SL.125", "UL.120", "SP.231"}


def raw(dataset: str) -> pd.DataFrame:
    table: pd.DataFrame = LimeSoDa.load_dataset(dataset)["Dataset"]
    return table


def name_of(site: Site) -> str:
    return site.name


@pytest.mark.parametrize("site", LOADABLE, ids=name_of)
def test_a_site_holds_what_the_table_says(site: Site) -> None:
    spectra = load_site(site.name)
    first, last, unit, step = re.fullmatch(
        r"(\d+)–(\d+) (nm|cm⁻¹) (?:by (\S+)|uneven)", site.bands
    ).groups()  # type: ignore[union-attr]
    assert spectra.n == site.n
    assert spectra.axis_unit == site.axis_unit == {"nm": "nm", "cm⁻¹": "cm-1"}[unit]
    assert (round(spectra.axis[0]), round(spectra.axis[-1])) == (int(first), int(last))
    if step is not None:  # the table gives one decimal
        spacing = float(np.median(np.diff(spectra.axis)))
        assert spacing == pytest.approx(float(step), abs=0.05 + 1e-9)


@pytest.mark.parametrize("site", LOADABLE, ids=name_of)
def test_a_site_is_labelled_named_and_in_g_per_kg(site: Site) -> None:
    spectra = load_site(site.name)
    assert len(set(spectra.ids)) == spectra.n
    assert (spectra.target_name, spectra.target_unit) == ("soc", "g/kg")
    assert np.isfinite(spectra.target).all()
    assert spectra.target.min() >= 0 and spectra.target.max() < 600
    assert set(spectra.fields) == {f.dataset for f in site.fields}
    assert all(any(f.dataset in line for line in spectra.provenance) for f in site.fields)


@pytest.mark.parametrize("site", FIELDS, ids=name_of)
def test_reflectance_is_the_stored_percent_as_a_fraction(site: Site) -> None:
    spectra = load_site(site.name)
    table = raw(site.fields[0].dataset)
    bands = {float(c[3:]): c for c in table.columns if re.match(r"w[ln]_\d", c)}
    stored = table[[bands[position] for position in sorted(bands)]].to_numpy()
    assert spectra.quantity == "reflectance"
    np.testing.assert_array_equal(spectra.axis, sorted(bands))
    # Percent × 0.01 against percent ÷ 100: one rounding of difference.
    np.testing.assert_allclose(spectra.values, stored * 0.01, rtol=1e-15)
    # Over 1 only by the reference panel: mid-infrared near 3790 cm⁻¹ goes to 1.41.
    assert spectra.values.min() > 0 and spectra.values.max() < 1.5


@pytest.mark.parametrize("site", FIELDS, ids=name_of)
def test_soc_is_the_native_value_converted(site: Site) -> None:
    dataset = site.fields[0].dataset
    table = raw(dataset)
    if dataset in SOM:
        expected, says = table["SOM_target"] / 1.724 * 10, "SOM in % × 10 ÷ 1.724"
    elif dataset in VOLUME:
        expected, says = table["SOC_target"], "g/dm³ taken as g/kg"
    else:
        expected, says = table["SOC_target"] * 10, "SOC in % × 10"
    spectra = load_site(site.name)
    # The two orders of multiplying and dividing differ by a few roundings of float64.
    np.testing.assert_allclose(spectra.target, expected, rtol=1e-14)
    assert says in " ".join(spectra.provenance)


@pytest.mark.parametrize("site", FIELDS, ids=name_of)
def test_clay_is_in_percent(site: Site) -> None:
    dataset = site.fields[0].dataset
    volume = dataset in VOLUME
    spectra = load_site(site.name, "clay")
    expected = raw(dataset)["Clay_target"] / (10 if volume else 1)
    np.testing.assert_allclose(spectra.target, expected, rtol=1e-14)  # ÷10 against ×0.1
    assert spectra.target_unit == "%"
    assert spectra.target.max() <= 100
    assert ("÷10 to %" if volume else "clay in % as stored") in " ".join(spectra.provenance)


@pytest.mark.parametrize("site", FIELDS, ids=name_of)
def test_ph_is_as_stored(site: Site) -> None:
    spectra = load_site(site.name, "ph")
    np.testing.assert_array_equal(spectra.target, raw(site.fields[0].dataset)["pH_target"])
    assert (spectra.target_name, spectra.target_unit) == ("ph", TARGET_UNITS["ph"])


def test_sweden_is_both_fields_stacked() -> None:
    both, skane, uppsala = map(load_site, ("sweden", "sweden-skane", "sweden-uppsala"))
    np.testing.assert_array_equal(both.values, np.vstack([skane.values, uppsala.values]))
    np.testing.assert_array_equal(both.target, np.concatenate([skane.target, uppsala.target]))
    assert both.ids == skane.ids + uppsala.ids
    assert both.fields == ("SL.125",) * 125 + ("UL.120",) * 120
    assert both.provenance == skane.provenance + uppsala.provenance


@pytest.mark.parametrize("site", LOADABLE, ids=name_of)
def test_rows_share_a_group_exactly_when_their_spectra_are_equal(site: Site) -> None:
    spectra = load_site(site.name)
    same_spectrum = np.unique(spectra.values, axis=0, return_inverse=True)[1].ravel()
    pairs = set(zip(same_spectrum.tolist(), spectra.groups, strict=True))
    assert len(pairs) == len(set(spectra.groups)) == len(set(same_spectrum.tolist()))


def test_the_repeated_spectrum_of_santa_catarina_is_one_group_and_is_told() -> None:
    spectra = load_site("brazil-santa-catarina")
    assert spectra.n == 93
    assert len(set(spectra.groups)) == 92
    assert "1 spectrum repeated under other ids" in " ".join(spectra.provenance)


@pytest.mark.parametrize("site", FIELDS, ids=name_of)
def test_a_field_goes_by_its_data_set_name_too(site: Site) -> None:
    assert find_site(site.fields[0].dataset) is site


def test_an_unknown_site_lists_the_sites_and_suggests_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        load_site("swedn")
    message = str(caught.value)
    assert "Did you mean 'sweden'?" in message
    assert ", ".join(s.name for s in SITES) in message
    assert caught.value.exit_code == 2


def test_an_unknown_target_lists_the_targets() -> None:
    with pytest.raises(UsageError, match=r"'clai'.*soc, clay, ph.*'clay'") as caught:
        load_site("sweden", "clai")
    assert caught.value.exit_code == 2


def test_usa_without_its_package_gives_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError) as caught:
        load_site("usa")
    message = str(caught.value)
    assert message.endswith("Install it with: pip install --no-deps soilspecdl==0.2.0")
    assert USA_INSTALL in message
    assert caught.value.exit_code == 65


HEADER = "id,600,602,604,oc_usda.c729_w.pct,clay.tot_usda.a334_w.pct,note\n"
ROWS = "a,0.1,0.2,0.3,1.5,20,x\nb,0.4,0.5,0.6,,30,y\nc,0.1,0.2,0.3,2.5,40,z\n"


@pytest.fixture
def kssl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A made soilspecdl whose import fails: only its data file may be read."""
    package = tmp_path / "soilspecdl"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('heavy dependencies')\n")
    with gzip.open(package / "data" / "toy_kssl_mir.csv.gz", "wt", encoding="utf-8") as handle:
        handle.write(HEADER + ROWS)
    monkeypatch.delitem(sys.modules, "soilspecdl", raising=False)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("kssl")
def test_usa_reads_the_data_file_without_importing_its_package() -> None:
    spectra = load_site("usa")
    assert (spectra.quantity, spectra.axis_unit) == ("absorbance", "cm-1")
    np.testing.assert_array_equal(spectra.axis, [600, 602, 604])
    np.testing.assert_array_equal(spectra.values[1], [0.4, 0.5, 0.6])
    np.testing.assert_array_equal(spectra.target, [15.0, np.nan, 25.0])
    assert spectra.ids == ("a", "b", "c")
    assert spectra.groups == ("a", "b", "a")
    assert "oc_usda.c729_w.pct in %, × 10 to g/kg" in " ".join(spectra.provenance)


@pytest.mark.usefixtures("kssl")
def test_usa_has_clay_in_percent() -> None:
    np.testing.assert_array_equal(load_site("usa", "clay").target, [20, 30, 40])


@pytest.mark.usefixtures("kssl")
def test_usa_has_no_ph_and_says_what_it_has() -> None:
    with pytest.raises(UsageError, match="'usa' has no 'ph'; want one of soc, clay"):
        load_site("usa", "ph")
