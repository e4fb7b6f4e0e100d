"""Bands of GeoTIFFs as layers: read when they are sliced; what files there are is in `geotiff`."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autospec.data.cubes.cubes import Float32Array
from autospec.data.cubes.layer_index import Infinite, Span, as_float32, part_of, turned_span

OPEN_FILES = 32  # kept open at once
Place = tuple[int, int]  # file, band from 1


@dataclass(slots=True, kw_only=True)
class TiffFiles:
    """Files that stay open for a while, the last used longest."""

    paths: tuple[Path, ...]
    held: OrderedDict[int, Any] = field(default_factory=OrderedDict)

    def open(self, number: int) -> Any:  # noqa: ANN401
        """Return an open file."""
        if number not in self.held:
            while len(self.held) >= OPEN_FILES:
                self.held.popitem(last=False)[1].close()
            self.held[number] = open_tiff(self.paths[number])
        self.held.move_to_end(number)
        return self.held[number]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TiffLayers:
    """Layers (t, c, h, w) of GeoTIFFs: what is sliced is read.

    Parameters
    ----------
    shape : tuple of int
        (t, c, h, w).
    blocks : tuple of int
        (t, h, w) of what a file reads at once.
    places : tuple of tuple of (file, band), t of them of c each
    turned : bool
        The files' rows run from south to north.
    files : TiffFiles
    infinite : Infinite
        Met in reading.
    """

    shape: tuple[int, int, int, int]
    blocks: tuple[int, int, int]
    places: tuple[tuple[Place, ...], ...]
    turned: bool
    files: TiffFiles
    infinite: Infinite = field(default_factory=Infinite)

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401
        """Return a part as float32, NaN where there is no value; index by ints and slices."""
        return part_of(self.shape, index, self._read)

    def _read(self, t: Span, channels: Sequence[int], rows: Span, columns: Span) -> Float32Array:
        """Read one block, the bands of a file together."""
        size = (t[1] - t[0], len(channels), rows[1] - rows[0], columns[1] - columns[0])
        out: Float32Array = np.empty(size, dtype=np.float32)
        window = (turned_span(rows, self.shape[2], self.turned), columns)
        for k, layer in enumerate(range(*t)):
            places = [self.places[layer][c] for c in channels]
            for number in dict.fromkeys(file for file, _ in places):
                at = [i for i, (file, _) in enumerate(places) if file == number]
                bands = [places[i][1] for i in at]
                out[k, at] = read_bands(self.files.open(number), bands, window, self.infinite)
        return out[:, :, ::-1] if self.turned else out


def open_tiff(path: Path) -> Any:  # noqa: ANN401
    """Open a GeoTIFF and nothing else."""
    import rasterio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)  # refused below
        return rasterio.open(path, driver="GTiff")


def read_bands(
    file: Any,  # noqa: ANN401
    bands: list[int],
    window: tuple[Span, Span],
    met: Infinite | None = None,
) -> Float32Array:
    """Read bands of a window: scaled, NaN where masked; infinities are counted in `met`."""
    block = file.read(bands, window=window, masked=True)
    scales = np.array([file.scales[b - 1] for b in bands])[:, None, None]
    offsets = np.array([file.offsets[b - 1] for b in bands])[:, None, None]
    values = np.asarray(block.data, dtype=np.float64) * scales + offsets
    values[np.ma.getmaskarray(block)] = np.nan
    return as_float32(values, met)
