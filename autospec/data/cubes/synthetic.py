"""Made-up stacks and samples whose law is known: what a model can find, and what only leaks.

The layers are Gaussian random fields of known covariance, with seasons, memory from date to date
and clouds. Everything that is made here says that it is synthetic; no files are written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from autospec.data.cubes.cubes import TIME_TYPE, BoolArray, Cubes, Float32Array, TimeArray
from autospec.data.cubes.places import EARTH_KM, is_geographic
from autospec.data.cubes.stacks import Affine, RasterStack
from autospec.data.spectra import FloatArray, IntArray
from autospec.errors import UsageError

Effect = Literal["planted", "autocorrelated", "none"]
CHANNELS = ("temperature", "precipitation", "ndvi")
STATIC_CHANNELS = ("elevation", "slope")
FIRST_MONTH = np.datetime64("2020-01")
TEMPLATE = np.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]]) / 8.0  # (t, h, w)
PLANTED_STEP = 0.4  # of ndvi: what the strongest pattern adds to a cell, and takes from the next
CELLS_A_PATTERN = 200.0  # cells and dates: a window of 10 x 10 x 4 holds 1.2 whole patterns
TARGET_MEAN, TARGET_SD = 25.0, 5.0
CLOUD_CELLS = 3.0  # length scale of clouds
ORIGINS = {True: (13.0, 52.6), False: (400_000.0, 5_830_000.0)}  # north-western corner


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticSettings:
    """What is made up.

    Parameters
    ----------
    effect : {"planted", "autocorrelated", "none"}
        What the target follows: the strongest of the patterns that are planted anywhere in a
        sample's window of ndvi; a field of its own that no channel knows, so that only
        neighbouring samples tell; or nothing.
    n : int
        Samples.
    height, width : int
        Cells of the stack.
    dates : int
        Months from January 2020.
    window, steps : int
        Cells along each side, and dates, of a sample.
    cell_km : float
        Side of a cell.
    range_cells : float
        Length scale l of the layers: cells at distance d correlate as exp(−d²/(2 l²)).
    target_range_cells : float
        The same of the field that the target follows if `effect` is "autocorrelated".
    memory : float
        Correlation of a cell's departure from its season with that of the next date, 0 to below 1.
    no_value_percent : float
        Share of the cells of the layers that change which have no value, under clouds.
    noise : float
        Share of the target's variance that nothing explains; 1 in effect where it is "none".
    crs : str
        Degrees or metres: "EPSG:4326" lies near Berlin, any other name counts as UTM metres.
    """

    effect: Effect = "planted"
    n: Annotated[int, Ge(1)] = 400
    height: Annotated[int, Ge(8)] = 64
    width: Annotated[int, Ge(8)] = 64
    dates: Annotated[int, Ge(2)] = 24
    window: Annotated[int, Ge(2)] = 10
    steps: Annotated[int, Ge(2)] = 4
    cell_km: Annotated[float, Gt(0)] = 1.0
    range_cells: Annotated[float, Gt(0)] = 12.0
    target_range_cells: Annotated[float, Gt(0)] = 3.0
    memory: Annotated[float, Ge(0), Lt(1)] = 0.6
    no_value_percent: Annotated[float, Ge(0), Le(90)] = 5.0
    noise: Annotated[float, Ge(0), Le(1)] = 0.1
    crs: str = "EPSG:4326"


def synthesise(settings: SyntheticSettings, seed: int = 0) -> tuple[RasterStack, Cubes]:
    """Make a stack and samples of it.

    Parameters
    ----------
    settings : SyntheticSettings
    seed : int
        The same seed makes the same numbers.

    Returns
    -------
    RasterStack, Cubes
        Layers (dates, 3, height, width) and 2 that do not change; samples of
        (5, window, window, steps) with a target "soc" in g/kg.

    Raises
    ------
    UsageError
        If the window is larger than the stack.
    """
    s = settings
    if s.window > min(s.height, s.width) or s.steps > s.dates:
        raise UsageError(
            f"a window of {s.window} cells and {s.steps} dates does not fit a stack of "
            f"{s.height} x {s.width} cells and {s.dates} dates. Pass a smaller --window or --steps."
        )
    layers, patterns, clouds, points, noise = map(
        np.random.default_rng, np.random.SeedSequence(seed).spawn(5)
    )
    static = _relief(s, layers)
    dynamic = _weather(s, static[0], layers)
    strengths = _plant(s, dynamic, patterns)
    dynamic[_cloudy(s, clouds)] = np.nan
    stack = RasterStack(
        dynamic=dynamic.astype(np.float32),
        static=static.astype(np.float32),
        channels=CHANNELS,
        static_channels=STATIC_CHANNELS,
        times=(FIRST_MONTH + np.arange(s.dates)).astype(TIME_TYPE),
        transform=_transform(s),
        crs=s.crs,
        synthetic=True,
        provenance=(_provenance(s, seed),),
    )
    where = _draw_points(s, points)
    target = _target(s, strengths, where, noise)
    return stack, _cut(stack, s, where, target)


def random_field(
    shape: tuple[int, int], length: float, rng: np.random.Generator, count: int = 1
) -> FloatArray:
    """Draw Gaussian random fields: white noise, filtered by FFT.

    Parameters
    ----------
    shape : (h, w)
        Cells.
    length : float
        Length scale l in cells.
    rng : Generator
    count : int
        How many, independent of each other.

    Returns
    -------
    float64, shape (count, h, w)
        Mean 0, variance 1, covariance exp(−d²/(2 l²)) at distance d: the spectrum is that of the
        covariance itself, on a torus so wide that opposite edges do not meet (5 l).
    """
    h, w = (side + math.ceil(5 * length) for side in shape)
    down, across = (np.minimum(np.arange(m), m - np.arange(m)) for m in (h, w))
    distance2 = down[:, None] ** 2 + across[None, :] ** 2
    spectrum = np.fft.rfft2(np.exp(-distance2 / (2 * length**2))).real
    white = np.fft.rfft2(rng.standard_normal((count, h, w)))
    field = np.fft.irfft2(white * np.sqrt(np.maximum(spectrum, 0.0)), s=(h, w))
    return np.asarray(field[:, : shape[0], : shape[1]])


def strongest(strengths: FloatArray, where: IntArray, window: int, steps: int) -> FloatArray:
    """Return the strongest pattern that lies whole within each window, 0 without one.

    Parameters
    ----------
    strengths : float64, shape (t, h, w)
        Of the pattern whose oldest, north-western cell this is; 0 for none.
    where : int64, shape (n, 3)
        First date, row and column of each window.
    window, steps : int
        Its size.
    """
    dt, dh, dw = TEMPLATE.shape
    found = [
        strengths[t : t + steps - dt + 1, r : r + window - dh + 1, c : c + window - dw + 1].max()
        for t, r, c in where
    ]
    return np.array(found)


def _relief(s: SyntheticSettings, rng: np.random.Generator) -> FloatArray:
    """Return elevation in metres and slope in degrees, shape (2, h, w)."""
    field = random_field((s.height, s.width), s.range_cells, rng)[0]
    elevation = 400.0 + 120.0 * field
    rise = np.hypot(*np.gradient(elevation, 1000.0 * s.cell_km))
    return np.stack([elevation, np.degrees(np.arctan(rise))])


def _weather(s: SyntheticSettings, elevation: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the layers that change, shape (t, 3, h, w): season, its strength by place, memory."""
    shape = (s.height, s.width)
    month = 2 * np.pi * (np.arange(s.dates) % 12) / 12
    season = np.stack([-np.cos(month), -np.cos(month - 0.5), -np.cos(month - 1.0)], axis=1)
    strength = 1.0 + 0.2 * random_field(shape, s.range_cells, rng, 3)
    fresh = random_field(shape, s.range_cells, rng, 3 * s.dates)
    departure = fresh.reshape(s.dates, 3, *shape)
    for t in range(1, s.dates):  # AR(1), of variance 1 at every date
        departure[t] = s.memory * departure[t - 1] + math.sqrt(1 - s.memory**2) * departure[t]
    layers = season[:, :, None, None] * strength
    out = np.empty_like(layers)
    out[:, 0] = 9.0 + 9.0 * layers[:, 0] - 0.0065 * (elevation - 400) + 1.5 * departure[:, 0]
    out[:, 1] = np.maximum(55.0 + 20.0 * layers[:, 1] + 18.0 * departure[:, 1], 0.0)
    out[:, 2] = 0.5 + 0.12 * layers[:, 2] + 0.06 * departure[:, 2]
    return out


def _plant(s: SyntheticSettings, dynamic: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Add patterns to ndvi in place; return their strengths, shape (t, h, w), 0 to 1.

    A pattern is a checkerboard over 2 dates, 2 rows and 2 columns: its sum is nothing, along each
    axis, so that no mean of cells, and hardly any single cell, shows it.
    """
    strengths = np.zeros((s.dates, s.height, s.width))
    if s.effect != "planted":
        return strengths
    dt, dh, dw = TEMPLATE.shape
    inside = strengths[: s.dates - dt + 1, : s.height - dh + 1, : s.width - dw + 1]
    here = rng.random(inside.shape) < 1.0 / CELLS_A_PATTERN
    inside[here] = rng.random(int(here.sum()))
    sign = TEMPLATE * TEMPLATE.size
    for t, r, c in np.argwhere(strengths > 0):
        dynamic[t : t + dt, 2, r : r + dh, c : c + dw] += PLANTED_STEP * strengths[t, r, c] * sign
    return strengths


def _cloudy(s: SyntheticSettings, rng: np.random.Generator) -> BoolArray:
    """Return the cells without a value, shape (t, 3, h, w): one cloud hides all layers."""
    if s.no_value_percent == 0:
        return np.zeros((s.dates, 3, s.height, s.width), dtype=bool)
    field = random_field((s.height, s.width), CLOUD_CELLS, rng, s.dates)
    cloudy = field > np.quantile(field, 1.0 - s.no_value_percent / 100.0)
    return np.repeat(cloudy[:, None], 3, axis=1)


def _draw_points(s: SyntheticSettings, rng: np.random.Generator) -> FloatArray:
    """Draw where samples were taken: last date, row and column as fractions, shape (n, 3)."""
    half, rest = s.window // 2, s.window - s.window // 2
    last = rng.integers(s.steps - 1, s.dates, s.n).astype(np.float64)
    row = rng.uniform(half, s.height - rest + 1, s.n)
    column = rng.uniform(half, s.width - rest + 1, s.n)
    return np.stack([last, row, column], axis=1)


def _firsts(s: SyntheticSettings, where: FloatArray) -> IntArray:
    """Return the first date, row and column of each sample's window, shape (n, 3)."""
    half = s.window // 2
    return np.asarray(np.floor(where).astype(np.int64) - np.array([s.steps - 1, half, half]))


def _target(
    s: SyntheticSettings, strengths: FloatArray, where: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Return lab values (n,): an effect of mean 0 and variance 1, noise, and a scale."""
    luck = rng.standard_normal(s.n)
    if s.effect == "none":
        return np.maximum(TARGET_MEAN + TARGET_SD * luck, 0.1)
    if s.effect == "planted":
        told = strongest(strengths, _firsts(s, where), s.window, s.steps)
    else:
        field = random_field((s.height, s.width), s.target_range_cells, rng)[0]
        row, column = np.floor(where[:, 1:]).astype(np.int64).T
        told = field[row, column]
    told = (told - told.mean()) / max(float(told.std()), 1e-9)
    z = math.sqrt(1.0 - s.noise) * told + math.sqrt(s.noise) * luck
    return np.asarray(np.maximum(TARGET_MEAN + TARGET_SD * z, 0.1))


def _transform(s: SyntheticSettings) -> Affine:
    geographic = is_geographic(s.crs)
    x, y = ORIGINS[geographic]
    if not geographic:
        return (1000.0 * s.cell_km, 0.0, x, 0.0, -1000.0 * s.cell_km, y)
    high = math.degrees(s.cell_km / EARTH_KM)
    wide = high / math.cos(math.radians(y - high * s.height / 2))
    return (wide, 0.0, x, 0.0, -high, y)


def _cut(stack: RasterStack, s: SyntheticSettings, where: FloatArray, target: FloatArray) -> Cubes:
    """Cut the windows [row − ⌊h/2⌋, row − ⌊h/2⌋ + h) and alike, layers that do not change last."""
    a, _, x, _, e, y = stack.transform
    windows, times = _windows(stack, s, _firsts(s, where))
    valid = np.isfinite(windows)
    return Cubes(
        values=np.where(valid, windows, np.float32(0)),
        valid=valid,
        channels=(*CHANNELS, *STATIC_CHANNELS),
        times=times,
        x=x + a * where[:, 2],
        y=y + e * where[:, 1],
        crs=s.crs,
        ids=tuple(f"synthetic-{i:04d}" for i in range(s.n)),
        target=target,
        target_name="soc",
        target_unit="g/kg",
        cell_size=max(a, -e),  # in degrees a cell is wider than high
        synthetic=True,
        provenance=stack.provenance,
    )


def _windows(
    stack: RasterStack, s: SyntheticSettings, firsts: IntArray
) -> tuple[Float32Array, TimeArray]:
    """Return values (n, c, h, w, t), NaN where there is none, and dates (n, t)."""
    layers = np.asarray(stack.dynamic)
    cut = []
    for t, r, c in firsts:
        rows, columns = slice(r, r + s.window), slice(c, c + s.window)
        moving = np.moveaxis(layers[t : t + s.steps, :, rows, columns], 0, -1)
        still = np.repeat(stack.static[:, rows, columns, None], s.steps, axis=-1)
        cut.append(np.concatenate([moving, still]))
    return np.stack(cut), np.stack([stack.times[t : t + s.steps] for t, _, _ in firsts])


def _provenance(s: SyntheticSettings, seed: int) -> str:
    told = {
        "planted": "the target follows the strongest pattern planted in a sample's window of ndvi",
        "autocorrelated": "the target follows a field of its own that no channel knows",
        "none": "the target is noise",
    }[s.effect]
    return f"synthetic: made up by autospec (seed {seed}), nothing was measured; {told}"
