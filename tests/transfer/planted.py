"""Made libraries in which a known quarter of the rows obeys the local law; no tests here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec.data.spectra import FloatArray, Spectra

WORLDS = 4


@dataclass(frozen=True)
class Planted:
    library: Spectra
    local: Spectra
    relevant: np.ndarray[tuple[int], np.dtype[np.bool_]]

    def enrichment(self, indices: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
        """Share of relevant rows among the selected over their share in the library."""
        return float(self.relevant[indices].mean() / self.relevant.mean())


def planted(
    n: int, m: int = 30, *, b: int = 216, seed: int = 0, noise: float = 2e-5, moved: int = 0
) -> Planted:
    """Absorbance of soils: 12 broad absorbers, a sloping baseline, scatter, and noise.

    The library holds four kinds of soil in equal parts; in the i-th the lab value is the amount of
    the i-th absorber. The farm is of the first kind, so a model of the others misleads there.
    Lab values are distributed alike in all, and so are spectra, unless `moved` absorbers of the
    others lie elsewhere: without lab values that mean anything, the four kinds are exchangeable.
    White noise of 2e-5 absorbance is that of smoothed laboratory spectra, 2e-4
    that of raw ones.
    """
    rng = np.random.default_rng(seed)
    axis = np.linspace(400.0, 2500.0, b)
    centres = rng.uniform(400.0, 2500.0, (2, 12))
    widths = rng.uniform(40.0, 250.0, (2, 12))
    bands = np.exp(-0.5 * ((axis - centres[..., None]) / widths[..., None]) ** 2)
    bands[1, moved:] = bands[0, moved:]

    def make(world: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[FloatArray, FloatArray]:
        size = len(world)
        amounts = rng.lognormal(0.0, 0.5, (size, 12)) * 0.05
        values = np.where(world[:, None] == 0, amounts @ bands[0], amounts @ bands[1])
        values += 0.3 + 0.05 * rng.normal(size=(size, 1)) * (2500.0 - axis) / 2100.0
        values *= 1.0 + 0.03 * rng.normal(size=(size, 1))
        values += noise * rng.normal(size=values.shape)
        target = 400.0 * amounts[np.arange(size), world]
        return values, target + 0.5 * rng.normal(size=size)

    world = rng.integers(0, WORLDS, n)
    relevant = world == 0
    library = make(world)
    farm = make(np.zeros(m, dtype=np.int64))
    return Planted(
        library=as_table(*library, axis, "lib"),
        local=as_table(*farm, axis, "farm"),
        relevant=relevant,
    )


def as_table(values: FloatArray, target: FloatArray, axis: FloatArray, name: str) -> Spectra:
    ids = tuple(f"{name}-{i}" for i in range(len(values)))
    return Spectra(
        values=values,
        axis=axis,
        axis_unit="nm",
        quantity="absorbance",
        ids=ids,
        groups=ids,
        fields=(name,) * len(values),
        target=target,
        target_name="soc",
        target_unit="g/kg",
    )
