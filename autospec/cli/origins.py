"""Where a study's rows are from: written down by who begins it, read again by its workers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from autospec.cli.options import LabChoice, read_options
from autospec.errors import UsageError

if TYPE_CHECKING:
    from autospec.data.cubes.cubes import Cubes
    from autospec.data.cubes.stacks import RasterStack
    from autospec.data.spectra import Spectra
    from autospec.search.origin import Origin
    from autospec.search.settings import DataSource


def origin_of_spectra(source: DataSource, choice: LabChoice, unit: str) -> Origin:
    """Return where spectra are from: a site, or a file and its digest.

    Raises
    ------
    DataError
        If a file cannot be read.
    """
    from autospec.search.origin import Origin, file_sha256

    if source.site:
        return Origin(kind="spectra", unit=unit, source=source)
    assert source.file is not None
    file, lab = Path(source.file), choice.lab
    return Origin(
        kind="spectra",
        unit=unit,
        source=replace(source, file=str(file.absolute())),
        lab=str(lab.absolute()) if lab else None,
        replicates=choice.replicates,
        sha256=file_sha256(file),
        lab_sha256=file_sha256(lab) if lab else None,
    )


def origin_of_cubes(file: Path, target: str | None, unit: str) -> Origin:
    """Return where cubes are from: a file and its digest.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    from autospec.search.origin import Origin, file_sha256
    from autospec.search.settings import DataSource

    source = DataSource(file=str(file.absolute()), target=target)
    return Origin(kind="cubes", unit=unit, source=source, sha256=file_sha256(file))


def origin_of_stack(file: Path, unit: str) -> Origin:
    """Return where a stack is from: a file or a folder, and the digest of all that is in it.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    from autospec.search.origin import Origin, tree_sha256
    from autospec.search.settings import DataSource

    source = DataSource(file=str(file.absolute()))
    return Origin(kind="stacks", unit=unit, source=source, sha256=tree_sha256(file))


def spectra_of(origin: Origin, data: Path | None, lab: Path | None) -> Spectra:
    """Read the spectra that a study was begun with.

    Parameters
    ----------
    origin : Origin
    data, lab : Path, optional
        Where the files lie here, if elsewhere.

    Raises
    ------
    UsageError
        If a place is named and there is no such file in the study.
    DataError
        If a file is not the same, or cannot be read.
    """
    from autospec.data.readers import read_spectra
    from autospec.data.sites import load_site
    from autospec.search.origin import check_same

    source = origin.source
    if source.site:
        if data or lab:
            raise UsageError(f"--data, --lab: the study is on the site {source.site!r}, not a file")
        return load_site(source.site, source.target or "soc")
    assert source.file is not None
    if lab and not origin.lab:
        raise UsageError("--lab: the study was begun without a table of lab values")
    file = data or Path(source.file)
    check_same(file, origin.sha256, "--data")
    table = lab or (Path(origin.lab) if origin.lab else None)
    if table is not None:
        check_same(table, origin.lab_sha256, "--lab")
    choice = LabChoice(lab=table, replicates=origin.replicates)
    spectra = read_spectra(file, read_options(source, choice))
    if source.field is not None:
        return spectra
    return replace(spectra, fields=(Path(source.file).stem,) * spectra.n)  # named after the file


def cubes_of(origin: Origin, data: Path | None) -> Cubes:
    """Read the cubes that a study was begun with; `data` is where they lie here, if elsewhere.

    Raises
    ------
    DataError
        If the file is not the same, or cannot be read.
    """
    from autospec.cli.cube_search import read_labelled
    from autospec.search.origin import check_same

    assert origin.source.file is not None
    file = data or Path(origin.source.file)
    check_same(file, origin.sha256, "--data")
    return read_labelled(file, origin.source.target)


def stack_of(origin: Origin, data: Path | None) -> tuple[RasterStack, Path]:
    """Read the stack that a study was begun with; return where it lies here, too.

    Raises
    ------
    DataError
        If the file is not the same, or cannot be read.
    """
    from autospec.data.cubes.stack_files import read_stack
    from autospec.search.origin import check_same

    assert origin.source.file is not None
    file = data or Path(origin.source.file)
    check_same(file, origin.sha256, "--data")
    return read_stack(file), file
