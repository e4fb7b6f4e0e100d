"""A made library of three fields and a made farm, small enough to localise in a second or two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pytest

from autospec.data.spectra import FloatArray, Spectra, join_spectra
from autospec.evaluate import baselines, kernels
from autospec.localisation import twins
from autospec.localisation.baseline_draw import run_baselines
from autospec.localisation.candidates import learn_library
from autospec.localisation.execution import LocaliseExecution
from autospec.localisation.pieces import Piece
from autospec.localisation.preparation import Prepared, prepare
from autospec.localisation.protocol import lay_draws
from autospec.localisation.settings import LocaliseSettings

AXIS = np.linspace(400.0, 1380.0, 50)
FIELDS = ("north", "south", "west")
QUICK = LocaliseSettings(n=20, draws=2, quick=True, k=20, b=4, seed=7)
ON_CPU = LocaliseExecution(device="cpu")


@dataclass(frozen=True)
class Landscape:
    library: Spectra
    farm: Spectra


def landscape(
    *,
    rows: int = 40,
    samples: int = 40,
    unlabelled: int = 4,
    replicates: int = 0,
    carrier: int = 0,
    seed: int = 0,
) -> Landscape:
    """Absorbance of soils in which one of five absorbers carries the lab value.

    Its slope is that of the library's fields and of the farm; the level of spectra and lab values
    is each one's own, so that a farm cannot use the library without learning its own level.

    Parameters
    ----------
    rows : int
        Of each of the three fields of the library.
    samples, unlabelled : int
        Of the farm, with and without a lab value.
    replicates : int
        Of the labelled samples, the first so many are scanned twice.
    carrier : int
        Which absorber, 0 to 4, carries the library's lab values; the farm's is 0.
    """
    rng = np.random.default_rng(seed)
    centres, widths = rng.uniform(400.0, 1380.0, 5), rng.uniform(60.0, 200.0, 5)
    bands = np.exp(-0.5 * ((AXIS - centres[:, None]) / widths[:, None]) ** 2)

    def field(name: str, n: int, level: float, carrier: int) -> Spectra:
        amounts = rng.lognormal(0.0, 0.4, (n, 5)) * 0.05
        values = 0.3 + 0.02 * level + amounts @ bands + 2e-4 * rng.normal(size=(n, len(AXIS)))
        target = 8.0 + level + 200.0 * amounts[:, carrier] + rng.normal(size=n)
        return table(values, target, name)

    library = join_spectra([field(name, rows, 4.0 * i, carrier) for i, name in enumerate(FIELDS)])
    farm = field("farm", samples + unlabelled, 6.0, 0)
    target = farm.target.copy()
    target[samples:] = np.nan
    again = np.r_[np.arange(samples + unlabelled), np.arange(replicates)]
    scans = farm.values[again]
    scans[samples + unlabelled :] += 2e-4 * rng.normal(size=(replicates, len(AXIS)))
    farm = replace(replace(farm, target=target).rows(again), values=scans)
    return Landscape(library=library, farm=farm)


def table(values: FloatArray, target: FloatArray, name: str) -> Spectra:
    """Return a table of one field, its rows named after it."""
    ids = tuple(f"{name}-{i}" for i in range(len(values)))
    return Spectra(
        values=values,
        axis=AXIS,
        axis_unit="nm",
        quantity="absorbance",
        ids=ids,
        groups=ids,
        fields=(name,) * len(values),
        target=target,
        target_name="soc",
        target_unit="g/kg",
    )


@contextmanager
def few_recipes() -> Iterator[None]:
    """Two preprocessings for PLSR, two settings for SVR, three twins: seconds, not a minute."""
    every = baselines.plsr_recipes

    def two(step: float = 10.0) -> tuple[baselines.Preprocessing, ...]:
        return every(step)[:2]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "plsr_recipes", two)
        patch.setattr(kernels, "SVR_GRID", {"C": [10.0], "gamma": [0.05, 0.2]})
        patch.setattr(twins, "TWINS", 3)
        yield


def made_ready(world: Landscape, settings: LocaliseSettings = QUICK) -> Prepared:
    return prepare((world.library,), world.farm, settings, None)


def first_draw(world: Landscape, settings: LocaliseSettings = QUICK) -> Piece:
    """Run the baselines and auto on the first draw, from the tables as given."""
    plans = lay_draws(world.farm.labelled(), settings)
    prepared = made_ready(world, settings)
    return run_baselines(
        prepared,
        learn_library(prepared.narrow, settings.seed),
        plans[0],
        0,
        seed=settings.seed,
        device="cpu",
        fingerprint="made",
    )
