"""Named sites: real fields from registry packages, harmonised to `Spectra`; the site table.

The fields come from the registry package `LimeSoDa` (CC BY-SA 4.0). The site `usa` is the KSSL
extract in the registry package `soilspecdl` (Apache-2.0). These are *not* the sites of Shen et
al. 2022 (https://doi.org/10.1016/j.isprsjprs.2022.04.009), whose own data are not public.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from autospec.data.findings import Findings, RowNames
from autospec.data.replicates import GroupKeys, make_groups
from autospec.data.spectra import AxisUnit, FloatArray, Spectra, join_spectra
from autospec.data.targets import SOM_PER_SOC
from autospec.errors import DataError, UsageError, near

Target = Literal["soc", "clay", "ph"]
TARGET_UNITS: dict[str, str] = {"soc": "g/kg", "clay": "%", "ph": "pH"}
USA_PACKAGE = "soilspecdl"
USA_FILE = "data/toy_kssl_mir.csv.gz"
USA_INSTALL = "pip install --no-deps soilspecdl==0.2.0"
_USA_COLUMNS = {"soc": "oc_usda.c729_w.pct", "clay": "clay.tot_usda.a334_w.pct"}
USA_TARGETS = tuple(_USA_COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One data set of the collection, as it is stored: target columns in native units."""

    dataset: str
    n: int
    organic: Literal["SOC", "SOM"] = "SOC"
    organic_unit: Literal["%", "g/dm3"] = "%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A name a user can type, and the fields behind it."""

    name: str
    place: str
    bands: str
    fields: tuple[Field, ...]
    axis_unit: AxisUnit = "nm"

    @property
    def n(self) -> int:
        """Number of samples."""
        return sum(f.n for f in self.fields)


_SKANE = Field(dataset="SL.125", n=125, organic="SOM")
_UPPSALA = Field(dataset="UL.120", n=120, organic="SOM")


def _site(name: str, place: str, bands: str, *fields: Field) -> Site:
    unit: AxisUnit = "cm-1" if "cm" in bands else "nm"
    return Site(name=name, place=place, bands=bands, fields=fields, axis_unit=unit)


def _field(dataset: str, n: int, unit: Literal["%", "g/dm3"] = "%") -> Field:
    return Field(dataset=dataset, n=n, organic_unit=unit)


SITES: tuple[Site, ...] = (
    _site("sweden", "Skåne and Uppsala, Sweden", "420–2500 nm by 1", _SKANE, _UPPSALA),
    _site("sweden-skane", "Skåne, Sweden", "420–2500 nm by 1", _SKANE),
    _site("sweden-uppsala", "Uppsala, Sweden", "420–2500 nm by 1", _UPPSALA),
    _site("switzerland", "Vaud, Switzerland", "350–2500 nm by 1", _field("CV.98", 98)),
    _site(
        "brazil-santa-catarina",
        "Santa Catarina, Brazil",
        "355–2500 nm by 1",
        _field("SC.93", 93),
    ),
    _site("brazil-sao-paulo", "São Paulo, Brazil", "350–2498 nm uneven", _field("SSP.460", 460)),
    _site(
        "brazil-sao-paulo-58",
        "São Paulo, Brazil",
        "432–2153 nm by 4.8",
        _field("SSP.58", 58, "g/dm3"),
    ),
    _site(
        "brazil-mato-grosso",
        "Mato Grosso, Brazil",
        "432–2153 nm by 4.8",
        _field("MG.44", 44, "g/dm3"),
    ),
    _site(
        "japan",
        "Saitama, Japan",
        "350–1700 nm by 5",
        Field(dataset="SP.231", n=231, organic="SOM"),
    ),
    _site("germany-sa", "Saxony-Anhalt, Germany", "1000–2400 nm by 1", _field("SA.112", 112)),
    _site("germany-rp", "Rhineland-Palatinate, Germany", "1000–2400 nm by 1", _field("RP.62", 62)),
    _site("china", "Hubei, China", "600–5398 cm⁻¹ by 1.9", _field("H.138", 138)),
    _site(
        "germany-nrw-115",
        "North Rhine-Westphalia, Germany",
        "550–3799 cm⁻¹ by 1.9",
        _field("NRW.115", 115),
    ),
    _site(
        "germany-nrw-62",
        "North Rhine-Westphalia, Germany",
        "550–3799 cm⁻¹ by 1.9",
        _field("NRW.62", 62),
    ),
    _site(
        "germany-nrw-42",
        "North Rhine-Westphalia, Germany",
        "550–3799 cm⁻¹ by 1.9",
        _field("NRW.42", 42),
    ),
    _site("france", "Occitanie, France", "751–3800 cm⁻¹ by 1.9", _field("O.32", 32)),
    _site("usa", "KSSL extract, USA", "600–4000 cm⁻¹ by 2", Field(dataset="KSSL", n=500)),
)


def load_site(name: str, target: str = "soc") -> Spectra:
    """Load a named site as checked spectra.

    Parameters
    ----------
    name : str
        A site name (see `SITES`) or the name of one LimeSoDa data set, such as "SL.125".
    target : {"soc", "clay", "ph"}
        Lab value: soil organic carbon in g/kg, clay in % or pH.

    Returns
    -------
    Spectra
        Reflectance as a fraction (the KSSL site: absorbance). SOC in g/kg; the native value and
        the conversion stand in `provenance`.

    Raises
    ------
    UsageError
        If the name or the target is not known; the message lists the sites.
    DataError
        If the data package of the site `usa` is not installed.
    """
    if target not in TARGET_UNITS:
        raise UsageError(
            f"target {target!r} is not known for a site; want one of "
            f"{', '.join(TARGET_UNITS)}.{near(target, TARGET_UNITS)}"
        )
    site = find_site(name)
    if site.name == "usa":
        return _load_usa(target)
    return join_spectra([_load_field(field, target) for field in site.fields])


def find_site(name: str) -> Site:
    """Return the site called `name`, or the one field with that data set name."""
    for site in SITES:
        if name == site.name:
            return site
    for site in SITES:
        if len(site.fields) == 1 and site.fields[0].dataset == name:
            return site
    names = [s.name for s in SITES]
    raise UsageError(
        f"there is no site {name!r}.{near(name, names)}\n"
        f"The sites are: {', '.join(names)}.\nNext: autospec sites"
    )


def _load_field(field: Field, target: str) -> Spectra:
    import LimeSoDa  # slow to import, and only wanted here

    table = LimeSoDa.load_dataset(field.dataset)["Dataset"]
    prefix = "wn_" if any(c.startswith("wn_") for c in table.columns) else "wl_"
    bands = [c for c in table.columns if c.startswith(prefix)]
    axis = np.array([float(c.removeprefix(prefix)) for c in bands])
    order = np.argsort(axis)
    native, sentence = _native_target(field, target)
    ids = tuple(f"{field.dataset}-{row + 1:03d}" for row in range(len(table)))
    values = table[bands].to_numpy(dtype=np.float64)[:, order] / 100.0
    groups, copies = _groups(ids, values)
    return Spectra(
        values=values,
        axis=axis[order],
        axis_unit="cm-1" if prefix == "wn_" else "nm",
        quantity="reflectance",
        ids=ids,
        groups=groups,
        fields=(field.dataset,) * len(ids),
        target=native.factor * table[native.column].to_numpy(dtype=np.float64),
        target_name=target,
        target_unit=TARGET_UNITS[target],
        provenance=(
            f"{field.dataset}: {len(ids)} samples of the registry package LimeSoDa "
            "(CC BY-SA 4.0), reflectance in percent divided by 100.",
            sentence,
            *copies,
        ),
    )


def _groups(ids: tuple[str, ...], values: FloatArray) -> tuple[tuple[str, ...], list[str]]:
    """Tie identical spectra into one group, so that no fold tests on a copy; and say so."""
    findings = Findings()
    rows = RowNames(numbers=range(1, len(ids) + 1), ids=ids)
    return make_groups(GroupKeys(ids=ids), values, rows, findings), findings.mended


@dataclass(frozen=True, slots=True)
class _Native:
    column: str
    factor: float


def _native_target(field: Field, target: str) -> tuple[_Native, str]:
    """Say where a target is stored, and the factor that brings it to our unit."""
    where = field.dataset
    if target == "ph":
        return _Native("pH_target", 1.0), f"{where}: pH as stored."
    volume = field.organic_unit == "g/dm3"
    if target == "clay":
        if volume:
            return _Native("Clay_target", 0.1), f"{where}: clay in g/dm³ taken as g/kg, ÷10 to %."
        return _Native("Clay_target", 1.0), f"{where}: clay in % as stored."
    if volume:
        return _Native("SOC_target", 1.0), f"{where}: SOC in g/dm³ taken as g/kg."
    if field.organic == "SOM":
        factor = 10.0 / SOM_PER_SOC
        return (
            _Native("SOM_target", factor),
            f"{where}: SOC in g/kg = SOM in % × 10 ÷ {SOM_PER_SOC}.",
        )
    return _Native("SOC_target", 10.0), f"{where}: SOC in g/kg = SOC in % × 10."


def _load_usa(target: str) -> Spectra:
    if target not in _USA_COLUMNS:
        raise UsageError(f"site 'usa' has no {target!r}; want one of {', '.join(_USA_COLUMNS)}")
    ids, axis, values, percent = _read_kssl(_usa_path(), _USA_COLUMNS[target])
    groups, copies = _groups(ids, values)
    return Spectra(
        values=values,
        axis=axis,
        axis_unit="cm-1",
        quantity="absorbance",
        ids=ids,
        groups=groups,
        fields=("KSSL",) * len(ids),
        target=percent * (10.0 if target == "soc" else 1.0),
        target_name=target,
        target_unit=TARGET_UNITS[target],
        provenance=(
            f"KSSL: {len(ids)} samples of the registry package {USA_PACKAGE} (Apache-2.0), "
            "MIR absorbance as stored.",
            f"KSSL: {_USA_COLUMNS[target]} in %"
            + (", × 10 to g/kg." if target == "soc" else " as stored."),
            *copies,
        ),
    )


def has_usa() -> bool:
    """Say whether the data package of the site `usa` is installed."""
    return _find_usa() is not None


def _usa_path() -> Path:
    path = _find_usa()
    if path is None:
        raise DataError(f"site 'usa' needs its data package. Install it with: {USA_INSTALL}")
    return path


def _find_usa() -> Path | None:
    """Find the data file without importing its package (whose dependencies are heavy)."""
    spec = importlib.util.find_spec(USA_PACKAGE)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    paths = (Path(folder) / USA_FILE for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def _read_kssl(
    path: Path, column: str
) -> tuple[tuple[str, ...], FloatArray, FloatArray, FloatArray]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as handle:
        rows = csv.reader(handle)
        header = next(rows)
        bands = [i for i, name in enumerate(header) if name.isdigit()]
        table = list(rows)
    target = np.array([float(row[header.index(column)] or "nan") for row in table])
    values = np.array([[float(row[i]) for i in bands] for row in table])
    axis = np.array([float(header[i]) for i in bands])
    ids = tuple(row[header.index("id")] for row in table)
    return ids, axis, values, target
