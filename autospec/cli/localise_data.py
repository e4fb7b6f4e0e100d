"""From the options of ``autospec localise`` to a farm and its library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autospec.cli.options import NO_LAB, LabChoice, read_options
from autospec.cli.study_names import study_name
from autospec.errors import UsageError, near

if TYPE_CHECKING:
    from autospec.data.spectra import Spectra
    from autospec.search.settings import DataSource

NEXT = "Next: autospec localise --site sweden-skane"
LIBRARY_SITE = "usa"  # a soil survey's extract: a library, no farm


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One farm to localise.

    Parameters
    ----------
    name : str
        Plain: of the folder and the tables.
    farm : Spectra
        With the rows that have no lab value.
    library : tuple of Spectra
        Each on its own axis.
    country : str or None
        The farm's, if the library has rows of it.
    notes : tuple of str
        What the library is.
    """

    name: str
    farm: Spectra
    library: tuple[Spectra, ...]
    country: str | None
    notes: tuple[str, ...] = ()


def farm_sites() -> tuple[str, ...]:
    """Return the sites that are farms: one field each, and no library."""
    from autospec.data.sites import SITES

    return tuple(s.name for s in SITES if len(s.fields) == 1 and s.name != LIBRARY_SITE)


def site_case(site: str, data: DataSource, country: str | None = None) -> Case:
    """Return a named site with every other field as its library.

    Parameters
    ----------
    site : str
        Its name, or its data set's.
    data : DataSource
        Only the target counts: a site knows its own columns.
    country : str, optional
        By default the site's own.

    Raises
    ------
    UsageError
        If the name, the target or the country is not known, or an option is for files.
    """
    from autospec.data.libraries import country_of, library_notes, site_library
    from autospec.data.sites import find_site, load_site

    refuse_file_options(data)
    found, target = find_site(site), data.target or "soc"
    library = site_library(site, target)
    own = country_of(found.fields[0].dataset)
    known = _countries(library)
    if country is not None:
        _check_country(country, known)
    return Case(
        name=study_name(found.name),
        farm=load_site(site, target),
        library=library,
        country=country or (own if own in known else None),
        notes=library_notes(site, target),
    )


def file_case(
    libraries: Sequence[Path],
    local: Path,
    data: DataSource,
    country: str | None,
    choice: LabChoice = NO_LAB,
) -> Case:
    """Read a farm's table and its libraries'.

    Parameters
    ----------
    libraries : sequence of Path
        At least one.
    local : Path
        The farm, a table or scans; rows without a lab value get predictions.
    data : DataSource
        How both are read; its field is the libraries' country column.
    country : str, optional
        Rows of that field are the farm's country's.
    choice : LabChoice
        The farm's lab values, if they stand apart, and its replicate scans.

    Raises
    ------
    DataError
        If a table cannot be used.
    UsageError
        If no library row is of the country.
    """
    from dataclasses import replace

    from autospec.data.readers import read_spectra

    # how few lab values are too few the job says: it knows what they are for
    options = replace(read_options(data), min_labelled=1)
    own = replace(options, field_column=None, lab=choice.lab, replicates=choice.replicates)
    farm = read_spectra(local, own)
    library = tuple(read_spectra(path, replace(options, hints=True)) for path in libraries)
    if country is not None:
        _check_country(country, _countries(library))
    return Case(name=study_name(local.stem), farm=farm, library=library, country=country)


def _countries(library: Sequence[Spectra]) -> set[str]:
    """Return every field of a library, and its country where that is known."""
    from autospec.data.libraries import country_of

    fields = {field for table in library for field in table.fields}
    return fields | {known for field in fields if (known := country_of(field)) is not None}


def _check_country(country: str, known: set[str]) -> None:
    if country not in known:
        shown = ", ".join(sorted(known)[:20])
        raise UsageError(
            f"no library row is of {country!r}.{near(country, known)} The library has: {shown}. "
            "Name the column that tells countries with --country-column."
        )


def refuse_file_options(data: DataSource) -> None:
    """Refuse options that speak of a file where a site is read."""
    given = {
        "--target-unit": data.target_unit,
        "--id": data.id,
        "--group": data.group,
        "--country-column": data.field,
        "--quantity": data.quantity,
        "--axis-unit": data.axis_unit,
        "--allow-negative": data.allow_negative,
    }
    named = [option for option, value in given.items() if value]
    if named:
        raise UsageError(
            f"{', '.join(named)}: for files only; a named site knows its own columns and units. "
            "Leave it out, or give --global and --local."
        )
