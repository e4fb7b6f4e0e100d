"""Libraries of the named sites: for a site, every other field on its kind of axis; and countries.

Leave-one-site-out: no field of the site itself is ever in its library. What does not overlap the
site's range is left to `align`.
"""

from __future__ import annotations

from autospec.data.sites import SITES, USA_INSTALL, USA_TARGETS, find_site, has_usa, load_site
from autospec.data.spectra import Spectra

KSSL = "KSSL"
COUNTRIES: dict[str, str] = {
    field.dataset: site.place.rsplit(", ", 1)[1] for site in SITES for field in site.fields
}


def country_of(field: str) -> str | None:
    """Return the country of a field of the named sites, such as "SL.125", or None."""
    return COUNTRIES.get(field)


def site_library(name: str, target: str = "soc", usa: bool = True) -> tuple[Spectra, ...]:
    """Load the default library of a site: every other field on the same kind of axis.

    Parameters
    ----------
    name : str
        A site, or one data set of it.
    target : {"soc", "clay", "ph"}
        Lab value, in autospec's unit.
    usa : bool
        Whether the KSSL extract joins the mid-infrared fields, if its package is installed.

    Returns
    -------
    tuple of Spectra
        One table a field, labelled rows only, in the order of `SITES`; each on its own axis.

    Raises
    ------
    UsageError
        If the name or the target is not known.
    """
    tables = (load_site(dataset, target) for dataset in _datasets(name, target, usa))
    return tuple(table.labelled() for table in tables)


def library_notes(name: str, target: str = "soc", usa: bool = True) -> tuple[str, ...]:
    """Say which fields make up a site's default library, and why KSSL is missing if it is.

    Parameters
    ----------
    name, target, usa
        As in `site_library`.
    """
    own = find_site(name)
    chosen = _datasets(name, target, usa)
    notes = [f"library of {own.name}: {', '.join(chosen)} (every other field in {own.axis_unit})"]
    if usa and own.axis_unit == "cm-1" and own.name != "usa" and KSSL not in chosen:
        why = (
            f"it has no {target!r}"
            if target not in USA_TARGETS
            else f"its package is not installed; install it with: {USA_INSTALL}"
        )
        notes.append(f"the KSSL extract is not in the library: {why}")
    return tuple(notes)


def _datasets(name: str, target: str, usa: bool) -> tuple[str, ...]:
    """Name the other fields; a field that is in two sites counts once."""
    own = find_site(name)
    mine = {field.dataset for field in own.fields}
    others = dict.fromkeys(
        field.dataset for s in SITES if s.axis_unit == own.axis_unit for field in s.fields
    )
    kssl = usa and target in USA_TARGETS and has_usa()
    return tuple(d for d in others if d not in mine and (d != KSSL or kssl))
