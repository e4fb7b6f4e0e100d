"""`examine_cube`: what a file of samples or of a stack holds, what was mended and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from autospec.data.cubes.cube_checks import Needs
from autospec.data.cubes.cube_files import CUBES_FORM, assemble_cubes
from autospec.data.cubes.cubes import BoolArray, Cubes, Float32Array, TimeArray
from autospec.data.cubes.layer_index import infinite_met
from autospec.data.cubes.npz import NpzFile, is_grid, named, open_npz
from autospec.data.cubes.npz_fields import read_word
from autospec.data.cubes.raw_cubes import settle_cubes
from autospec.data.cubes.stack_files import assemble_stack, find_stack
from autospec.data.cubes.stacks import RasterStack
from autospec.data.findings import Findings
from autospec.errors import DataError

Kind = Literal["samples", "stack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSummary:
    """One channel: smallest, mean and largest value, and percent of its cells without one.

    The three are None of a channel without any value.
    """

    name: str
    static: bool
    low: float | None
    mean: float | None
    high: float | None
    missing_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSummary:
    """The lab values: how many samples have one, smallest, mean and largest."""

    name: str
    unit: str
    n: int
    low: float
    mean: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeSummary:
    """What a file holds, in numbers.

    Parameters
    ----------
    kind : {"samples", "stack"}
    axes : dict of str to int
        Lengths by name: n, c, h, w, t of samples; t, c, s, h, w of a stack.
    channels : tuple of ChannelSummary
    first, last : str
        Oldest and newest date.
    crs : str
    extent : (float, float, float, float)
        Smallest x, smallest y, largest x, largest y.
    target : TargetSummary or None
        None of a stack, and of samples without lab values.
    synthetic : bool
    infinite : int
        Cells of a stack's dates that are infinite, which count as no value.
    """

    kind: Kind
    axes: dict[str, int]
    channels: tuple[ChannelSummary, ...]
    first: str
    last: str
    crs: str
    extent: tuple[float, float, float, float]
    target: TargetSummary | None
    synthetic: bool
    infinite: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CubeExamination:
    """What was found in one file.

    Parameters
    ----------
    path : str
        The file, as it was asked for.
    data : Cubes, RasterStack or None
        What it holds; None if there is any problem.
    recognised, mended, problems : tuple of str
        What was understood, what was changed on the way in, and all that is wrong.
    """

    path: str
    data: Cubes | RasterStack | None
    recognised: tuple[str, ...]
    mended: tuple[str, ...]
    problems: tuple[str, ...]


def examine_cube(path: str | Path) -> CubeExamination:
    """Look at a file of cubes and say everything that is right, mended or wrong with it.

    Samples with a key for lab values are checked as samples to learn from.

    Parameters
    ----------
    path : str or Path
        Samples or a raster stack: .npz; or, with the extra ``cubes``, NetCDF, Zarr, GeoTIFF.

    Returns
    -------
    CubeExamination
        With `data` only if there is no problem. Bad content never raises.
    """
    findings = Findings()
    data: Cubes | RasterStack | None = None
    try:
        if is_grid(Path(path)):
            data = _examine_grid(Path(path), findings)
        else:
            with open_npz(Path(path)) as npz:
                data = _examine_npz(npz, findings)
    except DataError as error:
        findings.problems.extend(error.problems)
    return CubeExamination(
        path=str(path),
        data=None if findings.problems else data,
        recognised=tuple(findings.recognised),
        mended=tuple(findings.mended),
        problems=tuple(named(Path(path), findings.problems)),
    )


def _examine_npz(npz: NpzFile, findings: Findings) -> Cubes | RasterStack | None:
    """Read what the file says it is, or what its keys look like."""
    if _says_samples(npz):
        return assemble_cubes(npz, Needs(target="target" in npz.members), findings)
    return assemble_stack(npz, findings)


def _says_samples(npz: NpzFile) -> bool:
    """Tell samples from a stack by the key format, or else by the key that only samples have."""
    form = npz.members.get("format")
    if form is not None and form.dtype.kind in "US" and form.size == 1:
        return read_word(npz, "format", Findings()) == CUBES_FORM
    return "values" in npz.members


def _examine_grid(path: Path, findings: Findings) -> Cubes | RasterStack | None:
    """Read samples where the file holds any, else a stack."""
    from autospec.data.cubes.grids import find_raw_cubes

    apart = Findings()
    raw = find_raw_cubes(path, apart)
    if raw is None:
        stack = find_stack(path, findings)
        findings.recognised.extend(() if stack is None else stack.provenance)
        return stack
    findings.recognised.extend(apart.recognised)
    findings.mended.extend(apart.mended)
    return settle_cubes(raw, Needs(target=raw.target is not None), findings)


def summarise_cube(data: Cubes | RasterStack) -> CubeSummary:
    """Return what is in samples or in a stack, in numbers; a stack is read date by date."""
    return _of_samples(data) if isinstance(data, Cubes) else _of_stack(data)


def _of_samples(cubes: Cubes) -> CubeSummary:
    n, (c, h, w, t) = cubes.n, cubes.shape
    layers = [_Running() for _ in cubes.channels]
    for k, layer in enumerate(layers):
        layer.add(cubes.values[:, k], cubes.valid[:, k])
    labelled = cubes.target[np.isfinite(cubes.target)]
    target = TargetSummary(
        name=cubes.target_name,
        unit=cubes.target_unit,
        n=int(labelled.size),
        low=float(labelled.min(initial=np.inf)),
        mean=float(labelled.sum()) / max(labelled.size, 1),
        high=float(labelled.max(initial=-np.inf)),
    )
    return CubeSummary(
        kind="samples",
        axes={"n": n, "c": c, "h": h, "w": w, "t": t},
        channels=_named(layers, cubes.channels, ()),
        first=_date(cubes.times.min()),
        last=_date(cubes.times.max()),
        crs=cubes.crs,
        extent=(
            float(cubes.x.min()),
            float(cubes.y.min()),
            float(cubes.x.max()),
            float(cubes.y.max()),
        ),
        target=target if labelled.size else None,
        synthetic=cubes.synthetic,
    )


def _of_stack(stack: RasterStack) -> CubeSummary:
    t, c, h, w = stack.dynamic.shape
    layers = [_Running() for _ in (*stack.channels, *stack.static_channels)]
    before = infinite_met(stack.dynamic)
    for i in range(t):
        for k, cells in enumerate(np.asarray(stack.dynamic[i])):
            layers[k].add(cells, ~np.isnan(cells))
    for k, cells in enumerate(stack.static):
        layers[c + k].add(cells, ~np.isnan(cells))
    a, _, west, _, e, north = stack.transform
    return CubeSummary(
        kind="stack",
        axes={"t": t, "c": c, "s": len(stack.static_channels), "h": h, "w": w},
        channels=_named(layers, stack.channels, stack.static_channels),
        first=_date(stack.times[0]),
        last=_date(stack.times[-1]),
        crs=stack.crs,
        extent=(west, north + e * h, west + a * w, north),
        target=None,
        synthetic=stack.synthetic,
        infinite=infinite_met(stack.dynamic) - before,
    )


class _Running:
    """Smallest, sum, count and largest of cells that are met part after part."""

    def __init__(self) -> None:
        self.low, self.high, self.total, self.some, self.cells = np.inf, -np.inf, 0.0, 0, 0

    def add(self, cells: Float32Array, valid: BoolArray) -> None:
        """Take in more cells, and where they have a value."""
        self.low = min(self.low, float(cells.min(where=valid, initial=np.inf)))
        self.high = max(self.high, float(cells.max(where=valid, initial=-np.inf)))
        self.total += float(cells.sum(where=valid, dtype=np.float64))  # statistics in float64
        self.some += int(valid.sum())
        self.cells += cells.size


def _named(
    layers: Sequence[_Running], channels: Sequence[str], static: Sequence[str]
) -> tuple[ChannelSummary, ...]:
    """Return what was found of each channel; those without dates come last."""
    return tuple(
        ChannelSummary(
            name=name,
            static=k >= len(channels),
            low=layer.low if layer.some else None,
            mean=layer.total / layer.some if layer.some else None,
            high=layer.high if layer.some else None,
            missing_percent=100.0 * (1.0 - layer.some / layer.cells),
        )
        for k, (layer, name) in enumerate(zip(layers, (*channels, *static), strict=True))
    )


def _date(time: np.datetime64 | TimeArray) -> str:
    """Return a date, with the time of day where it has one."""
    return str(time).removesuffix("T00:00:00")
