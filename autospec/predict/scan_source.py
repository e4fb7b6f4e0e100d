"""A folder of scans, or one scan, as something to predict; no scan that is there is passed over.

Every scan is a row of its own under its file's name, unless scans of a sample are to be averaged.
Those that cannot be used stand behind the others, with the reason. The reading of the files is
`autospec.data.instruments.folder`'s matter; tables of spectra are `autospec.data.batches`'.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autospec.data.checks import Scale, read_scale, scale_faults
from autospec.data.findings import Findings
from autospec.data.headers import BandChoice
from autospec.data.instruments.folder import LeftOut, ScanTable, gather_scans
from autospec.data.instruments.names import candidates, sample_ids
from autospec.data.readers import ReadOptions
from autospec.data.replicates import average_replicates
from autospec.data.spectra import Spectra
from autospec.errors import DataError
from autospec.predict.streaming import Source, spectra_source


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scans:
    """Scans that were read.

    Parameters
    ----------
    source : Source
        What is predicted: good rows, then those that cannot be.
    recognised, mended : tuple of str
        What was understood, and what was changed on the way in.
    """

    source: Source
    recognised: tuple[str, ...]
    mended: tuple[str, ...]


def read_scans_to_predict(path: Path, options: ReadOptions) -> Scans:
    """Read an instrument's file, or every one of a folder.

    Parameters
    ----------
    path : Path
        A folder or file that `holds_scans` knows.
    options : ReadOptions
        Its `quantity`, and `replicates`: by default every scan is kept, unlike in `read_spectra`,
        where scans have lab values of samples to meet.

    Raises
    ------
    DataError
        If no scan can be used.
    """
    findings = Findings()
    try:
        table = gather_scans(path, findings)
        spectra, left_out = _usable(table, options, findings)
    except DataError as error:
        name = path.name or str(path)
        raise DataError([f"{name}: {line}" for line in error.problems]) from error
    return Scans(
        source=spectra_source(spectra, left_out),
        recognised=tuple(findings.recognised),
        mended=tuple(findings.mended),
    )


def _usable(
    table: ScanTable, options: ReadOptions, findings: Findings
) -> tuple[Spectra, tuple[LeftOut, ...]]:
    """Settle the scale of the scans; return those of it, and the names of all others."""
    bands = BandChoice(
        positions=tuple(table.axis.tolist()), axis_unit=table.axis_unit, quantity=table.quantity
    )
    low, high = table.axis[0], table.axis[-1]
    findings.recognised.append(f"{len(table.axis)} bands, {low:g} to {high:g} {table.axis_unit}")
    scale = read_scale(table.values, bands, options.quantity, findings)
    if scale is None:
        raise DataError(findings.problems)
    faults = dict(scale_faults(table.values, scale, bands))
    lost = tuple((table.names[i], faults[i]) for i in sorted(faults))
    if len(lost) == len(table.names):
        raise DataError([f"{name}: {why}" for name, why in lost])
    good = [i for i in range(len(table.names)) if i not in faults]
    average = options.replicates == "average"
    spectra = _spectra(table, good, scale, average=average)
    if average:
        findings.recognised.append("id: the sample, from the file names")
        spectra = average_replicates(spectra, findings)
    else:
        findings.recognised.append(
            "id: the file names; every scan is a row (--replicates average makes one a sample)"
        )
    return spectra, (*table.left_out, *lost)


def _spectra(table: ScanTable, good: list[int], scale: Scale, *, average: bool) -> Spectra:
    """Return the good scans, named after their samples or after their files."""
    names = sample_ids(table.names) if average else [candidates(n)[0] for n in table.names]
    ids = tuple(names[i] for i in good)
    return Spectra(
        values=table.values[good] / scale.reading.divisor,
        axis=table.axis,
        axis_unit=table.axis_unit,
        quantity=scale.reading.quantity,
        ids=ids,
        groups=ids,
        fields=("",) * len(ids),
        target=np.full(len(ids), np.nan),
        target_name="",
        target_unit="",
    )
