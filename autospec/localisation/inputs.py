"""`inputs_digest`: one digest of all that a localisation is given beside its settings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from autospec.data.spectra import Spectra


def inputs_digest(
    library: Spectra | Sequence[Spectra],
    farm: Spectra,
    *,
    country: str | None = None,
    architecture: str = "searched",
) -> str:
    """Digest what a localisation is given, as it is given: before anything is aligned or purged.

    Parameters
    ----------
    library : Spectra or sequence of Spectra
        All tables, in their order.
    farm : Spectra
        All rows, those without a lab value too: they get predictions.
    country : str, optional
        The farm's country.
    architecture : str
        `LocaliseSettings.architecture`. Where it is a file, its content counts: settings know
        only its path.

    Returns
    -------
    str
        SHA-256.
    """
    tables = (library,) if isinstance(library, Spectra) else tuple(library)
    path = Path(architecture)
    content = path.read_bytes() if path.is_file() else architecture.encode()
    parts = [table.digest.encode() for table in (farm, *tables)]
    parts += [repr(country).encode(), hashlib.sha256(content).hexdigest().encode()]
    return hashlib.sha256(b"\x1e".join(parts)).hexdigest()
