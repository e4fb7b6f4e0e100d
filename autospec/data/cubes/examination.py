"""`examine_cube`: what a file of samples or of a stack holds, what was mended and what is wrong."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from autospec.data.cubes.cube_checks import Needs
from autospec.data.cubes.cube_files import CUBES_FORM, assemble_cubes, find_cubes
from autospec.data.cubes.cubes import Cubes, Float32Array, TimeArray
from autospec.data.cubes.npz import NpzFile, is_grid, named, open_npz
from autospec.data.cubes.npz_fields import read_word
from autospec.data.cubes.stack_files import assemble_stack, find_stack
from autospec.data.cubes.stacks import RasterStack
from autospec.data.findings import Findings
from autospec.errors import DataError

Kind = Literal["samples", "stack"]
_STACKS_ONLY = (".tif", ".tiff", "")  # a folder has no suffix


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSummary:
    """One channel: smallest, mean and largest value, and percent of its cells without one."""

    name: str
    static: bool
    low: float
    mean: float
    high: float
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
    """Read samples where there is a dimension of samples, else a stack."""
    data: Cubes | RasterStack | None = None
    apart = Findings()
    if path.suffix.lower() not in _STACKS_ONLY:
        with suppress(DataError):
            data = find_cubes(path, Needs(), apart)
    findings.problems.extend(apart.problems)
    data = find_stack(path, findings) if data is None else data
    findings.recognised.extend(() if data is None else data.provenance)
    return data


def summarise_cube(data: Cubes | RasterStack) -> CubeSummary:
    """Return what is in samples or in a stack, in numbers; a stack is read date by date."""
    return _of_samples(data) if isinstance(data, Cubes) else _of_stack(data)


def _of_samples(cubes: Cubes) -> CubeSummary:
    n, (c, h, w, t) = cubes.n, cubes.shape
    axes = (0, 2, 3, 4)
    low = cubes.values.min(axis=axes, where=cubes.valid, initial=np.inf)
    high = cubes.values.max(axis=axes, where=cubes.valid, initial=-np.inf)
    some = cubes.valid.sum(axis=axes)
    # statistics in float64
    mean = cubes.values.sum(axis=axes, where=cubes.valid, dtype=np.float64) / np.maximum(some, 1)
    labelled = cubes.target[np.isfinite(cubes.target)]
    return CubeSummary(
        kind="samples",
        axes={"n": n, "c": c, "h": h, "w": w, "t": t},
        channels=tuple(
            ChannelSummary(
                name=name,
                static=False,
                low=float(low[k]),
                mean=float(mean[k]),
                high=float(high[k]),
                missing_percent=100.0 * (1.0 - float(some[k]) / (n * h * w * t)),
            )
            for k, name in enumerate(cubes.channels)
        ),
        first=_date(cubes.times.min()),
        last=_date(cubes.times.max()),
        crs=cubes.crs,
        extent=(
            float(cubes.x.min()),
            float(cubes.y.min()),
            float(cubes.x.max()),
            float(cubes.y.max()),
        ),
        target=None
        if not labelled.size
        else TargetSummary(
            name=cubes.target_name,
            unit=cubes.target_unit,
            n=int(labelled.size),
            low=float(labelled.min()),
            mean=float(labelled.mean()),
            high=float(labelled.max()),
        ),
        synthetic=cubes.synthetic,
    )


class _Running:
    """Smallest, sum, count and largest of layers that are met one after the other."""

    def __init__(self) -> None:
        self.low, self.high, self.total, self.some, self.cells = np.inf, -np.inf, 0.0, 0, 0

    def add(self, layer: Float32Array) -> None:
        there = ~np.isnan(layer)
        self.low = min(self.low, float(layer.min(where=there, initial=np.inf)))
        self.high = max(self.high, float(layer.max(where=there, initial=-np.inf)))
        self.total += float(layer.sum(where=there, dtype=np.float64))
        self.some += int(there.sum())
        self.cells += layer.size

    def summary(self, name: str, *, static: bool) -> ChannelSummary:
        return ChannelSummary(
            name=name,
            static=static,
            low=self.low,
            mean=self.total / max(self.some, 1),
            high=self.high,
            missing_percent=100.0 * (1.0 - self.some / self.cells),
        )


def _of_stack(stack: RasterStack) -> CubeSummary:
    t, c, h, w = stack.dynamic.shape
    layers = [_Running() for _ in range(c + len(stack.static_channels))]
    for i in range(t):
        for k, layer in enumerate(np.asarray(stack.dynamic[i])):
            layers[k].add(layer)
    for k, layer in enumerate(stack.static):
        layers[c + k].add(layer)
    a, _, west, _, e, north = stack.transform
    return CubeSummary(
        kind="stack",
        axes={"t": t, "c": c, "s": len(stack.static_channels), "h": h, "w": w},
        channels=tuple(
            found.summary(name, static=k >= c)
            for k, (found, name) in enumerate(
                zip(layers, (*stack.channels, *stack.static_channels), strict=True)
            )
        ),
        first=_date(stack.times[0]),
        last=_date(stack.times[-1]),
        crs=stack.crs,
        extent=(west, north + e * h, west + a * w, north),
        target=None,
        synthetic=stack.synthetic,
    )


def _date(time: np.datetime64 | TimeArray) -> str:
    """Return a date, with the time of day where it has one."""
    return str(time).removesuffix("T00:00:00")
