"""From the tables as given to rows that can be used: aligned, purged, labelled; nothing is fitted.

Every refusal of a localisation that can be known beforehand is here or in `protocol.lay_draws`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autospec.data.align import align_many
from autospec.data.libraries import country_of
from autospec.data.preprocess import BandAveraging, published_step, to_absorbance
from autospec.data.spectra import AXIS_NAMES, IntArray, Spectra
from autospec.errors import DataError, UsageError, near
from autospec.localisation.farm import FarmSpectra
from autospec.localisation.settings import LocaliseSettings
from autospec.transfer.purge import purge_library
from autospec.transfer.selection import RSLocalSettings

MIN_LIBRARY = 40
MIN_COUNTRY = 30
SELECTION_BANDS = 100  # smooth spectra have few directions, which is what makes RS-Local cheap
K_RANGE = (50, 300)
COMPONENTS = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """The rows of a localisation.

    Parameters
    ----------
    farm : FarmSpectra
        The farm's rows with a lab value, on about 216 bands; draws count in them.
    unlabelled : FarmSpectra
        The farm's rows without one, likewise.
    raw, waiting : Spectra
        The farm's rows with and without a lab value as they were given, on the farm's own bands.
    networked : Spectra
        The farm's rows with a lab value on all common bands: a network's bands are searched.
    library : Spectra
        Aligned with the farm, purged of it, labelled; on all common bands.
    narrow : Spectra
        The library's rows on about 216 of them, as the baselines read them.
    compact : Spectra
        The same in absorbance on about a hundred bands, as RS-Local reads them.
    country : int64, shape (n_country,), or None
        Library rows from the farm's country.
    selection : RSLocalSettings
        What RS-Local does with this library.
    aligned, purged : str
        In words.
    notes : tuple of str
        What was converted, resampled, left out.
    """

    farm: FarmSpectra
    unlabelled: FarmSpectra
    raw: Spectra
    waiting: Spectra
    networked: Spectra
    library: Spectra
    narrow: Spectra
    compact: Spectra
    country: IntArray | None
    selection: RSLocalSettings
    aligned: str
    purged: str
    notes: tuple[str, ...]


def prepare(
    library: Sequence[Spectra], farm: Spectra, settings: LocaliseSettings, country: str | None
) -> Prepared:
    """Align, purge and label; refuse what cannot be localised.

    Parameters
    ----------
    library : sequence of Spectra
        The library's tables, each on its own axis.
    farm : Spectra
        The farm's rows, those without a lab value too.
    settings : LocaliseSettings
        How many rows RS-Local is to select.
    country : str or None
        The farm's, as the library's fields have it.

    Raises
    ------
    DataError
        If farm and library share no bands or no lab value, or too few library rows are left.
    UsageError
        If `k` is too large for the library, or no library row is of the country.
    """
    both = align_many(library, farm)
    purge = purge_library(both.library, both.farm)
    rows = purge.kept[np.isfinite(both.library.target[purge.kept])]
    if len(rows) < MIN_LIBRARY:
        raise DataError(
            f"of {both.library.n} library rows {len(rows)} can be used: {purge.note}, and "
            f"{len(purge.kept) - len(rows)} have no {farm.target_name}; want at least "
            f"{MIN_LIBRARY}. Pass a library that has more than the farm in it."
        )
    usable = both.library.rows(rows)
    if len(set(usable.groups)) < 2:
        raise DataError(
            f"all {usable.n} usable library rows are of one group ({usable.groups[0]!r}); want at "
            "least 2. Pass a library with more groups, or leave out --group."
        )
    whole = FarmSpectra(own=narrow_spectra(farm), aligned=narrow_spectra(both.farm))
    labelled, narrow = np.isfinite(farm.target), narrow_spectra(usable)
    low, high, unit = usable.axis[0], usable.axis[-1], AXIS_NAMES[usable.axis_unit]
    return Prepared(
        farm=whole.rows(np.flatnonzero(labelled)),
        unlabelled=whole.rows(np.flatnonzero(~labelled)),
        raw=farm.rows(np.flatnonzero(labelled)),
        waiting=farm.rows(np.flatnonzero(~labelled)),
        networked=both.farm.rows(np.flatnonzero(labelled)),
        library=usable,
        narrow=narrow,
        compact=compact_spectra(narrow),
        country=None if country is None else country_rows(usable, country),
        selection=selection_settings(usable.n, settings),
        aligned=f"{usable.b} bands in common, {unit} {low:g} to {high:g}, in {usable.quantity}",
        purged=purge.note,
        notes=both.notes,
    )


def narrow_spectra(spectra: Spectra) -> Spectra:
    """Return spectra averaged to the published step: about 216 bands."""
    averaging = BandAveraging(spectra.axis, published_step(spectra.axis))
    values = averaging.fit_transform(spectra.values)
    return replace(spectra, values=values, axis=averaging.grid_.copy())


def compact_spectra(spectra: Spectra) -> Spectra:
    """Return narrow spectra in absorbance on about a hundred bands."""
    step = float(spectra.axis[-1] - spectra.axis[0]) / SELECTION_BANDS
    averaging = BandAveraging(spectra.axis, step)
    values = averaging.fit_transform(spectra.values)
    if spectra.quantity == "reflectance":
        values = to_absorbance(values)
    return replace(spectra, values=values, axis=averaging.grid_.copy(), quantity="absorbance")


def selection_settings(library_rows: int, settings: LocaliseSettings) -> RSLocalSettings:
    """Return what RS-Local does with a library of so many rows.

    Raises
    ------
    UsageError
        If `k` is not below the number of rows.
    """
    k = settings.k
    if k is None:
        k = int(np.clip(library_rows // 10, *K_RANGE))
        k = min(k, library_rows // 2)
    if k >= library_rows:
        raise UsageError(
            f"--k {k} of {library_rows} usable library rows; want at most {library_rows - 1}, "
            "better a tenth. Pass a smaller --k or a larger library."
        )
    return RSLocalSettings(k=k, b=settings.b, r=settings.r, components=COMPONENTS)


def country_rows(library: Spectra, country: str) -> IntArray | None:
    """Return the library rows whose field is `country`, or lies there; None if too few.

    Raises
    ------
    UsageError
        If there is none.
    """
    places = [(field, country_of(field) or field) for field in library.fields]
    rows = np.flatnonzero([country in pair for pair in places])
    if not len(rows):
        known = sorted({name for pair in places for name in pair})
        raise UsageError(
            f"no usable library row is of {country!r}.{near(country, known)} "
            f"The library has: {', '.join(known[:20])}."
        )
    return rows if len(rows) >= MIN_COUNTRY else None
