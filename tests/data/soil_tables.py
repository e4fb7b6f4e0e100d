"""Made soil spectra and tables of text for the readers' tests; no tests here."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

AXIS = tuple(range(350, 2500, 10))


def soil_reflectance(n: int, seed: int = 0, axis: tuple[int, ...] = AXIS) -> NDArray[np.float64]:
    """Return reflectance with the shape of soil: a rise, and dips at 1415, 1930 and 2205 nm."""
    rng = np.random.default_rng(seed)
    nm = np.asarray(axis, dtype=np.float64)
    rise = 0.05 + 0.3 / (1 + np.exp(-(nm - 700) / 200))
    dips = sum(
        depth * np.exp(-(((nm - centre) / width) ** 2))
        for centre, width, depth in ((1415, 30, 0.06), (1930, 45, 0.1), (2205, 25, 0.04))
    )
    brightness = rng.uniform(0.6, 1.3, size=(n, 1))
    noise = rng.normal(0, 1e-4, size=(n, nm.size))
    made: NDArray[np.float64] = brightness * (rise - dips) + noise
    return made


@dataclass
class Table:
    """A table of text cells that a test may spoil before it is written."""

    header: list[str]
    rows: list[list[str]]

    def text(self, cut: str = ",", comma: bool = False) -> str:
        """Return the table as delimited text, with decimal commas if asked."""
        stream = io.StringIO()
        writer = csv.writer(stream, delimiter=cut, lineterminator="\n")
        writer.writerow(self.header)
        for row in self.rows:
            cells = [c.replace(".", ",") for c in row[1:]] if comma else row[1:]
            writer.writerow([*row[:1], *cells])
        return stream.getvalue()

    def write(self, path: Path) -> Path:
        """Write comma-separated UTF-8 text and return the path."""
        path.write_text(self.text(), encoding="utf-8")
        return path

    def columns(self) -> dict[str, list[str]]:
        """Return the cells by header."""
        return {h: [row[k] for row in self.rows] for k, h in enumerate(self.header)}

    def column_floats(self) -> list[list[float]]:
        """Return the band cells as numbers, row by row."""
        return [[float(c) for c in row[2:]] for row in self.rows]


def soil_table(
    *,
    n: int = 30,
    target: str = "soc",
    scale: float = 1.0,
    absorbance: bool = False,
    axis: tuple[int, ...] = AXIS,
) -> Table:
    """Return a good table: id, target (17 to 46, sorted by row) and bare bands in nm."""
    values = soil_reflectance(n, axis=axis)
    values = -np.log10(values) if absorbance else values * scale
    rows = [[f"S-{i + 1}", f"{17 + i}", *(f"{v:.6f}" for v in values[i])] for i in range(n)]
    return Table(header=["id", target, *map(str, axis)], rows=rows)
